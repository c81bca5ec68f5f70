// The emitter that ONNX imports write through: a graph that folds what is known when it is built.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace ingot {

// Forwards to a graph, but
// - computes nodes whose inputs are all constant at once (small ones; transposes, reshapes and
//   casts of weights of any size: OpDef::keeps_elements);
// - follows integer vectors made of dimensions (Shape -> Gather -> Concat -> Reshape; OpDef::dims)
//   as symbolic expressions, so that they never need to run.
// Not thread safe.
class OnnxEmitter final : public OpEmitter {
 public:
  // `budget`, where given: bytes that the constants made here may still take in all; it is counted
  // down. Where it is too small, nodes are left for the run, and add_constant fails with
  // Error{kUnsupported}.
  explicit OnnxEmitter(Graph& graph, int64_t* budget = nullptr) : graph_(graph), budget_(budget) {}

  std::vector<int> emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                             size_t outputs) override;
  const ValueType& type(int value) const override { return graph_.type(value); }
  const TensorView* constant(int value) const override { return graph_.constant(value); }
  const std::vector<Dim>* dims(int value) const override;
  int add_constant(ElementType type, Shape shape, std::span<const std::byte> data) override;
  // Hands what is known about a value of an outer graph to its copy in this one.
  void inherit(const OnnxEmitter& outer, int outer_value, int value);
  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }

 private:
  std::optional<std::vector<Dim>> known(int value) const;
  std::optional<std::vector<Dim>> follow(const OpDef& def, const Attrs& attrs,
                                         const std::vector<int>& inputs) const;
  std::optional<std::vector<int>> fold(const OpDef& def, const Attrs& attrs,
                                       const std::vector<int>& inputs, size_t outputs);

  Graph& graph_;
  int64_t* budget_;
  std::map<int, std::vector<Dim>> dims_;
};

}  // namespace ingot
