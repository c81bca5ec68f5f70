// Networks: ONNX models on their way through the house, and what their engines say of themselves.
// A network's engine has no tokens and no tokenizer; it takes and gives named tensors.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/compile.h"
#include "engine/engine.h"

namespace ingot {

// Smallest, preferred and largest shape of one input: an optimization profile.
struct ShapeRange {
  Shape min, opt, max;
};
using ShapeProfile = std::map<std::string, ShapeRange>;  // by the input's name in the model

bool is_onnx_path(const std::string& path);  // by its ending: the format has no magic bytes

struct NetworkBuildOptions {
  // Inputs whose shapes are fixed, or whose symbols other inputs' ranges give, may be left out.
  ShapeProfile profile;
  // Contents of inputs, by name. An input whose contents shapes depend on becomes a constant of the
  // engine if it is here, with a line in the log; all others stay inputs.
  std::map<std::string, TensorView> contents;
  CompileOptions compile;  // limits and buckets are replaced by the profile's
};

// An .onnx file through importer, passes, lowering and tuner. A symbol whose range is one size is
// compiled as that size; the others get their largest as limit and a bucket each for the smallest,
// preferred and largest shapes. extras["network"] describes inputs and outputs. Errors as
// load_onnx(), and kInvalidArgument for a profile that does not fit the model, naming input and
// axis, or that leaves symbols free, naming them; kUnsupported where shapes depend on the contents
// of inputs that are not given, naming those.
std::shared_ptr<Engine> build_network(const std::string& path, const NetworkBuildOptions& options);

// Names as the model spells them; the plan's may differ in characters that it does not allow.
struct NetworkInput {
  std::string name;
  std::string value;  // the plan's name
  ValueType type;
  ShapeRange range;
};
struct NetworkSignature {
  std::vector<NetworkInput> inputs;
  std::vector<std::string> outputs;    // in the plan's order
  std::vector<std::string> constants;  // inputs of the model that the engine holds as constants
};

bool is_network(const Engine& engine);
// Of a network's engine; `file` is for messages. Error{kUnsupported} for a language model's engine,
// kCorrupt for a description that does not fit the plan.
NetworkSignature network_signature(const Engine& engine, const std::string& file);

}  // namespace ingot
