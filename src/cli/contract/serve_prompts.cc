#include "cli/contract/serve_prompts.h"

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/bench";
constexpr std::string_view kWords[] = {
    "about", "after",  "all",   "and",   "any",  "back",  "because", "before", "book",  "but",
    "can",   "city",   "come",  "could", "day",  "do",    "each",    "early",  "even",  "find",
    "first", "for",    "from",  "good",  "hand", "have",  "her",     "here",   "high",  "house",
    "how",   "if",     "in",    "into",  "it",   "just",  "know",    "large",  "like",  "long",
    "look",  "make",   "many",  "more",  "most", "never", "new",     "night",  "not",   "now",
    "of",    "old",    "on",    "one",   "only", "open",  "or",      "other",  "out",   "over",
    "own",   "people", "place", "right", "same", "say",   "school",  "see",    "she",   "small",
    "so",    "some",   "still", "such",  "take", "than",  "that",    "the",    "their", "them",
    "then",  "there",  "they",  "thing", "this", "time",  "to",      "two",    "under", "until",
    "up",    "very",   "was",   "water", "we",   "well",  "what",    "when",   "where", "which",
    "who",   "will",   "with",  "word",  "work", "world", "would",   "year",   "you",   "young"};

uint64_t prompt_seed(int64_t seed, int64_t index) {
  return random_u64(static_cast<uint64_t>(seed), static_cast<uint64_t>(index));
}

ServePrompt sharegpt_prompt(const Json& turns, const std::string& where) {
  for (const Json& turn : turns) {
    const auto from = json_get<std::string>(turn, "from", "", kWhere, where);
    if (from == "human" || from == "user") {
      return {json_require<std::string>(turn, "value", kWhere, where), false, 0};
    }
  }
  fail(ErrorCode::kCorrupt, kWhere, "{}: expected a turn from 'human', found none", where);
}

bool is_prompt(const Json& value) {
  if (value.is_string()) return true;
  if (!value.is_array() || value.empty()) return false;
  for (const Json& id : value) {
    if (!id.is_number_unsigned()) return false;
  }
  return true;
}

ServePrompt dataset_prompt(const Json& line, const std::string& where, int64_t output) {
  if (!line.is_object()) fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object", where);
  ServePrompt out;
  if (line.contains("messages")) {
    out = {line["messages"], true, 0};
    if (!out.prompt.is_array() || out.prompt.empty()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: \"messages\": expected a list of messages", where);
    }
  } else if (line.contains("conversations")) {
    out = sharegpt_prompt(line["conversations"], where);
  } else {
    const auto at = line.contains("prompt") ? line.find("prompt") : line.find("input_ids");
    if (at == line.end() || !is_prompt(*at)) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: expected \"prompt\" as a text or ids, \"messages\" or \"conversations\"", where);
    }
    out.prompt = *at;
  }
  const char* key = line.contains("max_tokens") ? "max_tokens" : "output_tokens";
  out.output = json_get<int64_t>(line, key, output, kWhere, where);
  if (out.output < 1) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: \"{}\": expected at least 1, found {}", where, key,
         out.output);
  }
  return out;
}

}  // namespace

std::string random_words(int64_t seed, int64_t index, int64_t length) {
  const uint64_t own = prompt_seed(seed, index);
  std::string out;
  for (int64_t i = 0; i < length; ++i) {
    if (i > 0) out += ' ';
    out += kWords[random_below(own, static_cast<uint64_t>(i), std::size(kWords))];
  }
  return out;
}

Json random_ids(int64_t seed, int64_t index, int64_t length, int64_t vocab) {
  constexpr int64_t kFirst = 3;
  const uint64_t own = prompt_seed(seed, index);
  Json out = Json::array();
  for (int64_t i = 0; i < length; ++i) {
    out.push_back(kFirst +
                  static_cast<int64_t>(random_below(own, static_cast<uint64_t>(i),
                                                    static_cast<uint64_t>(vocab - kFirst))));
  }
  return out;
}

std::vector<ServePrompt> read_serve_dataset(const std::string& path, int64_t output) {
  const std::string text = read_file(path);
  std::vector<ServePrompt> out;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '[') {
    const Json list = parse_json(text, kWhere, path);
    for (size_t i = 0; i < list.size(); ++i) {
      out.push_back(dataset_prompt(list[i], fmt::format("{}[{}]", path, i), output));
    }
  } else {
    size_t number = 1;
    for (size_t begin = 0; begin < text.size(); ++number) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string line = text.substr(begin, end - begin);
      begin = end + 1;
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      const std::string where = fmt::format("{}:{}", path, number);
      out.push_back(dataset_prompt(parse_json(line, kWhere, where), where, output));
    }
  }
  if (out.empty()) fail(ErrorCode::kCorrupt, kWhere, "{}: expected prompts, found none", path);
  return out;
}

Json serve_body(const ServePrompt& prompt, bool chat) {
  if (!chat && prompt.messages) {
    fail(ErrorCode::kInvalidArgument, kWhere, "messages in the dataset go with --endpoint chat");
  }
  if (!chat) return {{"prompt", prompt.prompt}, {"max_tokens", prompt.output}};
  if (!prompt.messages && !prompt.prompt.is_string()) {
    fail(ErrorCode::kInvalidArgument, kWhere, "token ids go with --endpoint completions");
  }
  const Json messages = prompt.messages
                            ? prompt.prompt
                            : Json::array({{{"role", "user"}, {"content", prompt.prompt}}});
  return {{"messages", messages}, {"max_tokens", prompt.output}};
}

}  // namespace ingot
