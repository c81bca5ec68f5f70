#include "loaders/onnx_importer.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "loaders/onnx_tensor.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/onnx";
// A loop whose carried sizes change is built twice, with every loop inside it.
constexpr int64_t kMaxBuilt = 500'000;  // nodes
// Bytes of constants that an import may make for each byte of weights: casts to a wider type and
// rearranged copies of them.
constexpr int64_t kConstantBytesPerByte = 4;

using ops::add_scalar;

// ONNX attributes are float32; the shortest decimal makes 1e-5 the same number as in a config file.
// Read without the locale of the program around, which may want another decimal point.
double widen(float value) {
  const std::string text = fmt::format("{}", value);
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// Names that a body reads but does not define, nested bodies included.
void free_names(const onnx::GraphProto& graph, std::set<std::string>& out) {
  std::set<std::string> used, defined;
  for (const auto& input : graph.input()) defined.insert(input.name());
  for (const auto& tensor : graph.initializer()) defined.insert(tensor.name());
  for (const auto& node : graph.node()) {
    used.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) free_names(attribute.g(), used);
    }
    defined.insert(node.output().begin(), node.output().end());
  }
  for (const auto& output : graph.output()) used.insert(output.name());
  std::set_difference(used.begin(), used.end(), defined.begin(), defined.end(),
                      std::inserter(out, out.end()));
}

// A node without an import, which check_onnx_operators() has told of.
class NoImport : public Error {
 public:
  NoImport() : Error(ErrorCode::kUnsupported, "no such operator") {}
};

}  // namespace

void OnnxImporter::corrupt(const std::string& message) const {
  fail(ErrorCode::kCorrupt, kWhere, "{}: {}", context_.file, message);
}

// Own names first, then those of the outer graphs; an outer value that is a constant is shared into
// this graph, so that it need not be captured.
int OnnxImporter::find_or_import(const std::string& name, Names& names) {
  if (auto it = names.find(name); it != names.end()) return it->second;
  for (OnnxImporter* at = outer_; at; at = at->outer_) {
    if (!at->scope_) continue;
    auto it = at->scope_->find(name);
    if (it == at->scope_->end()) continue;
    const Value& value = at->emitter_.graph().at(it->second);
    if (value.kind != Value::Kind::kWeight) return kNoValue;
    const int copy = emitter_.graph().add_weight(value.name, value.weight);
    bind(name, copy, names);
    return copy;
  }
  return kNoValue;
}

int OnnxImporter::resolve(const std::string& name, Names& names, const std::string& node) {
  const int value = find_or_import(name, names);
  if (value == kNoValue) {
    corrupt(
        fmt::format("node '{}': input '{}' is not defined before it", node, onnx_printable(name)));
  }
  return value;
}

int OnnxImporter::resolve_output(const std::string& name, Names& names) {
  const int value = find_or_import(name, names);
  if (value == kNoValue) {
    corrupt(fmt::format("output '{}' is made by no node", onnx_printable(name)));
  }
  return value;
}

void OnnxImporter::bind(const std::string& name, int value, Names& names) {
  if (!names.emplace(name, value).second) {
    corrupt(fmt::format("value '{}' is defined twice", onnx_printable(name)));
  }
  if (bound_) bound_->push_back(name);
}

// Those of bodies and functions do not count: they may be built many times.
void OnnxImporter::allow_constants(size_t bytes) {
  if (!parent_ && !caller_)
    context_.constant_bytes += kConstantBytesPerByte * static_cast<int64_t>(bytes);
}

int OnnxImporter::add_initializers(const onnx::GraphProto& graph, Names& names) {
  if (graph.sparse_initializer_size() > 0) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: sparse initializer '{}'", context_.file,
         onnx_printable(graph.sparse_initializer(0).values().name()));
  }
  for (const auto& tensor : graph.initializer()) {
    auto data = onnx_tensor(tensor, context_.model, context_.external);
    allow_constants(data->bytes.size());
    bind(tensor.name(), emitter_.graph().add_weight(tensor.name(), {{std::move(data)}, -1}), names);
  }
  return graph.initializer_size();
}

