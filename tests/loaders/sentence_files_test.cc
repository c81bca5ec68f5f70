#include "loaders/sentence_files.h"

#include "base/json.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace sentence_files_test {

// A folder as sentence-transformers writes one, each file to be changed.
class Folder {
 public:
  Folder() {
    std::filesystem::create_directory(dir_ / "1_Pooling");
    modules({"Transformer", "Pooling", "Normalize"});
    dir_.write("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
    pooling(R"({"word_embedding_dimension": 4, "pooling_mode_cls_token": false,
                "pooling_mode_mean_tokens": true})");
  }
  void modules(const std::vector<std::string>& types) const {
    Json out = Json::array();
    for (const std::string& type : types) {
      const std::string path = type == "Transformer" ? "" : fmt::format("{}_{}", out.size(), type);
      out.push_back({{"idx", out.size()},
                     {"name", fmt::format("{}", out.size())},
                     {"path", path},
                     {"type", "sentence_transformers.models." + type}});
    }
    write("modules.json", out.dump());
  }
  void pooling(std::string_view text) const { write("1_Pooling/config.json", text); }
  void write(const std::string& name, std::string_view text) const { dir_.write(name, text); }
  SentenceFiles read(const Json& config = Json::object()) const {
    return read_sentence_files(dir_.path(), config);
  }
  void remove(const std::string& name) const { std::filesystem::remove(dir_ / name); }
  // The reason why not.
  std::string refused() const {
    const SentenceFiles files = read();
    EXPECT_FALSE(files.rules);
    return files.refused;
  }

 private:
  ScratchDirectory dir_;
};

using testing::HasSubstr;

TEST(SentenceFiles, AreWhatTheyAreMadeOf) {
  const Folder folder;
  const SentenceFiles files = folder.read();
  ASSERT_TRUE(files.rules);
  EXPECT_EQ(files.refused, "");
  EXPECT_EQ(files.rules->pooling, Pooling::kMean);
  EXPECT_TRUE(files.rules->normalize);
  EXPECT_EQ(files.rules->max_tokens, 256);
  EXPECT_EQ(files.files.size(), 3u);
  folder.modules({"Transformer", "Pooling"});
  EXPECT_FALSE(folder.read().rules->normalize);
  folder.remove("sentence_bert_config.json");
  EXPECT_EQ(folder.read().rules->max_tokens, 0);
  folder.write("sentence_xlm-roberta_config.json", R"({"max_seq_length": null})");
  EXPECT_EQ(folder.read().rules->max_tokens, 0);
  folder.remove("modules.json");
  EXPECT_FALSE(folder.read().rules);
  EXPECT_EQ(folder.read().refused, "") << "another kind of folder";
}

TEST(SentenceFiles, WaysOfPooling) {
  const Folder folder;
  folder.pooling(R"({"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false})");
  EXPECT_EQ(folder.read().rules->pooling, Pooling::kLast);
  folder.pooling(R"({"pooling_mode_cls_token": true})");
  EXPECT_EQ(folder.read().rules->pooling, Pooling::kFirst);
  folder.pooling(R"({"pooling_mode": "lasttoken"})");
  EXPECT_EQ(folder.read().rules->pooling, Pooling::kLast);
  folder.pooling(R"({"pooling_mode_max_tokens": true})");
  EXPECT_THAT(folder.refused(), HasSubstr("1_Pooling/config.json: expected one way"));
  EXPECT_THAT(folder.refused(), HasSubstr("found max_tokens"));
  folder.pooling(R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true})");
  EXPECT_THAT(folder.refused(), HasSubstr("found 2"));
}

TEST(SentenceFiles, WhatIsNotComputedIsRefusedByName) {
  const Folder folder;
  folder.modules({"Transformer", "Pooling", "Dense", "Normalize"});
  EXPECT_THAT(folder.refused(), HasSubstr("'sentence_transformers.models.Dense' as number 3"));
  folder.modules({"Transformer"});
  EXPECT_THAT(folder.refused(), HasSubstr("modules.json"));
  folder.modules({"CLIPModel"});
  EXPECT_THAT(folder.refused(), HasSubstr("CLIPModel"));
  folder.write("modules.json", R"([{"path": "0_Transformer", "type": "a.Transformer"}])");
  EXPECT_THAT(folder.refused(), HasSubstr("0_Transformer"));
  folder.modules({"Transformer", "Pooling"});
  folder.write("sentence_bert_config.json", R"({"max_seq_length": 8, "do_lower_case": true})");
  EXPECT_THAT(folder.refused(), HasSubstr("do_lower_case false"));
}

TEST(SentenceFiles, PromptsAndShorterVectors) {
  const Folder folder;
  const char* prompts = "config_sentence_transformers.json";
  folder.write(prompts, R"({"prompts": {"query": "query: "}, "default_prompt_name": null})");
  EXPECT_EQ(folder.read().rules->prompt, "");
  folder.write(prompts, R"({"prompts": {"query": "query: "}, "default_prompt_name": "query"})");
  EXPECT_EQ(folder.read().rules->prompt, "query: ");
  folder.pooling(R"({"pooling_mode_mean_tokens": true, "include_prompt": false})");
  EXPECT_THAT(folder.refused(), HasSubstr("a default prompt that is pooled too"));
  folder.write(prompts, R"({"default_prompt_name": "query"})");
  expect_error([&] { folder.read(); }, ErrorCode::kCorrupt, {prompts, "'prompts'", "'query'"});
  folder.write(prompts, "{}");
  EXPECT_EQ(folder.read({{"matryoshka_dimensions", {2, 3}}}).rules->dimensions,
            (std::vector<int64_t>{2, 3}));
}

TEST(SentenceFiles, FaultsNameTheFile) {
  const Folder folder;
  const auto faulty = [&](const std::string& name, const char* text, ErrorCode code,
                          const std::vector<std::string>& parts) {
    const Folder fresh;
    fresh.write(name, text);
    expect_error([&] { fresh.read(); }, code, parts);
  };
  const auto corrupt = ErrorCode::kCorrupt;
  faulty("modules.json", "[", corrupt, {"modules.json"});
  faulty("modules.json", "{}", corrupt, {"modules.json", "expected a list"});
  faulty("modules.json", "[1]", corrupt, {"modules.json", "expected objects, found number"});
  faulty("modules.json", "[{}]", corrupt, {"modules.json", "type"});
  faulty("modules.json", R"([{"type": "Pooling", "path": "../x"}])", corrupt, {"found '../x'"});
  faulty("1_Pooling/config.json", R"({"pooling_mode_cls_token": 1})", corrupt,
         {"1_Pooling/config.json", "pooling_mode_cls_token"});
  faulty("sentence_bert_config.json", R"({"max_seq_length": -1})", corrupt,
         {"sentence_bert_config.json", "found -1"});
  folder.remove("1_Pooling/config.json");
  expect_error([&] { folder.read(); }, ErrorCode::kNotFound, {"1_Pooling/config.json"});
}

}  // namespace sentence_files_test
}  // namespace ingot
