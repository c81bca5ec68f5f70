#include "loaders/safetensors.h"
#include "runtime/decoder_session.h"
#include "runtime/engine_runner.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(BertTest, GoldenCase) { check_golden("bert"); }
TEST(BertTest, SmallCase) { check_golden("bert-tiny"); }

std::shared_ptr<const Engine> bert() {
  return build_engine(golden_path("bert"), {}, nullptr, nullptr);
}

TEST(BertTest, TokensSeeWhatFollowsThem) {
  if (!has_golden("bert")) return;
  const auto device = make_cpu_device(1);
  DecoderSession session(bert(), *device, 64, 64);
  ASSERT_TRUE(session.plan().encodes);
  EXPECT_EQ(session.vocab_size(), 512);
  EXPECT_EQ(session.plan().columns, 128);
  const auto first = [&](const std::vector<int32_t>& ids) {
    session.reset();
    const std::vector<float> all = session.forward(ids, true);
    EXPECT_EQ(all.size(), ids.size() * 128);
    return std::vector<float>(all.begin(), all.begin() + 128);
  };
  const std::vector<float> before = first({5, 6, 7});
  EXPECT_NE(first({5, 6, 8}), before);
  EXPECT_EQ(first({5, 6, 7}), before);
}

TEST(BertTest, ASequenceComesAtOnce) {
  if (!has_golden("bert")) return;
  const auto device = make_cpu_device(1);
  DecoderSession session(bert(), *device, 64, 16);
  const std::vector<int32_t> ids(17, 5);
  const auto run = [&](size_t count) { session.forward({ids.data(), count}, true); };
  expect_error([&] { run(17); }, ErrorCode::kInvalidArgument, {"at most 16", "found 17 after 0"});
  run(3);
  expect_error([&] { run(3); }, ErrorCode::kInvalidArgument, {"an encoder", "found 3 after 3"});
}

TEST(BertTest, NoTokensFollow) {
  if (!has_golden("bert")) return;
  const auto device = make_cpu_device(1);
  expect_error([&] { EngineRunner(bert(), *device, {}); }, ErrorCode::kUnsupported,
               {"'bert' is an encoder"});
}

// As in the first files of the masked language model: another prefix, no pooler, other names of
// norms.
TEST(BertTest, FilesOfOtherTasks) {
  if (!has_golden("bert")) return;
  const ScratchDirectory dir;
  const auto source = SafetensorsFile::open(golden_path("bert") + "/model.safetensors");
  std::vector<SafetensorsSpec> specs;
  std::vector<std::span<const std::byte>> bytes;
  for (const std::string& name : source->names()) {
    if (name.rfind("pooler.", 0) == 0) continue;
    const WeightInfo& info = source->require(name);
    std::string stored = "bert." + name;
    for (const auto& [end, older] : {std::pair("LayerNorm.weight", "LayerNorm.gamma"),
                                     std::pair("LayerNorm.bias", "LayerNorm.beta")}) {
      const size_t at = stored.find(end);
      if (at != std::string::npos) stored.replace(at, std::string::npos, older);
    }
    specs.push_back({stored, info.type.dtype, info.shape});
    bytes.push_back(info.bytes);
  }
  SafetensorsWriter writer(dir / "model.safetensors", specs, {});
  std::map<std::string, std::span<const std::byte>> by_name;
  for (size_t i = 0; i < specs.size(); ++i) by_name[specs[i].name] = bytes[i];
  for (const SafetensorsSpec& spec : writer.tensors()) writer.write(by_name.at(spec.name));
  writer.commit();
  Json config = parse_json(read_file(golden_path("bert") + "/config.json"), "test", "config");
  config["architectures"] = {"BertForMaskedLM"};
  dir.write("config.json", config.dump());
  const auto graph = build_model(open_model_source(dir.path()), {});
  EXPECT_EQ(graph->find("pooled"), kNoValue);
  EXPECT_NE(graph->find("hidden"), kNoValue);
}

TEST(BertTest, ConfigFaultsAreNamed) {
  if (!has_golden("bert")) return;
  check_config_faults(
      "bert",
      {{"layer_norm_eps", 0.0, ErrorCode::kCorrupt, {"config.json", "layer_norm_eps"}},
       {"is_decoder", true, ErrorCode::kUnsupported, {"is_decoder", "false"}},
       {"position_embedding_type", "relative_key", ErrorCode::kUnsupported, {"relative_key"}},
       {"hidden_size", 127, ErrorCode::kCorrupt, {"config.json", "num_attention_heads"}},
       {"num_hidden_layers", 3, ErrorCode::kNotFound, {"encoder.layer.2.attention.self.query"}}});
}

}  // namespace
}  // namespace ingot
