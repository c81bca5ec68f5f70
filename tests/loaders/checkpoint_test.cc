#include "loaders/checkpoint.h"

#include <cstring>

#include "loaders/gguf_writer.h"
#include "loaders/loader_def.h"
#include "loaders/safetensors.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

Json minimal_config() {
  return parse_json(R"({"architecture":"LlamaForCausalLM","dtype":"bfloat16","hidden_act":"silu",
    "vocab_size":512,"hidden_size":128,"num_hidden_layers":2,"num_attention_heads":4})",
                    "test", "minimal");
}

std::string joined(const WeightSource& weights, const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    const auto bytes = weights.require(name).bytes;
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return out;
}
std::string text_of(const WeightInfo& info) {
  return {reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size()};
}

TEST(CheckpointTest, HuggingFaceRoundTrip) {
  ScratchDirectory dir;
  for (const char* file : {"config.json", "model.safetensors"}) {
    fs::copy_file(golden_path("llama-mha") + "/" + file, dir / file);
  }
  dir.write("tokenizer.json", "{\"t\":1}");
  dir.write("tokenizer_config.json", R"({"chat_template":"TEMPLATE"})");
  dir.write("generation_config.json",
            R"({"eos_token_id":[2,3],"pad_token_id":0,"temperature":0.7,"top_k":9})");
  const ModelSource model = open_model_source(dir.path());
  const std::string layer = "model.layers.0.";
  const std::vector<std::string> qkv = {layer + "self_attn.q_proj.weight",
                                        layer + "self_attn.k_proj.weight",
                                        layer + "self_attn.v_proj.weight"};
  std::vector<CheckpointTensor> tensors = {{"transformer.layers.0.attention.qkv.weight", qkv},
                                           {"lm_head.weight", {"lm_head.weight"}},
                                           {"transformer.ln_f.weight", {"model.norm.weight"}}};
  const std::string out = dir / "new/checkpoint";
  const auto sizes = write_checkpoint(out, minimal_config(), *model.weights, tensors, model);
  EXPECT_EQ(sizes.tensors, 3u);
  EXPECT_EQ(sizes.weight_bytes, fs::file_size(out + "/rank0.safetensors"));

  const ModelSource read = open_model_source(out);
  EXPECT_EQ(read.kind, ModelSourceKind::kCheckpoint);
  EXPECT_EQ(read.loader->name, "checkpoint");
  EXPECT_EQ(read.architecture, "LlamaForCausalLM");
  const WeightInfo& fused = read.weights->require(tensors[0].name);
  EXPECT_EQ(fused.shape, (Shape{384, 128}));
  EXPECT_EQ(text_of(fused), joined(*model.weights, qkv));
  EXPECT_EQ(text_of(read.weights->require("lm_head.weight")),
            joined(*model.weights, {"lm_head.weight"}));
  EXPECT_EQ(read.tokenizer.tokenizer_json, model.tokenizer.tokenizer_json);
  EXPECT_EQ(read.chat_template, "TEMPLATE");
  EXPECT_EQ(read.generation, model.generation);
  EXPECT_EQ(read.generation.temperature, 0.7);
  EXPECT_EQ(read.generation.pad_id, 0);
  EXPECT_EQ(read.config["num_key_value_heads"], 4);
  EXPECT_EQ(read.config["intermediate_size"], 512);
  for (const auto& entry : fs::directory_iterator(dir / "new")) {
    EXPECT_EQ(entry.path().filename(), "checkpoint");
  }
}

