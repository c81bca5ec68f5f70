#include "loaders/model_source.h"

#include <sys/wait.h>

#include "loaders/checkpoint.h"
#include "loaders/gguf_writer.h"
#include "loaders/loader_def.h"
#include "loaders/safetensors.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

void copy_golden(const std::string& name, const ScratchDirectory& dir) {
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::copy_file(golden_path(name) + "/" + file, dir / file);
  }
}

void copy_golden_weights(const std::string& name, const ScratchDirectory& dir) {
  fs::copy_file(golden_path(name) + "/model.safetensors", dir / "model.safetensors");
}

// A small GGUF model file with a vocabulary.
std::string write_gguf(const ScratchDirectory& dir, const std::string& name) {
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  writer.add_string("tokenizer.ggml.model", "gpt2");
  writer.add_string("tokenizer.ggml.pre", "smollm");
  const std::string tokens[] = {"<s>", "</s>", "a", "b", "ab"};
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  const int32_t types[] = {3, 3, 1, 1, 1};
  writer.add_int32s("tokenizer.ggml.token_type", types);
  const std::string merges[] = {"a b"};
  writer.add_strings("tokenizer.ggml.merges", merges);
  writer.add_uint32("tokenizer.ggml.bos_token_id", 0);
  writer.add_uint32("tokenizer.ggml.eos_token_id", 1);
  writer.add_uint32("tokenizer.ggml.padding_token_id", UINT32_MAX);
  writer.add_bool("tokenizer.ggml.add_bos_token", false);
  writer.add_string("tokenizer.chat_template", "{{ messages }}");
  static const std::string data(4096, 'd');
  writer.add_tensor("q", ElementType(*find_block_format("q4_1")), {4, 64},
                    as_bytes(data).first(160));
  writer.add_tensor("k", ElementType(*find_block_format("q4_1")), {2, 64},
                    as_bytes(data).first(80));
  writer.add_tensor("v", ElementType(*find_block_format("q8_0")), {2, 64},
                    as_bytes(data).first(136));
  writer.add_tensor("norm", DType::kFloat32, {64}, as_bytes(data).first(256));
  writer.write(dir / name);
  return dir / name;
}

TEST(ModelSourceTest, HuggingFaceDirectory) {
  ScratchDirectory dir;
  copy_golden("llama3-gqa-rope", dir);
  dir.write("generation_config.json",
            R"({"eos_token_id":[5,6],"temperature":0.6,"top_k":40,"do_sample":true})");
  dir.write("tokenizer.json", "{\"version\":\"1.0\"}");
  dir.write("tokenizer_config.json", R"({"chat_template":[{"name":"tool_use","template":"T"},)"
                                     R"({"name":"default","template":"D"}]})");
  const ModelSource source = open_model_source(dir.path());
  EXPECT_EQ(source.kind, ModelSourceKind::kHuggingFace);
  EXPECT_EQ(source.loader->name, "hugging_face");
  EXPECT_EQ(source.architecture, "LlamaForCausalLM");
  EXPECT_EQ(source.config["hidden_size"], 256);
  EXPECT_EQ(source.generation.eos_ids, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(source.generation.bos_id, 1);
  EXPECT_EQ(source.generation.temperature, 0.6);
  EXPECT_EQ(source.generation.top_k, 40);
  EXPECT_EQ(source.generation.top_p, std::nullopt);
  EXPECT_EQ(source.tokenizer.tokenizer_json, "{\"version\":\"1.0\"}");
  EXPECT_EQ(source.chat_template, "D");
  EXPECT_TRUE(source.weights->contains("model.embed_tokens.weight"));
  EXPECT_EQ(open_model_source(dir / "model.safetensors").architecture, "LlamaForCausalLM");
  dir.write("chat_template.jinja", "J");
  EXPECT_EQ(open_model_source(dir.path()).chat_template, "J");
}

// Beside a tokenizer.model other files may name its tokens; a tokenizer.json has them all.
TEST(ModelSourceTest, FilesThatAddToATokenizerModel) {
  ScratchDirectory dir;
  copy_golden("llama3-gqa-rope", dir);
  dir.write("tokenizer.model", "bytes");
  const std::string before = open_model_source(dir.path()).identity;
  dir.write("added_tokens.json", R"({"<|im_start|>": 300})");
  dir.write("special_tokens_map.json", R"({"additional_special_tokens": ["<|im_start|>"]})");
  dir.write("generation_config.json", R"({"user_token_id": 5})");
  const ModelSource source = open_model_source(dir.path());
  const Json config = Json::parse(source.tokenizer.tokenizer_config_json);
  EXPECT_EQ(config["added_tokens_decoder"]["300"]["content"], "<|im_start|>");
  EXPECT_EQ(config["added_tokens_decoder"]["300"]["special"], true);
  EXPECT_EQ(config["user_token_id"], 5);
  EXPECT_NE(source.identity, before);
  dir.write("added_tokens.json", "[");
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kCorrupt, {"added_tokens.json"});
  dir.write("tokenizer.json", "{}");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.tokenizer_config_json, "");
}

