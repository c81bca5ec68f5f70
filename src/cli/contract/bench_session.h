// What the modes of `ingot bench` share: flags, a session of the right size, timed requests.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/contract/generation_flags.h"
#include "cli/contract/serve_flags.h"
#include "runtime/session_memory.h"

namespace ingot {

struct BenchFlags {
  void declare(Flags& flags);            // all but MODEL
  void check() const;                    // UsageError, before any work
  std::vector<int64_t> batches() const;  // --batch as a list
  // The largest of them; UsageError where --max-batch-size is below it.
  int64_t largest_batch() const;
  double kv_amount() const;  // of --kv-memory; 0 where it is not given
  bool on_gpu() const { return !model.device.starts_with("cpu"); }

  ModelFlags model;
  std::string preset;
  int64_t isl = 128;
  int64_t osl = 128;
  int64_t requests = 0;
  int64_t concurrency = 0;
  std::string dataset;
  std::string batch = "8";
  int64_t repeat = 3;
  int64_t seed = 0;
  int64_t max_batch_size = 0;
  int64_t max_num_tokens = 0;
  std::string kv_memory;
  bool random_prompts = false;
  bool profile = false;
  bool gpu_times = false;
  bool has_batch = false;
  bool has_osl = false;
  ServeFlags serve;
};

// Names of `own` and of the flags that every BenchSession reads: what a mode declares.
std::vector<std::string> session_flags(std::vector<std::string> own);

// One request to time. It answers `output` tokens, whatever they are.
struct BenchRequest {
  std::vector<int32_t> prompt;
  int64_t output = 0;
};

struct RequestTimes {
  double first_ms = 0;  // from submission to the first token
  double last_ms = 0;   // to the last one
  int64_t tokens = 0;
};

struct RunTimes {
  double total_ms = 0;
  std::vector<RequestTimes> requests;
  std::vector<float> gaps_ms;  // between a request's tokens, all requests
  // From when all requests had their first token until the first was done: a full batch decoding.
  double steady_ms = 0;
  int64_t steady_tokens = 0;
  SchedulerStats stats;  // of this run: steps, rows, tokens, preemptions
  // Of each step, where the device works beside the host; those that began in the steady time.
  std::vector<StepTime> steps;
  std::span<const StepTime> steady_steps() const;
  int64_t steady_begin = 0;  // steps before that time
  int64_t steady_end = 0;    // and by its end
};

// Microseconds of each step of the plan, summed over so many steps of the scheduler.
struct StepProfile {
  std::vector<StepTiming> prefill;  // of a prompt alone
  std::vector<StepTiming> decode;   // of a full batch that only decodes
  int64_t prefill_steps = 0;
  int64_t decode_steps = 0;
};

// Called while requests run: once all have begun, and once the first is done.
struct RunHooks {
  std::function<void()> all_started = {};
  std::function<void()> first_done = {};
};

// A model and a session on it. `flags` outlive it.
class BenchSession {
 public:
  // Opens the model, or builds it for steps of `rows` sequences (--max-batch-size counts more).
  BenchSession(const BenchFlags& flags, int64_t rows);
  // Starts the session, for sequences of up to `context` tokens; the KV cache is sized by
  // --kv-memory.
  void start(int64_t context);

  // Runs the requests to their end, at most `concurrency` at once (0: all are queued at the start).
  // Error{kInternal, kOutOfMemory, kInvalidArgument} when a step failed or a request cannot fit.
  RunTimes run(const std::vector<BenchRequest>& requests, int64_t concurrency,
               const RunHooks& hooks = {});
  // `count` requests of --isl ids each; a text's where there is a tokenizer and --random-prompts is
  // not given.
  std::vector<BenchRequest> make(int64_t count, int64_t isl, int64_t osl);
  // {"prompt" or "input_ids", "output_tokens"} a line. Error{kCorrupt, kNotFound} naming the line.
  std::vector<BenchRequest> read_dataset(const std::string& path) const;

  // The model, the device and every limit: what a figure must stand beside.
  Json configuration() const;
  Json memory_json();
  StepProfile time_steps(int64_t rows, int64_t isl, int64_t osl);
  // The same by operator and kernel: of the whole prompt, and of one decode step, the mean.
  Json profile(int64_t rows, int64_t isl, int64_t osl);

  TextSession& session() { return *session_; }
  const OpenModel& open() const { return open_; }
  int64_t rows() const { return options_.sequences; }

 private:
  void check_engine_covers() const;
  int64_t useful_pages() const;
  int64_t kv_pages(const SessionMemory& memory) const;
  BenchRequest dataset_request(const Json& json, const std::string& where) const;

  const BenchFlags& flags_;
  OpenModel open_;
  SessionOptions options_;
  SessionMemory memory_;
  std::unique_ptr<TextSession> session_;
  uint64_t prompts_made_ = 0;
};

// The model, its weights and the device, as JSON.
Json bench_model_json(const ModelFlags& flags, const OpenModel& open);
// Kilobytes of "VmHWM" and the like from the kernel's account of this process, in bytes; 0 without.
int64_t process_memory(const std::string& key);
// The text that prompts are cut from.
std::string_view bench_text();

double median(std::vector<double> values);
// {"mean", "p50", "p90", "p99"}; nulls where there is none.
Json spread_json(std::vector<double> values);
// {"steps", "busy_ms", "busy_share", "host_wait_us": spread}; null where there is no step. The
// share is that of `elapsed_ms`, or of the steps' own time where that is longer.
Json step_times_json(std::span<const StepTime> steps, double elapsed_ms = 0);
void print_step_times(const Json& times);  // one line; nothing for null
// Rows of a profile, largest first: {"op", "kernel", "us", "count"}, each divided by `steps`.
Json profile_rows(const std::vector<StepTiming>& timings, int64_t steps);
void print_profile_rows(const std::string& title, const Json& rows);
void print_bench_profile(const Json& profile);  // {"prefill", "decode"}
// The lines on top of every mode's table.
void print_bench_head(const Json& out, const ModelFlags& flags);

}  // namespace ingot