void OnnxImporter::read_attribute(const onnx::AttributeProto& proto, OnnxNode& node) {
  const std::string& name = proto.name();
  switch (proto.type()) {
    case onnx::AttributeProto::FLOAT:
      node.attrs[name] = widen(proto.f());
      return;
    case onnx::AttributeProto::INT:
      node.attrs[name] = int64_t{proto.i()};
      return;
    case onnx::AttributeProto::STRING:
      node.attrs[name] = proto.s();
      return;
    case onnx::AttributeProto::FLOATS: {
      std::vector<double> values;
      for (float value : proto.floats()) values.push_back(widen(value));
      node.attrs[name] = std::move(values);
      return;
    }
    case onnx::AttributeProto::INTS:
      node.attrs[name] = std::vector<int64_t>(proto.ints().begin(), proto.ints().end());
      return;
    case onnx::AttributeProto::STRINGS:
      node.attrs[name] = std::vector<std::string>(proto.strings().begin(), proto.strings().end());
      return;
    case onnx::AttributeProto::TENSOR: {
      auto data = onnx_tensor(proto.t(), context_.model, context_.external);
      allow_constants(data->bytes.size());
      node.tensors[name] = emitter_.graph().add_weight(node.name.empty() ? "constant" : node.name,
                                                       {{std::move(data)}, -1});
      return;
    }
    case onnx::AttributeProto::GRAPH:
      return;  // import_bodies
    default:
      node.unsupported(fmt::format("attribute '{}' of type {}", onnx_printable(name),
                                   static_cast<int>(proto.type())));
  }
}

std::unique_ptr<Graph> OnnxImporter::build_body(const onnx::GraphProto& body,
                                                std::vector<ValueType> inputs,
                                                const std::vector<std::string>& captures,
                                                Names& names) {
  auto graph = std::make_unique<Graph>(body.name().empty() ? "body" : body.name());
  for (const std::string& name : captures) {
    inputs.push_back(emitter_.type(names.at(name)));
  }
  OnnxImporter importer(context_, *graph, this, depth_ + 1);
  importer.import_body(body, inputs, captures);
  return graph;
}

// Bodies become subgraphs. A loop's carried values start with the types they have outside; where an
// iteration changes a size, the body is built again with a symbol in its place.
void OnnxImporter::import_bodies(const onnx::NodeProto& proto, OnnxNode& node, Names& names) {
  const bool any = std::any_of(
      proto.attribute().begin(), proto.attribute().end(),
      [](const auto& attribute) { return attribute.type() == onnx::AttributeProto::GRAPH; });
  if (!any) return;
  node.serial = context_.with_bodies++;
  std::set<std::string> free;
  for (const auto& attribute : proto.attribute()) {
    if (attribute.type() == onnx::AttributeProto::GRAPH) free_names(attribute.g(), free);
  }
  std::vector<std::string> captures;
  for (const std::string& name : free) {
    const int value = name.empty() ? kNoValue : find_or_import(name, names);
    if (value == kNoValue) continue;  // the body reports it where it is used
    if (emitter_.graph().at(value).kind != Value::Kind::kWeight) captures.push_back(name);
  }
  std::vector<ValueType> formal;
  if (node.op == "Loop") {
    formal = {{DType::kInt64, {}}, {DType::kBool, {}}};
    for (size_t i = 2; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) node.unsupported("a carried value without a start");
      formal.push_back(emitter_.type(node.inputs[i]));
    }
  }
  Graph& graph = emitter_.graph();
  for (const auto& attribute : proto.attribute()) {
    if (attribute.type() != onnx::AttributeProto::GRAPH) continue;
    auto body = build_body(attribute.g(), formal, captures, names);
    bool again = false;
    for (size_t i = 2; i < formal.size() && i - 1 < body->outputs().size(); ++i) {
      const SymShape& after = body->type(body->outputs()[i - 1]).shape;
      SymShape& before = formal[i].shape;
      for (size_t d = 0; d < before.size() && before.size() == after.size(); ++d) {
        if (before[d] == after[d]) continue;
        before[d] = Dim::symbol(fmt::format("carried{}_{}_{}", node.serial, i, d));
        again = true;
      }
    }
    if (again) body = build_body(attribute.g(), formal, captures, names);
    node.graphs[attribute.name()] = graph.add_subgraph(std::move(body));
  }
  for (const std::string& name : captures) node.inputs.push_back(names.at(name));
  node.captures = captures.size();
}

