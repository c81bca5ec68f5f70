#include "kernels/kernel_def.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/log.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

std::string operand_text(const OperandDesc& operand) {
  if (!operand.present) return "-";
  std::string text = operand.type.name() + shape_text(operand.shape);
  if (operand.constant) text += "w";
  if (operand.state && operand.shape.size() > 1) {
    const Shape one(operand.shape.begin() + 1, operand.shape.end());
    text = operand.type.name() + "[*]" + shape_text(one);
  }
  // Pieces are left out: a weight that is scattered while an engine is built lies in one piece in
  // its file, and the measured choice must be found again.
  return text;
}

struct KernelTable {
  std::mutex mutex;
  std::vector<const KernelDef*> kernels;        // guarded by mutex
  std::map<const KernelDef*, bool> self_tests;  // guarded by mutex
  KernelTable() : kernels(kernel_list()) {}
};
KernelTable& table() {
  static KernelTable instance;
  return instance;
}

class FunctionInstance final : public KernelInstance {
 public:
  explicit FunctionInstance(std::function<void(const LaunchArgs&, ExecContext&)> f)
      : launch_(std::move(f)) {}
  void launch(const LaunchArgs& args, ExecContext& context) override { launch_(args, context); }

 private:
  std::function<void(const LaunchArgs&, ExecContext&)> launch_;
};

// Runs the kernel's own test once; the caller holds the table's mutex.
bool passes_self_test(KernelTable& t, const KernelDef& kernel) {
  if (!kernel.self_test) return true;
  auto [it, fresh] = t.self_tests.try_emplace(&kernel, false);
  if (fresh) {
    it->second = kernel.self_test();
    if (!it->second) spdlog::warn("kernel {} failed its self-test and is not used", kernel.name);
  }
  return it->second;
}

}  // namespace

std::string KernelDesc::text() const {
  std::string out = op + attrs_text(attrs) + "(";
  for (size_t i = 0; i < inputs.size(); ++i) out += (i ? ", " : "") + operand_text(inputs[i]);
  out += ") -> ";
  for (size_t i = 0; i < outputs.size(); ++i) out += (i ? ", " : "") + operand_text(outputs[i]);
  return invariant ? out + " invariant" : out;
}

std::unique_ptr<KernelInstance> make_instance(
    std::function<void(const LaunchArgs&, ExecContext&)> launch) {
  return std::make_unique<FunctionInstance>(std::move(launch));
}

std::vector<const KernelDef*> kernels_for(std::string_view device, std::string_view op) {
  KernelTable& t = table();
  std::vector<const KernelDef*> out;
  std::lock_guard lock(t.mutex);
  for (const KernelDef* kernel : t.kernels) {
    if (kernel->device == device && kernel->op == op && passes_self_test(t, *kernel)) {
      out.push_back(kernel);
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const KernelDef* a, const KernelDef* b) {
    return a->priority > b->priority;
  });
  out.push_back(&reference_kernel());
  return out;
}

const KernelDef* find_kernel(std::string_view device, std::string_view name) {
  if (name == reference_kernel().name) return &reference_kernel();
  KernelTable& t = table();
  std::lock_guard lock(t.mutex);
  for (const KernelDef* kernel : t.kernels) {
    if (kernel->device == device && kernel->name == name && passes_self_test(t, *kernel)) {
      return kernel;
    }
  }
  return nullptr;
}

void register_kernel(const KernelDef& kernel) {
  KernelTable& t = table();
  std::lock_guard lock(t.mutex);
  for (const KernelDef* known : t.kernels) {
    if (known == &kernel) return;
    if (known->device == kernel.device && known->name == kernel.name) {
      fail(ErrorCode::kInvalidArgument, "kernels", "kernel '{}' exists already", kernel.name);
    }
  }
  t.kernels.push_back(&kernel);
}

}  // namespace ingot
