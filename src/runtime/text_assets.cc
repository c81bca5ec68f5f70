#include "runtime/text_assets.h"

#include <algorithm>

#include "base/error.h"
#include "runtime/decoder_step.h"
#include "runtime/sampler_rule.h"
#include "text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/text_assets";

// A form of chats that a model names in place of a template (Qwen 1): turns between <|im_start|>
// and <|im_end|>, a system turn where the messages have none.
constexpr std::string_view kChatMl = "chatml";
constexpr std::string_view kChatMlTemplate =
    "{% if not messages or messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

std::string token_or_empty(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? std::string() : std::string(tokenizer.token_text(id));
}

// Every string in a value; a parser bounds how deep it can be.
void check_strings(const Json& value, std::string_view what) {
  if (value.is_string()) check_utf8(value.get_ref<const std::string&>(), what);
  if (value.is_array()) {
    for (const Json& item : value) check_strings(item, what);
  }
  if (!value.is_object()) return;
  for (const auto& [key, item] : value.items()) {
    check_utf8(key, what);
    check_strings(item, what);
  }
}

}  // namespace

const Tokenizer& TextAssets::require_tokenizer() const {
  if (!tokenizer) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: expected a tokenizer, found none{}", name,
         no_tokenizer.empty() ? "" : " (" + no_tokenizer + ")");
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
  out.reserve(generation.eos_ids.size() + 1);
  // In 32 bits: generation_defaults_from_json() refuses others.
  for (int64_t id : generation.eos_ids) out.push_back(static_cast<int32_t>(id));
  if (out.empty() && tokenizer && tokenizer->eos_id() >= 0) out.push_back(tokenizer->eos_id());
  if (!tokenizer) return out;
  const auto add = [&](int32_t id) {
    if (id >= 0 && std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  };
  for (const int32_t id : tokenizer->chat_ends()) add(id);
  if (generation.chat_format != kChatMl) return out;
  for (const char* mark : {"<|im_end|>", "<|im_start|>"}) add(tokenizer->token_to_id(mark));
  return out;
}

SamplingParams TextAssets::sampling() const {
  SamplingParams out;
  if (generation.do_sample.value_or(false)) out.temperature = generation.temperature.value_or(1.0);
  out.top_k = static_cast<int32_t>(generation.top_k.value_or(out.top_k));
  out.top_p = generation.top_p.value_or(out.top_p);
  out.min_p = generation.min_p.value_or(out.min_p);
  out.repetition_penalty = generation.repetition_penalty.value_or(out.repetition_penalty);
  out.eos_token_ids = end_ids();
  return out;
}

void check_sampling_defaults(const GenerationDefaults& generation, std::string_view file) {
  // top_k is bound by the vocabulary: generation_defaults_from_json() checks it.
  const auto check = [&](std::string_view key, const std::optional<double>& value) {
    const SamplerParam& param = sampler_param(key);
    if (!value || param.holds(*value)) return;
    fail(ErrorCode::kCorrupt, kWhere, "{}: '{}': expected {}, found {}", file, key,
         param.range_text(), *value);
  };
  check("temperature", generation.temperature);
  check("top_p", generation.top_p);
  check("min_p", generation.min_p);
  check("repetition_penalty", generation.repetition_penalty);
}

TextAssets engine_text_assets(const Engine& engine, const std::string& name) {
  if (engine.extra("network")) {
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
      out.template_source = *source;
    }
  }
  if (const std::string* json = engine.extra("generation")) {
    const std::string file = name + ": section 'generation'";
    const int64_t vocab_size = read_decoder_plan(engine.plan).vocab_size;
    out.generation =
        generation_defaults_from_json(parse_json(*json, kWhere, file), file, vocab_size);
    check_sampling_defaults(out.generation, file);
  }
  if (out.tokenizer && !out.chat_template && out.generation.chat_format == kChatMl) {
    out.chat_template = ChatTemplate::parse(std::string(kChatMlTemplate), name + ": chatml");
  } else if (out.tokenizer && !out.chat_template && !out.tokenizer->chat_template().empty()) {
    out.chat_template =
        ChatTemplate::parse(out.tokenizer->chat_template(), name + ": chats of its tokenizer");
  }
  return out;
}

ChatSegments render_chat(const TextAssets& assets, const Json& messages,
                         const ChatOptions& options) {
  for (const Json& message : messages) check_strings(message, "message");
  for (const auto& [name, value] : options.extra.items()) check_strings(value, name);
  const ChatTemplate& chat = assets.require_template();
  ChatInput input;
  input.messages = messages;
  input.add_generation_prompt = options.add_generation_prompt;
  input.extra = options.extra;
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
