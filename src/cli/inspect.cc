#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/refusal.h"
#include "capi/examine.h"
#include "capi/model_loader.h"
#include "cli/contract/cli_io.h"
#include "cli/contract/command.h"
#include "engine/container.h"
#include "loaders/hub.h"
#include "loaders/loader_def.h"
#include "loaders/onnx.h"
#include "runtime/embedding_session.h"

namespace ingot {
namespace command_inspect {

Json sizes(const SymbolValues& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values) out[name] = value;
  return out;
}

Json network_json(const NetworkSignature& network) {
  Json out = {
      {"inputs", Json::array()}, {"outputs", network.outputs}, {"constants", network.constants}};
  for (const NetworkInput& input : network.inputs) {
    out["inputs"].push_back({{"name", input.name},
                             {"type", type_text(input.type)},
                             {"min", input.range.min},
                             {"opt", input.range.opt},
                             {"max", input.range.max}});
  }
  return out;
}

// Whether the model runs, and every reason why not.
void add_verdict(const RefusalList& refused, Json& out) {
  out["runs"] = refused.empty();
  out["reasons"] = Json::array();
  for (const Refusal& reason : refused.items()) {
    out["reasons"].push_back({{"kind", reason.kind},
                              {"file", reason.file},
                              {"where", reason.where},
                              {"expected", reason.expected},
                              {"found", reason.found},
                              {"text", refusal_text(reason)}});
  }
}

// An .onnx file: its symbols are left open, so nothing about its sizes is needed.
Json onnx_json(const std::string& path) {
  Json out = {{"kind", "onnx"},
              {"path", path},
              {"bytes", std::filesystem::file_size(path)},
              {"inputs", Json::array()},
              {"outputs", Json::array()}};
  RefusalList refused;
  try {
    const OnnxSignature signature = read_onnx_signature(path);
    out["outputs"] = signature.outputs;
    for (const auto& input : signature.inputs) {
      out["inputs"].push_back({{"name", input.name}, {"type", type_text(input.type)}});
    }
    const OnnxModel model = load_onnx(path);
    std::map<std::string, int64_t> ops;
    for (const Node& node : model.graph->nodes()) ++ops[node.op];
    out["graph_nodes"] = model.graph->nodes().size();
    out["ops"] = ops;
  } catch (const OnnxDataDependence& error) {
    out["reason"] = error.what();
    out["shapes_depend_on"] = error.inputs();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    refused.add(error, "op", path);
  }
  add_verdict(refused, out);
  return out;
}

// A text as it is, anything else as JSON; its names may be no UTF-8.
std::string words(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_verdict(const Json& info) {
  const bool runs = info["runs"].get<bool>();
  std::printf("will run: %s\n", runs ? "yes" : "no");
  constexpr size_t kShown = 100;
  const std::string* file = nullptr;
  for (size_t i = 0; i < std::min(info["reasons"].size(), kShown); ++i) {
    const Json& reason = info["reasons"][i];
    const auto& of = reason["file"].get_ref<const std::string&>();
    if (!file || *file != of) print_line(of + ":");
    file = &of;
    print_line(fmt::format("  {:<12} {}", words(reason["kind"]), words(reason["text"])));
  }
  if (info["reasons"].size() > kShown) {
    std::printf("and %zu more (--json has all)\n", info["reasons"].size() - kShown);
  }
}

void print_onnx(const Json& info) {
  print_line(fmt::format("onnx     {}, {} bytes", words(info["path"]), words(info["bytes"])));
  for (const Json& input : info["inputs"]) {
    print_line(fmt::format("input    {} {}", words(input["name"]), words(input["type"])));
  }
  print_line("outputs  " + words(info["outputs"]));
  if (info.contains("ops")) print_line("ops      " + words(info["ops"]));
  if (info.contains("reason")) print_line("sizes    " + words(info["reason"]));
  print_verdict(info);
}

Json engine_json(const Engine& engine, const std::string& path) {
  const Plan& plan = engine.plan;
  Json out = {{"kind", "engine"}, {"path", path}, {"bytes", std::filesystem::file_size(path)}};
  out["content_hash"] = engine.container->content_hash();
  for (const std::string& name : engine.container->names()) {
    out["sections"][name] = engine.container->section(name).size();
  }
  uint64_t weights = 0;
  std::map<std::string, uint64_t> by_type;
  for (const PlanTensor& tensor : plan.tensors) {
    weights += static_cast<uint64_t>(tensor.bytes());
    by_type[tensor.type.name()] += static_cast<uint64_t>(tensor.bytes());
  }
  out["plan"] = {{"name", plan.name},          {"hash", plan_hash(plan)},
                 {"steps", plan.steps.size()}, {"tensors", plan.tensors.size()},
                 {"weight_bytes", weights},    {"weight_bytes_by_type", by_type},
                 {"metadata", plan.metadata},  {"limits", sizes(plan.limits)}};
  for (const Bucket& bucket : plan.buckets) out["plan"]["buckets"].push_back(sizes(bucket));
  for (const PlanStateGroup& group : plan.groups) {
    out["plan"]["state_groups"].push_back({{"name", group.name},
                                           {"kind", group.kind},
                                           {"layers", group.layers},
                                           {"page_tokens", group.page_tokens},
                                           {"bytes_per_token", group.bytes_per_token}});
  }
  std::map<std::string, int64_t> ops;
  for (const PlanStep& step : plan.steps) ++ops[step.op];
  out["plan"]["ops"] = ops;
  out["devices"] = Json::array();
  for (const DeviceSection& section : engine.devices) {
    Json choices = Json::object();
    for (const auto& [desc, choice] : section.choices) {
      choices[desc] = {{"kernel", choice.kernel},
                       {"version", choice.version},
                       {"tactic", choice.tactic},
                       {"us", choice.microseconds}};
    }
    out["devices"].push_back({{"device", section.device}, {"choices", choices}});
  }
  if (!is_network(engine)) out["task"] = is_embedding_engine(engine) ? "embed" : "generate";
  out["has_tokenizer"] = engine.extra("tokenizer") != nullptr;
  out["has_chat_template"] = engine.extra("chat_template") != nullptr;
  if (const std::string* source = engine.extra("source")) out["source"] = *source;
  if (is_network(engine)) out["network"] = network_json(network_signature(engine, path));
  for (const char* name : {"generation", "embedding", "report"}) {
    const std::string* text = engine.extra(name);
    if (text) out[name] = parse_json(*text, "cli/inspect", path + ": " + name);
  }
  return out;
}

Json source_json(const ModelSource& source, const RefusalList& refused, const Graph* graph) {
  Json out = {{"kind", std::string(source.loader ? source.loader->title : "")},
              {"path", source.path},
              {"architecture", source.architecture},
              {"identity", source.identity}};
  uint64_t bytes = 0;
  int64_t parameters = 0;
  Json tensors = Json::array();
  std::map<std::string, uint64_t> by_type;
  for (const std::string& name : source.weights->names()) {
    const WeightInfo& info = source.weights->require(name);
    bytes += info.bytes.size();
    parameters += info.elements();
    by_type[info.type.name()] += info.bytes.size();
    tensors.push_back({{"name", name},
                       {"type", info.type.name()},
                       {"shape", info.shape},
                       {"bytes", info.bytes.size()}});
  }
  out["parameters"] = parameters;
  out["weight_bytes"] = bytes;
  out["weight_bytes_by_type"] = by_type;
  add_verdict(refused, out);
  if (graph) out["graph_nodes"] = graph->nodes().size();
  if (graph) out["task"] = graph->find("hidden") == kNoValue ? "generate" : "embed";
  // As the model reads it; where the model is refused, as its file has it.
  out["config"] = graph ? model_config(source, find_model(source)) : source.config;
  out["has_tokenizer"] = !source.tokenizer.empty();
  out["has_chat_template"] = !source.chat_template.empty();
  const SentenceFiles& sentences = source.sentences;
  if (sentences.rules) out["embedding"] = embedding_rules_to_json(*sentences.rules);
  if (!sentences.refused.empty()) out["no_embedding"] = sentences.refused;
  out["tensors"] = std::move(tensors);
  return out;
}

// Also of a source whose weights are of types that nothing reads.
Json model_json(const std::string& path) {
  RefusalList refused;
  ModelSource source;
  try {
    source = open_model_source(path);
  } catch (const RefusedError& error) {
    refused.add(error, "weight", path);
    Json out = {{"kind", "unreadable model"}, {"path", path}};
    add_verdict(refused, out);
    return out;
  }
  const auto graph = examine_source(source, refused);
  return source_json(source, refused, graph.get());
}

double megabytes(const Json& bytes) { return bytes.get<double>() * 1e-6; }

void print_engine(const Json& info) {
  const Json& plan = info["plan"];
  print_line(fmt::format("engine   {}, {:.1f} MB, hash {}", words(info["path"]),
                         megabytes(info["bytes"]), words(info["content_hash"])));
  print_line(fmt::format("plan     {}: {} steps, {} tensors, weights {:.1f} MB {}",
                         words(plan["name"]), words(plan["steps"]), words(plan["tensors"]),
                         megabytes(plan["weight_bytes"]), words(plan["weight_bytes_by_type"])));
  print_line("limits   " + words(plan["limits"]));
  print_line("ops      " + words(plan["ops"]));
  if (info.contains("network")) {
    for (const Json& input : info["network"]["inputs"]) {
      print_line(fmt::format("input    {} {}, from {} over {} to {}", words(input["name"]),
                             words(input["type"]), words(input["min"]), words(input["opt"]),
                             words(input["max"])));
    }
    print_line("outputs  " + words(info["network"]["outputs"]));
  }
  print_line("sections " + words(info["sections"]));
  for (const Json& section : info["devices"]) {
    print_line("tuned for " + words(section["device"]));
    for (const auto& [desc, choice] : section["choices"].items()) {
      print_line(fmt::format("  {:9.1f} us  {:<24} {:<16} {}", choice["us"].get<double>(),
                             words(choice["kernel"]), words(choice["tactic"]), desc));
    }
  }
}

void print_source(const Json& info) {
  print_line(fmt::format("{} {}", words(info["kind"]), words(info["path"])));
  if (!info.contains("architecture")) return print_verdict(info);
  print_line(fmt::format("architecture {}, {:.1f} M parameters, {:.1f} MB {}",
                         words(info["architecture"]), info["parameters"].get<double>() * 1e-6,
                         megabytes(info["weight_bytes"]), words(info["weight_bytes_by_type"])));
  if (info.contains("task")) print_line("task " + words(info["task"]));
  print_line("config " + words(info["config"]));
  for (const Json& tensor : info["tensors"]) {
    print_line(fmt::format("  {:<48} {:<9} {}", words(tensor["name"]), words(tensor["type"]),
                           words(tensor["shape"])));
  }
  print_verdict(info);
}

class Inspect final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.argument("model", &model_, "engine, or any model source");
  }

  int run() override {
    const std::string path = resolve_model(model_);
    const bool engine = is_regular_file(path) && looks_like_container(path);
    const bool onnx = !engine && is_onnx_path(path);
    const Json info = engine ? engine_json(*load_engine(path), path)
                      : onnx ? onnx_json(path)
                             : model_json(path);
    if (json) {
      print_json(info);
    } else if (engine) {
      print_engine(info);
    } else if (onnx) {
      print_onnx(info);
    } else {
      print_source(info);
    }
    return info.value("runs", true) ? 0 : 1;
  }

 private:
  std::string model_;
};

}  // namespace command_inspect

const CommandDef& inspect_command() {
  using namespace command_inspect;
  static const CommandDef def = {
      .name = "inspect",
      .help =
          "show what is in an engine or a model, and whether the model will run: status 1 and "
          "every reason where it will not",
      .example = "ingot inspect smollm2.engine",
      .make = [] { return std::unique_ptr<Command>(std::make_unique<Inspect>()); }};
  return def;
}

}  // namespace ingot
