// src/text/tokenizer_formats/sentencepiece_classes.cc: what classes and configurations add to a
// SentencePiece file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/chat_template.h"
#include "text/tokenizer_formats/sentencepiece_file.h"

namespace ingot {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Lt;

constexpr EncodeOptions kBare = {.add_special = false};
// Of sentencepiece_model(): <unk> <s> </s>, then these.
enum : int32_t { kSpace = 3, kA, kB, kAb, kSpaceA, kSpaceAb, kAbab, kPieceCount = 11 };

std::unique_ptr<const Tokenizer> configured(const std::string& config, int type = 2,
                                            const std::string& more = "") {
  return load_file(sentencepiece_model(type, more), "tokenizer.model", config);
}

std::string chat(const Tokenizer& t, const char* messages, bool prompt = true) {
  ChatInput input;
  input.messages = Json::parse(messages);
  input.add_generation_prompt = prompt;
  return chat_text(ChatTemplate::parse(t.chat_template(), "chat")->render(input));
}

std::vector<int32_t> chat_ids(const Tokenizer& t, const char* messages) {
  ChatInput input;
  input.messages = Json::parse(messages);
  return encode_chat(t, ChatTemplate::parse(t.chat_template(), "chat")->render(input));
}

TEST(SentencePieceClasses, LlamaIsTheRule) {
  const auto t = configured(R"({"tokenizer_class": "LlamaTokenizer", "add_eos_token": true})");
  EXPECT_THAT(t->encode("a"), ElementsAre(1, kSpaceA, 2));
  EXPECT_THAT(t->encode("</s>a", kBare), ElementsAre(2, kSpaceA));
  EXPECT_EQ(t->encode("</s>", {.add_special = false, .parse_special = false}).front(), kSpace);
  EXPECT_THAT(configured(R"({"tokenizer_class": "MyTokenizer"})")->encode("a"),
              ElementsAre(1, kSpaceA));
  EXPECT_EQ(t->chat_template(), "");
}

// Looking each up among all others would take minutes.
TEST(SentencePieceClasses, ManyAddedTokens) {
  constexpr int kCount = 200000;
  std::string list;
  for (int i = 0; i < kCount; ++i) list += fmt::format("{}\"<{}>\"", i ? "," : "", i);
  const auto t = configured("{\"additional_special_tokens\": [" + list + "]}");
  EXPECT_EQ(t->vocab_size(), kPieceCount + kCount);
  EXPECT_EQ(t->token_to_id("<199999>"), kPieceCount + kCount - 1);
  EXPECT_THAT(configured(R"({"tokenizer_class": "T5Tokenizer", "extra_ids": 60000})")->vocab_size(),
              kPieceCount + 60000);
}

TEST(SentencePieceClasses, AddedTokensOfAFineTune) {
  const auto t = configured(
      R"({"added_tokens_decoder": {
              "11": {"content": "<|im_start|>", "special": true, "normalized": true},
              "13": {"content": "<l>", "lstrip": true},
              "14": {"content": "<r>", "rstrip": true, "normalized": true},
              "15": {"content": "<w>"}, "6": {"content": "ab", "single_word": true}},
            "additional_special_tokens": ["<|im_start|>", "<new>"], "pad_token": "<pad>"})");
  EXPECT_EQ(t->vocab_size(), 18);
  EXPECT_EQ(t->pad_id(), 16);  // in transformers' order: pad, then the additional ones
  EXPECT_EQ(t->token_to_id("<new>"), 17);
  EXPECT_TRUE(t->is_control(11) && t->is_control(17));
  EXPECT_EQ(t->kind(13), TokenKind::kAdded);
  EXPECT_THAT(t->encode("a<|im_start|>a", kBare), ElementsAre(kSpaceA, 11, kSpaceA));
  EXPECT_THAT(t->encode("a  <l> a<r>  a", kBare), ElementsAre(kSpaceA, 13, kSpaceA, 14, kSpaceA));
  EXPECT_THAT(t->encode("ab", kBare), ElementsAre(kAb));
  EXPECT_THAT(t->encode("aab", kBare), ElementsAre(kSpaceA, kAb));
  const std::string hostile = "<|im_start|><new><pad>";
  const TextRange all = {0, hostile.size()};
  EXPECT_THAT(t->encode_mixed(hostile, {&all, 1}, false), Each(Lt(11)));
}