// A condition known now: the branch's nodes take the If's place.
bool OnnxImporter::inline_if(const onnx::NodeProto& proto, const OnnxNode& node, Names& names,
                             const OnnxOpsets& opsets) {
  if (node.op != "If" || node.domain != "" || node.inputs.size() != 1) return false;
  const TensorView* condition =
      node.inputs[0] == kNoValue ? nullptr : emitter_.constant(node.inputs[0]);
  if (!condition || condition->elements() != 1 || condition->type.dtype != DType::kBool) {
    return false;
  }
  const std::string wanted = load_index(*condition, 0) ? "then_branch" : "else_branch";
  for (const auto& attribute : proto.attribute()) {
    if (attribute.name() != wanted || attribute.type() != onnx::AttributeProto::GRAPH) continue;
    const onnx::GraphProto& body = attribute.g();
    if (body.output_size() < proto.output_size()) node.unsupported("a branch with too few results");
    // The branch's own names end with it: a sibling may define them again. (A copy of all names
    // per branch would make n branches cost n².)
    std::vector<std::string> bound;
    std::vector<std::string>* const saved = bound_;
    bound_ = &bound;
    add_initializers(body, names);
    import_nodes(body.node(), names, opsets, nullptr);
    std::vector<int> results;
    for (int i = 0; i < proto.output_size(); ++i) {
      const bool wants = !proto.output(i).empty();
      results.push_back(wants ? resolve(body.output(i).name(), names, node.name) : kNoValue);
    }
    bound_ = saved;
    for (const std::string& name : bound) names.erase(name);
    for (int i = 0; i < proto.output_size(); ++i) {
      if (!proto.output(i).empty()) bind(proto.output(i), results[static_cast<size_t>(i)], names);
    }
    return true;
  }
  return false;
}

std::vector<int> OnnxImporter::call_function(const onnx::NodeProto& proto,
                                             const onnx::FunctionProto& function,
                                             const std::vector<int>& inputs,
                                             const NodeAttrs* caller) {
  NodeAttrs attributes;
  for (const auto& attribute : function.attribute_proto())
    attributes[attribute.name()] = &attribute;
  for (const auto& attribute : proto.attribute()) {
    const onnx::AttributeProto* actual = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      if (!caller || !caller->count(attribute.ref_attr_name())) continue;
      actual = caller->at(attribute.ref_attr_name());
    }
    attributes[attribute.name()] = actual;
  }
  Names names;
  for (int i = 0; i < function.input_size(); ++i) {
    const auto at = static_cast<size_t>(i);
    names[function.input(i)] = at < inputs.size() ? inputs[at] : kNoValue;
  }
  Names* const saved = scope_;
  OnnxImporter* const outer = outer_;
  std::vector<std::string>* const bound = bound_;
  scope_ = &names;
  outer_ = nullptr;  // a function sees its own names only
  bound_ = nullptr;  // and an inlined branch around the call does not see the function's
  ++depth_;
  import_nodes(function.node(), names, onnx_opsets(function.opset_import(), context_.file),
               &attributes);
  --depth_;
  std::vector<int> out;
  for (const std::string& output : function.output()) {
    out.push_back(resolve(output, names, proto.name()));
  }
  outer_ = outer;
  scope_ = saved;
  bound_ = bound;
  return out;
}