TEST(CheckpointTest, BlockFormatsStayEncoded) {
  ScratchDirectory dir;
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  writer.add_string("tokenizer.ggml.model", "gpt2");
  const std::string tokens[] = {"a", "b"};
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  writer.add_uint32("tokenizer.ggml.eos_token_id", 1);
  writer.add_string("tokenizer.chat_template", "C");
  std::string data(4096, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
  const ElementType q4(*find_block_format("q4_1")), q8(*find_block_format("q8_0"));
  writer.add_tensor("q", q4, {4, 64}, as_bytes(data).subspan(0, 160));
  writer.add_tensor("k", q4, {2, 64}, as_bytes(data).subspan(160, 80));
  writer.add_tensor("v", q8, {2, 64}, as_bytes(data).subspan(240, 136));
  writer.add_tensor("bias", DType::kFloat32, {64}, as_bytes(data).first(256));
  writer.write(dir / "m.gguf");
  const ModelSource model = open_model_source(dir / "m.gguf");
  const std::vector<CheckpointTensor> tensors = {
      {"qk", {"q", "k"}}, {"qkv", {"q", "k", "v"}}, {"bias", {"bias"}}};
  write_checkpoint(dir / "out", minimal_config(), *model.weights, tensors, model);

  const ModelSource read = open_model_source(dir / "out");
  const WeightInfo& qk = read.weights->require("qk");
  EXPECT_EQ(qk.type, q4);
  EXPECT_EQ(qk.shape, (Shape{6, 64}));
  EXPECT_EQ(text_of(qk), data.substr(0, 240));
  EXPECT_EQ(read.weights->find("qkv"), nullptr);
  const auto segments = checkpoint_segments(*read.weights, "qkv");
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0]->type, q4);
  EXPECT_EQ(segments[0]->shape, (Shape{6, 64}));
  EXPECT_EQ(segments[1]->type, q8);
  EXPECT_EQ(text_of(*segments[1]), data.substr(240, 136));
  EXPECT_EQ(checkpoint_segments(*read.weights, "qk").size(), 1u);
  expect_error([&] { checkpoint_segments(*read.weights, "none"); }, ErrorCode::kNotFound,
               {"'none'"});
  // The vocabulary travels as a GGUF file without tensors.
  ASSERT_TRUE(read.tokenizer.gguf.has_value());
  EXPECT_EQ(read.tokenizer.gguf->tokens, model.tokenizer.gguf->tokens);
  EXPECT_EQ(read.chat_template, "C");
  EXPECT_EQ(read.generation.eos_ids, (std::vector<int64_t>{1}));
  // And a checkpoint is itself a source.
  write_checkpoint(dir / "again", read.config, *read.weights,
                   std::vector<CheckpointTensor>{{"qk", {"qk"}}}, read);
  const ModelSource again = open_model_source(dir / "again");
  EXPECT_EQ(text_of(again.weights->require("qk")), data.substr(0, 240));
  EXPECT_EQ(again.tokenizer.gguf->tokens, model.tokenizer.gguf->tokens);
}

TEST(CheckpointTest, FailureLeavesNothing) {
  ScratchDirectory dir;
  const ModelSource model = open_model_source(golden_path("llama-mha"));
  auto write = [&](std::vector<CheckpointTensor> tensors) {
    write_checkpoint(dir / "out", minimal_config(), *model.weights, tensors, model);
  };
  expect_error([&] { write({{"a", {"none"}}}); }, ErrorCode::kNotFound, {"'none' is missing"});
  expect_error(
      [&] {
        write({{"a", {"lm_head.weight", "model.norm.weight"}}});
      },
      ErrorCode::kCorrupt, {"'a'", "lm_head.weight", "[512, 128]", "cannot be joined"});
  expect_error(
      [&] {
        write({{"a", {"lm_head.weight"}}, {"a", {"lm_head.weight"}}});
      },
      ErrorCode::kInvalidArgument, {"'a' is given twice"});
  EXPECT_TRUE(fs::is_empty(dir.path()));
  dir.write("file", "x");
  expect_error([&] { write_checkpoint(dir.path(), minimal_config(), *model.weights, {}, model); },
               ErrorCode::kInvalidArgument,
               {dir.path(), "expected a new or empty directory, found file in it"});
}

TEST(CheckpointTest, ConfigDefaults) {
  const Json config = complete_checkpoint_config(minimal_config(), "c");
  EXPECT_EQ(config["logits_dtype"], "float32");
  EXPECT_TRUE(config["max_position_embeddings"].is_null());
  EXPECT_EQ(config["norm_epsilon"], 1e-5);
  EXPECT_EQ(config["position_embedding_type"], "learned_absolute");
  EXPECT_EQ(config["use_parallel_embedding"], false);
  EXPECT_EQ(config["embedding_sharding_dim"], 0);
  EXPECT_EQ(config["share_embedding_table"], false);
  EXPECT_EQ(config["mapping"]["world_size"], 1);
  EXPECT_TRUE(config["quantization"]["quant_algo"].is_null());
  EXPECT_EQ(config["quantization"]["group_size"], 64);
  EXPECT_EQ(complete_checkpoint_config(config, "c"), config);
}

