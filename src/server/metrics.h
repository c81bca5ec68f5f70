// What /metrics tells Prometheus: what the loop counts, and times that requests took as their
// clients saw them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/loop_stats.h"

namespace ingot {

// Any thread.
class Metrics {
 public:
  // `vllm_names`: the metrics that vLLM has too are also there under its names, for dashboards and
  // autoscalers that read those.
  explicit Metrics(bool vllm_names);
  ~Metrics();

  struct Finished {
    std::string_view reason;  // "stop", "length", or an error's type
    int64_t prompt_tokens = 0;
    int64_t output_tokens = 0;
    double seconds = 0;            // from arrival to the last token
    double seconds_per_token = 0;  // mean, behind the first; 0: there was one token at most
    struct Phases {
      double queued = 0;   // from arrival to the first step
      double prefill = 0;  // from there to the first token, or to the end without one
      double decode = 0;   // from there to the last token
    };
    std::optional<Phases> phases;  // of a choice that was computed
  };
  void request_finished(const Finished& request);
  void request_asked(int32_t choices, int64_t max_tokens);  // as its parameters were taken
  void first_token(double seconds);                         // since the request arrived
  void next_token(double seconds);  // since the token before, of the same choice
  void answered(int status);        // an HTTP request
  // Of a stream whose client did not read at some time: the most bytes that waited for it.
  void client_stopped(int64_t bytes);

  struct ServerCounts {
    int64_t connections = 0;
    int64_t calls = 0;      // being answered
    int64_t compiling = 0;  // forms of answers that are being compiled or wait for that
  };
  // Prometheus' text format. `stats`: null while there is no model.
  std::string text(const LoopStats* stats, std::string_view model, const ServerCounts& counts);

 private:
  class Set;
  std::unique_ptr<Set> ours_, vllm_;
};

}  // namespace ingot