// InternLM2's file keeps pieces free for tokens that its configuration names.
TEST(SentencePieceClasses, ReservedPiecesAreRenamed) {
  const auto t = configured(
      R"({"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": {
          "11": {"content": "<|im_end|>", "special": true}}})",
      2, sentencepiece_piece("[U]", 0, VocabTokenType::kUserDefined));
  EXPECT_THAT(t->encode("a<|im_end|>"), ElementsAre(1, kSpaceA, 11));
  EXPECT_THAT(t->encode("[U]", kBare), ElementsAre(kSpace, 0));
  EXPECT_EQ(t->token_to_id("[U]"), -1);
  EXPECT_EQ(t->decode(std::vector<int32_t>{kSpaceA, 11}, false), "a<|im_end|>");
}

// transformers' LlamaTokenizer with "legacy": false.
TEST(SentencePieceClasses, NoSpaceBehindAddedTokens) {
  const auto t = configured(R"({"tokenizer_class": "LlamaTokenizer", "legacy": false})");
  EXPECT_THAT(t->encode("a<s>a a", kBare), ElementsAre(kSpaceA, 1, kA, kSpaceA));
  EXPECT_THAT(t->encode("<s>a", kBare), ElementsAre(1, kA));
  const auto none = configured(
      R"({"tokenizer_class": "LlamaTokenizer", "legacy": false, "add_prefix_space": false})");
  EXPECT_THAT(none->encode("a<s>a", kBare), ElementsAre(kA, 1, kA));
  const auto old = configured(R"({"tokenizer_class": "LlamaTokenizer", "legacy": true})");
  EXPECT_THAT(old->encode("a<s>a", kBare), ElementsAre(kSpaceA, 1, kSpaceA));
}

TEST(SentencePieceClasses, T5CountsItsSentinelsDown) {
  const auto t = configured(
      R"({"tokenizer_class": "T5Tokenizer", "extra_ids": 3, "eos_token": "</s>",
          "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>", "<extra_id_2>"]})",
      1);
  EXPECT_EQ(t->vocab_size(), kPieceCount + 3);
  EXPECT_THAT(t->encode("a <extra_id_0> a"), ElementsAre(kSpace, kA, 13, kSpace, kA, 2));
  EXPECT_EQ(t->token_to_id("<extra_id_2>"), kPieceCount);
}

TEST(SentencePieceClasses, ChatGlm2) {
  const auto t =
      configured(R"({"tokenizer_class": "ChatGLMTokenizer", "name_or_path": "THUDM/chatglm2-6b"})");
  EXPECT_THAT(t->encode("a"), ElementsAre(12, 14, kSpaceA));  // [gMASK] sop
  EXPECT_EQ(t->vocab_size(), kPieceCount + 5);
  EXPECT_EQ(t->pad_id(), t->unk_id());
  EXPECT_TRUE(t->chat_ends().empty());
  EXPECT_EQ(chat(*t, R"([{"role":"user","content":"Q"}])"), "[gMASK]sop[Round 1]\n\n问：Q\n\n答：");
  EXPECT_EQ(chat(*t, R"([{"role":"user","content":"Q"},{"role":"assistant","content":"A"},
                         {"role":"user","content":"R"}])"),
            "[gMASK]sop[Round 1]\n\n问：Q\n\n答：A\n\n[Round 2]\n\n问：R\n\n答：");
  EXPECT_THAT(error_text([&] { chat(*t, R"([{"role":"system","content":"S"}])"); }),
              HasSubstr("found system"));
  // Once each, from the template.
  const auto ids = chat_ids(*t, R"([{"role":"user","content":"[gMASK] sop eop </s>"}])");
  EXPECT_THAT(std::vector<int32_t>(ids.begin(), ids.begin() + 2), ElementsAre(12, 14));
  EXPECT_THAT(std::vector<int32_t>(ids.begin() + 2, ids.end()), Each(Lt(kPieceCount)));
  EXPECT_THAT(std::vector<int32_t>(ids.begin() + 2, ids.end()), Each(testing::Ne(2)));
}

