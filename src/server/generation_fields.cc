#include "server/generation_fields.h"

#include <algorithm>
#include <random>

#include "server/api_error.h"

namespace ingot {
namespace {

constexpr double kMostTokens = 1 << 30;
constexpr double kMaxStops = 16;

const Json* find(const Json& body, std::string_view name) {
  const auto at = body.find(std::string(name));
  return at == body.end() || at->is_null() ? nullptr : &*at;
}

template <typename T>
void read(const Json& body, std::string_view name, T& out) {
  if (const Json* value = find(body, name)) out = value->get<T>();
}

// Integers may come as 1.0.
template <typename T>
void read_integer(const Json& body, std::string_view name, T& out) {
  if (const Json* value = find(body, name)) out = static_cast<T>(value->get<double>());
}

uint64_t random_word() {
  static thread_local std::mt19937_64 words{std::random_device{}()};
  return words();
}

void read_seed(const Json& body, SamplingParams& sampling) {
  const Json* seed = find(body, "seed");
  // Negative seeds are what some clients call "any".
  const bool given = seed != nullptr && (seed->is_number_unsigned() || seed->get<double>() >= 0);
  sampling.seed = given ? seed->get<uint64_t>() : random_word();
}

std::vector<std::string> read_stops(const Json& body) {
  std::vector<std::string> out;
  const Json* stop = find(body, "stop");
  if (stop == nullptr) return out;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = stop->is_string() ? "stop" : fmt::format("stop[{}]", i);
    if (!list[i].is_string() || list[i].get_ref<const std::string&>().empty()) {
      throw bad_request(path, fmt::format("'{}': expected a string that is not empty", path));
    }
    out.push_back(list[i]);
  }
  return out;
}

std::vector<int32_t> read_ids(const Json& body, std::string_view name, int64_t vocab_size) {
  std::vector<int32_t> out;
  const Json* list = find(body, name);
  if (list == nullptr) return out;
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& id = (*list)[i];
    if (!id.is_number_integer() || id.get<double>() < 0 ||
        id.get<double>() >= static_cast<double>(vocab_size)) {
      const std::string path = fmt::format("{}[{}]", name, i);
      throw bad_request(path,
                        fmt::format("'{}': expected a token id, 0 to {}", path, vocab_size - 1));
    }
    out.push_back(id.get<int32_t>());
  }
  return out;
}

void read_lengths(const Json& body, const ServedModel& model, SamplingParams& sampling) {
  sampling.max_tokens = model.context;  // as much as there is room for
  read_integer(body, "max_tokens", sampling.max_tokens);
  read_integer(body, "max_completion_tokens", sampling.max_tokens);
  read_integer(body, "min_tokens", sampling.min_tokens);
  if (sampling.min_tokens > sampling.max_tokens) {
    throw bad_request("min_tokens", fmt::format("'min_tokens': expected at most max_tokens ({}), "
                                                "found {}",
                                                sampling.max_tokens, sampling.min_tokens));
  }
}

void read_filters(const Json& body, SamplingParams& sampling) {
  read(body, "temperature", sampling.temperature);
  read(body, "top_p", sampling.top_p);
  read(body, "min_p", sampling.min_p);
  int64_t top_k = sampling.top_k;
  read_integer(body, "top_k", top_k);
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));  // -1: off, in vLLM's API
  read(body, "presence_penalty", sampling.presence_penalty);
  read(body, "frequency_penalty", sampling.frequency_penalty);
  read(body, "repeat_penalty", sampling.repetition_penalty);
  read(body, "repetition_penalty", sampling.repetition_penalty);
}

}  // namespace

