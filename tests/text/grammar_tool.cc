// A line-by-line driver of the grammars for the scripts beside it. Each input line is a JSON
// object, each output line one.
//   grammar_tool bytes | FILE    FILE: a tokenizer in its own format (tekken.json)
// {"kind": "json_schema", "text": "..", "accept": ["..", ..], "sample": {"count", "seed",
// "tokens"},
//  "time": "text"}
//   -> {"error": "..", "code": ".."} or {"accepted": [true, ..], "samples": ["..", null, ..],
//       "dead": 0, "compile_ms", "bytes", "first_us": [..], "masks_us": [..]}
// A text is accepted when all its bytes are, one token each, and it may end then. Samples draw
// among the allowed tokens; null: not at its end after so many. dead: samples with nothing allowed.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "base/clock.h"
#include "base/json.h"
#include "test_vocabularies.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

using Result = GrammarMatcher::Result;

std::unique_ptr<const Tokenizer> load_source(const std::string& path) {
  if (path == "bytes") return byte_level_tokenizer();
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorCode::kNotFound, "tests/grammar_tool", "{}: cannot be read", path);
  std::stringstream buffer;
  buffer << in.rdbuf();
  // mistral-common numbers its files: tekken_240911.json.
  const std::string name = std::filesystem::path(path).filename().string();
  return Tokenizer::load(
      make_tokenizer_spec(buffer.str(), name.starts_with("tekken") ? "tekken.json" : name,
                          TokenizerConfig()),
      path);
}

GrammarKind kind_of(const std::string& name) {
  const std::map<std::string, GrammarKind> kinds = {
      {"json_schema", GrammarKind::kJsonSchema},
      {"json_object", GrammarKind::kJsonObject},
      {"regex", GrammarKind::kRegex},
      {"choice", GrammarKind::kChoice},
      {"ebnf", GrammarKind::kEbnf},
      {"structural_tags", GrammarKind::kStructuralTags},
      {"calls", GrammarKind::kCalls}};
  return kinds.at(name);
}

class Driver {
 public:
  explicit Driver(const std::string& source) : tokenizer_(load_source(source)) {
    const Stopwatch watch;
    const int32_t end =
        source == "bytes" ? tokenizer_->token_to_id("<|end|>") : tokenizer_->eos_id();
    vocabulary_ = GrammarVocabulary::create(*tokenizer_, {end});
    end_ = end;
    std::cerr << fmt::format("{} tokens, sorted in {:.0f} ms\n", vocabulary_->size(), watch.ms());
  }

  Json answer(const Json& in) {
    const Stopwatch watch;
    const auto grammar = Grammar::compile(vocabulary_, {kind_of(in.at("kind")), in.at("text")});
    Json out = {{"compile_ms", watch.ms()}, {"bytes", grammar->bytes()}};
    for (const Json& text : in.value("accept", Json::array())) {
      out["accepted"].push_back(accepts(grammar, text.get<std::string>()));
    }
    if (in.contains("sample")) sample(grammar, in.at("sample"), out);
    if (in.contains("time")) time(grammar, in.at("time").get<std::string>(), out);
    return out;
  }

 private:
  bool accepts(const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
    GrammarMatcher matcher(grammar);
    for (const char c : text) {
      if (matcher.accept(static_cast<unsigned char>(c)) != Result::kOk) return false;
    }
    return matcher.can_end();
  }

  // An end token or a byte that closes something, now and then, and always once half of the tokens
  // are used up, so that texts come to an end.
  int32_t draw(const std::vector<uint32_t>& bits, std::mt19937_64& random, bool hurry) {
    std::vector<int32_t> allowed, closing;
    for (int32_t id = 0; id < vocabulary_->size(); ++id) {
      if ((bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1) == 0) continue;
      allowed.push_back(id);
      const std::string_view bytes = id == end_ ? "]" : tokenizer_->token_bytes(id);
      if (bytes.size() == 1 && std::string_view("\"}]").find(bytes[0]) != std::string::npos) {
        closing.push_back(id);
      }
    }
    if (allowed.empty()) return -1;
    const auto& from = !closing.empty() && (hurry || random() % 4 == 0) ? closing : allowed;
    return from[random() % from.size()];
  }

  void sample(const std::shared_ptr<const Grammar>& grammar, const Json& how, Json& out) {
    std::mt19937_64 random(how.at("seed").get<uint64_t>());
    const int limit = how.at("tokens");
    int dead = 0;
    std::vector<uint32_t> bits(vocabulary_->mask_words());
    out["samples"] = Json::array();
    for (int i = 0; i < how.at("count").get<int>(); ++i) {
      GrammarMatcher matcher(grammar);
      std::string text;
      int used = 0;
      for (; used < limit && !matcher.terminated(); ++used) {
        if (matcher.mask(bits) != Result::kOk) fail(ErrorCode::kInternal, "tool", "no mask");
        const int32_t token = draw(bits, random, used > limit / 2);
        if (token < 0) break;
        if (matcher.accept(token) != Result::kOk) {
          fail(ErrorCode::kInternal, "tool", "token {} is in the mask and not accepted", token);
        }
        if (token != end_) text += tokenizer_->token_bytes(token);
      }
      if (!matcher.terminated() && used < limit) ++dead;
      // JSON carries the bytes as hexadecimal digits: they need not be UTF-8.
      std::string hex;
      for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
      out["samples"].push_back(matcher.terminated() ? Json(hex) : Json());
    }
    out["dead"] = dead;
  }

  // Twice: the first time on states where no matcher has been.
  void time(const std::shared_ptr<const Grammar>& grammar, const std::string& text, Json& out) {
    std::vector<uint32_t> bits(vocabulary_->mask_words());
    for (const char* name : {"first_us", "masks_us"}) {
      GrammarMatcher matcher(grammar);
      const Stopwatch watch;
      for (const int32_t id : tokenizer_->encode(text, {.add_special = false})) {
        const double begin = watch.ms();
        if (matcher.mask(bits) != Result::kOk) {
          fail(ErrorCode::kUnsupported, "tool", "no mask after {} tokens", out[name].size());
        }
        out[name].push_back((watch.ms() - begin) * 1e3);
        if (matcher.accept(id) != Result::kOk) {
          fail(ErrorCode::kInvalidArgument, "tool", "token {} '{}' is refused", id,
               tokenizer_->token_text(id));
        }
      }
    }
    out["bytes"] = grammar->bytes();
  }

  std::unique_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  int32_t end_ = 0;
};

int run(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: grammar_tool bytes | FILE\n";
    return 2;
  }
  Driver driver(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    Json out;
    try {
      out = driver.answer(Json::parse(line));
    } catch (const Error& error) {
      out = {{"error", error.what()}, {"code", error_code_name(error.code())}};
    }
    std::cout << out.dump(-1, ' ', true) << "\n" << std::flush;
  }
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
