// ONNX models (onnx-ml.proto, opsets up to kOnnxMaxOpset) -> graph.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace ingot {

constexpr int64_t kOnnxMaxOpset = 28;  // of the default domain, the newest this importer has seen

struct OnnxOptions {
  // Sizes of symbolic dimensions that are known when the model is loaded, by symbol.
  SymbolValues symbols;
  // Inputs whose values are known when the model is loaded, by the model's name for them: they
  // become constants and are not inputs of the graph. For shapes, axes and the like that a model
  // takes as data. The bytes are copied.
  std::map<std::string, TensorView> constants;
};

// A shape, axis list or count in the model depends on the contents of inputs (kUnsupported): given
// as OnnxOptions::constants, the model loads.
class OnnxDataDependence : public Error {
 public:
  OnnxDataDependence(const std::string& message, std::vector<std::string> inputs)
      : Error(ErrorCode::kUnsupported, message), inputs_(std::move(inputs)) {}
  // Their names in the model, sorted; none when it depends on something else (a loop's results).
  const std::vector<std::string>& inputs() const { return inputs_; }

 private:
  std::vector<std::string> inputs_;
};

// Names as the model spells them; the graph's own may differ in characters that it does not allow.
struct OnnxModel {
  std::unique_ptr<Graph> graph;
  std::vector<std::string> inputs;   // of graph->inputs(), in order
  std::vector<std::string> outputs;  // of graph->outputs(), in order
};

// Reads and imports a model; external tensor data is looked for beside the file. Errors name the
// file, the place, what was expected and found: kNotFound, kIo; kCorrupt for files that contradict
// themselves; RefusedError{kUnsupported} for what Ingot cannot run, with *all* unknown operators by
// name, domain, opset and nodes, and all nodes that are refused for what they ask for;
// OnnxDataDependence.
OnnxModel load_onnx(const std::string& path, const OnnxOptions& options = {});
// The same from memory; external data is refused. `name` stands for the path in messages.
OnnxModel parse_onnx(std::span<const std::byte> bytes, const std::string& name,
                     const OnnxOptions& options = {});

// What the model declares about its inputs and outputs, without importing it. Types without a
// tensor (sequences, maps) are Error{kUnsupported}.
struct OnnxSignature {
  struct Entry {
    std::string name;
    ValueType type;
  };
  std::vector<Entry> inputs;  // initializers left out
  std::vector<std::string> outputs;
};
OnnxSignature read_onnx_signature(const std::string& path);

// One serialized TensorProto (a .pb file of a test case). Error{kCorrupt, kUnsupported}.
std::shared_ptr<const TensorData> read_onnx_tensor(const std::string& path);

}  // namespace ingot