std::vector<Field> generation_fields() {
  std::vector<Field> fields = {
      {.name = "model", .kinds = kTextField, .max = 256, .help = "a name of the served model"},
      {.name = "max_tokens",
       .kinds = kIntegerField,
       .min = 1,
       .max = kMostTokens,
       .help = "most tokens of an answer; without it as many as the context has room for"},
      {.name = "min_tokens", .kinds = kIntegerField, .min = 0, .max = kMostTokens},
      {.name = "temperature", .kinds = kNumberField, .min = 0, .max = 100},
      {.name = "top_p", .kinds = kNumberField, .min = 1e-9, .max = 1},
      {.name = "top_k",
       .kinds = kIntegerField,
       .min = -1,
       .max = kMostTokens,
       .help = "0 and -1: off"},
      {.name = "min_p", .kinds = kNumberField, .min = 0, .max = 1},
      {.name = "presence_penalty", .kinds = kNumberField, .min = -2, .max = 2},
      {.name = "frequency_penalty", .kinds = kNumberField, .min = -2, .max = 2},
      {.name = "repetition_penalty", .kinds = kNumberField, .min = 1e-3, .max = 100},
      {.name = "repeat_penalty",
       .kinds = kNumberField,
       .min = 1e-3,
       .max = 100,
       .help = "llama-server's name of repetition_penalty"},
      {.name = "n", .kinds = kIntegerField, .min = 1, .max = kMaxChoices},
      {.name = "seed",
       .kinds = kIntegerField,
       .min = -9007199254740992.0,
       .max = 9007199254740992.0},
      {.name = "stop",
       .kinds = kTextField | kListField,
       .min = 0,
       .max = kMaxStops * 256,
       .help = "strings that end the answer and are not part of it"},
      {.name = "stop_token_ids", .kinds = kListField, .max = kMaxStopIds},
      {.name = "ignore_eos", .kinds = kBoolField},
      {.name = "stream", .kinds = kBoolField},
      {.name = "stream_options",
       .kinds = kObjectField,
       .fields = {{.name = "include_usage", .kinds = kBoolField},
                  {.name = "continuous_usage_stats", .kinds = kBoolField},
                  {.name = "include_obfuscation",
                   .kinds = kBoolField,
                   .use = FieldUse::kRefused,
                   .neutral = false}}},
      {.name = "priority",
       .kinds = kIntegerField,
       .min = -1e6,
       .max = 1e6,
       .help = "lower runs first"},
      {.name = "cache_salt",
       .kinds = kTextField,
       .min = 1,
       .max = 1024,
       .help = "prefixes are shared only between equal salts"},
      {.name = "return_token_ids", .kinds = kBoolField},
      {.name = "request_id", .kinds = kTextField, .min = 1, .max = 256},
  };
  const std::vector<Field> refused = {
      {.name = "logit_bias", .use = FieldUse::kRefused, .neutral = Json::object()},
      {.name = "best_of", .use = FieldUse::kRefused, .neutral = 1},
      {.name = "use_beam_search", .use = FieldUse::kRefused, .neutral = false},
      {.name = "length_penalty", .use = FieldUse::kRefused, .neutral = 1.0},
      {.name = "prompt_logprobs", .use = FieldUse::kRefused},
      {.name = "bad_words", .use = FieldUse::kRefused, .neutral = Json::array()},
      {.name = "allowed_token_ids", .use = FieldUse::kRefused},
      {.name = "structured_outputs", .use = FieldUse::kRefused},
      {.name = "truncate_prompt_tokens", .use = FieldUse::kRefused},
      {.name = "skip_special_tokens", .use = FieldUse::kRefused, .neutral = true},
      {.name = "spaces_between_special_tokens", .use = FieldUse::kRefused, .neutral = true},
      {.name = "include_stop_str_in_output", .use = FieldUse::kRefused, .neutral = false},
      {.name = "response_format", .use = FieldUse::kRefused, .neutral = {{"type", "text"}}},
  };
  return joined_fields({fields, refused, ignored_fields()});
}

GenerationWish read_generation(const Json& body, const ServedModel& model) {
  GenerationWish out;
  SamplingParams& sampling = out.input.sampling;
  sampling = model.assets->sampling();
  sampling.temperature = model.assets->generation.temperature.value_or(1.0);
  if (const Json* name = find(body, "model")) model.check_name(name->get<std::string>());
  read_lengths(body, model, sampling);
  read_filters(body, sampling);
  read_seed(body, sampling);
  read_integer(body, "n", sampling.n);
  read(body, "ignore_eos", sampling.ignore_eos);
  sampling.stop_token_ids = read_ids(body, "stop_token_ids", model.loop->limits().vocab_size);
  out.input.stops = read_stops(body);
  out.input.tokenizer = model.assets->tokenizer.get();
  read_integer(body, "priority", out.priority);
  read(body, "cache_salt", out.cache_salt);
  read(body, "return_token_ids", out.return_token_ids);
  read(body, "stream", out.stream);
  const Json* options = find(body, "stream_options");
  if (options == nullptr) return out;
  if (!out.stream) {
    throw bad_request("stream_options", "'stream_options': goes with \"stream\": true alone");
  }
  read(*options, "include_usage", out.include_usage);
  read(*options, "continuous_usage_stats", out.continuous_usage);
  return out;
}

Request make_request(const GenerationWish& wish, std::vector<int32_t> prompt,
                     const ServedModel& model) {
  GenerateInput input = wish.input;
  input.prompt = std::move(prompt);
  Request out = model.prepare(input);
  out.priority = wish.priority;
  if (!wish.cache_salt.empty()) out.tenant_salt = hash128(wish.cache_salt);
  return out;
}

}  // namespace ingot
