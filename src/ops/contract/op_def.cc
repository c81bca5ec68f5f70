#include "ops/contract/op_def.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "base/refusal.h"

namespace ingot {
namespace {

// The shelf's list plus what plugins add; guarded by ops_mutex().
std::vector<const OpDef*>& op_table() {
  static std::vector<const OpDef*> ops = ops_op_list();
  return ops;
}
std::mutex& ops_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

std::string type_text(const ValueType& type) {
  return (type.state ? "state " : "") + type.element.name() + shape_text(type.shape);
}

const ValueType& InferArgs::input(size_t index) const {
  if (index >= inputs.size() || inputs[index] == nullptr) {
    bad(fmt::format("input {} is missing ({} given)", index, inputs.size()));
  }
  return *inputs[index];
}

void InferArgs::bad(const std::string& message) const {
  throw_error(ErrorCode::kInvalidArgument, fmt::format("ops/{}", op), message);
}

void OnnxNode::unsupported(const std::string& what) const {
  refuse(ErrorCode::kUnsupported, "loaders/onnx",
         {"op", "", fmt::format("node '{}' ({} opset {})", name, op, opset), "", what});
}

void OnnxNode::needs_contents(size_t index, std::string_view what) const {
  throw NeedsContents(
      fmt::format(
          "[loaders/onnx] node '{}' ({} opset {}): input {} ({}) is computed from data, not "
          "known when the model is built",
          name, op, opset, index, what),
      inputs.at(index));
}

std::vector<int64_t> spread_indices(int64_t count, int64_t range) {
  std::vector<int64_t> out(static_cast<size_t>(std::max<int64_t>(0, count)), 0);
  if (range < 1) return out;
  // Multiples of a step near the golden section, made prime to the range, visit all of it.
  int64_t step = std::max<int64_t>(1, range / 1000 * 618 + range % 1000 * 618 / 1000);
  while (std::gcd(step, range) != 1) ++step;
  int64_t at = 0;
  for (int64_t& value : out) {
    value = at;
    at = (at + step) % range;
  }
  return out;
}

std::vector<const OpDef*> all_ops() {
  std::lock_guard lock(ops_mutex());
  return op_table();
}

const OpDef* find_op(std::string_view name) {
  std::lock_guard lock(ops_mutex());
  for (const OpDef* op : op_table()) {
    if (op->name == name) return op;
  }
  return nullptr;
}

const OpDef& get_op(std::string_view name) {
  const OpDef* op = find_op(name);
  if (!op) fail(ErrorCode::kUnsupported, "ops", "unknown operator '{}'", name);
  return *op;
}

void register_op(const OpDef& op) {
  std::lock_guard lock(ops_mutex());
  for (const OpDef* known : op_table()) {
    if (known == &op) return;
    if (known->name != op.name) continue;
    fail(ErrorCode::kInvalidArgument, "ops", "operator '{}' exists already", op.name);
  }
  op_table().push_back(&op);
}

const OnnxImport* find_onnx_import(std::string_view domain, std::string_view name, int64_t opset) {
  std::lock_guard lock(ops_mutex());
  const OnnxImport* best = nullptr;
  for (const OpDef* op : op_table()) {
    for (const OnnxImport& entry : op->onnx) {
      if (entry.domain != domain || entry.name != name || entry.since > opset) continue;
      if (!best || entry.since > best->since) best = &entry;
    }
  }
  return best;
}

}  // namespace ingot
