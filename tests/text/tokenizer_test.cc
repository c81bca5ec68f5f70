#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "tests/text/test_vocabularies.h"
#include "text/tokenizer_pipeline/normalizer.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string spec_error(const std::string& spec) {
  try {
    Tokenizer::load(spec, "file.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Tokenizer, ByteLevelMergesByRank) {
  const auto t = byte_level_tokenizer();
  EXPECT_EQ(t->kind_name(), "byte_level_bpe");
  EXPECT_THAT(t->encode("the the"), ElementsAre(257, 258));
  EXPECT_THAT(t->encode("thll"), ElementsAre(256, 259));
  EXPECT_EQ(t->decode(t->encode("the h\u00e9 \U0001F600\n")), "the h\u00e9 \U0001F600\n");
  EXPECT_EQ(t->vocab_size(), 263);
}

TEST(Tokenizer, SpecialTokensAreControlIdsOnlyWhereParsed) {
  const auto t = byte_level_tokenizer();
  const std::string text = "a<|end|><tool>";
  EXPECT_THAT(t->encode(text), ElementsAre('a', 261, 262));
  const auto plain = t->encode(text, {.parse_special = false});
  EXPECT_EQ(plain.size(), 1 + 7 + 1u);  // '<', '|', ... as bytes; <tool> is no control token
  EXPECT_EQ(t->decode(plain), text);
  EXPECT_TRUE(t->is_control(261));
  EXPECT_EQ(t->kind(262), TokenKind::kAdded);
  EXPECT_EQ(t->decode(std::vector<int32_t>{'a', 261, 262}), "a<tool>");
  EXPECT_EQ(t->decode(std::vector<int32_t>{'a', 261, 262}, false), text);
}

TEST(Tokenizer, NoControlTokenTouchesUntrustedBytes) {
  const auto t = byte_level_tokenizer();
  const std::string text = "<|start|>the<|end|>the<|end|>";
  // The first <|end|> is the user's.
  const TextRange user = {9, 19};
  const auto ids = t->encode_mixed(text, {{user}}, false);
  EXPECT_EQ(ids.front(), 260);
  EXPECT_EQ(ids.back(), 261);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 261), 1);
  EXPECT_EQ(t->decode(ids, false), text);
  // One untrusted byte inside a token is enough, one beside it is not.
  const TextRange beside = {9, 12}, inside = {14, 15};
  EXPECT_EQ(t->encode_mixed(text, {{beside}}, false), t->encode(text));
  EXPECT_NE(t->encode_mixed(text, {{inside}}, false), t->encode(text));
}

TEST(Tokenizer, SentencePieceVocabulary) {
  const auto t = Tokenizer::load(make_tokenizer_spec(sentencepiece_vocab()), "v.gguf");
  EXPECT_EQ(t->kind_name(), "sentencepiece_bpe");
  EXPECT_THAT(t->encode("ab"), ElementsAre(1, 264));  // <s> "▁ab"
  EXPECT_THAT(t->encode("ab", {.add_special = false}), ElementsAre(264));
  EXPECT_THAT(t->encode("abab", {.add_special = false}), ElementsAre(264, 262));
  EXPECT_THAT(t->encode("\u00e9z", {.add_special = false}), ElementsAre(259, 266, 3 + 'z'));
  EXPECT_THAT(t->encode("\U0001F600", {.add_special = false}),
              ElementsAre(259, 3 + 0xF0, 3 + 0x9F, 3 + 0x98, 3 + 0x80));
  for (const std::string text : {"ab", " ab", "a  b\n", "\u00e9z\U0001F600"}) {
    EXPECT_EQ(t->decode(t->encode(text)), text);
  }
  EXPECT_EQ(t->bos_id(), 1);
  EXPECT_TRUE(t->adds_bos());
  // A control token's text inside a word is not merged into the token.
  EXPECT_THAT(t->encode("a</s>", {.add_special = false}), ElementsAre(263, 2));
  EXPECT_EQ(t->encode("a</s>", {.add_special = false, .parse_special = false}).size(), 5u);
}

