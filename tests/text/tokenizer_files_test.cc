#include "text/tokenizer_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace ingot {
namespace {

TEST(TokenizerFiles, NamesThatHoldATokenizer) {
  for (const char* name :
       {"tokenizer.model", "tokenizer.model.v3", "spiece.model", "vocab.txt", "qwen.tiktoken",
        "tekken.json", "sentencepiece.bpe.model", "source.spm"}) {
    EXPECT_TRUE(is_tokenizer_file(name)) << name;
  }
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "config.json", "vocab.json", "model.safetensors",
        "tokenizer.gguf-vocab", "a/tokenizer.model", "README.md", "", "old.model", "w2v.model",
        "lid.176.model", "tokenizer.py", "tokenizer.jinja", "my_vocab.txt"}) {
    EXPECT_FALSE(is_tokenizer_file(name)) << name;
  }
}

// A kind's file alone says what its files are called: such a file is found in a folder and read.
TEST(TokenizerFiles, AKindsNamesAreFoundAndRead) {
  size_t names = 0;
  for (const TokenizerDef* def : text_tokenizer_list()) {
    for (const std::string_view known : def->folder_names) {
      std::string name(known);
      if (known.starts_with("*")) name.replace(0, 1, "any");
      EXPECT_TRUE(is_tokenizer_file(name)) << def->name << ": " << name;
      EXPECT_EQ(choose_tokenizer_file({"config.json", name}), name);
      EXPECT_TRUE(std::ranges::any_of(
          def->file_endings, [&](std::string_view ending) { return name.ends_with(ending); }))
          << def->name << ": " << name;
      ++names;
    }
  }
  EXPECT_GE(names, 10u);
}

TEST(TokenizerFiles, OneIsChosen) {
  EXPECT_EQ(choose_tokenizer_file({"vocab.txt", "a.spm", "tokenizer.model"}), "tokenizer.model");
  EXPECT_EQ(choose_tokenizer_file({"vocab.txt", "a.model", "b.spm", "a.json"}), "b.spm");
  EXPECT_EQ(choose_tokenizer_file({"config.json"}), "");
}

TEST(TokenizerFiles, OfADirectory) {
  namespace fs = std::filesystem;
  std::string folder = (fs::temp_directory_path() / "ingot-tokenizer-files-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  EXPECT_EQ(find_tokenizer_file(folder), "");
  std::ofstream(folder + "/config.json") << "{}";
  std::ofstream(folder + "/spiece.model") << "x";
  fs::create_directory(folder + "/a.model");  // not a file
  EXPECT_EQ(find_tokenizer_file(folder), "spiece.model");
  fs::remove_all(folder);
  EXPECT_THROW(find_tokenizer_file(folder), Error);
}

// As older transformers wrote a fine-tune's tokens.
TEST(TokenizerFiles, OlderFilesAreJoined) {
  const std::string config = R"({"bos_token": "<s>", "additional_special_tokens": ["<a>"]})";
  const std::string map = R"({"bos_token": {"content": "<t>", "lstrip": true},
                              "additional_special_tokens": [{"content": "<a>"}, "<b>"]})";
  const Json all = Json::parse(complete_tokenizer_config({.tokenizer_config = config,
                                                          .added_tokens = R"({"<b>": 7, "c": 8})",
                                                          .special_tokens_map = map},
                                                         "d"));
  EXPECT_EQ(all["bos_token"]["content"], "<t>");
  EXPECT_EQ(all["additional_special_tokens"], Json::parse(R"(["<a>", "<b>"])"));
  EXPECT_EQ(all["added_tokens_decoder"], Json::parse(R"(
      {"7": {"content": "<b>", "special": true, "normalized": false},
       "8": {"content": "c", "special": false, "normalized": true}})"));
  // Newer configurations tell all by themselves.
  const std::string newer = R"({"added_tokens_decoder": {}})";
  EXPECT_EQ(
      complete_tokenizer_config(
          {.tokenizer_config = newer, .added_tokens = R"({"c": 8})", .special_tokens_map = map},
          "d"),
      newer);
  EXPECT_EQ(complete_tokenizer_config({}, "d"), "");
  for (const char* broken : {"[]", R"({"c": -1})", R"({"c": "8"})"}) {
    try {
      complete_tokenizer_config({.added_tokens = broken}, "d");
      ADD_FAILURE() << broken;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("d/added_tokens.json"), std::string::npos);
    }
  }
}

TEST(TokenizerFiles, WhatTheModelSaysOfItsTokenizer) {
  const std::string config = R"({"_name_or_path": "o/n"})";
  const std::string generation = R"({"user_token_id": 195, "assistant_token_id": 196, "top_k": 1})";
  EXPECT_EQ(complete_tokenizer_config({.config = config, .generation_config = generation}, "d"),
            R"({"name_or_path":"o/n","user_token_id":195,"assistant_token_id":196})");
  const std::string own = R"({"name_or_path": "mine"})";
  EXPECT_EQ(complete_tokenizer_config({.tokenizer_config = own, .config = config}, "d"), own);
}

}  // namespace
}  // namespace ingot