TEST(CheckpointTest, RefusesBadConfigs) {
  auto refused = [](const char* key, const Json& value, ErrorCode code,
                    const std::vector<std::string>& parts) {
    SCOPED_TRACE(key);
    Json config = minimal_config();
    config[key] = value;
    std::vector<std::string> all = {"[loaders/checkpoint] c.json"};
    all.insert(all.end(), parts.begin(), parts.end());
    expect_error([&] { complete_checkpoint_config(config, "c.json"); }, code, all);
  };
  const auto corrupt = ErrorCode::kCorrupt;
  refused("hidden_size", 0, corrupt, {"hidden_size", "found 0"});
  refused("hidden_size", -4, corrupt, {"hidden_size", "found -4"});
  refused("vocab_size", 1.5, corrupt, {"vocab_size", "expected an integer"});
  refused("num_hidden_layers", uint64_t{1} << 63, corrupt, {"num_hidden_layers"});
  refused("dtype", "int3", ErrorCode::kUnsupported, {"dtype", "int3"});
  refused("dtype", nullptr, corrupt, {"dtype"});
  refused("mapping", Json::array(), corrupt, {"mapping", "found array"});
  refused("mapping", {{"tp_size", 2}, {"world_size", 3}}, corrupt, {"world_size", "2, found 3"});
  refused("quantization", {{"quant_algo", "W3A16"}}, ErrorCode::kUnsupported, {"W3A16"});
  refused("quantization", {{"group_size", 0}}, corrupt, {"group_size"});
  Json missing = minimal_config();
  missing.erase("vocab_size");
  expect_error([&] { complete_checkpoint_config(missing, "c.json"); }, corrupt,
               {"c.json", "'vocab_size' is missing"});
}

// A checkpoint whose only tensor has the given metadata entry.
void expect_entry_refused(const std::string& entry, ErrorCode code,
                          const std::vector<std::string>& parts) {
  SCOPED_TRACE(entry);
  ScratchDirectory dir;
  SafetensorsWriter writer(dir / "rank0.safetensors", {{"w", DType::kUInt8, {2, 40}}},
                           {{"w", entry}});
  writer.write(std::vector<std::byte>(80));
  writer.commit();
  const Json config = complete_checkpoint_config(minimal_config(), "c");
  std::vector<std::string> all = {"rank0.safetensors", "'w'"};
  all.insert(all.end(), parts.begin(), parts.end());
  expect_error([&] { open_checkpoint_weights(dir.path(), config); }, code, all);
}

TEST(CheckpointTest, RefusesBadBlockEntries) {
  const auto corrupt = ErrorCode::kCorrupt;
  expect_entry_refused("x", corrupt, {"not valid JSON"});
  expect_entry_refused("{}", corrupt, {"format"});
  expect_entry_refused(R"({"format":"q9_9","shape":[2,64]})", ErrorCode::kUnsupported, {"q9_9"});
  expect_entry_refused(R"({"format":"q4_1","shape":[2,65]})", corrupt, {"[2, 65]"});
  expect_entry_refused(R"({"format":"q4_1","shape":[3,64]})", corrupt, {"[3, 64]", "80 bytes"});
  expect_entry_refused(R"({"format":"q4_1","shape":[]})", corrupt, {"[]"});
  expect_entry_refused(R"({"format":"q4_1","shape":[-2,-64]})", corrupt, {"-2"});
  expect_entry_refused(R"({"format":"q4_1","shape":[9223372036854775807,64]})", corrupt, {"2^58"});
}

TEST(CheckpointTest, MissingWeightsAreNamed) {
  ScratchDirectory dir;
  Json config = minimal_config();
  dir.write("config.json", config.dump());
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kNotFound,
               {dir / "rank0.safetensors", "expected the checkpoint's weights, found nothing"});
  config["model_type"] = "llama";  // of Hugging Face's, with a key of its own
  dir.write("config.json", config.dump());
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kNotFound,
               {"expected model.safetensors"});
}

// Image models of other libraries name their architecture so.
TEST(CheckpointTest, AnArchitectureAloneMakesNoCheckpoint) {
  ScratchDirectory dir;
  dir.write("config.json", R"({"architecture":"resnet50","num_classes":1000})");
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kCorrupt,
               {"'architectures' or 'model_type'"});
}

TEST(CheckpointTest, SeveralRanksAreRefused) {
  ScratchDirectory dir;
  Json config = minimal_config();
  config["mapping"] = {{"tp_size", 2}};
  dir.write("config.json", config.dump());
  fs::copy_file(golden_path("llama-mha") + "/model.safetensors", dir / "rank0.safetensors");
  expect_error([&] { open_model_source(dir.path()); }, ErrorCode::kUnsupported,
               {dir.path(), "world_size", "found 2"});
}

}  // namespace
}  // namespace ingot
