#include "server/generation_fields.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "runtime/sampler_rule.h"
#include "server/api_error.h"
#include "server/server_state.h"
#include "server/structured_outputs.h"
#include "server/token_ids.h"

namespace ingot {
namespace {

constexpr double kMostTokens = 1 << 30;
constexpr double kMostSeed = 9223372036854775808.0;  // 2^63, as OpenAI's API
constexpr size_t kMaxStops = 16;
constexpr size_t kMostStopBytes = 4096;
constexpr double kMostBiases = 1024;
constexpr double kMostBadWords = 256;  // each has two spellings
constexpr size_t kMostWordBytes = 64;

template <typename T>
void read(const Json& body, std::string_view name, T& out) {
  if (const Json* value = given(body, name)) out = value->get<T>();
}

// Integers may come as 1.0.
template <typename T>
void read_integer(const Json& body, std::string_view name, T& out) {
  if (const Json* value = given(body, name)) out = static_cast<T>(value->get<double>());
}

std::string shown(const std::string& text) {
  return Json(text.substr(0, 40)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

uint64_t random_word() {
  static thread_local std::mt19937_64 words{std::random_device{}()};
  return words();
}

void read_seed(const Json& body, SamplingParams& sampling) {
  const Json* seed = given(body, "seed");
  // Negative seeds are what some clients call "any".
  const bool counts = seed != nullptr && (seed->is_number_unsigned() || seed->get<double>() >= 0);
  sampling.seed = counts ? seed->get<uint64_t>() : random_word();
}

std::vector<std::string> read_stops(const Json& body) {
  std::vector<std::string> out;
  const Json* stop = given(body, "stop");
  if (stop == nullptr) return out;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  if (list.size() > kMaxStops) {
    throw bad_request("stop", fmt::format("'stop': expected at most {} strings, found {}",
                                          kMaxStops, list.size()));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = stop->is_string() ? "stop" : fmt::format("stop[{}]", i);
    const bool text = list[i].is_string();
    const size_t bytes = text ? list[i].get_ref<const std::string&>().size() : 0;
    if (bytes == 0 || bytes > kMostStopBytes) {
      throw bad_request(
          path, fmt::format("'{}': expected a string of 1 to {} bytes", path, kMostStopBytes));
    }
    out.push_back(list[i]);
  }
  return out;
}

std::string read_request_id(const Json& body) {
  std::string out;
  read(body, "request_id", out);
  const bool plain = std::all_of(out.begin(), out.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain) {
    throw bad_request("request_id",
                      "'request_id': expected letters, digits, '-', '_' and '.' alone");
  }
  return out;
}

std::vector<int32_t> read_ids(const Json& body, const char* name, int64_t vocab_size) {
  const Json* list = given(body, name);
  return list == nullptr ? std::vector<int32_t>() : read_token_ids(*list, name, vocab_size);
}

// OpenAI's scale: -100 bans an id, 100 lets only such ids through.
void read_bias(const Json& body, int64_t vocab_size, SamplingParams& sampling,
               std::set<int32_t>& forced) {
  const Json* bias = given(body, "logit_bias");
  if (bias == nullptr) return;
  if (static_cast<double>(bias->size()) > kMostBiases) {
    throw bad_request("logit_bias", fmt::format("'logit_bias': expected at most {} ids, found {}",
                                                kMostBiases, bias->size()));
  }
  std::map<int32_t, float> values;
  for (const auto& [key, value] : bias->items()) {
    int32_t id = -1;
    const char* end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, id);
    if (error != std::errc() || stop != end || id < 0 || id >= vocab_size) {
      throw bad_request("logit_bias", fmt::format("'logit_bias': expected token ids, 0 to {}, as "
                                                  "keys, found {}",
                                                  vocab_size - 1, shown(key)));
    }
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!(number >= -100 && number <= 100)) {
      throw bad_request(
          "logit_bias",
          fmt::format("'logit_bias': expected -100 to 100 for {}, found {}", key,
                      value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40)));
    }
    const float add = number == -100 ? -INFINITY : static_cast<float>(number);
    if (!values.emplace(id, add).second) {
      throw bad_request("logit_bias",
                        fmt::format("'logit_bias': expected each id once, found {} twice", id));
    }
    if (number == 100) forced.insert(id);
  }
  sampling.logit_bias.assign(values.begin(), values.end());
}

void read_allowed(const Json& body, int64_t vocab_size, const std::set<int32_t>& forced,
                  SamplingParams& sampling) {
  std::vector<int32_t> allowed = read_ids(body, "allowed_token_ids", vocab_size);
  if (forced.empty()) {
    sampling.allowed_token_ids = std::move(allowed);
    return;
  }
  if (allowed.empty()) allowed.assign(forced.begin(), forced.end());
  std::erase_if(allowed, [&](int32_t id) { return forced.count(id) == 0; });
  if (allowed.empty()) {
    throw bad_request("logit_bias",
                      "'logit_bias': expected 100 for an id of 'allowed_token_ids', found none");
  }
  sampling.allowed_token_ids = std::move(allowed);
}

// A word is banned as it stands at the beginning of a text and behind a space, where that is spelt
// with other tokens.
void read_bad_words(const Json& body, const ServedModel& model, SamplingParams& sampling) {
  const Json* words = given(body, "bad_words");
  if (words == nullptr || words->empty()) return;
  const Tokenizer& tokenizer = model.require_tokenizer("bad_words");
  std::set<int32_t> banned;
  std::set<std::vector<int32_t>> longer;
  for (size_t i = 0; i < words->size(); ++i) {
    const std::string path = fmt::format("bad_words[{}]", i);
    const Json& word = (*words)[i];
    const std::string text = word.is_string() ? word.get<std::string>() : "";
    const size_t begin = text.find_first_not_of(' ');
    if (begin == text.npos || text.size() > kMostWordBytes) {
      throw bad_request(
          path, fmt::format("'{}': expected a word, of {} bytes at most", path, kMostWordBytes));
    }
    for (const std::string& spelling : {text.substr(begin), " " + text.substr(begin)}) {
      std::vector<int32_t> ids;
      try {
        ids = tokenizer.encode(spelling, {.add_special = false});
      } catch (const Error& error) {
        throw api_error_of(error);
      }
      if (ids.size() == 1) {
        banned.insert(ids[0]);
      } else if (!ids.empty()) {
        longer.insert(std::move(ids));
      }
    }
  }
  sampling.bad_words.assign(longer.begin(), longer.end());
  std::erase_if(sampling.logit_bias, [&](const auto& one) { return banned.count(one.first) != 0; });
  for (const int32_t id : banned) sampling.logit_bias.emplace_back(id, -INFINITY);
}

void read_masks(const Json& body, const ServedModel& model, SamplingParams& sampling) {
  const int64_t vocab_size = model.loop->limits().vocab_size;
  std::set<int32_t> forced;
  read_bias(body, vocab_size, sampling, forced);
  read_allowed(body, vocab_size, forced, sampling);
  read_bad_words(body, model, sampling);
}

void read_lengths(const Json& body, const ServedModel& model, SamplingParams& sampling) {
  sampling.max_tokens = model.context;  // as much as there is room for
  read_integer(body, "max_tokens", sampling.max_tokens);
  const int64_t former = sampling.max_tokens;
  read_integer(body, "max_completion_tokens", sampling.max_tokens);
  if (given(body, "max_tokens") != nullptr && sampling.max_tokens != former) {
    throw bad_request("max_completion_tokens",
                      fmt::format("'max_tokens', 'max_completion_tokens': expected one of them, or "
                                  "equal numbers, found {} and {}",
                                  former, sampling.max_tokens));
  }
  read_integer(body, "min_tokens", sampling.min_tokens);
  if (sampling.min_tokens > sampling.max_tokens) {
    throw bad_request("min_tokens", fmt::format("'min_tokens': expected at most max_tokens ({}), "
                                                "found {}",
                                                sampling.max_tokens, sampling.min_tokens));
  }
}

void read_filters(const Json& body, SamplingParams& sampling) {
  for (const SamplerParam& param : sampler_params()) {
    const Json* value = given(body, param.name);
    if (value == nullptr && param.name == "repetition_penalty") {
      value = given(body, "repeat_penalty");
    }
    // What is below the rule's range is another way to say "off" (top_k).
    if (value) param.set(sampling, std::max(param.min, value->get<double>()));
  }
}

// What has no effect on beams is not ignored.
void check_beam_fields(const Json& body) {
  struct Neutral {
    std::string_view name;
    std::vector<Json> values;
  };
  std::vector<Neutral> neutrals = {{"repeat_penalty", {1}},
                                   {"logit_bias", {Json::object()}},
                                   {"allowed_token_ids", {}},
                                   {"bad_words", {Json::array()}},
                                   {"logprobs", {false}}};
  for (const SamplerParam& param : sampler_params()) {
    neutrals.push_back({param.name, {param.neutral}});
    if (param.name == "temperature") neutrals.back().values.push_back(0);
    if (param.name == "top_k") neutrals.back().values.push_back(-1);
  }
  for (const auto& [name, values] : neutrals) {
    const Json* value = given(body, name);
    if (value == nullptr || std::find(values.begin(), values.end(), *value) != values.end()) {
      continue;
    }
    throw bad_request(std::string(name),
                      fmt::format("'{}': does not go with \"use_beam_search\": true", name));
  }
}

void read_beams(const Json& body, int32_t width, SamplingParams& sampling) {
  if (width < 2) {
    throw bad_request("use_beam_search",
                      "'use_beam_search': expected a 'best_of' or 'n' of at least 2");
  }
  check_beam_fields(body);
  sampling.beam_width = width;
  read(body, "length_penalty", sampling.length_penalty);
}

void read_choices(const Json& body, const ServedModel& model, GenerationWish& out) {
  SamplingParams& sampling = out.input.sampling;
  read_integer(body, "n", sampling.n);
  out.choices = sampling.n;
  int32_t drawn = sampling.n;
  read_integer(body, "best_of", drawn);
  const std::string field = given(body, "best_of") ? "best_of" : "n";
  const int64_t rows = model.loop->limits().max_batch_rows;
  if (drawn < out.choices || drawn > rows) {
    throw bad_request(field, fmt::format("'{}': expected {} to {} (sequences that run together), "
                                         "found {}",
                                         field, field == "n" ? 1 : out.choices, rows, drawn));
  }
  bool beams = false;
  read(body, "use_beam_search", beams);
  if (beams) return read_beams(body, drawn, sampling);
  const Json* penalty = given(body, "length_penalty");
  if (penalty && *penalty != 1.0) {
    throw bad_request("length_penalty",
                      "'length_penalty': goes with \"use_beam_search\": true alone");
  }
  if (drawn > out.choices && out.stream) {
    throw bad_request("best_of", "'best_of': the best are known at the end, which is no stream");
  }
  sampling.n = drawn;
}

void read_truncation(const Json& body, const ServedModel& model, GenerationWish& out) {
  const Json* wish = given(body, "truncate_prompt_tokens");
  if (wish == nullptr) return;
  const auto tokens = static_cast<int64_t>(wish->get<double>());
  if (tokens == 0) {
    throw bad_request("truncate_prompt_tokens",
                      "'truncate_prompt_tokens': expected -1 or at least 1, found 0");
  }
  const int64_t answer = given(body, "max_tokens") || given(body, "max_completion_tokens")
                             ? out.input.sampling.max_tokens
                             : 1;
  out.truncate_prompt = tokens > 0 ? tokens : std::max<int64_t>(model.context - answer, 1);
}

std::vector<Field> choice_fields() {
  return {
      {.name = "best_of",
       .kinds = kIntegerField,
       .min = 1,
       .max = kMaxChoices,
       .help = "choices that are drawn; the n with the best mean log probability are answered. "
               "Beams, with use_beam_search"},
      {.name = "use_beam_search",
       .kinds = kBoolField,
       .help = "the n best of best_of (else n) beams, in place of drawing"},
      {.name = "length_penalty",
       .kinds = kNumberField,
       .min = -10,
       .max = 10,
       .help = "of beams: score = sum of log probabilities / length^length_penalty"},
      {.name = "prompt_logprobs",
       .kinds = kIntegerField,
       .min = 0,
       .max = 20,
       .help = "log probabilities of the prompt's tokens, and of so many best ones in their place"},
  };
}

std::vector<Field> text_fields() {
  return {
      {.name = "return_token_ids", .kinds = kBoolField},
      {.name = "skip_special_tokens",
       .kinds = kBoolField,
       .help = "false: control tokens of the answer have their text"},
      {.name = "include_stop_str_in_output", .kinds = kBoolField},
      {.name = "truncate_prompt_tokens",
       .kinds = kIntegerField,
       .min = -1,
       .max = kMostTokens,
       .help = "so many tokens of the prompt's end are left; -1: what the context has room for"},
  };
}

// Where this API's range is not the rule's.
struct ApiRange {
  std::string_view name;
  double min;
  std::optional<double> max;
  std::string_view help;
};
constexpr ApiRange kApiRanges[] = {
    // As OpenAI's API.
    {"presence_penalty", -2, 2, "over tokens of the answer"},
    {"frequency_penalty", -2, 2, "over tokens of the answer, each time"},
    // As vLLM's, in which -1 is off.
    {"top_k", -1, {}, "draw from the k best tokens; 0 and -1: off"},
};

Field rule_field(const SamplerParam& param) {
  Field out = {.name = param.name,
               .kinds = param.whole ? kIntegerField : kNumberField,
               .min = param.min,
               .max = param.max,
               .above_min = param.above_min,
               .help = param.help};
  for (const ApiRange& range : kApiRanges) {
    if (range.name != param.name) continue;
    out.min = range.min;
    out.max = range.max.value_or(param.max);
    out.help = range.help;
  }
  return out;
}

// A field for each number of the sampling rules.
std::vector<Field> rule_fields() {
  std::vector<Field> out;
  for (const SamplerParam& param : sampler_params()) out.push_back(rule_field(param));
  out.push_back(rule_field(sampler_param("repetition_penalty")));
  out.back().name = "repeat_penalty";
  out.back().help = "llama-server's name of repetition_penalty";
  return out;
}

std::vector<Field> unused_fields() {
  const std::vector<Field> refused = {
      {.name = "spaces_between_special_tokens", .use = FieldUse::kRefused, .neutral = true},
  };
  return joined_fields({refused, ignored_fields()});
}

}  // namespace

