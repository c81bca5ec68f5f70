#include "runtime/session_memory.h"

#include <algorithm>

#include "base/error.h"
#include "base/knobs.h"
#include "engine/memory.h"
#include "engine/selection.h"
#include "runtime/decoder_step.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/session";

// A captured step keeps a node of each launch: kernel parameters and bookkeeping. An estimate on
// the high side; the driver does not say what a graph takes.
constexpr int64_t kGraphNodeBytes = 8 << 10;

// Graphs that decoding can capture (EngineRunner's padding): 1 to 16 in powers of two, then by 8 to
// 128, by 32 to 256, by 64; each at a few widths of the block table.
int64_t graph_count(int64_t rows) {
  constexpr int64_t kWidths = 2;
  int64_t sizes = 5;
  if (rows > 16) sizes += (std::min<int64_t>(rows, 128) - 16 + 7) / 8;
  if (rows > 128) sizes += (std::min<int64_t>(rows, 256) - 128 + 31) / 32;
  if (rows > 256) sizes += (rows - 256 + 63) / 64;
  return sizes * kWidths;
}

double gib(int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

// An engine's file may state any sizes; sums of the sums fit 64 bits too.
void add(int64_t& sum, int64_t bytes) {
  constexpr int64_t kMost = int64_t{1} << 60;
  if (bytes > kMost - sum) {
    fail(ErrorCode::kOutOfMemory, kWhere, "the plan's sizes add up to more than 2^60 bytes");
  }
  sum += bytes;
}

}  // namespace

int64_t SessionMemory::room_for_kv() const {
  return std::max<int64_t>(0, free - weights_new - activations - graphs);
}

SessionMemory memory_at(const Engine& engine, const SymbolValues& values, const Device& device) {
  const Plan& plan = engine.plan;
  const bool apart = !device.host_visible();
  SymbolValues symbols = plan.limits;
  for (const auto& [name, value] : values) symbols[name] = value;
  SessionMemory out;
  out.device = device.kind();
  for (const PlanTensor& tensor : plan.tensors) {
    add(out.weights, tensor.bytes());
    if (apart || tensor.random) add(out.weights_new, tensor.bytes());
  }
  for (const PlanStateGroup& group : plan.groups) add(out.kv_token, group.bytes_per_token);
  for (int id : plan.states) {
    add(out.kv, bytes_at(plan.values[static_cast<size_t>(id)].type, symbols).value_or(0));
  }
  const auto fused = tuned_fused_steps(plan, device.kind(), find_section(engine, device));
  out.activations = plan_memory(plan, symbols, fused).layout.total;
  for (int id : plan.inputs) {
    add(out.activations, bytes_at(plan.values[static_cast<size_t>(id)].type, symbols).value_or(0));
  }
  out.free = static_cast<int64_t>(device.free_bytes());
  return out;
}

SessionMemory session_memory(const Engine& engine, const SessionOptions& options,
                             const Device& device) {
  const Plan& plan = engine.plan;
  const bool apart = !device.host_visible();
  const RunnerLimits limits =
      runner_limits(read_decoder_plan(plan), plan, session_runner_options(engine, options), apart);
  SessionMemory out = memory_at(engine, limits.symbols, device);
  out.rows = limits.model.max_batch_rows;
  out.step_tokens = limits.model.max_batch_tokens;
  out.context = limits.model.max_seq_len;
  for (const KvGroup& group : limits.model.state_groups) {
    out.kv_tokens = std::max(out.kv_tokens, group.num_pages * kKvBlockTokens);
  }
  if (apart && knob_bool("graphs")) {
    out.graphs = graph_count(out.rows) * static_cast<int64_t>(plan.steps.size()) * kGraphNodeBytes;
  }
  return out;
}

void check_session_fits(const SessionMemory& memory) {
  if (memory.free == 0 || memory.needed() <= memory.free) return;
  const std::string what = fmt::format(
      "{}: weights {:.2f} GiB + KV cache {:.2f} GiB ({} tokens of {} bytes) + activations {:.2f} "
      "GiB + graphs {:.2f} GiB = {:.2f} GiB, but {:.2f} GiB are free",
      memory.device, gib(memory.weights_new), gib(memory.kv), memory.kv_tokens, memory.kv_token,
      gib(memory.activations), gib(memory.graphs), gib(memory.needed()), gib(memory.free));
  if (memory.weights_new <= memory.free) fail(ErrorCode::kOutOfMemory, kWhere, "{}", what);
  throw WeightsTooLarge(
      ErrorCode::kOutOfMemory,
      fmt::format("[{}] {}; the weights alone do not fit: take a smaller type, a quantized model "
                  "or a larger device",
                  kWhere, what));
}

}  // namespace ingot
