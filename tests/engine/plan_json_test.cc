// Plans to JSON and back, and plans forged by hand: each is refused before anything binds.
#include <set>

#include "base/json.h"
#include "engine/plan_check.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

Json gated_json() { return plan_to_json(gated_engine()->plan); }

// As load_engine does: structure, then types.
void load(const Json& json) {
  const Plan plan = plan_from_json(json);
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::span<const std::byte>> bytes;
  for (const PlanTensor& tensor : plan.tensors) {
    memory.emplace_back(static_cast<size_t>(tensor.type.bytes(element_count(tensor.shape))));
  }
  for (const auto& m : memory) bytes.push_back(m);
  check_plan_types(plan, bytes);
}

TEST(PlanJsonTest, RoundTrip) {
  const Json json = gated_json();
  load(json);
  EXPECT_EQ(plan_to_json(plan_from_json(json)), json);
  EXPECT_EQ(plan_text(plan_from_json(json)), plan_text(gated_engine()->plan));
}

// Each of these computes something else, or reads other bytes; plan_text shows only some of them.
TEST(PlanJsonTest, HashCoversEverythingThatDecidesResults) {
  const std::pair<const char*, void (*)(Plan&)> changes[] = {
      {"name", [](Plan& p) { p.name = "other"; }},
      {"column offset", [](Plan& p) { p.values[4].column_offset = 0; }},
      {"storage", [](Plan& p) { p.values[4].storage = kNoValue; }},
      {"tensor name", [](Plan& p) { p.tensors[0].name = "v"; }},
      {"order of pieces",
       [](Plan& p) { std::swap(p.values[1].segments[0], p.values[1].segments[1]); }},
      {"shard axis", [](Plan& p) { p.values[1].shard_axis = 0; }},
      {"step kind", [](Plan& p) { p.steps[1].kind = StepKind::kKernel; }},
      {"attribute",
       [](Plan& p) {
         p.steps[1].attrs["widths"] = std::vector<int64_t>{2, 6};
       }},
      {"operand order", [](Plan& p) { std::swap(p.steps[2].inputs[0], p.steps[2].inputs[1]); }},
      {"element type", [](Plan& p) { p.values[2].type.element = DType::kFloat16; }},
      {"metadata", [](Plan& p) { p.metadata["activation_dtype"] = "float16"; }},
      {"subplan", [](Plan& p) { p.subplans.emplace_back(); }},
  };
  const Plan plan = gated_engine()->plan;
  std::set<std::string> seen = {plan_hash(plan)};
  for (const auto& [what, change] : changes) {
    Plan other = plan;
    change(other);
    EXPECT_TRUE(seen.insert(plan_hash(other)).second) << what;
  }
  Plan same = plan;
  same.limits["tokens"] = 99;
  same.buckets.pop_back();
  same.steps[0].origin = "layer 0";
  EXPECT_EQ(plan_hash(same), plan_hash(plan));
  EXPECT_EQ(plan_hash(plan_from_json(plan_to_json(plan))), plan_hash(plan));
}

struct Forgery {
  const char* name;
  void (*change)(Json& json);
  const char* reason;
};

