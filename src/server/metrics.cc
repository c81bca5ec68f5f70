#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "runtime/request.h"

namespace ingot {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

// Seconds. vLLM's, with finer ones below: first tokens of small models come sooner.
const Buckets kFirst = {0.001, 0.0025, 0.005, 0.01, 0.02,  0.04,  0.06,  0.08,
                        0.1,   0.25,   0.5,   0.75, 1.0,   2.5,   5.0,   7.5,
                        10.0,  20.0,   40.0,  80.0, 160.0, 640.0, 2560.0};
const Buckets kGap = {0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05,
                      0.075, 0.1,    0.15,  0.2,  0.3,   0.4,  0.5,   0.75, 1.0,  2.5};
const Buckets kWhole = {0.05, 0.1,  0.2,  0.3,  0.5,  0.8,  1.0,   1.5,   2.0,   2.5,    5.0,
                        10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 120.0, 240.0, 480.0, 1920.0, 7680.0};
const Buckets kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                         500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

const Buckets kChoices = {1, 2, 5, 10, 20, 50, 100, 200};
const Buckets kBytes = {65536, 131072, 196608, 262144, 524288, 1048576};
const Buckets kStep(LoopStats::kStepTokens.begin(), LoopStats::kStepTokens.end());

}  // namespace

// One naming of the metrics.
class Metrics::Set {
 public:
  // `own`: of those without a counterpart in vLLM too.
  Set(const std::string& prefix, bool own)
      : first(histogram(prefix + "time_to_first_token_seconds", "from arrival to the first token",
                        kFirst)),
        gap(histogram(prefix + "inter_token_latency_seconds", "from a token to the next", kGap)),
        per_token(histogram(prefix + "request_time_per_output_token_seconds",
                            "mean of a request's tokens behind the first", kGap)),
        whole(histogram(prefix + "e2e_request_latency_seconds", "from arrival to the last token",
                        kWhole)),
        prompt(histogram(prefix + "request_prompt_tokens", "of a request", kTokens)),
        output(histogram(prefix + "request_generation_tokens", "of a request", kTokens)),
        queued(histogram(prefix + "request_queue_time_seconds", "from arrival to the first step",
                         kWhole)),
        prefill(histogram(prefix + "request_prefill_time_seconds",
                          "from the first step to the first token", kWhole)),
        decode(histogram(prefix + "request_decode_time_seconds", "from the first token to the last",
                         kWhole)),
        inference(histogram(prefix + "request_inference_time_seconds",
                            "from the first step to the last token", kWhole)),
        asked_choices(histogram(prefix + "request_params_n", "choices of a request", kChoices)),
        asked_tokens(
            histogram(prefix + "request_params_max_tokens", "of a request's choice", kTokens)),
        step_tokens_(histogram(prefix + "iteration_tokens_total", "tokens of a step", kStep)),
        stopped_bytes_(histogram(prefix + "stopped_client_bytes",
                                 "most bytes that waited for a client that did not read", kBytes)),
        success_(prometheus::BuildCounter()
                     .Name(prefix + "request_success_total")
                     .Help("requests by how they ended")
                     .Register(registry_)),
        own_(own),
        prefix_(prefix) {}

  void finished(const std::string& reason) {
    success_.Add({{"finished_reason", reason}}).Increment();
  }

  void http(int status) {
    if (!own_) return;
    counter("http_responses_total", "answers of the server", {{"status", std::to_string(status)}})
        .Increment();
  }

  // vLLM's requests wait for their grammars in the same queue as others.
  void stopped(int64_t bytes) {
    if (own_) stopped_bytes_.Observe(static_cast<double>(bytes));
  }