void OnnxImporter::import_node(const onnx::NodeProto& proto, Names& names,
                               const OnnxOpsets& opsets) {
  if (++context_.built > kMaxBuilt) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: more than {} nodes, those of bodies counted each time that they are built",
         context_.file, kMaxBuilt);
  }
  OnnxNode node;
  node.name = onnx_printable(!proto.name().empty()     ? proto.name()
                             : proto.output_size() > 0 ? proto.output(0)
                                                       : std::string());
  node.op = onnx_printable(proto.op_type());
  node.domain = onnx_domain(proto.domain());
  const auto opset = opsets.find(node.domain);
  node.opset = opset == opsets.end() ? 0 : opset->second;
  for (const std::string& input : proto.input()) {
    node.inputs.push_back(input.empty() ? kNoValue : find_or_import(input, names));
    // A function's input that its caller left out is bound to no value.
    if (!input.empty() && node.inputs.back() == kNoValue && !names.count(input)) {
      resolve(input, names, node.name);
    }
  }
  std::vector<int> results;
  if (const onnx::FunctionProto* function = find_onnx_function(context_, proto)) {
    results = call_function(proto, *function, node.inputs, caller_);
  } else {
    if (inline_if(proto, node, names, opsets)) return;
    node.outputs = static_cast<size_t>(proto.output_size());
    while (node.outputs > 1 && proto.output(static_cast<int>(node.outputs) - 1).empty()) {
      --node.outputs;
    }
    for (const auto& attribute : proto.attribute()) {
      const onnx::AttributeProto* actual = &attribute;
      onnx::AttributeProto renamed;
      if (!attribute.ref_attr_name().empty()) {
        if (!caller_ || !caller_->count(attribute.ref_attr_name())) continue;
        renamed = *caller_->at(attribute.ref_attr_name());
        renamed.set_name(attribute.name());
        actual = &renamed;
      }
      read_attribute(*actual, node);
    }
    import_bodies(proto, node, names);
    const OnnxImport* entry = find_onnx_import(node.domain, node.op, node.opset);
    if (!entry) throw NoImport();
    emitter_.graph().set_origin(node.name);
    try {
      results = entry->import(node, emitter_);
    } catch (const NeedsContents& error) {
      std::set<std::string> behind;
      inputs_behind(error.value(), behind);
      throw OnnxDataDependence(error.what(), {behind.begin(), behind.end()});
    }
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    if (proto.output(i).empty()) continue;
    if (static_cast<size_t>(i) >= results.size() || results[static_cast<size_t>(i)] == kNoValue) {
      node.unsupported(fmt::format("output {}", i));
    }
    bind(proto.output(i), results[static_cast<size_t>(i)], names);
  }
}

void OnnxImporter::import_nodes(const NodeList& nodes, Names& names, const OnnxOpsets& opsets,
                                const NodeAttrs* caller) {
  const OnnxOpsets* const saved_opsets = std::exchange(opsets_, &opsets);
  const NodeAttrs* const saved_caller = caller_;
  if (caller) caller_ = caller;
  for (const auto& node : nodes) import_node(node, names, opsets);
  opsets_ = saved_opsets;
  caller_ = saved_caller;
}

// Whether the node was imported; one that is refused is noted. After a refusal other errors may
// follow from it: they are no news.
bool OnnxImporter::try_node(const onnx::NodeProto& proto, Names& names) {
  const auto depth = depth_;
  const auto before = std::tuple(outer_, opsets_, caller_, scope_, bound_);
  try {
    import_node(proto, names, context_.opsets);
    return true;
  } catch (const NoImport&) {
  } catch (const OnnxDataDependence&) {
    if (context_.refused.empty()) throw;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported && context_.refused.empty()) throw;
    if (error.code() == ErrorCode::kUnsupported) {
      context_.refused.add(error, "op", context_.file);
    }
  }
  depth_ = depth;
  std::tie(outer_, opsets_, caller_, scope_, bound_) = before;
  return false;
}

// The model's own nodes. What reads a result of a refused one is passed over, so that all are told.
void OnnxImporter::gather_nodes(const NodeList& nodes, Names& names) {
  opsets_ = &context_.opsets;
  std::set<std::string> lost;
  for (const auto& node : nodes) {
    std::set<std::string> reads(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g() && !lost.empty()) free_names(attribute.g(), reads);
    }
    const bool blind = std::any_of(lost.begin(), lost.end(),
                                   [&](const std::string& name) { return reads.contains(name); });
    if (blind || !try_node(node, names)) lost.insert(node.output().begin(), node.output().end());
    lost.erase("");  // an output that is left out
  }
  opsets_ = nullptr;
  context_.refused.throw_if_any(kWhere);
}

