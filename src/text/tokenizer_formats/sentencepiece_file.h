// SentencePiece's tokenizer.model: a protobuf message, read by hand. Internal to text/.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer_formats/tokenizer_source.h"

namespace ingot {

struct SentencePieceFile {
  enum class Type { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  Type type = Type::kUnigram;
  VocabSource vocab;  // tokens, scores, types and special ids
  bool byte_fallback = false;
  bool space_behind = false;
  bool add_space = true;
  bool space_at_start_only = false;  // not behind added tokens
  bool remove_extra_spaces = true;
  bool mark_spaces = true;
};

// Error{kCorrupt} naming file, offset and field for bytes that are not such a message;
// Error{kUnsupported} for words and characters as models.
SentencePieceFile read_sentencepiece_file(std::string_view bytes, std::string_view file);

// Of the files' names, and names in a model's folder (TokenizerDef); Mistral numbers its versions.
std::vector<std::string_view> sentencepiece_endings();
std::vector<std::string_view> sentencepiece_names();

// Whether a source is such a file with this model, at the cost of one pass over its lengths. False
// for what is a tiktoken file under the same name.
bool is_sentencepiece(const TokenizerSource& source, SentencePieceFile::Type type);

// Tokens, normalizer, decoder, special tokens and form of chats: the file's with what
// tokenizer_config.json and the class that it names add
// (text/tokenizer_formats/sentencepiece_classes.cc).
void use_sentencepiece(SentencePieceFile model, const TokenizerConfig& config,
                       TokenizerParts& parts);

// Normalizer and decoder alone.
void use_sentencepiece_spaces(const SentencePieceFile& model, TokenizerParts& parts);

}  // namespace ingot