  void loop(const LoopStats& stats, int64_t compiling) {
    gauge("num_requests_running", "sequences with KV pages", static_cast<double>(stats.running));
    gauge("num_requests_waiting", "sequences without",
          static_cast<double>(stats.waiting + (own_ ? 0 : compiling)));
    count("prompt_tokens_total", "of requests that have started", stats.prompt_tokens);
    count("generation_tokens_total", "tokens made", stats.output_tokens);
    count("num_preemptions_total", "sequences computed anew", stats.preemptions);
    count("prefix_cache_hits_total", "prompt tokens found in the cache", stats.prefix_hit_tokens);
    count("prefix_cache_queries_total", "prompt tokens looked for", stats.prompt_tokens);
    double used = 0;
    for (const LoopStats::Pages& pages : stats.pages) {
      if (pages.total > 0) {
        used = std::max(used, static_cast<double>(pages.used) / static_cast<double>(pages.total));
      }
      if (!own_) continue;
      gauge("kv_pages", "pages of the KV cache", static_cast<double>(pages.used), pages.group,
            "used");
      gauge("kv_pages", "", static_cast<double>(pages.cached), pages.group, "cached");
      gauge("kv_pages", "", static_cast<double>(pages.free), pages.group, "free");
    }
    cache(stats);
    steps(stats);
    gauge("kv_cache_usage_perc", "part of the KV cache that sequences hold, 0 to 1", used);
    if (!own_) return;
    gauge("num_requests_paused", "sequences without, whose clients do not read",
          static_cast<double>(stats.paused));
    count("num_pauses_total", "of requests whose clients did not read", stats.pauses);
    count("steps_total", "steps of the engine", stats.steps);
    count("requests_overloaded_total", "refused for a full queue", stats.requests_overloaded);
    count("requests_cancelled_total", "whose clients went away", stats.requests_cancelled);
    count("requests_timed_out_total", "that took too long", stats.requests_timed_out);
    gauge("queued_prompt_tokens", "of requests that have not started",
          static_cast<double>(stats.queued_tokens));
  }

  void server(const ServerCounts& counts) {
    if (!own_) return;
    gauge("connections", "open connections", static_cast<double>(counts.connections));
    gauge("calls", "HTTP requests being answered", static_cast<double>(counts.calls));
    gauge("num_requests_compiling", "whose answers' form is compiled, or waits for that",
          static_cast<double>(counts.compiling));
  }

  std::string text(std::string_view model) {
    auto families = registry_.Collect();
    for (auto& family : families) {
      for (auto& metric : family.metric) {
        metric.label.push_back({"model_name", std::string(model)});
      }
    }
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  prometheus::Registry registry_;

  prometheus::Histogram& histogram(const std::string& name, const std::string& help,
                                   const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add({}, buckets);
  }
  void gauge_of(const std::string& name, const std::string& help, double value,
                const prometheus::Labels& labels) {
    auto& family = gauges_[name];
    if (family == nullptr) {
      family = &prometheus::BuildGauge().Name(prefix_ + name).Help(help).Register(registry_);
    }
    family->Add(labels).Set(value);
  }
  // vLLM knows one group of pages.
  void cache(const LoopStats& stats) {
    constexpr const char* kHelp = "how the KV cache is made";
    const std::string tokens = std::to_string(kKvBlockTokens);
    for (const LoopStats::Pages& pages : stats.pages) {
      if (pages.total == 0) continue;
      const std::string total = std::to_string(pages.total);
      if (!own_) {
        gauge_of("cache_config_info", kHelp, 1,
                 {{"block_size", tokens}, {"num_gpu_blocks", total}});
        return;
      }
      gauge_of("cache_config_info", kHelp, 1,
               {{"group", pages.group}, {"block_size", tokens}, {"num_blocks", total}});
    }
  }
  void steps(const LoopStats& stats) {
    std::vector<double> more;
    for (size_t i = 0; i < stats.steps_of_tokens.size(); ++i) {
      more.push_back(static_cast<double>(stats.steps_of_tokens[i] - counted_.steps_of_tokens[i]));
    }
    step_tokens_.ObserveMultiple(more,
                                 static_cast<double>(stats.step_tokens - counted_.step_tokens));
    counted_ = stats;
  }
  void gauge(const std::string& name, const std::string& help, double value,
             const std::string& group = "", const std::string& state = "") {
    prometheus::Labels labels;
    if (!group.empty()) labels = {{"group", group}, {"state", state}};
    gauge_of(name, help, value, labels);
  }
  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const prometheus::Labels& labels) {
    const std::lock_guard lock(mutex_);
    auto& family = counters_[name];
    if (family == nullptr) {
      family = &prometheus::BuildCounter().Name(prefix_ + name).Help(help).Register(registry_);
    }
    return family->Add(labels);
  }
  // The loop counts; this only goes up to where it is.
  void count(const std::string& name, const std::string& help, int64_t total) {
    prometheus::Counter& metric = counter(name, help, {});
    metric.Increment(std::max(0.0, static_cast<double>(total) - metric.Value()));
  }

