// A plan's steps written down in a test, for what an operator's match() takes over.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "ops/contract/fusion.h"

namespace ingot::test {

class StepTable final : public StepSource {
 public:
  int input(const ValueType& type) { return add_value(type, {}, false); }
  int weight(const ValueType& type) { return add_value(type, {}, true); }
  // Outputs are of the types that the operator infers.
  std::vector<int> add(std::string_view op, Attrs attrs, std::vector<int> inputs,
                       size_t outputs = 1) {
    std::vector<const ValueType*> types;
    for (const int id : inputs) types.push_back(id == kNoValue ? nullptr : &type(id));
    const auto no_constant = [](size_t) -> const TensorView* { return nullptr; };
    Row& row = rows_.emplace_back(Row{op, std::move(attrs), std::move(inputs), {}});
    for (const ValueType& out : get_op(op).infer({op, types, row.attrs, no_constant, outputs})) {
      row.outputs.push_back(add_value(out, rows_.size() - 1, false));
    }
    return row.outputs;
  }
  void output(int id) { outputs_.insert(id); }

  // What `op` would take over that ends with the last step.
  std::optional<FusionMatch> match(std::string_view op) const {
    return get_op(op).match(*this, rows_.size() - 1);
  }

  Step step(size_t index) const override {
    const Row& row = rows_[index];
    return {row.op, row.attrs, row.inputs, row.outputs};
  }
  std::optional<size_t> producer(int id) const override {
    return id == kNoValue ? std::nullopt : values_[static_cast<size_t>(id)].producer;
  }
  size_t readers(int id) const override {
    size_t count = outputs_.count(id);
    for (const Row& row : rows_) {
      count += std::set<int>(row.inputs.begin(), row.inputs.end()).count(id);
    }
    return count;
  }
  const ValueType& type(int id) const override { return values_[static_cast<size_t>(id)].type; }
  bool is_weight(int id) const override { return values_[static_cast<size_t>(id)].weight; }

 private:
  struct Row {
    std::string_view op;
    Attrs attrs;
    std::vector<int> inputs, outputs;
  };
  struct Value {
    ValueType type;
    std::optional<size_t> producer;
    bool weight;
  };
  int add_value(const ValueType& type, std::optional<size_t> producer, bool weight) {
    values_.push_back({type, producer, weight});
    return static_cast<int>(values_.size()) - 1;
  }

  std::deque<Row> rows_;
  std::deque<Value> values_;
  std::set<int> outputs_;
};

}  // namespace ingot::test