// Values of the gated plan: 0 x, 1 w, 2 linear, 3 and 4 its halves, 5 y.
const Forgery kForgeries[] = {
    {"random bytes of some pieces alone",
     [](Json& j) {
       j["tensors"][0]["random"] = {{"seed", 1}, {"scale", 0.5}, {"offset", 0.0}};
     },
     "only some of its pieces"},
    {"a random tensor with two terms",
     [](Json& j) {
       j["tensors"][0]["random"] = {{"seed", 1}, {"scale", 0.5}, {"offset", 1.0}};
     },
     "the other 0"},
    {"a random seed below 0",
     [](Json& j) {
       j["tensors"][0]["random"] = {{"seed", -1}, {"scale", 0.5}, {"offset", 0.0}};
     },
     "seed -1"},
    {"random values of a type without them",
     [](Json& j) {
       j["tensors"][0]["element"] = "int8";
       j["tensors"][0]["random"] = {{"seed", 1}, {"scale", 0.5}, {"offset", 0.0}};
     },
     "has no random values"},
    {"value index past the end", [](Json& j) { j["steps"][0]["inputs"][0] = 99; }, "index 99 of 6"},
    {"negative index", [](Json& j) { j["steps"][0]["outputs"][0] = -1; }, "index -1 of 6"},
    {"index of another type", [](Json& j) { j["steps"][0]["inputs"][0] = "x"; }, "inputs"},
    {"tensor index", [](Json& j) { j["values"][1]["segments"][1] = 2; }, "index 2 of 2"},
    {"a cycle of steps", [](Json& j) { j["steps"][0]["inputs"][0] = 2; }, "before it is computed"},
    {"a step that writes twice", [](Json& j) { j["steps"][2]["outputs"][0] = 2; }, "twice"},
    {"a step that writes an input", [](Json& j) { j["steps"][2]["outputs"][0] = 0; }, "twice"},
    {"a step that writes a weight", [](Json& j) { j["steps"][2]["outputs"][0] = 1; }, "twice"},
    {"storage that comes later", [](Json& j) { j["values"][3]["storage"] = 4; }, "before it"},
    {"storage of itself", [](Json& j) { j["values"][3]["storage"] = 3; }, "before it"},
    {"storage in a weight", [](Json& j) { j["values"][3]["storage"] = 1; }, "memory"},
    {"a view past its storage", [](Json& j) { j["values"][4]["column_offset"] = 5; }, "not a view"},
    {"a view before its storage", [](Json& j) { j["values"][4]["column_offset"] = -1; },
     "not a view"},
    {"a view with more rows", [](Json& j) { j["values"][4]["type"]["shape"][0] = "2*tokens"; },
     "not a view"},
    {"a view of another type", [](Json& j) { j["values"][4]["type"]["element"] = "float64"; },
     "not a view"},
    {"a view that lies nowhere", [](Json& j) { j["values"][3].erase("storage"); },
     "does not lie in its input"},
    {"views in another order",
     [](Json& j) {
       j["values"][3]["column_offset"] = 4;
       j["values"][4]["column_offset"] = 0;
     },
     "does not lie in its input"},
    {"a kernel that writes into another value", [](Json& j) { j["values"][5]["storage"] = 2; },
     "memory of another value"},
    {"pieces for an operator that reads a whole", [](Json& j) { j["steps"][0]["op"] = "matmul"; },
     "several pieces"},
    {"a limit past 2^31", [](Json& j) { j["limits"]["tokens"] = int64_t{1} << 32; }, "2^31"},
    {"a bucket past 2^31", [](Json& j) { j["buckets"][0]["tokens"] = int64_t{1} << 32; }, "2^31"},
    {"an unknown operator", [](Json& j) { j["steps"][0]["op"] = "linea"; }, "unknown operator"},
    {"an unknown kind", [](Json& j) { j["steps"][0]["kind"] = "kernels"; }, "unknown kind"},
    {"a kernel that claims to be a view", [](Json& j) { j["steps"][2]["kind"] = "view"; },
     "no view"},
    {"a kernel that claims to be a loop", [](Json& j) { j["steps"][2]["kind"] = "loop"; }, "kind"},
    {"a loop as a kernel", [](Json& j) { j["steps"][2]["op"] = "loop"; }, "kind"},
    {"a wider result", [](Json& j) { j["values"][5]["type"]["shape"][1] = 1000; }, "expected"},
    {"a narrower result", [](Json& j) { j["values"][5]["type"]["shape"][1] = 1; }, "expected"},
    {"a shorter input", [](Json& j) { j["values"][0]["type"]["shape"][1] = 2; }, "linear"},
    {"an attribute of another operator",
     [](Json& j) {
       j["steps"][0]["attrs"] = {{"axis", 1}};
     },
     "unknown attribute"},
    {"a missing operand", [](Json& j) { j["steps"][0]["inputs"][1] = -1; }, "missing"},
    {"a weight whose pieces do not add up", [](Json& j) { j["values"][1]["segments"] = {0}; },
     "rows"},
    {"a weight without pieces", [](Json& j) { j["values"][1].erase("segments"); }, "pieces"},
    {"a tensor past 2^62",
     [](Json& j) {
       j["tensors"][0]["shape"] = {int64_t{1} << 40, int64_t{1} << 40};
     },
     "2^62"},
    {"a negative tensor", [](Json& j) { j["tensors"][0]["shape"][0] = -4; }, "negative"},
    {"half a block", [](Json& j) { j["tensors"][0]["element"] = "q8_0"; }, "whole blocks"},
    {"half a block of an input", [](Json& j) { j["values"][0]["type"]["element"] = "q8_0"; },
     "whole blocks"},
    {"an unknown format", [](Json& j) { j["tensors"][0]["element"] = "q9_9"; }, "q9_9"},
    {"an input that is not listed", [](Json& j) { j["inputs"] = Json::array(); }, "not listed"},
    {"an input listed twice",
     [](Json& j) {
       j["inputs"] = {0, 0};
     },
     "listed"},
    {"an activation listed as a state", [](Json& j) { j["states"] = {2}; }, "listed"},
    {"an output that nobody computes", [](Json& j) { j["steps"].erase(2); }, "never computed"},
    {"a size that is no expression", [](Json& j) { j["values"][0]["type"]["shape"][0] = "a b"; },
     "a b"},
    {"a negative size", [](Json& j) { j["values"][0]["type"]["shape"][0] = -3; }, "dimension"},
    {"a type without a shape", [](Json& j) { j["values"][0]["type"].erase("shape"); }, "shape"},
    {"a negative limit", [](Json& j) { j["limits"]["tokens"] = -1; }, "tokens"},
    {"buckets that are a number", [](Json& j) { j["buckets"] = 3; }, "buckets"},
    {"values that are an object", [](Json& j) { j["values"] = Json::object(); }, "values"},
    {"metadata that is a number", [](Json& j) { j["metadata"]["a"] = 1; }, "metadata"},
    {"no name", [](Json& j) { j.erase("name"); }, "name"},
    {"no object", [](Json& j) { j = Json::array(); }, "object"},
};

