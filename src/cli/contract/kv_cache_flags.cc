#include "cli/contract/kv_cache_flags.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "cli/contract/cli_io.h"

namespace ingot {
namespace {

constexpr int64_t kMostPages = int64_t{1} << 30;

}  // namespace

double kv_memory_amount(const std::string& text) {
  if (text.empty()) return 0;
  constexpr double kMostGib = 1 << 20;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end && value > 0 && value <= kMostGib) return value;
  throw UsageError(fmt::format("--kv-memory: expected GiB, or a part of 1, found '{}'", text));
}

void KvCacheFlags::declare(Flags& flags) {
  flags.flag(
      "kv-tokens", &tokens,
      "tokens that the KV cache holds; 0 = on a CPU 2048 a sequence, else all that may be used");
  flags.flag("kv-memory", &memory,
             "its size in place of that: GiB, or up to 1 a part of what is free beside the model");
  flags.flag("kv-cache-memory-bytes", &bytes, "its size in bytes; 0 = not given");
  flags.flag("gpu-memory-utilization", &utilization,
             "part of the free memory that model and KV cache may take together; 0 = not given");
}

void KvCacheFlags::check() const {
  check_range("kv-tokens", tokens, 0, kMostPages * kKvBlockTokens);
  check_range("kv-cache-memory-bytes", bytes, 0, std::numeric_limits<int64_t>::max());
  check_range("gpu-memory-utilization", utilization, 0.0, 1.0);
  kv_memory_amount(memory);
  const auto names = given();
  if (names.size() > 1) throw UsageError(fmt::format("{} does not go with {}", names[1], names[0]));
}

std::vector<std::string_view> KvCacheFlags::given() const {
  std::vector<std::string_view> out;
  if (tokens > 0) out.push_back("--kv-tokens");
  if (!memory.empty()) out.push_back("--kv-memory");
  if (bytes > 0) out.push_back("--kv-cache-memory-bytes");
  if (utilization > 0) out.push_back("--gpu-memory-utilization");
  return out;
}

std::optional<int64_t> KvCacheFlags::pages(const SessionMemory& session) const {
  if (tokens > 0) return kv_blocks(tokens);
  double room = static_cast<double>(bytes);
  const double amount = kv_memory_amount(memory);
  if (amount > 1) room = amount * (1 << 30);
  const bool part = (amount > 0 && amount <= 1) || utilization > 0;
  if (part && session.free <= 0) {
    fail(ErrorCode::kUnsupported, "cli/serve",
         "{}: the device does not say how much memory is free; expected --kv-tokens",
         amount > 0 ? "--kv-memory" : "--gpu-memory-utilization");
  }
  if (part && amount > 0) room = amount * static_cast<double>(session.room_for_kv());
  if (utilization > 0) {
    const int64_t others = session.weights_new + session.activations + session.graphs;
    room = utilization * static_cast<double>(session.free) - static_cast<double>(others);
  }
  if (!part && room <= 0) return std::nullopt;
  const double page = static_cast<double>(std::max<int64_t>(session.kv_token, 1) * kKvBlockTokens);
  return static_cast<int64_t>(std::clamp(room / page, 1.0, double{kMostPages}));
}

}  // namespace ingot
