// A vocabulary as GGUF metadata stores it. The loaders room fills it; text/ does not know GGUF.
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

struct VocabSource {
  std::string model;  // tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (SentencePiece)
  std::string pre = "default";  // tokenizer.ggml.pre; read for "gpt2" only
  std::vector<std::string> tokens;
  std::vector<float> scores;        // empty, or one a token ("llama" needs them)
  std::vector<uint8_t> types;       // empty, or one a token; values of VocabTokenType
  std::vector<std::string> merges;  // "left right", best first ("gpt2" needs them)
  int32_t bos_id = -1;
  int32_t eos_id = -1;
  int32_t unk_id = -1;
  int32_t pad_id = -1;
  std::optional<bool> add_bos;           // absent: the model kind's default
  std::optional<bool> add_eos;           // absent: false
  std::optional<bool> add_space_prefix;  // absent: true; "llama" only
};

}  // namespace ingot
