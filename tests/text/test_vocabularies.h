// Small vocabularies that the tests of text/ share.
#pragma once

#include <string>

#include "base/json.h"
#include "text/tokenizer.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/utf8.h"

namespace ingot {

// Byte-level: ids 0..255 are the bytes, then "th" "the" " the" "ll", then <|start|> and <|end|>
// (control) and <tool> (added).
inline Json byte_level_json() {
  Json vocab = Json::object();
  for (int b = 0; b < 256; ++b) {
    std::string token;
    append_utf8(token, byte_to_alphabet(static_cast<uint8_t>(b)));
    vocab[token] = b;
  }
  const std::string space = spell_bytes(" ");
  vocab["th"] = 256;
  vocab["the"] = 257;
  vocab[space + "the"] = 258;
  vocab["ll"] = 259;
  Json added = Json::array();
  int id = 260;
  for (const char* name : {"<|start|>", "<|end|>", "<tool>"}) {
    added.push_back({{"id", id}, {"content", name}, {"special", id < 262}, {"normalized", false}});
    ++id;
  }
  return {
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"t h", "th e", space + " the", "l l"}}}}};
}

inline std::unique_ptr<const Tokenizer> byte_level_tokenizer() {
  return Tokenizer::load(byte_level_json().dump(), "test.json");
}

// SentencePiece as GGUF stores it: <unk> <s> </s>, 256 bytes from id 3, then pieces from 259.
inline VocabSource sentencepiece_vocab() {
  VocabSource v;
  v.model = "llama";
  const auto add = [&](std::string token, float score, VocabTokenType type) {
    v.tokens.push_back(std::move(token));
    v.scores.push_back(score);
    v.types.push_back(static_cast<uint8_t>(type));
  };
  add("<unk>", 0, VocabTokenType::kUnknown);
  add("<s>", 0, VocabTokenType::kControl);
  add("</s>", 0, VocabTokenType::kControl);
  for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), 0, VocabTokenType::kByte);
  float score = 0;
  for (const char* piece : {"\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "abab", "\u00e9"}) {
    add(piece, score, VocabTokenType::kNormal);
    score -= 1;
  }
  v.bos_id = 1;
  v.eos_id = 2;
  v.unk_id = 0;
  return v;
}

// Protobuf's wire format, for files that SentencePiece would write.
inline std::string proto_number(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}
inline std::string proto_field(int field, uint64_t value) {
  return proto_number(static_cast<uint64_t>(field) << 3) + proto_number(value);
}
inline std::string proto_field(int field, std::string_view bytes) {
  return proto_number(static_cast<uint64_t>(field) << 3 | 2) + proto_number(bytes.size()) +
         std::string(bytes);
}
inline std::string proto_real(int field, float value) {
  std::string out = proto_number(static_cast<uint64_t>(field) << 3 | 5);
  return out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline std::string sentencepiece_piece(std::string_view text, float score,
                                       VocabTokenType type = VocabTokenType::kNormal) {
  return proto_field(
      1, proto_field(1, text) + proto_real(2, score) + proto_field(3, static_cast<uint64_t>(type)));
}

// A tokenizer.model: <unk> <s> </s>, then pieces from id 3. model_type 1: Unigram, 2: BPE.
inline std::string sentencepiece_model(int model_type, const std::string& more = "",
                                       const std::string& normalizer = "") {
  std::string out = sentencepiece_piece("<unk>", 0, VocabTokenType::kUnknown) +
                    sentencepiece_piece("<s>", 0, VocabTokenType::kControl) +
                    sentencepiece_piece("</s>", 0, VocabTokenType::kControl);
  float score = -1;
  for (const char* piece : {"\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "abab", "\u00e9"}) {
    out += sentencepiece_piece(piece, score);
    score -= 1;
  }
  out += more;
  out += proto_field(2, proto_field(3, static_cast<uint64_t>(model_type)));
  return out + proto_field(3, normalizer);
}

inline std::unique_ptr<const Tokenizer> load_file(std::string_view bytes, std::string_view name,
                                                  std::string_view config = "") {
  return Tokenizer::load(
      make_tokenizer_spec(
          bytes, name,
          config.empty() ? TokenizerConfig() : parse_tokenizer_config(config, "config")),
      name);
}

// The message of the error that loading or encoding ends in; empty without one.
template <typename Body>
std::string error_text(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kLetters[bits >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

}  // namespace ingot
