// Text to token ids and back. A Tokenizer is immutable once loaded: every method is const and may
// be called from any number of threads at once.
//
// Source of the semantics: the observable behaviour of Hugging Face tokenizers (ids must be equal),
// whose pipeline is: added tokens cut the text, each stretch between them is normalized, pre-split
// into words, and each word is encoded by the model; a template then adds special tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/vocab_source.h"
#include "text/tokenizer_formats/tokenizer_config.h"

namespace ingot {

struct EncodeOptions {
  // Run the post-processor: BOS / EOS where the tokenizer has them.
  bool add_special = true;
  // Strings of special (control) tokens inside the text become control ids. False for text that is
  // not trusted. Added tokens that are not special are recognised either way.
  bool parse_special = true;
};

// A stretch [begin, end) of bytes in which no control token may begin, end or pass through.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

enum class TokenKind : uint8_t {
  kNormal,
  kByte,     // one byte of a byte-fallback vocabulary
  kAdded,    // matched as a whole in text, prints its text
  kControl,  // special: BOS, EOS, turn markers; skipped when printing
};

// Where a token stands among those that are printed; some decoders spell the ends otherwise.
enum class TokenPlace : uint8_t { kMiddle, kFirst, kLast };

// Largest text that encode() takes, in bytes.
inline constexpr size_t kMaxEncodeBytes = size_t{1} << 30;

class Tokenizer {
 public:
  // Rebuilds a tokenizer from a spec (below) or from the bytes of a plain tokenizer.json; `file`
  // names the source in errors. Error{kCorrupt} for bytes that contradict the format,
  // Error{kUnsupported} for a component that Ingot does not know (named in the message).
  static std::unique_ptr<const Tokenizer> load(std::span<const std::byte> spec,
                                               std::string_view file);
  static std::unique_ptr<const Tokenizer> load(std::string_view spec, std::string_view file);
  ~Tokenizer();

  // Text must be valid UTF-8 (see validate_utf8 in text/utf8.h): Error{kInvalidArgument} gives the
  // byte offset otherwise. Linear in the text up to a logarithm.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // As encode() with parse_special, but no control token touches a byte of `untrusted` (sorted,
  // disjoint). Ids equal those of encode() wherever the untrusted text spells no control token.
  std::vector<int32_t> encode_mixed(std::string_view text, std::span<const TextRange> untrusted,
                                    bool add_special) const;

  // Joins the tokens' bytes; invalid UTF-8 becomes U+FFFD (one per maximal ill-formed part).
  // Control tokens are left out when skip_special. Error{kInvalidArgument} on an id outside the
  // vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;

  // The bytes that a token adds to the text; may be part of a UTF-8 character. Holes in the
  // vocabulary give no bytes. The id must be in [0, vocab_size()): Error{kInvalidArgument}.
  std::string_view token_bytes(int32_t id, TokenPlace place = TokenPlace::kMiddle) const;
  // The token as its file spells it ("Ġthe", "▁the", "<0x0A>").
  std::string_view token_text(int32_t id) const;
  TokenKind kind(int32_t id) const;
  bool is_control(int32_t id) const { return kind(id) == TokenKind::kControl; }
  // -1 when the vocabulary has no such token. `token` as its file spells it.
  int32_t token_to_id(std::string_view token) const;

  // One more than the largest id.
  int32_t vocab_size() const;
  int32_t bos_id() const;  // -1 when unknown
  int32_t eos_id() const;
  int32_t unk_id() const;
  int32_t pad_id() const;
  // Whether add_special puts something before the text.
  bool adds_bos() const;
  // Spaces, at most, that decoding drops from the front of a text: 1 for SentencePiece, else 0.
  int leading_spaces_dropped() const;
  // Whether a token prints otherwise as the first, or as the last, of a text; not both.
  bool first_differs() const;
  bool last_differs() const;
  // The form of chats that the tokenizer's class builds by code where the model has no template of
  // its own, and the tokens beside its EOS that end an answer then; empty: none.
  const std::string& chat_template() const;
  const std::vector<int32_t>& chat_ends() const;
  // The shelf entry that encodes ("byte_level_bpe").
  std::string_view kind_name() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  const State* state() const { return state_.get(); }
  std::unique_ptr<State> state_;
};

// Error{kCorrupt} with file and byte offset unless this is JSON.
void check_tokenizer_json(std::string_view json, std::string_view file);

// A spec is the self-contained form that an engine or checkpoint stores: a magic, the parts below
// and little-endian lengths. Tokenizer::load() reads it with every length checked.
std::string make_tokenizer_spec(std::string_view tokenizer_json, const TokenizerConfig& config);
std::string make_tokenizer_spec(const VocabSource& vocabulary);
// Of a file of another format, named `name` (without its folder); see reads_tokenizer_file().
std::string make_tokenizer_spec(std::string_view file, std::string_view name,
                                const TokenizerConfig& config);

// Whether some kind of tokenizer is read from files with this ending ("tokenizer.model").
bool reads_tokenizer_file(std::string_view name);
// The endings of such files.
std::vector<std::string_view> tokenizer_file_endings();

// ---- The shelf: text/tokenizers/<kind>.cc ----

struct TokenizerParts;   // text/tokenizer_pipeline/tokenizer_parts.h: a tokenizer in neutral form
struct TokenizerSource;  // text/tokenizer_formats/tokenizer_source.h: what one is read from

// Encodes one word (a pre-split, normalized stretch of text) to ids. Immutable, thread safe.
class WordModel {
 public:
  virtual ~WordModel() = default;
  virtual void encode(std::string_view word, std::vector<int32_t>& ids) const = 0;
};

// Contract of src/text/tokenizers/<name>.cc, which defines `const TokenizerDef&
// <name>_tokenizer()`. It says what it reads; any list may be empty.
struct TokenizerDef {
  std::string_view name;
  std::vector<std::string_view> json_models;   // "type" of the model in a tokenizer.json
  std::vector<std::string_view> vocab_models;  // tokenizer.ggml.model of a GGUF file
  // Of files in other formats: ends of names that it reads (".model", which may be anything), and
  // the names by which one is found in a model's folder ("spiece.model", "*.spm" for any such end).
  std::vector<std::string_view> file_endings;
  std::vector<std::string_view> folder_names;
  // Which of the sources that the lists name are this kind's; null: all of them. Kinds may share
  // a name, but no two claim the same source.
  bool (*claims)(const TokenizerSource& source);
  // The model of a source. Of a tokenizer.json or GGUF file the tokens are in `parts` already
  // (text/tokenizer_formats/tokenizer_source.h says what else is done before and after); of another
  // file nothing is.
  std::unique_ptr<WordModel> (*read)(const TokenizerSource& source, TokenizerParts& parts);
};

const std::vector<const TokenizerDef*>& text_tokenizer_list();

}  // namespace ingot