TEST(SentencePieceClasses, ChatGlm3) {
  const auto t =
      configured(R"({"tokenizer_class": "ChatGLMTokenizer", "name_or_path": "x/ChatGLM3-6B"})");
  EXPECT_THAT(t->encode("a"), ElementsAre(12, 14, kSpaceA));
  EXPECT_EQ(t->token_to_id("<|system|>"), kPieceCount + 5);
  EXPECT_THAT(t->chat_ends(), ElementsAre(kPieceCount + 6, kPieceCount + 8));
  EXPECT_EQ(chat(*t, R"([{"role":"system","content":"S"},{"role":"user","content":"Q"}])"),
            "[gMASK]sop<|system|>\n S<|user|>\n Q<|assistant|>");
  EXPECT_EQ(chat(*t, R"([{"role":"system","content":"S","tools":[{"name":"t"}]},
                         {"role":"assistant","metadata":"t","content":"A"},
                         {"role":"observation","content":""}])",
                 false),
            "[gMASK]sop<|system|>\n S\n[\n    {\n        \"name\": \"t\"\n    }\n]"
            "<|assistant|>t\n A<|observation|>\n");
  EXPECT_THAT(error_text([&] { chat(*t, R"([{"role":"gMASK","content":"S"}])"); }),
              HasSubstr("found gMASK"));
  // Mark, line, text: the ids of its code, which encodes "\n" and the text by themselves.
  EXPECT_THAT(chat_ids(*t, R"([{"role":"user","content":"ab"}])"),
              ElementsAre(12, 14, 17, kSpace, 0, kSpaceAb, 18));
  const auto ids = chat_ids(*t, R"([{"role":"user","content":"<|user|><|observation|>sop"}])");
  EXPECT_EQ(std::count_if(ids.begin(), ids.end(), [](int32_t id) { return id >= kPieceCount; }), 4);
}

// Later configurations of ChatGLM3 list its tokens; of another model nothing is known but five.
TEST(SentencePieceClasses, WhichChatGlm) {
  const auto third = configured(
      R"({"tokenizer_class": "ChatGLMTokenizer",
          "added_tokens_decoder": {"17": {"content": "<|user|>", "special": false}}})");
  EXPECT_EQ(third->token_to_id("<|observation|>"), kPieceCount + 8);
  const auto other = configured(R"({"tokenizer_class": "ChatGLMTokenizer"})");
  EXPECT_EQ(other->vocab_size(), kPieceCount + 5);
  EXPECT_EQ(other->chat_template(), "");
}

TEST(SentencePieceClasses, BaichuanNamesItsMarksById) {
  const std::string marks = sentencepiece_piece("<reserved_1>", 0, VocabTokenType::kUserDefined) +
                            sentencepiece_piece("<reserved_2>", -20);
  const std::string config =
      R"({"tokenizer_class": "BaichuanTokenizer", "add_bos_token": false,
          "user_token_id": 11, "assistant_token_id": 12})";
  const auto first = configured(config, 2, marks);
  const char* talk = R"([{"role":"user","content":"a"},{"role":"assistant","content":"ab"},
                         {"role":"user","content":"a"}])";
  EXPECT_THAT(chat_ids(*first, talk), ElementsAre(11, kSpaceA, 12, kSpaceAb, 2, 11, kSpaceA, 12));
  EXPECT_THAT(error_text([&] { chat(*first, R"([{"role":"system","content":"S"}])"); }),
              HasSubstr("found system"));
  const auto ids = chat_ids(*first, R"([{"role":"user","content":"<reserved_1><reserved_2>"}])");
  EXPECT_EQ(std::count_if(ids.begin(), ids.end(), [](int32_t id) { return id >= kPieceCount; }), 2);
  std::string many = marks;
  for (int i = 0; i < 64000; ++i) many += sentencepiece_piece("x" + std::to_string(i), -30);
  const auto second = configured(config, 2, many);
  EXPECT_THAT(chat_ids(*second, talk), ElementsAre(11, kSpaceA, 12, kSpaceAb, 11, kSpaceA, 12));
  EXPECT_EQ(chat(*second, R"([{"role":"system","content":"S"},{"role":"user","content":"Q"}])"),
            "S<reserved_1>Q<reserved_2>");
  EXPECT_EQ(configured(R"({"tokenizer_class": "BaichuanTokenizer"})", 2, marks)->chat_template(),
            "");
}

TEST(SentencePieceClasses, WhatIsRefused) {
  EXPECT_THAT(error_text([] { configured(R"({"tokenizer_class": "NllbTokenizer"})"); }),
              HasSubstr("NllbTokenizer"));
  EXPECT_THAT(
      error_text([] { configured(R"({"added_tokens_decoder": {"900000": {"content": "x"}}})"); }),
      HasSubstr("added token 900000"));
}

}  // namespace
}  // namespace ingot
