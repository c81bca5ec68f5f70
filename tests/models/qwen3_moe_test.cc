#include "graph/text.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

constexpr const char* kQwen3Moe = "qwen3-moe";

TEST(Qwen3MoeTest, GoldenCase) { check_golden(kQwen3Moe); }
TEST(Qwen3MoeTest, MixedLayersCase) { check_golden("qwen3-moe-mixed"); }
TEST(Qwen3MoeTest, GgufHoldsTheSame) {
  check_gguf_of(kQwen3Moe, "qwen3moe");
  check_gguf_of(kQwen3Moe, "qwen3moe", {.older = true});
}

// The rows of an expert's projections as published files have them, out of the golden's stacks.
class ExpertRows {
 public:
  explicit ExpertRows(const HfVariant& v)
      : hidden_(v.config["hidden_size"]), inner_(v.config["moe_intermediate_size"]) {}
  void write(HfVariant& v, int64_t layer, int64_t expert, const std::string& to) const {
    const std::string p = fmt::format("model.layers.{}.mlp.experts.", layer);
    const std::string& both = v.tensors.at(p + "gate_up_proj").second;
    const std::string& down = v.tensors.at(p + "down_proj").second;
    const auto size = static_cast<size_t>(hidden_ * inner_ * 2);
    const size_t at = static_cast<size_t>(expert) * size;
    v.tensors[to + "gate_proj.weight"] = {{inner_, hidden_}, both.substr(2 * at, size)};
    v.tensors[to + "up_proj.weight"] = {{inner_, hidden_}, both.substr(2 * at + size, size)};
    v.tensors[to + "down_proj.weight"] = {{hidden_, inner_}, down.substr(at, size)};
  }

 private:
  int64_t hidden_, inner_;
};

TEST(Qwen3MoeTest, ExpertsOneByOne) {
  if (!has_golden(kQwen3Moe)) return;
  HfVariant v(kQwen3Moe);
  v.config["num_experts"] = v.config["num_local_experts"];
  v.config.erase("num_local_experts");
  const ExpertRows experts(v);
  for (int64_t i = 0; i < v.layers(); ++i) {
    const std::string p = fmt::format("model.layers.{}.mlp.experts.", i);
    for (int64_t e = 0; e < v.config["num_experts"]; ++e) {
      experts.write(v, i, e, fmt::format("{}{}.", p, e));
    }
    v.tensors.erase(p + "gate_up_proj");
    v.tensors.erase(p + "down_proj");
  }
  v.check();
}

// Layers that are no mixtures, stated in either way; here with an expert's weights.
TEST(Qwen3MoeTest, SomeLayersAreDense) {
  if (!has_golden(kQwen3Moe)) return;
  HfVariant v(kQwen3Moe);
  v.config["intermediate_size"] = v.config["moe_intermediate_size"];
  ExpertRows(v).write(v, 0, 0, "model.layers.0.mlp.");
  for (const char* name : {"gate.weight", "experts.gate_up_proj", "experts.down_proj"}) {
    v.tensors.erase(std::string("model.layers.0.mlp.") + name);
  }
  const auto layers = [&] {
    const ScratchDirectory dir;
    v.write(dir);
    const ModelSource source = open_model_source(dir.path());
    convert_model(source, {}, dir / "checkpoint");
    expect_same_weights(source, open_model_source(dir / "checkpoint"));
    std::vector<std::string> out;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op == "act_mul" || node.op == "moe_ffn") out.push_back(node.op);
    }
    return out;
  };
  v.config["mlp_only_layers"] = {0};
  const std::vector<std::string> first = {"act_mul", "moe_ffn"};
  EXPECT_EQ(layers(), first);
  v.config["mlp_only_layers"] = Json::array();
  v.config["decoder_sparse_step"] = 2;
  EXPECT_EQ(layers(), first);
}

TEST(Qwen3MoeTest, NormalisingAndWindowsAreStated) {
  if (!has_golden(kQwen3Moe)) return;
  ModelSource source = open_model_source(golden_path(kQwen3Moe));
  const auto stated = [&](const char* op, const char* attr) {
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op == op)
        return node.attrs.contains(attr) ? attrs_text({{attr, node.attrs.at(attr)}}) : "";
    }
    return std::string("no such operator");
  };
  EXPECT_EQ(stated("moe_route", "normalise"), R"({"normalise":true})");
  source.config["norm_topk_prob"] = false;
  EXPECT_EQ(stated("moe_route", "normalise"), R"({"normalise":false})");
  source.config.erase("norm_topk_prob");
  EXPECT_EQ(stated("moe_route", "normalise"), R"({"normalise":false})");
  source.config["sliding_window"] = 16;
  EXPECT_EQ(stated("paged_attention", "window"), "");
  source.config["use_sliding_window"] = true;
  EXPECT_EQ(stated("paged_attention", "window"), R"({"window":16})");
}

// What follows from a refused number of experts is no fault of its own.
TEST(Qwen3MoeTest, ARefusedNumberOfExpertsStandsAlone) {
  if (!has_golden(kQwen3Moe)) return;
  ModelSource source = open_model_source(golden_path(kQwen3Moe));
  source.config["num_local_experts"] = 0;
  source.config["num_experts_per_tok"] = 8;
  RefusalList refused;
  EXPECT_EQ(examine_model(source, refused), nullptr);
  ASSERT_EQ(refused.items().size(), 1u);
  EXPECT_EQ(refused.items()[0].where, "num_experts");
}

TEST(Qwen3MoeTest, ConfigFaultsAreNamed) {
  if (!has_golden(kQwen3Moe)) return;
  const auto corrupt = ErrorCode::kCorrupt;
  const auto missing = ErrorCode::kNotFound;
  check_config_faults(
      kQwen3Moe,
      {{"num_local_experts", nullptr, corrupt, {"model.safetensors", "mlp.gate.weight", "128"}},
       {"num_experts_per_tok", 9, corrupt, {"config.json", "'num_experts_per_tok'", "1 to 8"}},
       {"moe_intermediate_size", 32, corrupt, {"model.safetensors", "mlp.experts", "64"}},
       {"decoder_sparse_step", 0, corrupt, {"config.json", "'decoder_sparse_step'", "found 0"}},
       {"decoder_sparse_step", 2, missing, {"layers.0.mlp.gate_proj.weight"}},
       {"mlp_only_layers", Json{1}, missing, {"layers.1.mlp.gate_proj.weight"}},
       {"mlp_only_layers", Json{2}, corrupt, {"config.json", "'mlp_only_layers'", "0 to 1"}},
       {"mlp_only_layers", "none", corrupt, {"config.json", "'mlp_only_layers'"}},
       {"norm_topk_prob", 1, corrupt, {"config.json", "'norm_topk_prob'"}}});
}

}  // namespace
}  // namespace ingot