void OnnxImporter::inputs_behind(int value, std::set<std::string>& out) const {
  const Graph& graph = emitter_.graph();
  std::vector<int> open = {value};
  std::set<int> seen;
  while (!open.empty()) {
    const int id = open.back();
    open.pop_back();
    if (id == kNoValue || !seen.insert(id).second) continue;
    if (auto it = model_inputs_.find(id); it != model_inputs_.end()) out.insert(it->second);
    if (auto it = captures_.find(id); it != captures_.end()) {
      parent_->inputs_behind(it->second, out);
    }
    const Node* producer = graph.at(id).producer;
    if (!producer || get_op(producer->op).shape_only) continue;
    open.insert(open.end(), producer->inputs.begin(), producer->inputs.end());
  }
}

// Outputs must be values of their own: an input, a weight or a value given out twice is copied.
int OnnxImporter::output_value(int value) {
  Graph& graph = emitter_.graph();
  if (graph.at(value).kind == Value::Kind::kNode && !graph.is_output(value)) return value;
  return graph.emit("identity", {}, {value});
}

void OnnxImporter::import_model(const onnx::GraphProto& graph, OnnxModel& out) {
  Names names;
  scope_ = &names;
  add_initializers(graph, names);
  for (const auto& input : graph.input()) {
    if (names.count(input.name())) continue;  // an initializer with a declaration
    const ValueType type = onnx_value_type(context_, input);
    if (auto it = context_.options.constants.find(input.name());
        it != context_.options.constants.end()) {
      const TensorView& view = it->second;
      if (!(view.type == type.element)) {
        fail(ErrorCode::kInvalidArgument, kWhere, "{}: input '{}' is {}, given {}", context_.file,
             onnx_printable(input.name()), type_text(type), view.type.name());
      }
      const auto bytes = static_cast<size_t>(view.bytes());
      allow_constants(bytes);
      const int value = emitter_.graph().add_constant(view.type, view.shape, {view.data, bytes});
      bind(input.name(), value, names);
      continue;
    }
    const int value = emitter_.graph().add_input(input.name(), type);
    bind(input.name(), value, names);
    model_inputs_[value] = input.name();
    out.inputs.push_back(input.name());
  }
  gather_nodes(graph.node(), names);
  if (graph.output_size() == 0) corrupt("the graph has no output");
  for (const auto& output : graph.output()) {
    const int value = output_value(resolve_output(output.name(), names));
    emitter_.graph().rename(value, output.name());
    emitter_.graph().add_output(value);
    out.outputs.push_back(output.name());
  }
  scope_ = nullptr;
}

void OnnxImporter::import_body(const onnx::GraphProto& graph, const std::vector<ValueType>& inputs,
                               const std::vector<std::string>& captures) {
  Names names;
  scope_ = &names;
  const size_t own = inputs.size() - captures.size();
  if (static_cast<size_t>(graph.input_size()) != own) {
    corrupt(fmt::format("body '{}' takes {} inputs, its node gives {}",
                        onnx_printable(graph.name()), graph.input_size(), own));
  }
  for (size_t i = 0; i < own; ++i) {
    const std::string& name = graph.input(static_cast<int>(i)).name();
    bind(name, emitter_.graph().add_input(name, inputs[i]), names);
  }
  for (size_t i = 0; i < captures.size(); ++i) {
    const int value = emitter_.graph().add_input(captures[i], inputs[own + i]);
    bind(captures[i], value, names);
    captures_[value] = outer_->scope_->at(captures[i]);
    emitter_.inherit(outer_->emitter_, captures_[value], value);
  }
  add_initializers(graph, names);
  import_nodes(graph.node(), names, *parent_->opsets_, parent_->caller_);
  for (const auto& output : graph.output()) {
    emitter_.graph().add_output(output_value(resolve_output(output.name(), names)));
  }
  scope_ = nullptr;
}

}  // namespace ingot