Field sampling_field(std::string_view name) { return rule_field(sampler_param(name)); }

std::vector<Field> generation_fields(double least_tokens) {
  std::vector<Field> fields = {
      {.name = "model", .kinds = kTextField, .max = 256, .help = "a name of the served model"},
      {.name = "max_tokens",
       .kinds = kIntegerField,
       .min = least_tokens,
       .max = kMostTokens,
       .help = "most tokens of an answer; without it as many as the context has room for"},
      {.name = "min_tokens", .kinds = kIntegerField, .min = 0, .max = kMostTokens},
      {.name = "n", .kinds = kIntegerField, .min = 1, .max = kMaxChoices},
      {.name = "seed", .kinds = kIntegerField, .min = -kMostSeed, .max = kMostSeed},
      {.name = "stop",
       .kinds = kTextField | kListField,
       .min = 0,
       .max = kMostStopBytes,
       .help = "strings that end the answer and are not part of it"},
      {.name = "stop_token_ids", .kinds = kListField, .max = kMaxStopIds},
      {.name = "ignore_eos", .kinds = kBoolField},
      {.name = "logit_bias",
       .kinds = kObjectField,
       .open = true,
       .help = "token id -> -100 (never) to 100 (only such ids); what is between is added to the "
               "logits"},
      {.name = "allowed_token_ids",
       .kinds = kListField,
       .min = 1,
       .max = kMaxAllowedIds,
       .help = "no other tokens are drawn"},
      {.name = "bad_words",
       .kinds = kListField,
       .max = kMostBadWords,
       .help = "words that the answer does not hold, spelt as the tokenizer does at the beginning "
               "of a text and behind a space"},
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
      {.name = "request_id",
       .kinds = kTextField,
       .min = 1,
       .max = 64,
       .help = "letters, digits, '-', '_' and '.'; the answer's id ends with it"},
  };
  return joined_fields(
      {fields, rule_fields(), choice_fields(), text_fields(), structure_fields(), unused_fields()});
}

