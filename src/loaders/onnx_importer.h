// The walk over an ONNX graph: names to values, nodes to imports, bodies to subgraphs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "loaders/onnx.h"
#include "loaders/onnx_emitter.h"
#include "loaders/onnx_external.h"
#include "onnx-ml.pb.h"

namespace ingot {

using OnnxOpsets = std::map<std::string, int64_t, std::less<>>;  // domain -> version; "" is ai.onnx

// Functions of the model by (domain, name, overload).
using OnnxFunctions = std::map<std::vector<std::string>, const onnx::FunctionProto*>;

// What a walk over the model needs to know. Borrowed by the importer.
struct OnnxContext {
  std::shared_ptr<const onnx::ModelProto> model;
  std::string file;  // for messages
  OnnxOpsets opsets;
  OnnxFunctions functions;
  OnnxOptions options;
  OnnxExternalData external{std::string()};
  std::map<std::string, std::string> symbols;  // of unknown dimensions, by what the file says
  std::set<std::string> symbol_names;          // those given out
  // Counted over the whole import: nodes built, in bodies each time that they are built; nodes with
  // bodies; bytes that constants made while importing may still take.
  int64_t built = 0;
  int64_t with_bodies = 0;
  int64_t constant_bytes = int64_t{256} << 20;
  RefusalList refused;  // nodes
};

std::string onnx_domain(const std::string& domain);  // "ai.onnx" -> ""
OnnxOpsets onnx_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                       const std::string& file);
const onnx::FunctionProto* find_onnx_function(const OnnxContext& context,
                                              const onnx::NodeProto& node);
// Type of a declared value; symbols named in `options` are replaced, unnamed unknown dimensions get
// the symbol <value>_dim_<axis>, numbered where another dimension has it. Error{kUnsupported,
// kCorrupt}.
ValueType onnx_value_type(OnnxContext& context, const onnx::ValueInfoProto& info);

// Adds every node that no import exists for to context.refused, bodies and called functions
// included; Error{kCorrupt, kUnsupported} when nesting or inlining goes too deep or far.
void check_onnx_operators(OnnxContext& context);

// One graph (the model's, or a body). Not thread safe.
class OnnxImporter {
 public:
  // `outer` is the importer whose names a body may use, nullptr for the model's graph.
  OnnxImporter(OnnxContext& context, Graph& graph, OnnxImporter* outer, int depth)
      : context_(context),
        emitter_(graph, &context.constant_bytes),
        outer_(outer),
        parent_(outer),
        depth_(depth) {}

  // The model's graph: inputs, initializers, nodes, outputs. RefusedError of all nodes that are
  // refused, context.refused among them.
  void import_model(const onnx::GraphProto& graph, OnnxModel& out);
  // A body: formal inputs take these types, then one input per captured outer name.
  void import_body(const onnx::GraphProto& graph, const std::vector<ValueType>& inputs,
                   const std::vector<std::string>& captures);

 private:
  using Names = std::map<std::string, int, std::less<>>;
  using NodeAttrs = std::map<std::string, const onnx::AttributeProto*>;

  // `caller`: attributes that the function's nodes may refer to, where a function is entered.
  void import_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Names& names,
                    const OnnxOpsets& opsets, const NodeAttrs* caller);
  void import_node(const onnx::NodeProto& proto, Names& names, const OnnxOpsets& opsets);
  void gather_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Names& names);
  bool try_node(const onnx::NodeProto& proto, Names& names);
  std::vector<int> call_function(const onnx::NodeProto& proto, const onnx::FunctionProto& function,
                                 const std::vector<int>& inputs, const NodeAttrs* caller);
  void read_attribute(const onnx::AttributeProto& proto, OnnxNode& node);
  void import_bodies(const onnx::NodeProto& proto, OnnxNode& node, Names& names);
  bool inline_if(const onnx::NodeProto& proto, const OnnxNode& node, Names& names,
                 const OnnxOpsets& opsets);
  std::unique_ptr<Graph> build_body(const onnx::GraphProto& body, std::vector<ValueType> inputs,
                                    const std::vector<std::string>& captures, Names& names);
  // Weights of so many bytes allow a multiple in constants made from them.
  void allow_constants(size_t bytes);
  int resolve(const std::string& name, Names& names, const std::string& node);
  int resolve_output(const std::string& name, Names& names);  // of a graph or body
  int find_or_import(const std::string& name, Names& names);
  int add_initializers(const onnx::GraphProto& graph, Names& names);
  void bind(const std::string& name, int value, Names& names);
  int output_value(int value);
  // Names of the model's inputs whose elements (not shapes alone) `value` is computed from.
  void inputs_behind(int value, std::set<std::string>& out) const;
  [[noreturn]] void corrupt(const std::string& message) const;

  OnnxContext& context_;
  OnnxEmitter emitter_;
  OnnxImporter* outer_;
  OnnxImporter* const parent_;  // whose values captures_ names; outer_ changes inside functions
  int depth_;
  // Of the nodes being imported; bodies take both from the importer around them.
  const OnnxOpsets* opsets_ = nullptr;
  const NodeAttrs* caller_ = nullptr;        // attributes of the function call around, null outside
  std::map<int, std::string> model_inputs_;  // of the model's graph: value -> its name in the file
  std::map<int, int> captures_;              // of a body: value -> the parent's value it stands for
  Names* scope_ = nullptr;                   // names of this graph while its nodes are imported
  std::vector<std::string>* bound_ = nullptr;  // inside an inlined branch: names bound there
};

}  // namespace ingot
