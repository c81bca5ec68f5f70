#include "capi/examine.h"

#include "capi/model_loader.h"
#include "runtime/text_assets.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

void examine_tokenizer(const ModelSource& source, RefusalList& refused) {
  const std::string& file = source.tokenizer.file_name;
  const std::string name = file.empty() ? source.path : source.path + "/" + file;
  refused.gather("tokenizer", name, [&] {
    const std::string spec = tokenizer_spec(source);
    if (!spec.empty()) Tokenizer::load(std::string_view(spec), name);
    const std::string why = spec.empty() ? unsupported_tokenizer(source) : std::string();
    if (!why.empty()) throw Error(ErrorCode::kUnsupported, why);
  });
}

}  // namespace

std::unique_ptr<Graph> examine_source(const ModelSource& source, RefusalList& refused) {
  auto graph = examine_model(source, refused);
  if (graph) {
    refused.gather("config", source.config_file, [&] { check_length(source, {}, *graph); });
  }
  if (graph && graph->find("hidden") != kNoValue && !source.sentences.refused.empty()) {
    refused.gather("embedding", source.path,
                   [&] { throw Error(ErrorCode::kUnsupported, source.sentences.refused); });
  }
  examine_tokenizer(source, refused);
  const std::string generation = file_beside(source, "generation_config.json");
  refused.gather("config", generation,
                 [&] { check_sampling_defaults(source.generation, generation); });
  if (!source.chat_template.empty()) {
    refused.gather("template", source.path,
                   [&] { ChatTemplate::parse(source.chat_template, source.path); });
  }
  return graph;
}

}  // namespace ingot