GenerationWish read_generation(const Json& body, const ServedModel& model) {
  GenerationWish out;
  SamplingParams& sampling = out.input.sampling;
  sampling = model.assets->sampling();
  sampling.temperature = model.assets->generation.temperature.value_or(1.0);
  model.check_wanted(body);
  model.require_loop();
  read_lengths(body, model, sampling);
  read_filters(body, sampling);
  read_seed(body, sampling);
  read(body, "stream", out.stream);
  read_choices(body, model, out);
  read_integer(body, "prompt_logprobs", out.prompt_logprobs);
  if (out.prompt_logprobs >= 0 && out.stream) {
    throw bad_request("prompt_logprobs", "'prompt_logprobs': does not go with \"stream\": true");
  }
  read(body, "ignore_eos", sampling.ignore_eos);
  sampling.stop_token_ids = read_ids(body, "stop_token_ids", model.loop->limits().vocab_size);
  read_masks(body, model, sampling);
  if (auto form = read_structure(body)) hold_to(std::move(*form), body, model, out);
  out.input.stops = read_stops(body);
  out.input.tokenizer = model.assets->tokenizer.get();
  read_integer(body, "priority", out.priority);
  read(body, "cache_salt", out.cache_salt);
  out.request_id = read_request_id(body);
  read(body, "return_token_ids", out.return_token_ids);
  read(body, "skip_special_tokens", out.skip_special_tokens);
  read(body, "include_stop_str_in_output", out.include_stop);
  read_truncation(body, model, out);
  const Json* options = given(body, "stream_options");
  if (options == nullptr) return out;
  if (!out.stream) {
    throw bad_request("stream_options", "'stream_options': goes with \"stream\": true alone");
  }
  read(*options, "include_usage", out.include_usage);
  read(*options, "continuous_usage_stats", out.continuous_usage);
  return out;
}

