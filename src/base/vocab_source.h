// A vocabulary as GGUF's tokenizer.ggml.* metadata states it: loaders/ fills it, text/ makes a
// tokenizer of it. SentencePiece files come in the same form, since GGUF took it from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

// Token types in GGUF's numbering (tokenizer.ggml.token_type).
enum class VocabTokenType : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// Absent arrays are empty, absent ids -1.
struct VocabSource {
  std::string model;            // tokenizer.ggml.model: "gpt2", "llama", ...
  std::string pre = "default";  // tokenizer.ggml.pre: how "gpt2" splits a text
  std::vector<std::string> tokens;
  std::vector<float> scores;        // empty, or one a token
  std::vector<uint8_t> types;       // empty, or one a token; values of VocabTokenType
  std::vector<std::string> merges;  // "left right", best first
  int32_t bos_id = -1;
  int32_t eos_id = -1;
  int32_t unk_id = -1;
  int32_t pad_id = -1;
  int32_t eot_id = -1;  // ends a turn; the tokenizer does not need it
  int32_t cls_id = -1;  // before and behind a text of "bert"
  int32_t sep_id = -1;
  std::optional<bool> add_bos;           // absent: the model kind's default
  std::optional<bool> add_eos;           // absent: the model kind's default
  std::optional<bool> add_space_prefix;  // absent: true
  // Of SentencePiece's normalizer: a trie and its texts, and what becomes of white space.
  std::string charsmap;
  std::optional<bool> remove_extra_spaces;  // absent: false
};

}  // namespace ingot