 public:
  prometheus::Histogram &first, &gap, &per_token, &whole, &prompt, &output;
  prometheus::Histogram &queued, &prefill, &decode, &inference, &asked_choices, &asked_tokens;

 private:
  prometheus::Histogram &step_tokens_, &stopped_bytes_;
  LoopStats counted_;  // what step_tokens_ has seen
  prometheus::Family<prometheus::Counter>& success_;
  const bool own_;
  const std::string prefix_;
  std::mutex mutex_;
  std::map<std::string, prometheus::Family<prometheus::Counter>*> counters_;
  std::map<std::string, prometheus::Family<prometheus::Gauge>*> gauges_;
};

Metrics::Metrics(bool vllm_names) : ours_(std::make_unique<Set>("ingot_", true)) {
  if (vllm_names) vllm_ = std::make_unique<Set>("vllm:", false);
}
Metrics::~Metrics() = default;

void Metrics::request_finished(const Finished& request) {
  for (Set* set : {ours_.get(), vllm_.get()}) {
    if (set == nullptr) continue;
    set->finished(std::string(request.reason));
    set->whole.Observe(request.seconds);
    set->prompt.Observe(static_cast<double>(request.prompt_tokens));
    set->output.Observe(static_cast<double>(request.output_tokens));
    if (request.output_tokens > 1) set->per_token.Observe(request.seconds_per_token);
    if (!request.phases) continue;
    set->queued.Observe(request.phases->queued);
    set->prefill.Observe(request.phases->prefill);
    set->decode.Observe(request.phases->decode);
    set->inference.Observe(request.phases->prefill + request.phases->decode);
  }
}

void Metrics::request_asked(int32_t choices, int64_t max_tokens) {
  for (Set* set : {ours_.get(), vllm_.get()}) {
    if (set == nullptr) continue;
    set->asked_choices.Observe(choices);
    set->asked_tokens.Observe(static_cast<double>(max_tokens));
  }
}

void Metrics::first_token(double seconds) {
  ours_->first.Observe(seconds);
  if (vllm_) vllm_->first.Observe(seconds);
}

void Metrics::next_token(double seconds) {
  ours_->gap.Observe(seconds);
  if (vllm_) vllm_->gap.Observe(seconds);
}

void Metrics::answered(int status) { ours_->http(status); }
void Metrics::client_stopped(int64_t bytes) { ours_->stopped(bytes); }

std::string Metrics::text(const LoopStats* stats, std::string_view model,
                          const ServerCounts& counts) {
  static std::mutex one_at_a_time;  // gauges are set and read together
  const std::lock_guard lock(one_at_a_time);
  std::string out;
  for (Set* set : {ours_.get(), vllm_.get()}) {
    if (set == nullptr) continue;
    if (stats != nullptr) set->loop(*stats, counts.compiling);
    set->server(counts);
    out += set->text(model);
  }
  return out;
}

}  // namespace ingot