AnswerTextOptions GenerationWish::text(const std::vector<int32_t>& shown) const {
  return {.stops = input.stops,
          .shown = shown,
          .all_shown = !skip_special_tokens,
          .include_stop = include_stop};
}

void hold_to(StructureWish form, const Json& body, const ServedModel& model, GenerationWish& wish) {
  if (wish.form) {
    throw bad_request(form.field,
                      fmt::format("'{}': does not go with '{}'", form.field, wish.form->field));
  }
  check_goes_with_structure(body, wish.input.sampling, form.field);
  wish.input.sampling.grammar = model.grammars->kept(form.source, form.marks);
  wish.form = std::move(form);
}

namespace {

std::shared_ptr<const Grammar> compiled(const StructureWish& form, ModelGrammars& grammars) try {
  return grammars.get(form.source, form.field, form.marks);
} catch (const ApiError& error) {
  if (error.status != 400) throw;
  // Which part is at fault. Others' forms wait: not for as long as many parts could take together.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (const StructureWish& part : form.parts) {
    if (std::chrono::steady_clock::now() > end) break;
    ModelGrammars::check(part.source, part.field);
  }
  throw;
}

}  // namespace

Task<> hold_requests(Call& call, const ServedModel& model, const GenerationWish& wish,
                     std::span<Request> requests) {
  if (!wish.form) co_return;
  call.form_field = wish.form->field;
  if (wish.input.sampling.grammar != nullptr) co_return;
  // /requests shows who waits.
  auto live = std::make_unique<LiveRequest>(call.server().live, call.id(), call.request().path);
  live->set_compiling();
  for (const Request& request : requests) {
    live->add_prompt(static_cast<int64_t>(request.prompt.size()), choice_count(request.sampling));
  }
  auto work = [form = *wish.form, grammars = model.grammars] { return compiled(form, *grammars); };
  const auto grammar = co_await call.on_compiler(std::move(work));
  for (Request& request : requests) request.sampling.grammar = grammar;
  call.live = std::move(live);
}

std::string answer_id(std::string_view prefix, const GenerationWish& wish, ServerState& server) {
  if (wish.request_id.empty()) return server.new_id(prefix);
  return std::string(prefix) + wish.request_id;
}

Request make_request(const GenerationWish& wish, std::vector<int32_t> prompt,
                     const ServedModel& model, const std::string& field) {
  if (const auto most = static_cast<size_t>(wish.truncate_prompt);
      most > 0 && prompt.size() > most) {
    prompt.erase(prompt.begin(), prompt.end() - static_cast<ptrdiff_t>(most));
  }
  GenerateInput input = wish.input;
  input.prompt = std::move(prompt);
  SamplingParams& sampling = input.sampling;
  sampling.logprobs = wish.logprobs;
  if (sampling.n > wish.choices) sampling.logprobs = std::max(sampling.logprobs, 0);
  sampling.prompt_logprobs =
      wish.echo ? std::max(wish.prompt_logprobs, wish.logprobs) : wish.prompt_logprobs;
  Request out = model.prepare(input, field);
  out.priority = wish.priority;
  if (!wish.cache_salt.empty()) out.tenant_salt = hash128(wish.cache_salt);
  return out;
}

}  // namespace ingot
