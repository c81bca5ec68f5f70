// links: runtime
// Engine files from anywhere: refused with Error, or bound and run once within bounds. Hashes stop
// nearly every changed byte, so an input that is no container is taken as a plan (JSON), wrapped
// into one with zero weights.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/json.h"
#include "engine/executor.h"
#include "engine/memory.h"
#include "engine/plan_check.h"
#include "fuzz/parsed.h"
#include "runtime/session_memory.h"
#include "tensor/device.h"

namespace ingot {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 22;  // of memory that a run may need
constexpr int64_t kMostSize = 4;                  // of each symbol
constexpr int64_t kMostWork = int64_t{1} << 22;   // elements over all values

bool has_loop(const Plan& plan) {
  for (const PlanStep& step : plan.steps) {
    if (step.kind == StepKind::kLoop) return true;  // may never end, as its author wishes
  }
  for (const Plan& sub : plan.subplans) {
    if (has_loop(sub)) return true;
  }
  return false;
}

// Whether a run at small sizes is cheap; constant shapes may be large all by themselves.
bool cheap(const Plan& plan, const SymbolValues& limits) {
  int64_t total = 0;
  for (const PlanValue& value : plan.values) {
    const auto bytes = bytes_at(value.type, limits);
    if (!bytes || *bytes > kMostBytes) return false;
    total += *bytes;
  }
  int64_t work = 0;
  for (const PlanStep& step : plan.steps) work += static_cast<int64_t>(step.inputs.size());
  if (total > kMostBytes || work * (total + 1) > kMostWork * 64) return false;
  for (const Plan& sub : plan.subplans) {
    if (!cheap(sub, limits)) return false;
  }
  return true;
}

void run(const std::shared_ptr<const Engine>& engine, Device& device) {
  const Plan& plan = engine->plan;
  ExecutorOptions options;
  for (const auto& [name, limit] : plan.limits) {
    options.limits[name] = std::min<int64_t>(limit, kMostSize);
  }
  SymbolValues limits = options.limits;
  if (has_loop(plan) || !cheap(plan, limits)) return;
  Executor executor(engine, device, options);
  for (int id : plan.inputs) {
    const PlanValue& value = plan.values[static_cast<size_t>(id)];
    const TensorView input = executor.input_storage(value.name);
    if (input.present()) std::memset(input.data, 0, static_cast<size_t>(input.bytes()));
  }
  for (const auto& [name, limit] : options.limits) executor.set_symbol(name, limit);
  executor.run();
  for (size_t i = 0; i < plan.outputs.size(); ++i) executor.output(i);
}

// What `ingot plan` and a server work out before they run it.
void count_memory(const Engine& engine, const Device& device) {
  try {
    session_memory(engine, {}, device);
  } catch (const Error&) {
  }
}

// A file of the process's own memory, named by its descriptor.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("engine", 0)) {}
  ~MemoryFile() { ::close(fd_); }
  void write(const void* data, size_t size) {
    if (::write(fd_, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void try_container(const uint8_t* data, size_t size, Device& device) {
  MemoryFile file;
  file.write(data, size);
  const auto engine = load_engine(file.path());
  fuzz_parsed();
  count_memory(*engine, device);
  run(engine, device);
}

void try_plan(const uint8_t* data, size_t size, Device& device) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto engine = std::make_shared<Engine>();
  engine->plan = plan_from_json(parse_json(text, "fuzz", "plan"));
  std::vector<std::vector<std::byte>> weights;
  int64_t total = 0;
  for (const PlanTensor& tensor : engine->plan.tensors) {
    const int64_t elements = element_count(tensor.shape);
    if (elements > kMostBytes || (total += tensor.type.bytes(elements)) > kMostBytes) return;
    weights.emplace_back(static_cast<size_t>(tensor.type.bytes(elements)));
  }
  for (const auto& bytes : weights) engine->tensors.push_back(bytes);
  check_plan_types(engine->plan, engine->tensors);
  fuzz_parsed();
  count_memory(*engine, device);
  run(engine, device);
}

}  // namespace
}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ingot;
  static const std::unique_ptr<Device> device = make_cpu_device(1);
  try {
    const bool container = size >= 8 && std::memcmp(data, "INGOTENG", 8) == 0;
    container ? try_container(data, size, *device) : try_plan(data, size, *device);
  } catch (const Error&) {
  }
  return 0;
}
