// What the classes of Hugging Face's tokenizers that read a SentencePiece file add to it: tokens
// around every text, tokens behind the pieces, the form of chats. A class that is not listed is
// taken for Llama's.
#include <algorithm>
#include <cctype>
#include <limits>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer_formats/sentencepiece_file.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/sentencepiece_classes";
using Names = std::span<const std::string_view>;

constexpr std::string_view kGlmTokens[] = {"[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"};
constexpr std::string_view kGlmRoles[] = {"<|system|>", "<|user|>", "<|assistant|>",
                                          "<|observation|>"};
constexpr std::string_view kGlmPrefix[] = {"[gMASK]", "sop"};
constexpr std::string_view kCls[] = {"[CLS]"};
constexpr std::string_view kSep[] = {"[SEP]"};

// Rounds are numbered; what came before is told as question and answer.
constexpr std::string_view kGlm2Chat =
    "[gMASK]sop{% set ns = namespace(round=0) %}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{% set ns.round = ns.round + 1 %}"
    "{{ '[Round ' + ns.round|string + ']\n\n问：' + message['content'] }}"
    "{% if not loop.last or add_generation_prompt %}{{ '\n\n答：' }}{% endif %}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] }}"
    "{% if not loop.last %}{{ '\n\n' }}{% endif %}"
    "{% else %}{{ raise_exception('expected the roles user and assistant, found ' + "
    "message['role']) }}{% endif %}{% endfor %}";

// A line behind the role's mark names a tool; then the text, which its code encodes by itself and
// which therefore begins with a space.
constexpr std::string_view kGlm3Chat =
    "[gMASK]sop{% for message in messages %}"
    "{% if message['role'] in ['system', 'user', 'assistant', 'observation'] %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% elif message['role'] == 'tool' %}{{ '<|observation|>' }}"
    "{% else %}{{ raise_exception('expected the roles system, user, assistant and observation, "
    "found ' + message['role']) }}{% endif %}"
    "{{ (message['metadata'] or '') + '\n' }}"
    "{% set text = message['content'] or '' %}"
    "{% if message['role'] == 'system' and message['tools'] %}"
    "{% set text = text + '\n' + message['tools']|tojson(indent=4) %}{% endif %}"
    "{% if text %}{{ ' ' + text }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

// The marks are written as texts of JSON, which are texts of Jinja too. The first Baichuan ends
// answers and has no system text.
constexpr std::string_view kBaichuanChat =
    "{{% for message in messages %}}"
    "{{% if message['role'] == 'user' %}}{{{{ {0} + message['content'] }}}}"
    "{{% elif message['role'] == 'assistant' %}}{{{{ {1} + message['content'] + {2} }}}}"
    "{{% elif message['role'] == 'system' and loop.first and {3} %}}{{{{ message['content'] }}}}"
    "{{% else %}}{{{{ raise_exception('expected the roles user and assistant, found ' + "
    "message['role']) }}}}{{% endif %}}{{% endfor %}}"
    "{{% if add_generation_prompt %}}{{{{ {1} }}}}{{% endif %}}";
constexpr size_t kFirstBaichuanPieces = 64000;  // Baichuan2 has 125696

using Tokens = std::vector<ConfigToken>;

bool holds(const Tokens& tokens, std::string_view content) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](const ConfigToken& token) { return token.content == content; });
}

// What is added behind the pieces; files may name very many. Of equal ids the last counts.
class Additions {
 public:
  explicit Additions(const Tokens& configured) {
    for (const ConfigToken& token : configured) put(token);
  }
  const Tokens& all() const { return tokens_; }
  bool has(const std::string& content) const { return contents_.count(content) > 0; }
  ConfigToken* of(int32_t id) {
    const auto at = places_.find(id);
    return at == places_.end() ? nullptr : &tokens_[at->second];
  }
  void put(const ConfigToken& token) {
    contents_.insert(token.content);
    const auto [at, fresh] = places_.try_emplace(token.id, tokens_.size());
    if (fresh) {
      tokens_.push_back(token);
    } else {
      tokens_[at->second] = token;
    }
  }
  // Tokens of a class, unless the configuration has their ids or texts.
  void put_unless_there(const ConfigToken& token) {
    if (!of(token.id) && !has(token.content)) put(token);
  }

 private:
  Tokens tokens_;
  std::unordered_map<int32_t, size_t> places_;
  std::unordered_set<std::string> contents_;
};

enum class Glm { kUnknown, kSecond, kThird };

