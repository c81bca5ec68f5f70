#include "loaders/onnx.h"

#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>

#include <cctype>
#include <limits>

#include "base/file.h"
#include "base/mapped_file.h"
#include "base/stand_in.h"
#include "loaders/onnx_importer.h"
#include "loaders/onnx_tensor.h"
#include "ops/shared/onnx_import.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/onnx";
constexpr int kMaxDepth = 64;          // bodies and function calls inside one another
constexpr int64_t kMaxNodes = 200000;  // after inlining functions; real models have thousands
// Protobuf messages inside one another: a body takes three levels.
constexpr int kMaxMessageDepth = 256;

template <typename Message>
void parse_message(std::span<const std::byte> bytes, const std::string& file, Message& out) {
  refuse_stand_in(bytes, kWhere, file, "an ONNX file");
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: expected at most 2 GiB (larger weights go into external "
         "data), found {} bytes",
         file, bytes.size());
  }
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(kMaxMessageDepth);
  if (!out.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected a complete ONNX file, found {}", file,
         describe_bytes(bytes));
  }
}

constexpr size_t kShownName = 100;  // bytes of a value's name in a symbol: room for its axis

// Symbols allow letters, digits, '_' and '.'; ONNX names allow anything.
std::string symbol_name(const std::string& text) {
  std::string out;
  for (char c : onnx_printable(text)) {
    out += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ? c : '_';
  }
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0]))) out = "d" + out;
  return out;
}

// The symbol of an unknown dimension: one for each text, made readable, numbered where two texts
// would become one. `text` must tell a dim_param from a place; `shown` is what is read.
const std::string& symbol_of(OnnxContext& context, const std::string& text,
                             const std::string& shown) {
  const auto [entry, fresh] = context.symbols.try_emplace(text);
  if (fresh) {
    const std::string base = symbol_name(shown);
    std::string symbol = base;
    for (int n = 2; !context.symbol_names.insert(symbol).second; ++n) {
      symbol = fmt::format("{}_{}", base, n);
    }
    entry->second = symbol;
  }
  return entry->second;
}

OnnxContext make_context(std::span<const std::byte> bytes, const std::string& file,
                         const std::string& folder, const OnnxOptions& options) {
  auto model = std::make_shared<onnx::ModelProto>();
  parse_message(bytes, file, *model);
  if (!model->has_graph()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an ONNX file with a graph, found {}", file,
         describe_bytes(bytes));
  }
  OnnxContext context;
  context.model = model;
  context.file = file;
  context.opsets = onnx_opsets(model->opset_import(), file);
  context.options = options;
  context.external = OnnxExternalData(folder);
  for (const auto& function : model->functions()) {
    context.functions[{onnx_domain(function.domain()), function.name(), function.overload()}] =
        &function;
  }
  return context;
}

OnnxModel import_model(OnnxContext context) {
  check_onnx_operators(context);
  OnnxModel out;
  const onnx::GraphProto& graph = context.model->graph();
  out.graph = std::make_unique<Graph>(graph.name().empty() ? "main" : graph.name());
  OnnxImporter importer(context, *out.graph, nullptr, 0);
  try {
    importer.import_model(graph, out);
  } catch (const OnnxDataDependence& error) {
    throw OnnxDataDependence(fmt::format("[{}] {}: {}", kWhere, context.file, error.what()),
                             error.inputs());
  } catch (const RefusedError& error) {
    // Operators do not know the file they came from.
    std::vector<Refusal> refusals = error.refusals();
    for (Refusal& refusal : refusals) refusal.file = context.file;
    throw RefusedError(error.code(), kWhere, std::move(refusals));
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(context.file) != std::string::npos) throw;
    throw Error(error.code(), fmt::format("[{}] {}: {}", kWhere, context.file, message));
  }
  return out;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Walks nodes, bodies and called functions in the order of the file.
