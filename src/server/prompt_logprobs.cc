#include "server/prompt_logprobs.h"

#include <algorithm>

namespace ingot {
namespace {

// Bytes that the token adds to a text. Control tokens are not printed.
std::string_view printed(const Tokenizer& tokenizer, int32_t id) {
  if (id >= tokenizer.vocab_size() || tokenizer.is_control(id)) return {};
  return tokenizer.token_bytes(id);
}

// Bytes of the text's rest that the token stands for.
size_t bytes_in(std::string_view rest, std::string_view bytes, std::string_view name,
                bool is_first) {
  if (bytes.empty()) return rest.starts_with(name) ? name.size() : 0;
  if (rest.starts_with(bytes)) return bytes.size();
  // Some tokenizers put a space before a text.
  if (is_first && bytes.starts_with(' ') && rest.starts_with(bytes.substr(1))) {
    return bytes.size() - 1;
  }
  return std::min(bytes.size(), rest.size());
}

}  // namespace

// A model may know more ids.
std::string token_alone(const Tokenizer& tokenizer, int32_t id) {
  if (id >= tokenizer.vocab_size()) return "";
  const int32_t one[] = {id};
  return tokenizer.decode(one, false);
}

double json_logprob(float logprob) { return std::max(static_cast<double>(logprob), -9999.0); }

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

Json prompt_logprobs_json(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                          std::span<const TokenLogprobs> logprobs, int32_t top) {
  Json out = Json::array();
  if (!prompt.empty()) out.push_back(nullptr);
  for (size_t i = 0; i < logprobs.size() && i + 1 < prompt.size(); ++i) {
    Json entry = Json::object();
    const auto listed = std::min(logprobs[i].top.size(), static_cast<size_t>(top));
    for (size_t k = 0; k < listed; ++k) {
      const auto& [id, logprob] = logprobs[i].top[k];
      entry[std::to_string(id)] = {{"logprob", json_logprob(logprob)},
                                   {"rank", k + 1},
                                   {"decoded_token", token_alone(tokenizer, id)}};
    }
    const std::string key = std::to_string(prompt[i + 1]);
    if (!entry.contains(key)) {
      entry[key] = {{"logprob", json_logprob(logprobs[i].chosen)},
                    {"rank", nullptr},
                    {"decoded_token", token_alone(tokenizer, prompt[i + 1])}};
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::string LegacyLogprobs::name(int32_t id) const { return token_alone(tokenizer_, id); }

void LegacyLogprobs::add_one(int32_t id, const TokenLogprobs* logprobs) {
  tokens_.push_back(name(id));
  offsets_.push_back(offset_);
  if (logprobs == nullptr) {
    chosen_.push_back(nullptr);
    best_.push_back(nullptr);
    return;
  }
  chosen_.push_back(json_logprob(logprobs->chosen));
  // Ids with the same text: the best.
  Json best = Json::object();
  const auto listed = std::min(logprobs->top.size(), static_cast<size_t>(top_));
  for (size_t k = 0; k < listed; ++k) {
    best.emplace(name(logprobs->top[k].first), json_logprob(logprobs->top[k].second));
  }
  if (top_ > 0) best.emplace(name(id), json_logprob(logprobs->chosen));
  best_.push_back(std::move(best));
}

void LegacyLogprobs::add_prompt(std::span<const int32_t> ids,
                                std::span<const TokenLogprobs> logprobs, std::string_view text) {
  const size_t begin = offset_;
  size_t at = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    add_one(ids[i], i == 0 || i > logprobs.size() ? nullptr : &logprobs[i - 1]);
    const size_t bytes =
        bytes_in(text.substr(at), printed(tokenizer_, ids[i]), name(ids[i]), at == 0);
    offset_ += characters(text.substr(at, bytes));
    at += bytes;
  }
  offset_ = begin + characters(text);
}

void LegacyLogprobs::add(std::span<const int32_t> ids, std::span<const TokenLogprobs> logprobs) {
  for (size_t i = 0; i < std::min(ids.size(), logprobs.size()); ++i) {
    add_one(ids[i], &logprobs[i]);
    offset_ += characters(printed(tokenizer_, ids[i]));
  }
}

Json LegacyLogprobs::json() const {
  return {{"tokens", tokens_},
          {"token_logprobs", chosen_},
          {"top_logprobs", best_},
          {"text_offset", offsets_}};
}

}  // namespace ingot
