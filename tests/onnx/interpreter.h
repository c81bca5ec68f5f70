// Runs a graph node by node on the plain references: the oracle of the importer's tests.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "graph/graph.h"
#include "kernels/reference.h"

namespace ingot::test {

struct HostValue {
  TensorView view;
  std::vector<std::byte> bytes;
};

inline HostValue copy_of(const TensorView& source) {
  HostValue out{source, {}};
  out.bytes.assign(source.data, source.data + source.bytes());
  out.bytes.resize(std::max<size_t>(out.bytes.size(), 1));
  out.view.data = out.bytes.data();
  out.view.row_stride = 0;
  return out;
}

class Interpreter {
 public:
  // `inputs` are those of graph.inputs(), in order.
  static std::vector<HostValue> run(const Graph& graph, const std::vector<TensorView>& inputs,
                                    SymbolValues symbols = {}) {
    Interpreter interpreter(graph, std::move(symbols));
    for (size_t i = 0; i < inputs.size(); ++i) {
      interpreter.set(graph.inputs().at(i), copy_of(inputs[i]));
    }
    for (const Node& node : graph.nodes()) interpreter.run_node(node);
    std::vector<HostValue> out;
    for (int id : graph.outputs()) out.push_back(copy_of(interpreter.view(id)));
    return out;
  }

 private:
  Interpreter(const Graph& graph, SymbolValues symbols)
      : graph_(graph), symbols_(std::move(symbols)) {}

  void set(int id, HostValue value) {
    const SymShape& shape = graph_.type(id).shape;
    for (size_t d = 0; d < shape.size() && d < value.view.shape.size(); ++d) {
      if (shape[d].symbols().size() == 1 && shape[d] == Dim::symbol(shape[d].symbols()[0])) {
        symbols_[shape[d].symbols()[0]] = value.view.shape[d];
      }
    }
    value.view.data = value.bytes.data();
    values_[id] = std::move(value);
    values_[id].view.data = values_[id].bytes.data();
  }
  TensorView view(int id) const {
    if (id == kNoValue) return {};
    if (const TensorView* constant = graph_.constant(id)) return *constant;
    return values_.at(id).view;
  }

  void run_node(const Node& node) {
    std::vector<TensorView> in;
    for (int id : node.inputs) in.push_back(view(id));
    if (node.op == "if") return run_if(node, in);
    if (node.op == "loop") return run_loop(node, in);
    std::vector<HostValue> out;
    std::vector<TensorView> views;
    for (int id : node.outputs) {
      const ValueType& type = graph_.type(id);
      HostValue value;
      value.view = {type.element, evaluate(type.shape, symbols_)};
      value.bytes.resize(static_cast<size_t>(std::max<int64_t>(value.view.bytes(), 1)));
      value.view.data = value.bytes.data();
      out.push_back(std::move(value));
      views.push_back(out.back().view);
    }
    for (size_t i = 0; i < out.size(); ++i) views[i].data = out[i].bytes.data();
    run_reference(node.op, node.attrs, in, views);
    for (size_t i = 0; i < out.size(); ++i) set(node.outputs[i], std::move(out[i]));
  }

  void run_if(const Node& node, const std::vector<TensorView>& in) {
    const bool yes = load_index(in[0], 0) != 0;
    const auto body = attr_or<int64_t>(node.attrs, yes ? "then_graph" : "else_graph", 0);
    auto results = run(graph_.subgraph(body), {in.begin() + 1, in.end()}, symbols_);
    for (size_t i = 0; i < results.size(); ++i) set(node.outputs[i], std::move(results[i]));
  }

  void run_loop(const Node& node, const std::vector<TensorView>& in) {
    const Graph& body = graph_.subgraph(attr_or<int64_t>(node.attrs, "body_graph", 0));
    const auto carried = static_cast<size_t>(attr_or<int64_t>(node.attrs, "carried", 0));
    const size_t scans = node.outputs.size() - carried;
    const int64_t trips = in[0].present() ? load_index(in[0], 0) : 1 << 20;
    bool go_on = !in[1].present() || load_index(in[1], 0) != 0;
    std::vector<HostValue> state;
    for (size_t i = 0; i < carried; ++i) state.push_back(copy_of(in[2 + i]));
    std::vector<HostValue> stacked(scans);
    int64_t done = 0;
    for (; go_on && done < trips; ++done) {
      int64_t iteration = done;
      uint8_t yes = 1;
      std::vector<TensorView> inputs = {
          {DType::kInt64, {}, reinterpret_cast<std::byte*>(&iteration)},
          {DType::kBool, {}, reinterpret_cast<std::byte*>(&yes)}};
      for (HostValue& value : state) {
        value.view.data = value.bytes.data();
        inputs.push_back(value.view);
      }
      inputs.insert(inputs.end(), in.begin() + 2 + static_cast<int64_t>(carried), in.end());
      auto results = run(body, inputs, symbols_);
      go_on = load_index(results[0].view, 0) != 0;
      for (size_t i = 0; i < scans; ++i) {
        HostValue& scan = results[1 + carried + i];
        stacked[i].view = scan.view;
        stacked[i].bytes.insert(stacked[i].bytes.end(), scan.bytes.begin(),
                                scan.bytes.begin() + scan.view.bytes());
      }
      for (size_t i = 0; i < carried; ++i) state[i] = std::move(results[1 + i]);
    }
    for (size_t i = 0; i < carried; ++i) set(node.outputs[i], std::move(state[i]));
    for (size_t i = 0; i < scans; ++i) {
      const ValueType& type = graph_.type(node.outputs[carried + i]);
      if (done == 0) stacked[i].view = {type.element, Shape(type.shape.size() - 1, 0)};
      stacked[i].view.shape.insert(stacked[i].view.shape.begin(), done);
      stacked[i].bytes.resize(std::max<size_t>(stacked[i].bytes.size(), 1));
      set(node.outputs[carried + i], std::move(stacked[i]));
    }
  }

  const Graph& graph_;
  SymbolValues symbols_;
  std::map<int, HostValue> values_;
};

}  // namespace ingot::test
