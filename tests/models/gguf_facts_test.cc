// What a GGUF file states by its tensors and rotation keys is computed or refused, never dropped.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/element_type.h"
#include "tests/models/golden_models.h"

namespace ingot {
namespace {

// The golden with more entries, built into a graph.
std::unique_ptr<Graph> build_with(const std::function<void(GgufWriter&)>& add) {
  ScratchDirectory dir;
  write_golden_gguf(golden_path("llama-mha"), dir / "model.gguf", "llama", true, add);
  return build_model(open_model_source(dir / "model.gguf"), {});
}

TEST(GgufFactsTest, TensorsOfNoWeightAreRefused) {
  const std::string zeros(32 * sizeof(float), '\0');
  expect_error(
      [&] {
        build_with([&](GgufWriter& writer) {
          writer.add_tensor("blk.0.attn_q_norm.weight", DType::kFloat32, {32}, as_bytes(zeros));
        });
      },
      ErrorCode::kUnsupported, {"model.gguf", "blk.0.attn_q_norm.weight"});
}

// The frequencies that the layers rotate by.
std::vector<float> frequencies(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (node.op != "rope") continue;
    const TensorView& data = *graph.constant(node.inputs[2]);
    return {data.as<float>(), data.as<float>() + data.elements()};
  }
  return {};
}

// Llama 3.1's scaling as llama.cpp writes it: a divisor for each pair of dimensions. It passes a
// checkpoint and another dtype unrounded.
TEST(GgufFactsTest, RotaryDivisorsScaleTheFrequencies) {
  const std::string golden = golden_path("llama3-gqa-rope");
  const ModelSource source = open_model_source(golden);
  const std::vector<float> scaled = frequencies(*build_model(source, {}));
  ModelSource plain = source;
  plain.config.erase("rope_scaling");
  plain.config.erase("rope_parameters");
  const std::vector<float> own = frequencies(*build_model(plain, {}));
  ASSERT_EQ(own.size(), scaled.size());
  ASSERT_NE(own, scaled) << "the golden has a scaling";
  std::vector<float> divisors(own.size());
  for (size_t i = 0; i < own.size(); ++i) divisors[i] = own[i] / scaled[i];

  ScratchDirectory dir;
  const auto write = [&](const std::string& name, const std::vector<float>& numbers) {
    write_golden_gguf(golden, dir / name, "llama", true, [&](GgufWriter& writer) {
      writer.add_tensor("rope_freqs.weight", DType::kFloat32,
                        {static_cast<int64_t>(numbers.size())}, std::as_bytes(std::span(numbers)));
    });
    return open_model_source(dir / name);
  };
  const ModelSource gguf = write("model.gguf", divisors);
  BuildOptions narrow;
  narrow.dtype = DType::kBFloat16;
  convert_model(gguf, narrow, dir / "checkpoint");
  for (const auto& graph : {build_model(gguf, {}), build_model(gguf, narrow),
                            build_model(open_model_source(dir / "checkpoint"), {})}) {
    const std::vector<float> found = frequencies(*graph);
    ASSERT_EQ(found.size(), scaled.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], scaled[i], 1e-6f * scaled[i]) << i;
    }
  }
  divisors[1] = 0;
  expect_error([&] { build_model(write("zero.gguf", divisors), {}); }, ErrorCode::kCorrupt,
               {"zero.gguf", "rotary divisors", "positive", "0 among them"});
}

TEST(GgufFactsTest, OtherRotationsAreRefused) {
  expect_error(
      [] {
        build_with([](GgufWriter& writer) { writer.add_uint32("llama.rope.dimension_count", 32); });
      },
      ErrorCode::kUnsupported, {"model.gguf", "rope.dimension_count", "64", "32"});
  expect_error(
      [] {
        build_with([](GgufWriter& writer) { writer.add_float32("llama.rope.scale_linear", 4); });
      },
      ErrorCode::kUnsupported, {"model.gguf", "rope.scale_linear", "found 4"});
  expect_error(
      [] {
        build_with([](GgufWriter& writer) {
          writer.add_int32s("llama.rope.dimension_sections", std::vector<int32_t>{8, 12, 12, 0});
        });
      },
      ErrorCode::kUnsupported, {"model.gguf", "rope.dimension_sections"});
  EXPECT_TRUE(build_with([](GgufWriter& writer) {
    writer.add_uint32("llama.rope.dimension_count", 64);
    writer.add_float32("llama.rope.scale_linear", 1);
  }));
}

// llama.cpp scales by it without yarn too; here that is refused, not left out.
TEST(GgufFactsTest, AnAttentionFactorWithoutYarnIsRefused) {
  for (const char* type : {"none", "linear"}) {
    for (const char* key : {"attn_factor", "yarn_attn_factor"}) {
      const auto build = [&](float factor) {
        return build_with([&](GgufWriter& writer) {
          writer.add_string("llama.rope.scaling.type", type);
          writer.add_float32("llama.rope.scaling.factor", 2);
          writer.add_float32(std::string("llama.rope.scaling.") + key, factor);
        });
      };
      EXPECT_TRUE(build(1)) << key;
      expect_error([&] { build(0.5); }, ErrorCode::kUnsupported,
                   {"model.gguf", std::string("llama.rope.scaling.") + key,
                    std::string("expected 1 with a type '") + type + "'", "found 0.5"});
    }
  }
}