TEST(Tokenizer, MergeOrderFollowsScores) {
  // "abab" scores below "▁ab": with "▁" in front the left pair merges first.
  VocabSource v = sentencepiece_vocab();
  v.add_space_prefix = false;
  const auto t = Tokenizer::load(make_tokenizer_spec(v), "v.gguf");
  EXPECT_THAT(t->encode("abab", {.add_special = false}), ElementsAre(265));
}

TEST(Tokenizer, InvalidUtf8NamesTheByte) {
  const auto t = byte_level_tokenizer();
  try {
    t->encode("the\xFF");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(e.what(), HasSubstr("invalid UTF-8 at byte 3"));
  }
}

// Models pad their vocabulary: such an id prints nothing, but it is no token.
TEST(Tokenizer, IdsOutsideTheVocabularyPrintNothing) {
  const auto t = byte_level_tokenizer();
  for (const int32_t id : {-1, 263, INT32_MAX}) EXPECT_THROW(t->token_bytes(id), Error);
  for (const int32_t id : {263, INT32_MAX}) EXPECT_EQ(t->decode(std::vector<int32_t>{id}), "");
  EXPECT_EQ(t->token_to_id("nothing"), -1);
}

TEST(Tokenizer, BrokenFilesGiveOneError) {
  EXPECT_THAT(spec_error(""), HasSubstr("[text/tokenizer_json] file.json: "));
  EXPECT_THAT(spec_error("{"), HasSubstr("file.json"));
  EXPECT_THAT(spec_error("[]"), HasSubstr("not an object"));
  EXPECT_THAT(spec_error("{}"), HasSubstr("'model' is missing"));
  const auto with = [](const char* path, Json value) {
    Json j = byte_level_json();
    j[Json::json_pointer(path)] = std::move(value);
    return spec_error(j.dump());
  };
  EXPECT_EQ(with("/truncation", nullptr), "");
  EXPECT_THAT(with("/model/type", "Neural"), HasSubstr("model 'Neural' is not supported"));
  EXPECT_THAT(with("/normalizer", {{"type", "Odd"}}), HasSubstr("normalizer 'Odd'"));
  EXPECT_THAT(with("/pre_tokenizer", {{"type", "Odd"}}), HasSubstr("pre-tokenizer 'Odd'"));
  EXPECT_THAT(with("/post_processor", {{"type", "Odd"}}), HasSubstr("post-processor 'Odd'"));
  EXPECT_THAT(with("/decoder", {{"type", "CTC"}}), HasSubstr("decoder 'CTC'"));
  EXPECT_THAT(with("/model/vocab/x", 2'000'000'000), HasSubstr("token id 2000000000 is too large"));
  EXPECT_THAT(with("/model/vocab/x", -1), HasSubstr("not a natural number"));
  EXPECT_THAT(with("/model/merges/0", "t q"), HasSubstr("not in the vocabulary"));
  EXPECT_THAT(with("/model/merges/0", "tq"), HasSubstr("has no space"));
  EXPECT_THAT(with("/model/unk_token", "<none>"), HasSubstr("unk_token '<none>'"));
  EXPECT_THAT(with("/model/dropout", 0.5), HasSubstr("dropout"));
  EXPECT_THAT(with("/added_tokens/0/content", std::string(2000, 'x')), HasSubstr("2000 bytes"));
  const Json split = {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a"}}}};
  EXPECT_THAT(with("/pre_tokenizer", split), HasSubstr("regular expression '(a'"));
}

// A part of another type is no absent one: the file would lose its control tokens silently.
TEST(Tokenizer, PartsOfAnotherTypeAreNotAbsent) {
  const auto with = [](const char* path, Json value) {
    Json j = byte_level_json();
    j[Json::json_pointer(path)] = std::move(value);
    return spec_error(j.dump());
  };
  for (const Json& value : {Json(5), Json("x"), Json::object(), Json(true)}) {
    EXPECT_THAT(with("/added_tokens", value),
                HasSubstr("file.json: 'added_tokens': expected a list, found a"));
  }
  for (const char* path : {"/truncation", "/padding", "/model"}) {
    EXPECT_THAT(with(path, 5), HasSubstr("': expected an object, found a number")) << path;
    EXPECT_THAT(with(path, "x"), HasSubstr("': expected an object, found a string")) << path;
  }
  EXPECT_THAT(with("/model", nullptr), HasSubstr("'model' is missing"));
  for (const char* path : {"/added_tokens", "/truncation", "/padding"}) {
    EXPECT_EQ(with(path, nullptr), "") << path;
  }
  EXPECT_EQ(with("/added_tokens", Json::array()), "");
  EXPECT_EQ(with("/padding", {{"strategy", "BatchLongest"}}), "");
  Json around = {{"type", "TemplateProcessing"}, {"single", {{{"Sequence", {{"id", "A"}}}}}}};
  for (const Json& pair : {Json(), Json::array()}) {
    around["pair"] = pair;
    EXPECT_EQ(with("/post_processor", around), "");
  }
  around["pair"] = 5;
  EXPECT_THAT(with("/post_processor", around),
              HasSubstr("TemplateProcessing: 'pair': expected a list, found number"));
}

// Merges that make each other's parts, in a ring.
TEST(Tokenizer, RingsOfMergesEnd) {
  Json j = byte_level_json();
  for (const char* token : {"ab", "ba", "aba", "abab", "baba"}) {
    j["model"]["vocab"][token] = 300 + j["model"]["vocab"].size();
  }
  j["model"]["merges"] = {"a b", "b a", "ab a", "ab ab", "aba b", "b aba", "ba ba", "a ba"};
  const auto t = Tokenizer::load(j.dump(), "ring");
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "ab";
  EXPECT_EQ(t->decode(t->encode(text)), text);
  j["model"]["merges"] = {"ab a", "a b"};  // before its own part
  EXPECT_EQ(Tokenizer::load(j.dump(), "ring")->encode("aba").size(), 1u);
}

// 100,000 steps inside each other, wherever there may be steps.
TEST(Tokenizer, DeepNestsAreRefusedSoon) {
  const std::string valid = byte_level_json().dump();
  for (const auto& [key, list] : {std::pair{"normalizer", "normalizers"},
                                  {"pre_tokenizer", "pretokenizers"},
                                  {"post_processor", "processors"},
                                  {"decoder", "decoders"}}) {
    std::string deep, json = valid;
    for (int i = 0; i < 100000; ++i) deep += fmt::format(R"({{"type":"Sequence","{}":[)", list);
    for (int i = 0; i < 100000; ++i) deep += "]}";
    json.pop_back();
    EXPECT_THAT(spec_error(fmt::format("{},\"{}\":{}}}", json, key, deep)), HasSubstr("file.json"))
        << key;
  }
  // Many side by side are no nest, but do the work of many.
  Json wide = byte_level_json();
  Json steps = Json::array();
  for (int i = 0; i < 100000; ++i) steps.push_back({{"type", "NFC"}});
  wide["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  EXPECT_THAT(spec_error(wide.dump()), HasSubstr("steps"));
}

TEST(Tokenizer, WhatIsNoJsonNamesFileAndByte) {
  const auto refusal = [](const std::string& json) -> std::string {
    try {
      check_tokenizer_json(json, "dir/tokenizer.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(refusal("{"), testing::HasSubstr("dir/tokenizer.json: byte 2: not valid JSON"));
  EXPECT_THAT(refusal(R"({"model":{"vocab":{"a":1,}}})"), testing::HasSubstr("byte 26:"));
  EXPECT_THAT(refusal(""), testing::HasSubstr("dir/tokenizer.json: not valid JSON (the file is"));
  EXPECT_THAT(refusal("{\"a\":\"\xff\"}"), testing::HasSubstr("byte 7:"));
  EXPECT_EQ(refusal("[]"), "no error");  // JSON, if no tokenizer
  EXPECT_EQ(refusal(byte_level_json().dump()), "no error");
}

TEST(Tokenizer, SpecRoundTripAndTruncation) {
  TokenizerConfig config;
  config.bos_token = "<|start|>";
  config.add_bos_token = true;
  const std::string json = make_tokenizer_spec(byte_level_json().dump(), config);
  const auto t = Tokenizer::load(json, "spec");
  EXPECT_EQ(t->bos_id(), 260);
  EXPECT_THAT(t->encode("the"), ElementsAre(260, 257));
  const std::string vocab = make_tokenizer_spec(sentencepiece_vocab());
  for (const std::string& spec : {json, vocab}) {
    for (size_t size = 8; size < spec.size(); size += 1 + spec.size() / 300) {
      EXPECT_THROW(Tokenizer::load(spec.substr(0, size), "spec"), Error) << size;
    }
  }
}

TEST(Tokenizer, BrokenVocabulariesAreRefused) {
  const auto error = [](auto change) -> std::string {
    VocabSource v = sentencepiece_vocab();
    change(v);
    return spec_error(make_tokenizer_spec(v));
  };
  EXPECT_THAT(error([](auto& v) { v.model = "rwkv"; }), HasSubstr("model 'rwkv'"));
  EXPECT_THAT(error([](auto& v) { v.scores.pop_back(); }), HasSubstr("scores for"));
  EXPECT_THAT(error([](auto& v) { v.scores.clear(); }), HasSubstr("without scores"));
  EXPECT_THAT(error([](auto& v) { v.scores[5] = NAN; }), HasSubstr("token 5 is not a number"));
  EXPECT_THAT(error([](auto& v) { v.types.resize(3); }), HasSubstr("3 token types"));
  EXPECT_THAT(error([](auto& v) { v.bos_id = 100000; }), HasSubstr("bos id 100000"));
  EXPECT_THAT(error([](auto& v) { v.tokens.clear(); }), HasSubstr("0 tokens"));
  EXPECT_THAT(error([](auto& v) { v.tokens[300 - 40] = std::string(100000, 'a'); }),
              HasSubstr("too long"));
  EXPECT_THAT(error([](auto& v) {
                v.model = "gpt2";
                v.pre = "unheard-of";
              }),
              HasSubstr("pre-tokenizer 'unheard-of'"));
}

TEST(Tokenizer, OneTokenizerServesManyThreads) {
  const auto t = byte_level_tokenizer();
  const auto want = t->encode("the end of the line, the <|end|>");
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) wrong += t->encode("the end of the line, the <|end|>") != want;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(TokenizerConfig, ReadsTokensAsStringsAndObjects) {
  const auto c = parse_tokenizer_config(
      R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null,
          "add_bos_token": true, "tokenizer_class": "LlamaTokenizer",
          "chat_template": [{"name": "tool_use", "template": "t"},
                            {"name": "default", "template": "d"}]})",
      "tokenizer_config.json");
  EXPECT_EQ(c.bos_token, "<s>");
  EXPECT_EQ(c.eos_token, "</s>");
  EXPECT_EQ(c.pad_token, "");
  EXPECT_EQ(c.add_bos_token, true);
  EXPECT_FALSE(c.add_eos_token.has_value());
  EXPECT_THROW(parse_tokenizer_config("[1]", "f"), Error);
  EXPECT_THROW(parse_tokenizer_config(R"({"bos_token": 3})", "f"), Error);
}

TEST(Tokenizer, StepsThatDoubleTheTextEndInAnError) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  steps.reserve(200);
  for (int i = 0; i < 200; ++i) {
    steps.push_back(make_replace_normalizer(make_literal_pattern("o"), "oo"));
  }
  MarkedText text = {"foo", ""};
  try {
    normalize_text(steps, text);
    FAIL() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(e.what(), HasSubstr("step 20: expected at most 1048768 bytes"));
  }
  steps.resize(3);
  text = {"foo", ""};
  normalize_text(steps, text);
  EXPECT_EQ(text.text, "f" + std::string(16, 'o'));
}

}  // namespace
}  // namespace ingot