TEST(PlanJsonTest, ForgeriesAreRefused) {
  for (const Forgery& forgery : kForgeries) {
    SCOPED_TRACE(forgery.name);
    Json json = gated_json();
    forgery.change(json);
    try {
      load(json);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(forgery.reason));
    }
  }
}

TEST(PlanJsonTest, DeepNestingEnds) {
  Json json = gated_json();
  for (int i = 0; i < 40; ++i) {
    Json outer = gated_json();
    outer["subplans"] = Json::array({json});
    json = outer;
  }
  EXPECT_THROW(load(json), Error);
}

TEST(PlanJsonTest, FusedOperandsAreCheckedThroughTheDecomposition) {
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, {Dim::symbol("tokens"), 8});
  const int w = maker.weight("w", {8});
  const auto out = maker.step("add_rms_norm", {}, {x, x, w}, 2);
  maker.output(out[0], "sum");
  maker.output(out[1], "norm");
  const auto engine = maker.finish({{"tokens", 4}});
  Json json = plan_to_json(engine->plan);
  load(json);
  json["tensors"][0]["shape"] = {4};  // the norm would read past its weight
  json["values"][1]["type"]["shape"] = {4};
  EXPECT_THROW(load(json), Error);
}

TEST(PlanJsonTest, StateStepsMustShareMemory) {
  EngineMaker maker;
  const Dim tokens = Dim::symbol("tokens");
  const int k = maker.input("k", DType::kFloat32, {tokens, 4});
  const SymShape cache = {Dim::symbol("pages"), 1, 32, 4};
  const int kc = maker.value(PlanValue::Kind::kState, "kc", {DType::kFloat32, cache, true});
  const int vc = maker.value(PlanValue::Kind::kState, "vc", {DType::kFloat32, cache, true});
  const int positions = maker.input("positions", DType::kInt32, {tokens});
  const int rows = maker.input("rows", DType::kInt32, {tokens});
  const int tables = maker.input("tables", DType::kInt32, {Dim::symbol("batch"), 2});
  const auto out = maker.step("kv_append", {}, {k, k, kc, vc, positions, rows, tables}, 2);
  maker.output(out[0], "k2");
  maker.output(out[1], "v2");
  Json json = plan_to_json(maker.finish({{"tokens", 4}, {"pages", 2}, {"batch", 1}})->plan);
  load(json);
  Json forged = json;
  forged["values"][6].erase("storage");
  EXPECT_THROW(load(forged), Error);
  forged = json;
  forged["values"][6]["storage"] = 2;  // the other cache
  EXPECT_THROW(load(forged), Error);
}

// The bytes of a group decide how many pages fit: they are those of its states, or none.
TEST(PlanJsonTest, GroupsAreWhatTheirStatesTake) {
  EngineMaker maker;
  const SymShape cache = {Dim::symbol("pages"), 2, 32, 4};
  maker.value(PlanValue::Kind::kState, "kc", {DType::kFloat32, cache, true});
  maker.value(PlanValue::Kind::kState, "vc", {DType::kFloat16, cache, true});
  const Json json = plan_to_json(maker.finish({{"pages", 2}})->plan);
  load(json);
  EXPECT_EQ(json["groups"][0]["bytes_per_token"], 2 * 4 * (4 + 2));
  const auto refused = [&](const char* what, const auto& change) {
    Json forged = json;
    change(forged);
    EXPECT_THROW(load(forged), Error) << what;
  };
  for (const int64_t bytes : {int64_t{0}, int64_t{47}, int64_t{1} << 61, int64_t{1} << 62}) {
    refused("bytes", [&](Json& j) { j["groups"][0]["bytes_per_token"] = bytes; });
  }
  refused("layers", [](Json& j) { j["groups"][0]["layers"] = 3; });
  refused("page", [](Json& j) { j["groups"][0]["page_tokens"] = 16; });
  refused("a group without states", [](Json& j) {
    j["groups"].push_back(j["groups"][0]);
    j["groups"][1]["name"] = "other";
  });
  refused("the same twice", [](Json& j) { j["groups"].push_back(j["groups"][0]); });
  refused("none", [](Json& j) { j["groups"] = Json::array(); });
  refused("a terabyte a token", [](Json& j) {
    for (int i : {0, 1}) j["values"][i]["type"]["shape"] = {"pages", 1 << 20, 32, 1 << 20};
    j["groups"][0]["bytes_per_token"] = (int64_t{1} << 40) * 6;
  });
  refused("no whole blocks", [](Json& j) { j["values"][0]["type"]["element"] = "q8_0"; });
}

}  // namespace
}  // namespace ingot
