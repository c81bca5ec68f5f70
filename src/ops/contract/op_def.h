// The contract of an operator. One operator, one file in ops/; the file name registers it:
// ops/rms_norm.cc defines `const OpDef& rms_norm_op()`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ops/contract/attrs.h"
#include "tensor/dim.h"
#include "tensor/tensor_view.h"

namespace ingot {

// Static type of a value. A state value (state == true) stands for a named piece of memory that
// lives across steps (a KV cache); it is threaded through the graph as a token: an op that writes
// the state takes the old token and returns a new one, and the token's bytes are the same memory.
struct ValueType {
  ElementType element;
  SymShape shape;
  bool state = false;
  bool operator==(const ValueType&) const = default;
};
std::string type_text(const ValueType& type);  // "float32[tokens, 576]", "state bfloat16[...]"

// An absent optional input has index kNoValue.
constexpr int kNoValue = -1;

// What infer() sees. Input types of absent inputs are nullptr.
struct InferArgs {
  std::string_view op;
  std::span<const ValueType* const> inputs;
  const Attrs& attrs;
  // Value of an input that is constant when the graph is built (shapes of Reshape, ...), packed on
  // the host; nullptr when it is not constant.
  std::function<const TensorView*(size_t input)> constant;
  // How many outputs the caller wants; variadic ops (Split) return that many.
  size_t output_count = 1;
  // Control flow: output types of subgraph `index` (an attribute ending in "_graph").
  std::function<std::vector<ValueType>(int64_t index)> graph_outputs = {};

  // Checked access with messages that name the op: Error{kInvalidArgument}.
  const ValueType& input(size_t index) const;
  [[noreturn]] void bad(const std::string& message) const;
};

// What reference() sees: packed or row-strided views on the host, outputs allocated. Absent inputs
// have present() == false. Aliased outputs point to their input's memory.
struct OpArgs {
  std::span<const TensorView> inputs;
  std::span<const TensorView> outputs;
  const Attrs& attrs;
};

// How an op that is not a pure function behaves. Everything a pass needs to leave it intact.
struct Effects {
  // Output `output` is the memory of input `input`, updated in place (KV append, in-place scatter).
  struct Alias {
    int output;
    int input;
  };
  std::vector<Alias> aliases;
  // Input whose rows are written into the aliased memory: where it has none, nothing happens. -1:
  // the memory may change whatever the inputs' sizes are.
  int rows = -1;
  bool random = false;  // draws random numbers: never merged with an equal node
  bool collective =
      false;  // meets other ranks: never dropped, merged or reordered among themselves
  bool pure() const { return aliases.empty() && !random && !collective; }
};

// Builds nodes, for decompositions and ONNX imports. Implemented by the graph room.
class OpEmitter {
 public:
  virtual ~OpEmitter() = default;
  // Adds a node and returns its first output; inputs may be kNoValue.
  int emit(std::string_view op, Attrs attrs, std::vector<int> inputs) {
    return emit_many(op, std::move(attrs), std::move(inputs), 1)[0];
  }
  virtual std::vector<int> emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                                     size_t outputs) = 0;
  virtual const ValueType& type(int value) const = 0;
  // Constant behind a value, or nullptr.
  virtual const TensorView* constant(int value) const = 0;
  // Contents of an integer vector (or scalar) that is made of dimensions, symbols included, as a
  // Shape node's output is; nullptr when unknown. Importers that fold shape arithmetic override it.
  virtual const std::vector<Dim>* dims(int value) const {
    (void)value;
    return nullptr;
  }
  // A new constant owned by the graph; `data` is copied.
  virtual int add_constant(ElementType type, Shape shape, std::span<const std::byte> data) = 0;
};

// An ONNX node as its importer sees it: attributes under their ONNX names and types.
struct OnnxNode {
  std::string name;    // for messages
  std::string op;      // "Conv"
  std::string domain;  // "" is ai.onnx
  int64_t opset = 0;   // version of that domain in the model
  Attrs attrs;
  std::vector<int> inputs;  // graph values, kNoValue where left out
  size_t outputs = 1;
  // Of a node with bodies: its number among all such nodes of the model, at any depth. Names of
  // symbols that an import makes must differ from those of other nodes.
  int64_t serial = 0;
  // How many of `inputs`, at the end, are outer values that the bodies in `graphs` use; each body
  // takes them, in this order, after its own inputs.
  size_t captures = 0;
  // Graph-valued attributes (If, Loop, Scan bodies) by name: index of a subgraph of the emitter's
  // graph, made by the loader before the importer runs.
  std::map<std::string, int, std::less<>> graphs;
  // Tensor-valued attributes (Constant.value): a graph constant.
  std::map<std::string, int, std::less<>> tensors;
  [[noreturn]] void unsupported(const std::string& what) const;  // Error{kUnsupported}, named
  // The same for input `index`, called `what`, whose contents are not known: NeedsContents.
  [[noreturn]] void needs_contents(size_t index, std::string_view what) const;
};

