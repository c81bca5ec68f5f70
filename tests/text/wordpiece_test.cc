#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"
#include "text/detokenizer.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json wordpiece_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 0, "content": "[UNK]", "special": true, "normalized": false},
                     {"id": 1, "content": "[CLS]", "special": true, "normalized": false},
                     {"id": 2, "content": "[SEP]", "special": true, "normalized": false}],
    "normalizer": {"type": "BertNormalizer"},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 6,
      "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "##aff": 4, "##able": 5, "able": 6,
                ",": 7, "##a": 8, "是": 9, "cafe": 10}}})");
}

TEST(WordPiece, LongestFromTheFront) {
  const auto t = Tokenizer::load(wordpiece_json().dump(), "t.json");
  EXPECT_EQ(t->kind_name(), "wordpiece");
  const EncodeOptions plain = {.add_special = false};
  EXPECT_THAT(t->encode("Unaff, able"), ElementsAre(1, 3, 4, 7, 6, 2));
  EXPECT_THAT(t->encode("unaffz un", plain), ElementsAre(0, 3));        // all or nothing
  EXPECT_THAT(t->encode("unaffable", plain), ElementsAre(0));           // more than 6 characters
  EXPECT_THAT(t->encode("un\u662fable", plain), ElementsAre(3, 9, 6));  // ideographs stand alone
  EXPECT_THAT(t->encode("CAF\u00c9\u200b", plain), ElementsAre(10));    // accents and controls go
  EXPECT_THAT(t->encode("", plain), ElementsAre());
}

TEST(WordPiece, SpacesComeBack) {
  const auto t = Tokenizer::load(wordpiece_json().dump(), "t.json");
  const std::vector<int32_t> ids = {1, 3, 4, 7, 6, 8, 2};
  EXPECT_EQ(t->decode(ids), "unaff, ablea");
  EXPECT_EQ(t->decode(ids, false), "[CLS] unaff, ablea [SEP]");
  EXPECT_EQ(t->decode(std::vector<int32_t>{4, 3}), "##aff un");
  Detokenizer stream(*t);
  std::string text;
  for (const int32_t id : ids) text += stream.push(id);
  EXPECT_EQ(text + stream.flush(), "unaff, ablea");
  Detokenizer later(*t, {.at_text_start = false});
  EXPECT_EQ(later.push(3), " un");
}

TEST(WordPiece, VocabTxt) {
  const auto t = load_file("[PAD]\n[UNK]\r\n[CLS]\n[SEP]\nun\n##aff\nUn\n", "vocab.txt");
  EXPECT_EQ(t->kind_name(), "wordpiece");
  EXPECT_THAT(t->encode("Unaff[SEP]"), ElementsAre(2, 4, 5, 3, 3));
  EXPECT_EQ(t->vocab_size(), 7);
  EXPECT_EQ(t->pad_id(), 0);
  const auto cased = load_file("[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\nUn", "vocab.txt",
                               R"({"do_lower_case": false})");
  EXPECT_THAT(cased->encode("Unaff"), ElementsAre(2, 6, 5, 3));
  EXPECT_THAT(error_text([] { load_file("a\n\xFF", "vocab.txt"); }),
              HasSubstr("vocab.txt: line 2: expected UTF-8"));
  EXPECT_THAT(error_text([] { load_file("", "vocab.txt"); }), HasSubstr("0 tokens"));
}

TEST(WordPiece, GgufBert) {
  VocabSource v;
  v.model = "bert";
  v.tokens = {"[UNK]", "[CLS]", "[SEP]", "\u2581un", "aff", "\u2581,"};
  v.types = {3, 3, 3, 1, 1, 1};
  const auto t = Tokenizer::load(make_tokenizer_spec(v), "bert.gguf");
  EXPECT_EQ(t->kind_name(), "wordpiece");
  EXPECT_THAT(t->encode("UNAFF,aff"), ElementsAre(1, 3, 4, 5, 0, 2));
  EXPECT_EQ(t->decode(t->encode("unaff un")), "unaff un");
}

TEST(WordPiece, BrokenPostProcessors) {
  const auto with = [](const char* path, Json value) {
    Json json = wordpiece_json();
    json[Json::json_pointer(path)] = std::move(value);
    return error_text([&] { Tokenizer::load(json.dump(), "t.json"); });
  };
  EXPECT_THAT(with("/post_processor/sep", {"[SEP]", 99}), HasSubstr("id 99 of '[SEP]'"));
  EXPECT_THAT(with("/post_processor/cls", "x"), HasSubstr("'cls' is not a token and its id"));
  EXPECT_THAT(with("/model/unk_token", "?"), HasSubstr("unk_token '?'"));
  Json second = wordpiece_json();
  second["post_processor"] = {{"type", "Sequence"},
                              {"processors", {second["post_processor"], second["post_processor"]}}};
  EXPECT_THAT(error_text([&] { Tokenizer::load(second.dump(), "t.json"); }),
              HasSubstr("second BertProcessing"));
}

}  // namespace
}  // namespace ingot
