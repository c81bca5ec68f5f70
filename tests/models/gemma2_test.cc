#include "tests/models/golden_run.h"

namespace ingot {
namespace {

TEST(Gemma2Test, GoldenCase) { check_golden("gemma2"); }
TEST(Gemma2Test, SmallWindowsCase) { check_golden("gemma2-tiny"); }

// llama.cpp keeps norms with one added, and no scalar of the queries.
TEST(Gemma2Test, GgufHoldsTheSame) { check_gguf_with_norms_of("gemma2", "gemma2"); }

TEST(Gemma2Test, EverySecondLayerHasAWindowAndPagesOfItsOwn) {
  if (!has_golden("gemma2")) return;
  ModelSource source = open_model_source(golden_path("gemma2"));
  const auto layers = [&] {
    std::vector<std::string> out;
    const auto graph = build_model(source, {});
    for (const Node& node : graph->nodes()) {
      if (node.op != "paged_attention") continue;
      out.push_back(fmt::format("{} {} {}", attr_or<int64_t>(node.attrs, "window", 0),
                                attr_or(node.attrs, "softcap", 0.0),
                                graph->at(node.inputs[7]).name));
    }
    return out;
  };
  const std::vector<std::string> both = {"16 50 block_tables.window", "0 50 block_tables"};
  EXPECT_EQ(layers(), both);
  source.config.erase("layer_types");
  EXPECT_EQ(layers(), both) << "by the pattern";
  source.config["layer_types"] = {"full_attention", "full_attention"};
  source.config["attn_logit_softcapping"] = nullptr;
  EXPECT_EQ(layers(), (std::vector<std::string>{"0 0 block_tables", "0 0 block_tables"}));
}

// Published files state a hidden_act too, which no class reads.
TEST(Gemma2Test, TheActivationHasOneName) {
  if (!has_golden("gemma2")) return;
  ModelSource source = open_model_source(golden_path("gemma2"));
  source.config.erase("hidden_activation");
  source.config["hidden_act"] = "gelu";
  EXPECT_EQ(model_config(source, find_model(source))["hidden_activation"], "gelu_tanh");
}

TEST(Gemma2Test, ConfigFaultsAreNamed) {
  if (!has_golden("gemma2")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "gemma2",
      {{"query_pre_attn_scalar", 0, corrupt, {"config.json", "query_pre_attn_scalar"}},
       {"final_logit_softcapping", -1, corrupt, {"config.json", "final_logit_softcapping"}},
       {"layer_types", Json{"full_attention"}, corrupt, {"config.json", "layer_types", "2", "1"}},
       {"hidden_activation", "sine", unsupported, {"config.json", "hidden_activation", "sine"}}});
}

}  // namespace
}  // namespace ingot