// Files that only look as if they held a tokenizer hinder nobody.
TEST(ModelSourceTest, OtherModelFilesAreNotRead) {
  ScratchDirectory dir;
  copy_golden("llama3-gqa-rope", dir);
  const std::string identity = open_model_source(dir.path()).identity;
  const auto write_huge = [&](const char* name) {  // more than a tokenizer may have; takes no disk
    dir.write(name, "x");
    std::filesystem::resize_file(dir / name, 600 << 20);
  };
  write_huge("w2v.model");
  write_huge("tokenizer.py");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.file_name, "");
  EXPECT_EQ(open_model_source(dir.path()).identity, identity);
  dir.write("spiece.model", "pieces");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.file_name, "spiece.model");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.file, "pieces");
  dir.write("tokenizer.json", "{}");
  write_huge("tokenizer.model");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.file_name, "");
  EXPECT_EQ(open_model_source(dir.path()).tokenizer.tokenizer_json, "{}");
}

TEST(ModelSourceTest, AllCommittedGoldensOpen) {
  for (const char* name : {"llama-mha", "llama3-gqa-rope", "qwen2-tied", "mistral-swa"}) {
    const ModelSource source = open_model_source(golden_path(name));
    EXPECT_GT(source.weights->names().size(), 10u) << name;
    EXPECT_EQ(read_config_dtype(source.config, name), DType::kBFloat16);
    EXPECT_TRUE(source.tokenizer.empty());
    read_rope_config(source.config, name);
  }
}

TEST(ModelSourceTest, GgufFile) {
  ScratchDirectory dir;
  const ModelSource source = open_model_source(write_gguf(dir, "m.bin"));  // found by its magic
  EXPECT_EQ(source.kind, ModelSourceKind::kGguf);
  EXPECT_EQ(source.loader->name, "gguf");
  EXPECT_EQ(source.architecture, "llama");
  EXPECT_TRUE(source.config.is_null());
  ASSERT_TRUE(source.tokenizer.gguf.has_value());
  const VocabSource& vocab = *source.tokenizer.gguf;
  EXPECT_EQ(vocab.model, "gpt2");
  EXPECT_EQ(vocab.pre, "smollm");
  EXPECT_EQ(vocab.tokens.size(), 5u);
  EXPECT_EQ(vocab.types[0], 3);
  EXPECT_EQ(vocab.merges, (std::vector<std::string>{"a b"}));
  EXPECT_EQ(vocab.eos_id, 1);
  EXPECT_EQ(vocab.pad_id, -1);
  EXPECT_EQ(vocab.add_bos, false);
  EXPECT_EQ(vocab.add_eos, std::nullopt);
  EXPECT_EQ(source.chat_template, "{{ messages }}");
  EXPECT_EQ(source.generation.eos_ids, (std::vector<int64_t>{1}));
}

TEST(ModelSourceTest, BadVocabulary) {
  auto refused = [](auto&& fill, const std::vector<std::string>& parts) {
    ScratchDirectory dir;
    GgufWriter writer;
    writer.add_string("general.architecture", "llama");
    writer.add_string("tokenizer.ggml.model", "llama");
    fill(writer);
    writer.write(dir / "m.gguf");
    expect_error([&] { open_model_source(dir / "m.gguf"); }, ErrorCode::kCorrupt, parts);
  };
  const std::string tokens[] = {"a", "b"};
  refused([&](GgufWriter&) {}, {"'tokenizer.ggml.tokens' is missing"});
  refused(
      [&](GgufWriter& writer) {
        writer.add_strings("tokenizer.ggml.tokens", tokens);
        const float scores[] = {1};
        writer.add_float32s("tokenizer.ggml.scores", scores);
      },
      {"scores", "expected 2", "found 1"});
  refused(
      [&](GgufWriter& writer) {
        writer.add_strings("tokenizer.ggml.tokens", tokens);
        writer.add_uint32("tokenizer.ggml.eos_token_id", 2);
      },
      {"eos_token_id", "below 2, found 2"});
  refused(
      [&](GgufWriter& writer) {
        writer.add_strings("tokenizer.ggml.tokens", tokens);
        const int32_t types[] = {1, 7};
        writer.add_int32s("tokenizer.ggml.token_type", types);
      },
      {"token_type", "found 7"});
}

TEST(ModelSourceTest, IdentityNoticesReplacement) {
  ScratchDirectory dir;
  copy_golden("mistral-swa", dir);
  const std::string weights = dir / "model.safetensors";
  const std::string before = open_model_source(dir.path()).identity;
  EXPECT_EQ(before.size(), 32u);
  EXPECT_EQ(open_model_source(dir.path()).identity, before);
  // Same size, same time, another last weight.
  const auto time = fs::last_write_time(weights);
  std::string bytes = read_file(weights);
  for (size_t i = bytes.size() / 2; i < bytes.size(); ++i) bytes[i] ^= 1;
  std::ofstream(weights, std::ios::binary) << bytes;
  fs::last_write_time(weights, time);
  const std::string replaced = open_model_source(dir.path()).identity;
  EXPECT_NE(replaced, before);
  fs::last_write_time(weights, time + std::chrono::seconds(1));
  EXPECT_NE(open_model_source(dir.path()).identity, replaced);
  const std::string touched = open_model_source(dir.path()).identity;
  dir.write("generation_config.json", "{}");
  EXPECT_NE(open_model_source(dir.path()).identity, touched);
}

