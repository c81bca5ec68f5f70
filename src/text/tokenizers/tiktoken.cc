// tiktoken's files (Qwen 1, Llama 3 as Meta wrote it, OpenAI's): byte-level BPE whose merges follow
// from the tokens' ranks. The file's name tells the split expression and the special tokens.
#include <algorithm>

#include "base/error.h"
#include "text/tokenizer_formats/bpe_rules.h"
#include "text/tokenizer_formats/tiktoken_file.h"
#include "text/tokenizer_formats/tokenizer_source.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"
#include "text/tokenizer_pipeline/byte_level_model.h"

namespace ingot {
namespace tokenizer_tiktoken {

constexpr std::string_view kName = "text/tiktoken";

struct Special {
  std::string content;
  int32_t id;
};

// `from` to `to` - 1 in the pattern's place {}.
inline void number_tokens(std::vector<Special>& out, int32_t first_id, std::string_view front,
                          int from, int to, std::string_view behind) {
  for (int i = from; i < to; ++i) {
    out.push_back({fmt::format("{}{}{}", front, i, behind), first_id + (i - from)});
  }
}

inline std::vector<Special> qwen_specials(int32_t n) {
  std::vector<Special> out = {{"<|endoftext|>", n}, {"<|im_start|>", n + 1}, {"<|im_end|>", n + 2}};
  number_tokens(out, n + 3, "<|extra_", 0, 205, "|>");
  return out;
}

inline std::vector<Special> llama3_specials(int32_t n) {
  std::vector<Special> out = {{"<|begin_of_text|>", n},
                              {"<|end_of_text|>", n + 1},
                              {"<|reserved_special_token_0|>", n + 2},
                              {"<|reserved_special_token_1|>", n + 3},
                              {"<|reserved_special_token_2|>", n + 4},
                              {"<|reserved_special_token_3|>", n + 5},
                              {"<|start_header_id|>", n + 6},
                              {"<|end_header_id|>", n + 7},
                              {"<|reserved_special_token_4|>", n + 8},
                              {"<|eot_id|>", n + 9}};
  number_tokens(out, n + 10, "<|reserved_special_token_", 5, 251, "|>");
  return out;
}

struct Family {
  std::string_view ending;
  std::string_view split;
  std::vector<Special> (*specials)(int32_t tokens);
  std::string_view bos, eos;
};

inline const std::vector<Family>& families() {
  static const std::vector<Family> list = {
      {"qwen.tiktoken", kQwen2Split, qwen_specials, "", "<|endoftext|>"},
      {"tokenizer.model", kLlama3Split, llama3_specials, "<|begin_of_text|>", "<|end_of_text|>"},
      {"cl100k_base.tiktoken", kLlama3Split,
       [](int32_t) {
         return std::vector<Special>{{"<|endoftext|>", 100257},
                                     {"<|fim_prefix|>", 100258},
                                     {"<|fim_middle|>", 100259},
                                     {"<|fim_suffix|>", 100260},
                                     {"<|endofprompt|>", 100276}};
       },
       "", "<|endoftext|>"},
      {"o200k_base.tiktoken", kO200kSplit,
       [](int32_t) {
         return std::vector<Special>{{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}};
       },
       "", "<|endoftext|>"},
      {"r50k_base.tiktoken", kGpt2Split,
       [](int32_t) {
         return std::vector<Special>{{"<|endoftext|>", 50256}};
       },
       "", "<|endoftext|>"},
      {"p50k_base.tiktoken", kGpt2Split,
       [](int32_t) {
         return std::vector<Special>{{"<|endoftext|>", 50256}};
       },
       "", "<|endoftext|>"},
  };
  return list;
}

inline const Family& family_of(const TokenizerSource& source) {
  std::string known;
  for (const Family& family : families()) {
    if (source.name.ends_with(family.ending)) return family;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.ending);
  }
  fail(ErrorCode::kUnsupported, kName,
       "{}: which splits and special tokens belong to '{}' is not known; expected one of {}",
       source.file, source.name, known);
}

// The file's special tokens, then those that tokenizer_config.json adds or renames.
inline void add_specials(const Family& family, const TokenizerSource& source,
                         TokenizerParts& parts) {
  std::vector<ConfigToken> tokens;
  for (Special& special : family.specials(static_cast<int32_t>(parts.tokens.size()))) {
    const bool taken =
        static_cast<size_t>(special.id) < parts.tokens.size() && !parts.tokens[special.id].empty();
    if (!taken) {
      tokens.push_back({.id = special.id, .content = std::move(special.content), .special = true});
    }
  }
  for (const ConfigToken& token : source.config.added_tokens) {
    std::erase_if(tokens, [&](const ConfigToken& t) { return t.id == token.id; });
    tokens.push_back(token);
  }
  for (const ConfigToken& token : tokens) {
    if (static_cast<size_t>(token.id) >= kMaxVocabulary || token.content.empty() ||
        token.content.size() > kMaxAddedTokenBytes) {
      fail(ErrorCode::kCorrupt, kName, "{}: added token {}: expected an id below {} and a text",
           parts.file, token.id, kMaxVocabulary);
    }
    const auto id = static_cast<size_t>(token.id);
    if (id >= parts.tokens.size()) {
      parts.tokens.resize(id + 1);
      parts.kinds.resize(id + 1, TokenKind::kNormal);
    }
    parts.tokens[id] = token.content;
    parts.kinds[id] = token.special ? TokenKind::kControl : TokenKind::kAdded;
    parts.added.push_back({token.id, token.content, token.single_word, token.lstrip, token.rstrip,
                           token.normalized, token.special});
  }
}

inline std::unique_ptr<WordModel> read(const TokenizerSource& source, TokenizerParts& parts) {
  const Family& family = family_of(source);
  const std::vector<std::string> tokens = read_tiktoken_file(source.bytes, source.file);
  if (tokens.empty()) {
    fail(ErrorCode::kCorrupt, kName, "{}: expected tokens, found none", source.file);
  }
  for (const std::string& token : tokens) parts.tokens.push_back(spell_bytes(token));
  parts.kinds.assign(tokens.size(), TokenKind::kNormal);
  StringIndex by_bytes(tokens.size());
  std::vector<uint32_t> ranks(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    ranks[i] = static_cast<uint32_t>(i);
    if (!tokens[i].empty()) by_bytes.insert(tokens[i], static_cast<int32_t>(i));
  }
  const auto merges =
      find_merges(parts, tokens, ranks, [&](std::string_view text) { return by_bytes.find(text); });
  add_specials(family, source, parts);
  parts.make_index();
  parts.byte_level = parts.decoder.byte_level = true;
  parts.pre_tokenizers.push_back(
      make_split(make_regex_pattern(family.split, source.file), SplitBehavior::kIsolated, false));
  const auto named = [&](const std::string& given, std::string_view usual) {
    const std::string_view name = given.empty() ? usual : std::string_view(given);
    return name.empty() ? -1 : parts.find(name);
  };
  parts.bos_id = named(source.config.bos_token, family.bos);
  parts.eos_id = named(source.config.eos_token, family.eos);
  parts.pad_id = named(source.config.pad_token, "");
  parts.add_bos = !family.bos.empty();
  return make_byte_level_model(parts, merges, {.whole_words_first = true});
}

inline bool claims(const TokenizerSource& source) {
  return source.name.ends_with(".tiktoken") || is_tiktoken_text(source.bytes);
}

}  // namespace tokenizer_tiktoken

const TokenizerDef& tiktoken_tokenizer();
const TokenizerDef& tiktoken_tokenizer() {
  static const TokenizerDef def = {.name = "tiktoken",
                                   .json_models = {},
                                   .vocab_models = {},
                                   .file_endings = {".tiktoken", ".model"},
                                   .folder_names = {"*.tiktoken", "tokenizer.model"},
                                   .claims = tokenizer_tiktoken::claims,
                                   .read = tokenizer_tiktoken::read};
  return def;
}

}  // namespace ingot
