#include "capi/text_assets.h"

#include <limits>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "capi/model_loader.h"
#include "loaders/hub.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/text_assets";

bool starts_like_gguf(const std::string& path) {
  const auto file = MappedFile::open(path);
  ByteReader reader(file->bytes(), kWhere, path);
  return reader.remaining() >= 4 && reader.text(4, "magic") == "GGUF";
}

// The directory's tokenizer without looking at its weights; empty when it has no tokenizer.json.
std::string directory_spec(const std::string& directory) {
  const std::string json = directory + "/tokenizer.json";
  if (!is_regular_file(json)) return {};
  const std::string config = directory + "/tokenizer_config.json";
  TokenizerConfig parsed;
  if (is_regular_file(config)) parsed = parse_tokenizer_config(read_file(config), config);
  return make_tokenizer_spec(read_file(json), parsed);
}

std::string source_spec(const std::string& path) {
  const ModelSource source = open_model_source(path);
  const std::string spec = tokenizer_spec(source);
  if (spec.empty()) {
    const std::string why = unsupported_tokenizer(source);
    fail(ErrorCode::kNotFound, kWhere, "{}: expected a tokenizer, found none{}", path,
         why.empty() ? "" : ": " + why);
  }
  return spec;
}

std::string token_or_empty(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? std::string() : std::string(tokenizer.token_text(id));
}

}  // namespace

const Tokenizer& TextAssets::require_tokenizer() const {
  if (!tokenizer) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected a tokenizer, found none{}; give --prompt-ids, or build with --tokenizer-dir",
         name, no_tokenizer.empty() ? "" : " (" + no_tokenizer + ")");
  }
  return *tokenizer;
}

const ChatTemplate& TextAssets::require_template() const {
  require_tokenizer();
  if (!chat_template) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: expected a chat template, found none", name);
  }
  return *chat_template;
}

std::vector<int32_t> TextAssets::end_ids() const {
  std::vector<int32_t> out;
  for (int64_t id : generation.eos_ids) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: 'eos_token_id': expected 0 to {}, found {}", name,
           std::numeric_limits<int32_t>::max(), id);
    }
    out.push_back(static_cast<int32_t>(id));
  }
  if (out.empty() && tokenizer && tokenizer->eos_id() >= 0) out.push_back(tokenizer->eos_id());
  return out;
}

TextAssets engine_text_assets(const Engine& engine, const std::string& name) {
  if (is_network(engine)) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected a language model, found the engine of a network ('ingot exec' runs it)",
         name);
  }
  TextAssets out;
  out.name = name;
  if (const std::string* why = engine.extra("no_tokenizer")) out.no_tokenizer = *why;
  if (const std::string* spec = engine.extra("tokenizer")) {
    out.tokenizer = Tokenizer::load(std::string_view(*spec), name + ": section 'tokenizer'");
    if (const std::string* source = engine.extra("chat_template")) {
      out.chat_template = ChatTemplate::parse(*source, name + ": chat template");
    }
  }
  if (const std::string* json = engine.extra("generation")) {
    const std::string file = name + ": section 'generation'";
    out.generation = read_generation_defaults(parse_json(*json, kWhere, file), Json(), file);
  }
  return out;
}

std::unique_ptr<const Tokenizer> open_tokenizer(const std::string& source) {
  const std::string path = resolve_model(source);
  if (is_directory(path)) {
    std::string spec = directory_spec(path);
    if (spec.empty()) spec = source_spec(path);
    return Tokenizer::load(std::string_view(spec), path);
  }
  if (looks_like_container(path)) {
    const auto file = Container::open(path);
    if (!file->has("extra.tokenizer")) {
      fail(ErrorCode::kNotFound, kWhere, "{}: expected a section 'tokenizer', found none", path);
    }
    return Tokenizer::load(file->section("extra.tokenizer"), path);
  }
  if (starts_like_gguf(path)) return Tokenizer::load(std::string_view(source_spec(path)), path);
  for (const auto& [ending, format] :
       {std::pair(".model", "SentencePiece"), std::pair(".tiktoken", "tiktoken")}) {
    if (!path.ends_with(ending)) continue;
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: {} files ({}) are not supported; expected a tokenizer.json", path, format, ending);
  }
  if (path.ends_with(".json")) return Tokenizer::load(std::string_view(read_file(path)), path);
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: expected an engine, a GGUF file, a tokenizer.json or a model directory", path);
}

ChatSegments render_chat(const TextAssets& assets, const Json& messages) {
  for (const Json& message : messages) {
    check_utf8(message.at("content").get_ref<const std::string&>(), "message");
  }
  const ChatTemplate& chat = assets.require_template();
  ChatInput input;
  input.messages = messages;
  input.bos_token = token_or_empty(*assets.tokenizer, assets.tokenizer->bos_id());
  input.eos_token = token_or_empty(*assets.tokenizer, assets.tokenizer->eos_id());
  return chat.render(input);
}

void check_utf8(std::string_view text, std::string_view what) {
  const size_t offset = validate_utf8(text);
  if (offset == kUtf8Valid) return;
  fail(ErrorCode::kInvalidArgument, kWhere, "{}: byte {}: expected UTF-8, found 0x{:02x}", what,
       offset, static_cast<unsigned char>(text[offset]));
}

}  // namespace ingot