class OperatorCheck {
 public:
  explicit OperatorCheck(OnnxContext& context) : context_(context) {}
  template <typename Nodes>
  void walk(const Nodes& nodes, const OnnxOpsets& opsets, int depth) {
    if (depth > kMaxDepth) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: bodies or functions nest deeper than {}",
           context_.file, kMaxDepth);
    }
    for (const auto& node : nodes) {
      if (++nodes_ > kMaxNodes) {
        fail(ErrorCode::kUnsupported, kWhere, "{}: more than {} nodes", context_.file, kMaxNodes);
      }
      visit(node, opsets, depth);
    }
  }
  void finish() {
    for (const auto& [found, nodes] : missing_) {
      std::string where = fmt::format("node '{}'", nodes[0]);
      if (nodes.size() > 1) {
        const auto end = nodes.begin() + std::min<ptrdiff_t>(kShownNodes, std::ssize(nodes));
        where =
            fmt::format("{} nodes ('{}'{})", nodes.size(), fmt::join(nodes.begin(), end, "', '"),
                        end == nodes.end() ? "" : ", ...");
      }
      context_.refused.add(ErrorCode::kUnsupported,
                           {"op", context_.file, where, "a supported operator", found});
    }
  }

 private:
  void visit(const onnx::NodeProto& node, const OnnxOpsets& opsets, int depth) {
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) walk(attribute.g().node(), opsets, depth + 1);
    }
    if (const onnx::FunctionProto* function = find_onnx_function(context_, node)) {
      walk(function->node(), onnx_opsets(function->opset_import(), context_.file), depth + 1);
      return;
    }
    const std::string domain = onnx_domain(node.domain());
    const auto opset = opsets.find(domain);
    if (opset == opsets.end()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: node '{}' is of domain '{}', which opset_import lacks",
           context_.file, name_of(node), onnx_printable(domain));
    }
    if (find_onnx_import(domain, node.op_type(), opset->second)) return;
    const std::string found =
        fmt::format("{} ({} opset {})", onnx_printable(node.op_type()),
                    domain.empty() ? "ai.onnx" : onnx_printable(domain), opset->second);
    missing_[found].push_back(name_of(node));
  }
  // Names may be left out; outputs are always named.
  static std::string name_of(const onnx::NodeProto& node) {
    return onnx_printable(!node.name().empty() || node.output_size() == 0 ? node.name()
                                                                          : node.output(0));
  }
  static constexpr ptrdiff_t kShownNodes = 8;
  OnnxContext& context_;
  std::map<std::string, std::vector<std::string>> missing_;  // nodes by their operator
  int64_t nodes_ = 0;
};

}  // namespace

std::string onnx_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

OnnxOpsets onnx_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                       const std::string& file) {
  OnnxOpsets out;
  for (const auto& entry : imports) {
    const std::string domain = onnx_domain(entry.domain());
    if (domain.empty() && (entry.version() < 1 || entry.version() > kOnnxMaxOpset)) {
      fail(ErrorCode::kUnsupported, kWhere, "{}: expected an opset from 1 to {}, found {}", file,
           kOnnxMaxOpset, entry.version());
    }
    out[domain] = entry.version();
  }
  return out;
}

const onnx::FunctionProto* find_onnx_function(const OnnxContext& context,
                                              const onnx::NodeProto& node) {
  auto it = context.functions.find({onnx_domain(node.domain()), node.op_type(), node.overload()});
  return it == context.functions.end() ? nullptr : it->second;
}

ValueType onnx_value_type(OnnxContext& context, const onnx::ValueInfoProto& info) {
  const std::string name = onnx_printable(info.name());
  if (!info.type().has_tensor_type()) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}' is not a tensor (sequence, map or optional)",
         context.file, name);
  }
  const auto& tensor = info.type().tensor_type();
  const auto dtype = ops::onnx_dtype(tensor.elem_type());
  if (!dtype) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}' has element type {}", context.file, name,
         tensor.elem_type());
  }
  ValueType out{*dtype, {}};
  if (!tensor.has_shape()) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: '{}' has no declared rank", context.file, name);
  }
  for (int i = 0; i < tensor.shape().dim_size(); ++i) {
    const auto& dim = tensor.shape().dim(i);
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      out.shape.push_back(dim.dim_value());
      continue;
    }
    const std::string& param = dim.dim_param();
    const std::string& symbol =
        !param.empty() ? symbol_of(context, "=" + param, param)
                       : symbol_of(context, fmt::format("{} {}", i, info.name()),
                                   fmt::format("{}_dim_{}", name.substr(0, kShownName), i));
    auto known = context.options.symbols.find(symbol);
    out.shape.push_back(known == context.options.symbols.end() ? Dim::symbol(symbol)
                                                               : Dim(known->second));
  }
  element_count(out.shape);  // Error when it does not fit 64 bits
  return out;
}

void check_onnx_operators(OnnxContext& context) {
  OperatorCheck check(context);
  check.walk(context.model->graph().node(), context.opsets, 0);
  check.finish();
}

OnnxModel load_onnx(const std::string& path, const OnnxOptions& options) {
  const auto file = MappedFile::open(path);
  return import_model(make_context(file->bytes(), path, folder_of(path), options));
}

OnnxModel parse_onnx(std::span<const std::byte> bytes, const std::string& name,
                     const OnnxOptions& options) {
  return import_model(make_context(bytes, name, "", options));
}

OnnxSignature read_onnx_signature(const std::string& path) {
  const auto file = MappedFile::open(path);
  OnnxContext context = make_context(file->bytes(), path, "", {});
  const onnx::GraphProto& graph = context.model->graph();
  std::set<std::string> initialized;
  for (const auto& tensor : graph.initializer()) initialized.insert(tensor.name());
  OnnxSignature out;
  for (const auto& input : graph.input()) {
    if (initialized.count(input.name())) continue;
    out.inputs.push_back({input.name(), onnx_value_type(context, input)});
  }
  for (const auto& output : graph.output()) out.outputs.push_back(output.name());
  return out;
}

std::shared_ptr<const TensorData> read_onnx_tensor(const std::string& path) {
  const auto file = MappedFile::open(path);
  auto proto = std::make_shared<onnx::TensorProto>();
  parse_message(file->bytes(), path, *proto);
  OnnxExternalData none{std::string()};
  return onnx_tensor(*proto, proto, none);
}

}  // namespace ingot
