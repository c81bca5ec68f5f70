#include "cli/contract/serve_figures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "cli/contract/bench_session.h"

namespace ingot {
namespace {

// "mean_ttft_ms", "median_…", "p90_…", "p99_…"; nulls where there is nothing.
void add_spread(const char* name, const std::vector<double>& values, Json& out) {
  const Json spread = spread_json(values);
  for (const auto& [key, from] : {std::pair("mean", "mean"), std::pair("median", "p50"),
                                  std::pair("p90", "p90"), std::pair("p99", "p99")}) {
    out[fmt::format("{}_{}_ms", key, name)] = spread[from];
  }
}

// [{"reason", "count", "example"}], the most frequent first.
Json failures_json(const std::vector<ServeRecord>& records) {
  std::map<std::string, std::pair<int64_t, std::string>> reasons;
  for (const ServeRecord& record : records) {
    if (!record.done || record.fault.empty()) continue;
    auto& [count, example] = reasons[record.fault];
    if (++count == 1) example = record.message;
  }
  Json out = Json::array();
  for (const auto& [reason, one] : reasons) {
    out.push_back({{"reason", reason}, {"count", one.first}, {"example", one.second}});
  }
  std::stable_sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    return a["count"].get<int64_t>() > b["count"].get<int64_t>();
  });
  return out;
}

size_t part_of(double time, double width, size_t parts) {
  return std::min(parts - 1, static_cast<size_t>(std::max(0.0, time / width)));
}

}  // namespace

ServeSamples serve_samples(const ServeResult& result, bool stream, const ServeGoals& goals) {
  ServeSamples out;
  const auto within = [](double value, double goal) { return goal == 0 || value <= goal; };
  for (const ServeRecord& record : result.records) {
    if (!record.succeeded()) continue;
    const double e2e = (record.end - record.start) * 1e3;
    out.e2e.push_back(e2e);
    bool good = within(e2e, goals.e2e);
    // An answer that ends with its first token has no part: its end is the first that is heard.
    if (stream && record.chunks.empty()) good = good && within(e2e, goals.ttft);
    if (stream && !record.chunks.empty()) {
      const double ttft = (record.chunks.front() - record.start) * 1e3;
      out.ttft.push_back(ttft);
      good = good && within(ttft, goals.ttft);
      if (record.output > 1) {
        out.tpot.push_back((e2e - ttft) / static_cast<double>(record.output - 1));
        good = good && within(out.tpot.back(), goals.tpot);
      }
      for (size_t i = 1; i < record.chunks.size(); ++i) {
        out.itl.push_back((record.chunks[i] - record.chunks[i - 1]) * 1e3);
      }
    }
    out.good += good;
  }
  return out;
}

ServeTimeline serve_timeline(const ServeResult& result, size_t parts) {
  ServeTimeline out;
  out.width = std::max(result.duration, 1e-3) / static_cast<double>(parts);
  out.tokens.assign(parts, 0);
  out.in_flight.assign(parts, 0);
  for (const ServeRecord& record : result.records) {
    if (!record.sent) continue;
    const double each = static_cast<double>(record.output) /
                        static_cast<double>(std::max<size_t>(1, record.chunks.size()));
    for (const double time : record.chunks) {
      out.tokens[part_of(time, out.width, parts)] += each / out.width;
    }
    const double end = record.end > 0 ? record.end : result.duration;
    for (size_t part = part_of(record.start, out.width, parts); part < parts; ++part) {
      const double middle = (static_cast<double>(part) + 0.5) * out.width;
      if (middle >= end) break;
      if (middle >= record.start) out.in_flight[part] += 1;
    }
  }
  return out;
}

Json serve_figures(const ServeResult& result, const ServeSamples& samples,
                   const ServeGoals& goals) {
  int64_t input = 0, output = 0, failed = 0, retries = 0;
  for (const ServeRecord& record : result.records) {
    retries += record.retries;
    if (record.done && !record.fault.empty()) ++failed;
    if (!record.succeeded()) continue;
    input += record.input;
    output += record.output;
  }
  const double seconds = std::max(result.duration, 1e-9);
  const auto completed = static_cast<double>(samples.e2e.size());
  const auto rate = [&](auto amount) { return static_cast<double>(amount) / seconds; };
  Json out = {{"completed", samples.e2e.size()},
              {"failed", failed},
              {"failures", failures_json(result.records)},
              {"refused", result.refused},
              {"retries", retries},
              {"interrupted", result.interrupted},
              {"duration", result.duration},
              {"total_input_tokens", input},
              {"total_output_tokens", output},
              {"request_throughput", completed / seconds},
              {"request_goodput", nullptr},
              {"output_throughput", rate(output)},
              {"total_token_throughput", rate(input + output)},
              {"max_concurrent_requests", result.peak}};
  if (goals.any()) out["request_goodput"] = rate(samples.good);
  add_spread("ttft", samples.ttft, out);
  add_spread("tpot", samples.tpot, out);
  add_spread("itl", samples.itl, out);
  add_spread("e2el", samples.e2e, out);
  return out;
}

void print_serve_figures(const Json& figures, std::FILE* file) {
  const auto number = [&](const std::string& key) {
    return figures[key].is_null() ? 0.0 : figures[key].get<double>();
  };
  const auto line = [&](const char* name, const char* key, int digits) {
    if (figures[key].is_null()) return;
    std::fprintf(file, "%-34s %12.*f\n", name, digits, number(key));
  };
  if (figures["interrupted"].get<bool>()) std::fprintf(file, "interrupted: what there is\n");
  line("Successful requests:", "completed", 0);
  line("Failed requests:", "failed", 0);
  for (const Json& failure : figures["failures"]) {
    std::fprintf(
        file, "  %-32s %12s  %s\n", failure["reason"].get_ref<const std::string&>().c_str(),
        failure["count"].dump().c_str(), failure["example"].get_ref<const std::string&>().c_str());
  }
  if (number("refused") > 0) line("Refused (429, 503), tries included:", "refused", 0);
  line("Benchmark duration (s):", "duration", 2);
  line("Total input tokens:", "total_input_tokens", 0);
  line("Total generated tokens:", "total_output_tokens", 0);
  line("Request throughput (req/s):", "request_throughput", 2);
  line("Request goodput (req/s):", "request_goodput", 2);
  line("Output token throughput (tok/s):", "output_throughput", 2);
  line("Total token throughput (tok/s):", "total_token_throughput", 2);
  line("Peak concurrent requests:", "max_concurrent_requests", 0);
  std::fprintf(file, "%-12s %11s %11s %11s %11s\n", "ms", "mean", "median", "P90", "P99");
  for (const auto& [name, key] : {std::pair("TTFT", "ttft"), std::pair("TPOT", "tpot"),
                                  std::pair("ITL", "itl"), std::pair("E2E", "e2el")}) {
    const auto of = [&](const char* kind) { return number(fmt::format("{}_{}_ms", kind, key)); };
    if (figures[fmt::format("mean_{}_ms", key)].is_null()) continue;
    std::fprintf(file, "%-12s %11.2f %11.2f %11.2f %11.2f\n", name, of("mean"), of("median"),
                 of("p90"), of("p99"));
  }
}

}  // namespace ingot
