#include "base/tokenizer_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

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

}  // namespace
}  // namespace ingot