TEST(ModelSourceTest, AdaptersAreNoModels) {
  ScratchDirectory dir;
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  writer.add_string("general.type", "adapter");
  writer.write(dir / "lora.gguf");
  expect_error([&] { open_model_source(dir / "lora.gguf"); }, ErrorCode::kUnsupported,
               {"lora.gguf", "'general.type'", "expected model", "'adapter'"});
}

TEST(ModelSourceTest, RefusesWhatIsNoModel) {
  ScratchDirectory dir;
  auto refused = [](const std::string& path, ErrorCode code, std::vector<std::string> parts) {
    parts.push_back(path);
    expect_error([&] { open_model_source(path); }, code, parts);
  };
  refused(dir / "none", ErrorCode::kNotFound, {"no such file"});
  refused(dir.path(), ErrorCode::kNotFound,
          {"expected one .gguf file or config.json, found 0 files"});
  refused(dir.write("empty.gguf", ""), ErrorCode::kUnsupported,
          {"expected an engine, a GGUF", "found an empty file"});
  refused(dir.write("x.zip", "PK\3\4"), ErrorCode::kUnsupported, {"found a ZIP archive"});
  dir.write("other.gguf", "");
  refused(dir.path(), ErrorCode::kNotFound, {"found 3 files: empty.gguf, other.gguf, x.zip"});
  refused(dir.write("lone.safetensors", ""), ErrorCode::kNotFound, {"expected a config.json"});
  refused(dir.write("lone.bin", ""), ErrorCode::kNotFound, {"expected a config.json"});
  refused("/dev/zero", ErrorCode::kIo, {"regular file, found a character device"});
  dir.write("config.json", "{}");
  refused(dir.path(), ErrorCode::kCorrupt, {"config.json", "architectures"});
  dir.write("config.json", "{\"architectures\":[\"A\"]");
  refused(dir.path(), ErrorCode::kCorrupt, {"config.json", "not valid JSON"});
  dir.write("config.json", "[]");
  refused(dir.path(), ErrorCode::kCorrupt, {"config.json", "expected an object, found array"});
  dir.write("config.json", "");
  refused(dir.path(), ErrorCode::kCorrupt, {"config.json"});
  dir.write("config.json", std::string(100000, '['));
  refused(dir.path(), ErrorCode::kCorrupt, {"config.json", "nested"});
  dir.write("config.json", R"({"architectures":["A"]})");
  refused(dir.path(), ErrorCode::kCorrupt, {"lone.safetensors", "header length"});
  fs::remove(dir / "lone.safetensors");
  refused(dir.path(), ErrorCode::kNotFound, {"model.safetensors"});
}

TEST(ModelSourceTest, StandInsAreToldByWhatTheyAre) {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  const std::string page = "<!DOCTYPE html><html><title>Sign in</title></html>";
  for (const auto& [text, help] :
       {std::pair(pointer, "'git lfs pull'"), std::pair(page, "download the file again")}) {
    for (const char* name : {"model.safetensors", "pytorch_model.bin", "tokenizer.json",
                             "model.safetensors.index.json", "config.json"}) {
      SCOPED_TRACE(name);
      ScratchDirectory dir;
      dir.write("config.json", R"({"architectures":["A"]})");
      if (std::string_view(name).find("tokenizer") == 0) copy_golden_weights("mistral-swa", dir);
      dir.write(name, text);
      expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kCorrupt,
                   {dir / name, "in place of the file", help});
    }
    ScratchDirectory dir;
    dir.write("model.gguf", text);
    expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kCorrupt,
                 {dir / "model.gguf", "expected a GGUF file", help});
    expect_error([&] { open_model_source(dir / "model.gguf"); }, ErrorCode::kUnsupported,
                 {dir / "model.gguf", "in place of the file", help});
  }
}

TEST(ModelSourceTest, UnreadableDirectory) {
  ScratchDirectory dir;
  copy_golden("mistral-swa", dir);
  // Permissions do not bind root, so a child gives its rights up first.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    try {
      open_model_source(dir.path());
      ::_exit(3);
    } catch (const Error& error) {
      const std::string message = error.what();
      const bool good = error.code() == ErrorCode::kIo &&
                        message.find(dir.path()) != std::string::npos &&
                        message.find("Permission denied") != std::string::npos;
      ::_exit(good ? 0 : 4);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  // mkdtemp gives mode 0700: closed to anyone but the owner; as another user we chmod below.
  if (::geteuid() == 0) {
    EXPECT_EQ(WEXITSTATUS(status), 0);
  } else {
    ASSERT_EQ(::chmod(dir.path().c_str(), 0), 0);
    expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kIo,
                 {dir.path(), "Permission denied"});
    ::chmod(dir.path().c_str(), 0700);
  }
}

}  // namespace
}  // namespace ingot