// Thrown where an import needs the contents of a value while the model is built (a shape, axes, a
// count) and they are computed from data. A caller that has that data can give it as a constant.
class NeedsContents : public Error {
 public:
  NeedsContents(const std::string& message, int value)
      : Error(ErrorCode::kUnsupported, message), value_(value) {}
  int value() const { return value_; }  // of the emitter that the import wrote to

 private:
  int value_;
};

// What dims() sees.
struct DimsArgs {
  const Attrs& attrs;
  std::span<const ValueType* const> inputs;  // nullptr where absent
  // Contents of an integer vector or scalar, as dimensions; nullptr when they are not known.
  std::function<const std::vector<Dim>*(size_t input)> known;
};

// What representative() sees: the sizes of one bucket.
struct RepresentativeArgs {
  const Attrs& attrs;
  std::span<const Shape> inputs;  // empty where absent
};
// Contents of integer inputs, row-major, by input index.
using IndexInputs = std::map<size_t, std::vector<int64_t>>;
// `count` valid indices below `range`, distinct while they can be and far apart. All 0 for range 0.
std::vector<int64_t> spread_indices(int64_t count, int64_t range);

// import() emits our ops and returns one value per ONNX output. `since` is the first opset whose
// meaning the importer implements; the loader takes the highest `since` <= the model's opset.
struct OnnxImport {
  std::string_view domain;
  std::string_view name;
  int64_t since;
  std::vector<int> (*import)(const OnnxNode& node, OpEmitter& emitter);
};

class StepSource;  // ops/contract/fusion.h
struct FusionMatch;
struct CostArgs;  // ops/contract/op_cost.h
struct OpCost;

struct OpDef {
  std::string_view name;  // snake_case, equal to the file's stem
  std::vector<OnnxImport> onnx;
  // Output types from input types; throws Error{kInvalidArgument} naming the op and what is wrong.
  std::vector<ValueType> (*infer)(const InferArgs& args) = nullptr;
  Effects effects;
  // Exactly one of the two is set. Plain loops in float, the oracle of every kernel ...
  void (*reference)(const OpArgs& args) = nullptr;
  // ... or, for a fused op, the same computation in other ops; returns one value per output.
  std::vector<int> (*decompose)(OpEmitter& emitter, const Attrs& attrs,
                                std::span<const int> inputs) = nullptr;
  // A fused op that plans do not hold: the steps ending with `last` that it may take over. Values
  // between them that nothing makes any more have no other reader.
  std::optional<FusionMatch> (*match)(const StepSource& steps, size_t last) = nullptr;
  // Shape arithmetic on tiny integer tensors: plans tell its steps apart as StepKind::kHost.
  bool host_only = false;
  // Output k is the columns [offset, offset + width) of input 0 (split): the executor hands out
  // strided views and nothing is launched.
  bool column_view = false;
  // Every kernel and the reference read inputs whose rows are strided; otherwise column views that
  // feed this op are copied first.
  bool row_strided = false;
  // Kernels read a weight matrix (or stack of matrices) in several pieces along axis 0.
  bool weight_pieces = false;
  // if and loop: the executor runs the subgraphs; neither reference nor decompose is set.
  // Attributes ending in "_graph" hold subgraph indices; captured outer values are ordinary extra
  // inputs.
  bool control_flow = false;
  // Work grows faster than the operands (convolutions, matrix products): not folded while a model
  // is loaded, even where all inputs are constant.
  bool heavy = false;
  // Moves or converts elements one by one: folded while loading at any size.
  bool keeps_elements = false;
  // Reads the shapes of its inputs, never their elements.
  bool shape_only = false;
  // Shape arithmetic: contents of the one output, an integer vector or scalar, as dimensions, from
  // those of the inputs; nullopt when unknown. nullptr: the op computes no shapes.
  std::optional<std::vector<Dim>> (*dims)(const DimsArgs& args) = nullptr;
  // Integer inputs as a run of these sizes brings them, for tuners: positions at the end of the
  // longest context, pages apart. Inputs left out, and all of an op without the hook, are zeros.
  IndexInputs (*representative)(const RepresentativeArgs& args) = nullptr;
  // What a step must move and multiply at the least, for ops that multiply (all that are heavy) or
  // read parts of their operands; all others move each operand and result once (plain_cost()).
  OpCost (*cost)(const CostArgs& args) = nullptr;
};

// Generated from ops/*.cc.
const std::vector<const OpDef*>& ops_op_list();

// Those, and what register_op added. Thread safe.
std::vector<const OpDef*> all_ops();
// nullptr when unknown. Ops added by register_op (plugins, tests) are found too.
const OpDef* find_op(std::string_view name);
const OpDef& get_op(std::string_view name);  // Error{kUnsupported} naming it
// Error{kInvalidArgument} when another op has the name. `op` must have static lifetime. Thread
// safe.
void register_op(const OpDef& op);
// Importer with the highest since <= opset; nullptr if none.
const OnnxImport* find_onnx_import(std::string_view domain, std::string_view name, int64_t opset);

}  // namespace ingot