// One class for both; the name of the model, or the roles of a later configuration, tell.
Glm glm_version(const TokenizerConfig& config) {
  std::string name = config.name_or_path;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (name.find("chatglm3") != name.npos || holds(config.added_tokens, kGlmRoles[1])) {
    return Glm::kThird;
  }
  return name.find("chatglm2") != name.npos ? Glm::kSecond : Glm::kUnknown;
}

void add_glm_tokens(const TokenizerConfig& config, size_t pieces, Additions& tokens) {
  auto id = static_cast<int32_t>(pieces);
  const auto add = [&](Names names) {
    for (const std::string_view name : names) {
      tokens.put_unless_there({.id = id++, .content = std::string(name), .special = true});
    }
  };
  add(kGlmTokens);
  if (glm_version(config) == Glm::kThird) add(kGlmRoles);
}

void finish_glm(const TokenizerConfig& config, size_t /*pieces*/, TokenizerParts& parts) {
  parts.pad_id = parts.unk_id;
  const Glm version = glm_version(config);
  if (version == Glm::kSecond) parts.chat_template = kGlm2Chat;
  if (version != Glm::kThird) return;
  parts.chat_template = kGlm3Chat;
  for (const char* mark : {"<|user|>", "<|observation|>"}) {
    parts.chat_ends.push_back(parts.find(mark));
  }
}

// Its roles' marks are pieces that generation_config.json names by their ids.
void finish_baichuan(const TokenizerConfig& config, size_t pieces, TokenizerParts& parts) {
  const int32_t ids[] = {config.user_token_id, config.assistant_token_id};
  for (const int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= pieces) return;
  }
  const auto mark = [&](int32_t id) { return Json(parts.tokens[id]).dump(); };
  const bool first = pieces <= kFirstBaichuanPieces;
  const std::string end = first && parts.eos_id >= 0 ? mark(parts.eos_id) : "''";
  parts.chat_template = fmt::format(fmt::runtime(kBaichuanChat), mark(ids[0]), mark(ids[1]), end,
                                    first ? "false" : "true");
}

void add_baichuan_tokens(const TokenizerConfig& config, size_t /*pieces*/, Additions& tokens) {
  for (const int32_t id : {config.user_token_id, config.assistant_token_id}) {
    if (id < 0) continue;
    if (ConfigToken* there = tokens.of(id)) {
      there->special = true;
    } else {
      tokens.put({.id = id, .special = true});
    }
  }
}

// <extra_id_99> comes first.
void add_t5_tokens(const TokenizerConfig& config, size_t pieces, Additions& tokens) {
  const int32_t count = std::clamp(config.extra_ids, 0, 1 << 16);
  for (int32_t i = 0; i < count; ++i) {
    tokens.put_unless_there({.id = static_cast<int32_t>(pieces) + count - 1 - i,
                             .content = fmt::format("<extra_id_{}>", i),
                             .lstrip = true,
                             .rstrip = true,
                             .special = true});
  }
}

struct ClassRule {
  std::string_view name;
  bool add_bos = true;
  bool add_eos = false;
  bool shifted_ids = false;  // fairseq's order, in which the ids are not the file's
  bool llama = false;        // "legacy": false takes the space behind added tokens away
  Names prefix = {}, suffix = {};
  // `tokens` are the configuration's; one without a text stands for the piece of its id.
  void (*add_tokens)(const TokenizerConfig& config, size_t pieces, Additions& tokens) = nullptr;
  void (*finish)(const TokenizerConfig& config, size_t pieces, TokenizerParts& parts) = nullptr;
};

constexpr ClassRule kClasses[] = {
    {.name = "LlamaTokenizer", .llama = true},
    {.name = "T5Tokenizer", .add_bos = false, .add_eos = true, .add_tokens = add_t5_tokens},
    {.name = "AlbertTokenizer", .add_bos = false, .prefix = kCls, .suffix = kSep},
    {.name = "ChatGLMTokenizer",
     .add_bos = false,
     .prefix = kGlmPrefix,
     .add_tokens = add_glm_tokens,
     .finish = finish_glm},
    {.name = "BaichuanTokenizer", .add_tokens = add_baichuan_tokens, .finish = finish_baichuan},
    {.name = "BaiChuanTokenizer", .add_tokens = add_baichuan_tokens, .finish = finish_baichuan},
    {.name = "XLMRobertaTokenizer", .shifted_ids = true},
    {.name = "CamembertTokenizer", .shifted_ids = true},
    {.name = "MBartTokenizer", .shifted_ids = true},
    {.name = "MBart50Tokenizer", .shifted_ids = true},
    {.name = "NllbTokenizer", .shifted_ids = true},
    {.name = "XGLMTokenizer", .shifted_ids = true},
    {.name = "BarthezTokenizer", .shifted_ids = true},
};