// llama.cpp's keys of yarn; its attention factor counts beside yarn's own.
TEST(GgufFactsTest, YarnIsRead) {
  ScratchDirectory dir;
  const auto scaling = [&](const std::function<void(GgufWriter&)>& more) {
    write_golden_gguf(golden_path("llama-mha"), dir / "model.gguf", "llama", true,
                      [&](GgufWriter& writer) {
                        writer.add_string("llama.rope.scaling.type", "yarn");
                        writer.add_float32("llama.rope.scaling.factor", 4);
                        more(writer);
                      });
    const ModelSource source = open_model_source(dir / "model.gguf");
    return model_config(source, find_model(source))["rope_scaling"];
  };
  const int64_t positions =
      open_model_source(golden_path("llama-mha")).config["max_position_embeddings"];
  const Json plain = scaling([](GgufWriter&) {});
  EXPECT_EQ(plain["rope_type"], "yarn");
  EXPECT_EQ(plain["factor"], 4);
  EXPECT_EQ(plain["original_max_position_embeddings"], positions);
  EXPECT_EQ(plain["beta_fast"], 32);
  EXPECT_NEAR(plain["attention_factor"], 0.1 * std::log(4.0) + 1, 1e-6);
  const Json stated = scaling([](GgufWriter& writer) {
    writer.add_uint32("llama.rope.scaling.original_context_length", 64);
    writer.add_float32("llama.rope.scaling.attn_factor", 0.5);
    writer.add_float32("llama.rope.scaling.yarn_beta_fast", 16);
    writer.add_float32("llama.rope.scaling.yarn_beta_slow", 2);
  });
  EXPECT_EQ(stated["original_max_position_embeddings"], 64);
  EXPECT_EQ(stated["beta_fast"], 16);
  EXPECT_EQ(stated["beta_slow"], 2);
  EXPECT_NEAR(stated["attention_factor"], 0.5 * (0.1 * std::log(4.0) + 1), 1e-6);
  expect_error(
      [&] {
        scaling([](GgufWriter& writer) {
          writer.add_float32("llama.rope.scaling.yarn_log_multiplier", 0.1f);
        });
      },
      ErrorCode::kUnsupported, {"model.gguf", "rope.scaling.yarn_log_multiplier"});
}

// Adds the biases of both layers' linear units, the gate's in `type`.
void add_mlp_biases(GgufWriter& writer, ElementType type, std::string_view bytes) {
  for (int layer = 0; layer < 2; ++layer) {
    const std::string p = fmt::format("blk.{}.", layer);
    writer.add_tensor(p + "ffn_gate.bias", type, {256}, as_bytes(bytes));
    writer.add_tensor(p + "ffn_up.bias", DType::kFloat32, {256}, as_bytes(bytes));
    writer.add_tensor(p + "ffn_down.bias", DType::kFloat32, {128},
                      as_bytes(bytes.substr(0, 128 * sizeof(float))));
  }
}

TEST(GgufFactsTest, BiasesOfTheLinearUnitAreRead) {
  const std::string zeros(256 * sizeof(float), '\0');
  const auto graph =
      build_with([&](GgufWriter& writer) { add_mlp_biases(writer, DType::kFloat32, zeros); });
  EXPECT_TRUE(parse_json(graph->metadata().at("config"), "test", "config")["mlp_bias"].get<bool>());
}

// A vector has no rows of blocks; the checkpoint's is cut, the GGUF file's would be reordered.
TEST(GgufFactsTest, VectorsInBlocksAreRefused) {
  const ElementType q8 = parse_element_type("q8_0");
  const std::string zeros(256 * sizeof(float), '\0');
  expect_error(
      [&] {
        build_with([&](GgufWriter& writer) {
          for (const char* name : {"blk.0.attn_q.bias", "blk.1.attn_q.bias"}) {
            writer.add_tensor(name, q8, {128}, as_bytes(zeros).first(128 / 32 * 34));
          }
          for (const char* name : {"attn_k.bias", "attn_v.bias", "attn_output.bias"}) {
            for (int layer = 0; layer < 2; ++layer) {
              writer.add_tensor(fmt::format("blk.{}.{}", layer, name), DType::kFloat32, {128},
                                as_bytes(zeros).first(128 * sizeof(float)));
            }
          }
        });
      },
      ErrorCode::kUnsupported, {"model.gguf", "blk.0.attn_q.bias", "q8_0"});

  auto table = std::make_shared<WeightTable>("checkpoint");
  table->add({"transformer.ln_f.weight", q8, {64}, as_bytes(zeros).first(64 / 32 * 34)});
  ModelSource source;
  source.kind = ModelSourceKind::kCheckpoint;
  source.weights = table;
  ModelDef model;
  model.weights = [](const Json&) -> std::vector<WeightName> {
    return {{"model.norm.weight", "output_norm.weight", "transformer.ln_f.weight", {64}}};
  };
  expect_error([&] { canonical_weights(source, model, {}); }, ErrorCode::kUnsupported,
               {"checkpoint", "transformer.ln_f.weight", "q8_0"});
}

}  // namespace
}  // namespace ingot
