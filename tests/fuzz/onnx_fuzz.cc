// links: loaders kernels
// ONNX models from anywhere: parse, import and infer, or fail with Error; small graphs of known
// shapes also run once on the references. An input that reaches the end of its run has parsed
// completely.
#include <deque>

#include "fuzz/parsed.h"
#include "kernels/reference.h"
#include "loaders/onnx.h"

namespace {

using namespace ingot;

// References loop over elements and windows, so the budget is on both elements and nodes.
constexpr int64_t kMaxElements = 4096;
constexpr size_t kMaxNodes = 32;

bool is_small(const Graph& graph) {
  if (graph.nodes().size() > kMaxNodes || graph.subgraph_count() > 0) return false;
  for (int id = 0; id < graph.value_count(); ++id) {
    const SymShape& shape = graph.type(id).shape;
    if (!is_constant(shape)) return false;
    int64_t total = 1;
    for (const Dim& dim : shape) {
      if (dim.constant() > kMaxElements) return false;
      total *= dim.constant();
      if (total > kMaxElements) return false;
    }
  }
  return true;
}

void run_once(const Graph& graph) {
  std::deque<std::vector<std::byte>> memory;
  std::map<int, TensorView> views;
  const auto allocate = [&](int id) {
    TensorView view{graph.type(id).element, evaluate(graph.type(id).shape, {})};
    memory.emplace_back(static_cast<size_t>(std::max<int64_t>(1, view.bytes())));
    view.data = memory.back().data();
    views[id] = view;
  };
  for (int id : graph.inputs()) allocate(id);
  for (const Node& node : graph.nodes()) {
    std::vector<TensorView> in, out;
    for (int id : node.inputs) {
      const TensorView* constant = id == kNoValue ? nullptr : graph.constant(id);
      in.push_back(id == kNoValue ? TensorView{} : constant ? *constant : views.at(id));
    }
    for (int id : node.outputs) {
      allocate(id);
      out.push_back(views.at(id));
    }
    run_reference(node.op, node.attrs, in, out);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const OnnxModel model = parse_onnx(std::as_bytes(std::span(data, size)), "input.onnx");
    if (!is_small(*model.graph)) return 0;
    run_once(*model.graph);
    fuzz_parsed();
  } catch (const Error&) {
  }
  return 0;
}