ClassRule rule_of(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  for (const ClassRule& rule : kClasses) {
    if (rule.name == name) return rule;
  }
  return {};
}

// As the slow classes do, which match such tokens in the text as it is: "normalized" tells the
// fast ones alone something.
// `places` are those in parts.added, by id.
void add_token(const ConfigToken& from, std::unordered_map<int32_t, size_t>& places,
               TokenizerParts& parts) {
  const auto id = static_cast<size_t>(from.id);
  const std::string content =
      from.content.empty() && id < parts.tokens.size() ? parts.tokens[id] : from.content;
  if (content.empty() || content.size() > kMaxAddedTokenBytes ||
      id >= parts.tokens.size() + (size_t{1} << 18)) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: added token {}: expected 1 to {} bytes and an id near {}, found {} bytes", parts.file,
         from.id, kMaxAddedTokenBytes, parts.tokens.size(), content.size());
  }
  constexpr double kNoScore = std::numeric_limits<double>::infinity();
  if (id >= parts.tokens.size()) {
    parts.tokens.resize(id + 1);
    parts.kinds.resize(id + 1, TokenKind::kNormal);
    parts.scores.resize(id + 1, kNoScore);
  }
  const bool known = parts.tokens[id] == content;
  parts.tokens[id] = content;
  if (!known) parts.scores[id] = kNoScore;
  if (!known || from.special) {
    parts.kinds[id] = from.special ? TokenKind::kControl : TokenKind::kAdded;
  }
  const auto [at, fresh] = places.try_emplace(from.id, parts.added.size());
  if (fresh) parts.added.emplace_back();
  parts.added[at->second] = {from.id,     content, from.single_word, from.lstrip,
                             from.rstrip, false,   from.special,     true};
}

void add_configured_tokens(const ClassRule& rule, const TokenizerConfig& config,
                           TokenizerParts& parts) {
  const size_t pieces = parts.tokens.size();
  Additions tokens(config.added_tokens);
  if (rule.add_tokens) rule.add_tokens(config, pieces, tokens);
  std::unordered_map<int32_t, size_t> places;
  for (size_t i = 0; i < parts.added.size(); ++i) places[parts.added[i].id] = i;
  for (const ConfigToken& token : tokens.all()) add_token(token, places, parts);
  parts.make_index();
  // Special tokens that have a name and no id yet: a piece of that text, else behind all. All are
  // looked up before any is added: the index holds views of the tokens, which adding moves.
  std::vector<ConfigToken> named = config.special_tokens;
  for (ConfigToken& token : named) token.id = parts.find(token.content);
  for (ConfigToken& token : named) {
    if (tokens.has(token.content)) continue;
    if (token.id < 0) token.id = static_cast<int32_t>(parts.tokens.size());
    tokens.put(token);
    add_token(token, places, parts);
  }
  parts.make_index();
}

}  // namespace

void use_sentencepiece(SentencePieceFile model, const TokenizerConfig& config,
                       TokenizerParts& parts) {
  const ClassRule rule = rule_of(config.tokenizer_class);
  if (rule.shifted_ids) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: the ids of class {} are not those of the file; expected a tokenizer.json beside it",
         parts.file, config.tokenizer_class);
  }
  if (rule.llama && config.legacy == false) {
    model.space_at_start_only = true;
    model.add_space = config.add_prefix_space.value_or(true);
  }
  read_vocab_tokens(model.vocab, UserTokens::kLeftToModel, parts);
  const size_t pieces = parts.tokens.size();
  add_configured_tokens(rule, config, parts);
  use_sentencepiece_spaces(model, parts);
  const auto named = [&](const std::string& token, int32_t fallback) {
    const int32_t id = token.empty() ? -1 : parts.find(token);
    return id >= 0 ? id : fallback;
  };
  parts.bos_id = named(config.bos_token, parts.bos_id);
  parts.eos_id = named(config.eos_token, parts.eos_id);
  parts.pad_id = named(config.pad_token, parts.pad_id);
  parts.add_bos = rule.add_bos;
  parts.add_eos = rule.add_eos;
  const auto push = [&](Names names, std::vector<int32_t>& ids) {
    for (const std::string_view name : names) {
      if (const int32_t id = parts.find(name); id >= 0) ids.push_back(id);
    }
  };
  push(rule.prefix, parts.prefix);
  push(rule.suffix, parts.suffix);
  if (rule.finish) rule.finish(config, pieces, parts);
}

}  // namespace ingot
