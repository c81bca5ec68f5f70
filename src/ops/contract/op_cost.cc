#include "ops/contract/op_cost.h"

namespace ingot {
namespace {

// The output whose memory is input `index`, -1 if there is none.
int updated_by(const OpDef& op, size_t index) {
  for (const Effects::Alias& alias : op.effects.aliases) {
    if (alias.input == static_cast<int>(index)) return alias.output;
  }
  return -1;
}

double input_bytes(const CostArgs& args, size_t index) {
  const OpDef& op = args.op;
  const CostOperand& input = args.inputs[index];
  if (!input.present) return 0;
  const auto rows = static_cast<size_t>(op.effects.rows);
  const bool appended = input.state && updated_by(op, index) >= 0 && rows < args.inputs.size();
  return appended ? args.inputs[rows].rows() * position_bytes(input) : input.bytes();
}

}  // namespace

double CostOperand::elements() const {
  double out = 1;
  for (const int64_t size : shape) out *= static_cast<double>(size);
  return out;
}

double CostOperand::columns() const {
  return shape.empty() ? 1 : static_cast<double>(shape.back());
}

double CostOperand::rows() const {
  double out = 1;
  for (size_t d = 0; d + 1 < shape.size(); ++d) out *= static_cast<double>(shape[d]);
  return out;
}

double CostOperand::bytes_of(double count) const {
  if (type.block == nullptr) return count * static_cast<double>(dtype_size(type.dtype));
  return count * type.block->block_bytes / type.block->block_elements;
}

double position_bytes(const CostOperand& cache) {
  if (cache.shape.size() != 4) return 0;
  return cache.bytes_of(static_cast<double>(cache.shape[1]) * static_cast<double>(cache.shape[3]));
}

OpCost plain_cost(const CostArgs& args) {
  OpCost out;
  if (args.op.column_view) return out;
  for (size_t i = 0; i < args.inputs.size(); ++i) out.bytes += input_bytes(args, i);
  for (const CostOperand& output : args.outputs) {
    if (!output.state) out.bytes += output.bytes();
  }
  return out;
}

OpCost product_cost(const CostArgs& args, double flops) {
  OpCost out = plain_cost(args);
  out.flops = flops;
  return out;
}

OpCost picking_cost(const CostArgs& args, size_t table) {
  OpCost out = plain_cost(args);
  const CostOperand& from = args.inputs[table];
  out.bytes += from.bytes_of(args.outputs[0].elements()) - from.bytes();
  return out;
}

OpCost op_cost(const CostArgs& args) {
  return args.op.cost ? args.op.cost(args) : plain_cost(args);
}

}  // namespace ingot
