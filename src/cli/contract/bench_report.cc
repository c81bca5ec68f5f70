// What the modes of `ingot bench` say about their figures.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "base/thread_team.h"
#include "cli/contract/bench_session.h"
#include "cli/contract/build_commit.h"
#include "tensor/cpu_isa.h"

namespace ingot {

std::string_view bench_text() {
  return "The engineer wrote down what the machine had done that day: how long each part ran, how "
         "much it moved, where it waited for another. Then she changed one thing and measured it "
         "again. ";
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Json spread_json(std::vector<double> values) {
  if (values.empty())
    return {{"mean", nullptr}, {"p50", nullptr}, {"p90", nullptr}, {"p99", nullptr}};
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (double value : values) sum += value;
  // The smallest value that so many per cent do not exceed.
  const auto rank = [&](double part) {
    const double at = std::ceil(part * static_cast<double>(values.size()));
    return values[static_cast<size_t>(std::max(1.0, at)) - 1];
  };
  return {{"mean", sum / static_cast<double>(values.size())},
          {"p50", rank(0.5)},
          {"p90", rank(0.9)},
          {"p99", rank(0.99)}};
}

Json step_times_json(std::span<const StepTime> steps, double elapsed_ms) {
  if (steps.empty()) return nullptr;
  double busy = 0;
  double all = 0;
  std::vector<double> waits;
  for (const StepTime& step : steps) {
    busy += step.span_us - step.waited_us;
    all += step.span_us;
    if (!step.first) waits.push_back(step.waited_us);
  }
  return {{"steps", steps.size()},
          {"busy_ms", busy * 1e-3},
          {"busy_share", busy / std::max(elapsed_ms * 1e3, all)},
          {"host_wait_us", spread_json(std::move(waits))}};
}

void print_step_times(const Json& times) {
  if (times.is_null()) return;
  const Json& wait = times["host_wait_us"];
  const auto us = [&](const char* key) {
    return wait[key].is_null() ? 0.0 : wait[key].get<double>();
  };
  std::printf(
      "GPU busy     %9.2f %%, waits for the host: mean %.1f us a step, P50 %.1f, P99 %.1f\n",
      100 * times["busy_share"].get<double>(), us("mean"), us("p50"), us("p99"));
}

int64_t process_memory(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != key + ":") continue;
    int64_t kilobytes = 0;
    status >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

Json bench_model_json(const ModelFlags& flags, const OpenModel& open) {
  const LoadedModel& loaded = open.loaded;
  Device& device = *open.device;
  const Plan& plan = loaded.engine->plan;
  uint64_t weights = 0;
  std::map<std::string, uint64_t> types;
  bool random = false;
  for (const PlanTensor& tensor : plan.tensors) {
    weights += static_cast<uint64_t>(tensor.bytes());
    types[tensor.type.name()] += static_cast<uint64_t>(tensor.bytes());
    random = random || tensor.random;
  }
  const auto activation = plan.metadata.find("activation_dtype");
  const DeviceInfo info = describe_device(flags.device);
  return {{"version", INGOT_VERSION},
          {"commit", build_commit()},
          {"model", flags.model},
          {"engine", loaded.engine_path},
          {"plan_hash", plan_hash(plan)},
          {"dtype", flags.dtype.empty() ? "as stored" : flags.dtype},
          {"activation_dtype", activation == plan.metadata.end() ? "" : activation->second},
          {"weight_bytes", weights},
          {"weight_bytes_by_type", types},
          {"random_weights", random},
          {"device", device.identity()},
          {"device_model", info.model},
          {"device_detail", info.detail},
          {"cpu", cpu_model_name()},
          {"isa", cpu_isa_name(cpu_isa())},
          {"threads", device.team() ? device.team()->size() : 0},
          {"reference", flags.reference},
          {"load_ms", loaded.milliseconds},
          {"built", loaded.built}};
}

Json profile_rows(const std::vector<StepTiming>& timings, int64_t steps) {
  struct Sum {
    double us = 0;
    int64_t count = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (const StepTiming& timing : timings) {
    Sum& sum = sums[{timing.op, timing.kernel}];
    sum.us += timing.microseconds / static_cast<double>(steps);
    ++sum.count;
  }
  Json out = Json::array();
  for (const auto& [key, sum] : sums) {
    out.push_back(
        {{"op", key.first}, {"kernel", key.second}, {"us", sum.us}, {"count", sum.count}});
  }
  std::sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    return a["us"].get<double>() > b["us"].get<double>();
  });
  return out;
}

void print_profile_rows(const std::string& title, const Json& rows) {
  double total = 0;
  for (const Json& row : rows) total += row["us"].get<double>();
  std::printf("%s: %.3f ms\n", title.c_str(), total * 1e-3);
  for (const Json& row : rows) {
    const double us = row["us"].get<double>();
    std::printf("  %9.1f us %5.1f%% %4ld steps  %-20s %s\n", us, 100 * us / total,
                static_cast<long>(row["count"].get<int64_t>()),
                row["op"].get_ref<const std::string&>().c_str(),
                row["kernel"].get_ref<const std::string&>().c_str());
  }
}

void print_bench_profile(const Json& profile) {
  print_profile_rows("prefill", profile["prefill"]);
  print_profile_rows("decode step", profile["decode"]);
}

void print_bench_head(const Json& out, const ModelFlags& flags) {
  const auto text = [&](const char* key) { return out[key].get<std::string>(); };
  print_line(fmt::format("{}, activations {}", flags.model, text("activation_dtype")));
  if (out["threads"].get<int64_t>() > 0) {
    std::printf("%s, %s, %s threads\n", text("cpu").c_str(), text("isa").c_str(),
                out["threads"].dump().c_str());
  } else {
    std::printf("%s: %s, %s; host %s, %s\n", flags.device.c_str(), text("device_model").c_str(),
                text("device_detail").c_str(), text("cpu").c_str(), text("isa").c_str());
  }
}

}  // namespace ingot
