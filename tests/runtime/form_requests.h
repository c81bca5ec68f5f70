// Requests for answers in a form, of the tiny engine: its vocabulary as characters.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "runtime/request.h"
#include "tests/runtime/tiny_engine.h"
#include "text/grammar.h"
#include "text/tokenizer.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/utf8.h"

namespace ingot {

// Ids 0 to 94 are the printable characters of ASCII, 95 ends an answer; the model has one more.
constexpr TokenId kEnd = 95;
inline TokenId id_of(char c) { return c - ' '; }

inline std::vector<TokenId> ids_of(std::string_view text) {
  std::vector<TokenId> out;
  for (const char c : text) out.push_back(id_of(c));
  return out;
}

inline std::string text_of(std::span<const TokenId> ids) {
  std::string out;
  for (const TokenId id : ids) out += id == kEnd ? '.' : static_cast<char>(id + ' ');
  return out;
}

inline std::shared_ptr<const Grammar> form_of(const std::string& regex) {
  static const std::shared_ptr<const GrammarVocabulary> vocabulary = [] {
    Json vocab = Json::object();
    for (char c = ' '; c <= '~'; ++c) {
      std::string token;
      append_utf8(token, byte_to_alphabet(static_cast<uint8_t>(c)));
      vocab[token] = id_of(c);
    }
    const Json end = {{"id", kEnd}, {"content", "<end>"}, {"special", true}, {"normalized", false}};
    const Json json = {{"added_tokens", Json::array({end})},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", nullptr},
                       {"post_processor", nullptr},
                       {"decoder", {{"type", "ByteLevel"}}},
                       {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
    return GrammarVocabulary::create(*Tokenizer::load(json.dump(), "test.json"), {kEnd});
  }();
  return Grammar::compile(vocabulary, {GrammarKind::kRegex, regex});
}

inline Request request_in(const std::string& regex, int seed) {
  Request out;
  for (int t = 0; t < 40; ++t) out.prompt.push_back((t * 7 + seed) % 95);
  out.sampling.max_tokens = 60;
  out.sampling.temperature = 1;
  out.sampling.seed = static_cast<uint64_t>(seed);
  out.sampling.eos_token_ids = {kEnd};
  if (!regex.empty()) out.sampling.grammar = form_of(regex);
  validate(out.sampling, kTinyVocab);
  return out;
}

}  // namespace ingot
