// What an operator must move and multiply at the least: the roof that a kernel's time is held
// against (Williams et al., "Roofline", 2009).
#pragma once

#include <span>

#include "ops/contract/op_def.h"

namespace ingot {

struct OpCost {
  double bytes = 0;  // of operands read and results written, each once
  // Of products, two for each multiplication and addition: layers, matrix products, convolutions
  // and attention. Arithmetic element by element does not count: bytes bound it everywhere, and no
  // device does it at the rate that products run at.
  double flops = 0;
};

// How far attention looks in one step of a decoder.
struct AttentionLoad {
  double positions = 0;  // of the KV cache that are read, all rows together
  double pairs = 0;      // of queries and keys
};

// An operand with its sizes in one step; a size that depends on data is 0.
struct CostOperand {
  ElementType type;
  Shape shape;
  bool present = true;
  bool state = false;

  double elements() const;
  double columns() const;  // the last dimension, 1 of a scalar
  double rows() const;     // elements() / columns()
  double bytes() const { return bytes_of(elements()); }
  double bytes_of(double count) const;  // of so many elements
};

// What cost() sees.
struct CostArgs {
  const OpDef& op;
  const Attrs& attrs;
  std::span<const CostOperand> inputs;
  std::span<const CostOperand> outputs;
  AttentionLoad load = {};
};

// Of one step: the op's own cost(), or plain_cost() where it states none.
OpCost op_cost(const CostArgs& args);

// Every operand read once and every result written once, no products. A state that the op updates
// counts with what is written: the positions of Effects::rows in a paged cache, else all of it.
// Column views move nothing.
OpCost plain_cost(const CostArgs& args);

// plain_cost() with `flops`.
OpCost product_cost(const CostArgs& args, double flops);
// The same without flops, for an op that reads of input `table` the elements of output 0 alone.
OpCost picking_cost(const CostArgs& args, size_t table);

// Bytes of one position of a paged cache [pages, heads, tokens, dim].
double position_bytes(const CostOperand& cache);

}  // namespace ingot
