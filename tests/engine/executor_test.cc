#include "engine/executor.h"

#include "base/json.h"
#include "kernels/reference.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

class ExecutorTest : public testing::Test {
 protected:
  std::unique_ptr<Device> device_ = make_cpu_device(1);
};

// y of gated_engine by plain loops.
std::vector<float> gated_by_hand(int64_t tokens) {
  const std::vector<float> x = ramp(static_cast<size_t>(tokens * 8), -1, 0.2f);
  std::vector<float> w = ramp(32, 0.2f, 0.03f);
  const std::vector<float> second = w;
  w.insert(w.end(), second.begin(), second.end());
  std::vector<float> out;
  for (int64_t t = 0; t < tokens; ++t) {
    double h[8] = {};
    for (int64_t n = 0; n < 8; ++n) {
      for (int64_t k = 0; k < 8; ++k) {
        h[n] += static_cast<double>(x[static_cast<size_t>(t * 8 + k)]) *
                static_cast<double>(w[static_cast<size_t>(n * 8 + k)]);
      }
    }
    for (int64_t i = 0; i < 4; ++i) {
      out.push_back(static_cast<float>(h[i] / (1 + std::exp(-h[i])) * h[4 + i]));
    }
  }
  return out;
}

TEST_F(ExecutorTest, ColumnViewsAndPiecesGiveTheRightNumbers) {
  for (bool reference : {false, true}) {
    for (int64_t tokens : {1, 3, 16}) {
      ExecutorOptions options;
      options.selection.reference = reference;
      const auto found = run_gated(gated_engine(), *device_, tokens, options);
      const auto expected = gated_by_hand(tokens);
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4);
    }
  }
}

TEST_F(ExecutorTest, AFaultOfValuesNamesTheStep) {
  EngineMaker maker("lookup");
  const int x = maker.input("x", DType::kInt64, {2});
  const int w = maker.weight("w", {4, 8});
  maker.output(maker.step("gather", {{"axis", int64_t{0}}}, {w, x})[0], "y");
  maker.plan().steps.back().origin = "node 'pick'";
  const auto engine = maker.finish({});
  for (const bool reference : {false, true}) {
    ExecutorOptions options;
    options.selection.reference = reference;
    Executor executor(engine, *device_, options);
    std::vector<int64_t> rows = {3, 999999};
    executor.set_input("x", host_view(rows, {2}));
    try {
      executor.run();
      FAIL() << "ran";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::HasSubstr("999999 (step 0 of plan 'lookup': gather node 'pick')"));
    }
    rows = {3, 0};
    executor.set_input("x", host_view(rows, {2}));
    executor.run();  // it goes on
  }
}

TEST_F(ExecutorTest, SizesChangeFromRunToRun) {
  Executor executor(gated_engine(), *device_);
  for (int64_t tokens : {5, 1, 16, 2}) {
    std::vector<float> x = ramp(static_cast<size_t>(tokens * 8), -1, 0.2f);
    executor.set_input("x", host_view(x, {tokens, 8}));
    executor.run();
    EXPECT_EQ(executor.output("y").shape, (Shape{tokens, 4}));
    const auto found = floats_of(executor.output(0)), expected = gated_by_hand(tokens);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4);
  }
  EXPECT_FALSE(executor.kernels_used().empty());
  EXPECT_EQ(executor.memory().states, 0);
}

TEST_F(ExecutorTest, LimitsCanBeRaisedAtLoad) {
  ExecutorOptions options;
  options.limits["tokens"] = 40;
  EXPECT_EQ(run_gated(gated_engine(), *device_, 40, options).size(), 160u);
}

TEST_F(ExecutorTest, WrongInputsAreNamed) {
  Executor executor(gated_engine(), *device_);
  std::vector<float> x(17 * 8);
  expect_error([&] { executor.run(); }, ErrorCode::kInvalidArgument, {"'x'", "not set"});
  expect_error(
      [&] {
        executor.set_input("x", host_view(x, {2, 9}));
      },
      ErrorCode::kInvalidArgument, {"'x'", "expected float32[tokens, 8]", "found float32[2, 9]"});
  expect_error([&] { executor.set_input("x", host_view(x, {16})); }, ErrorCode::kInvalidArgument,
               {"found float32[16]"});
  std::vector<int32_t> ids(16);
  expect_error(
      [&] {
        executor.set_input("x", host_view(ids, {2, 8}));
      },
      ErrorCode::kInvalidArgument, {"found int32[2, 8]"});
  expect_error(
      [&] {
        executor.set_input("x", host_view(x, {17, 8}));
      },
      ErrorCode::kInvalidArgument, {"'tokens' is 17", "at most 16"});
  expect_error(
      [&] {
        executor.set_input("z", host_view(x, {2, 8}));
      },
      ErrorCode::kInvalidArgument, {"no input named 'z'", "x"});
  expect_error([&] { executor.output("z"); }, ErrorCode::kInvalidArgument, {"'z'"});
  expect_error([&] { executor.state("z"); }, ErrorCode::kInvalidArgument, {"'z'"});
}

TEST_F(ExecutorTest, OneSymbolHasOneSize) {
  EngineMaker maker;
  const Dim n = Dim::symbol("n");
  const int a = maker.input("a", DType::kFloat32, {n, 2});
  const int b = maker.input("b", DType::kFloat32, {n, 2});
  maker.output(maker.step("add", {}, {a, b})[0], "y");
  Executor executor(maker.finish({}), *device_);  // no limit: memory is as large as the input
  std::vector<float> small(4, 1.f), large(2000, 2.f);
  executor.set_input("a", host_view(small, {2, 2}));
  executor.set_input("b", host_view(large, {1000, 2}));
  expect_error([&] { executor.run(); }, ErrorCode::kInvalidArgument,
               {"'a'", "expected [1000, 2]", "found [2, 2]"});
  executor.set_input("a", host_view(large, {1000, 2}));
  executor.run();
  EXPECT_EQ(floats_of(executor.output("y"))[1999], 4.f);
}

TEST_F(ExecutorTest, StateLivesAcrossRunsAndStartsAtZero) {
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
  Executor executor(maker.finish({{"tokens", 4}, {"pages", 2}, {"batch", 1}}), *device_);
  EXPECT_EQ(executor.memory().states, 2 * 2 * 32 * 4 * 4);
  for (float value : floats_of(executor.state("kc"))) ASSERT_EQ(value, 0.f);
  std::vector<int32_t> table = {1, 0}, row = {0};
  executor.set_input("tables", host_view(table, {1, 2}));
  executor.set_input("rows", host_view(row, {1}));
  for (int32_t position : {0, 33}) {
    std::vector<float> keys(4, static_cast<float>(position + 1));
    std::vector<int32_t> at = {position};
    executor.set_input("k", host_view(keys, {1, 4}));
    executor.set_input("positions", host_view(at, {1}));
    executor.run();
  }
  const auto state = floats_of(executor.state("kc"));
  EXPECT_EQ(state[32 * 4], 1.f) << "position 0 lies on page 1";
  EXPECT_EQ(state[1 * 4], 34.f) << "position 33 lies on page 0";
  EXPECT_EQ(floats_of(executor.output("k2")), state) << "the token is the state's memory";
}

TEST_F(ExecutorTest, StreamingUnderAMemoryLimitGivesTheSame) {
  ScratchDirectory dir;
  save_engine(*gated_engine(), dir / "e");
  ExecutorOptions options;
  options.weight_memory_limit = 4096;
  EXPECT_EQ(run_gated(load_engine(dir / "e"), *device_, 3, options),
            run_gated(gated_engine(), *device_, 3));
}

TEST_F(ExecutorTest, ProfileNamesStepsAndKernels) {
  Executor executor(gated_engine(), *device_);
  executor.enable_profile(true);
  std::vector<float> x(8);
  executor.set_input("x", host_view(x, {1, 8}));
  executor.run();
  const auto profile = executor.profile();
  ASSERT_EQ(profile.size(), 2u) << "the view takes no time";
  EXPECT_EQ(profile[0].op, "linear");
  EXPECT_FALSE(profile[0].kernel.empty());
  EXPECT_GT(profile[0].microseconds, 0);
}

// x + x, or x + x + x, by a condition.
TEST_F(ExecutorTest, IfRunsOneBranch) {
  EngineMaker outer;
  const ValueType vector{DType::kFloat32, {Dim::symbol("n")}};
  for (int branch : {0, 1}) {
    EngineMaker body("branch");
    const int x = body.input("b", vector.element, vector.shape);
    int y = body.step("add", {}, {x, x})[0];
    if (branch == 1) y = body.step("add", {}, {y, x})[0];
    body.output(y, "r");
    outer.plan().subplans.push_back(body.plan());
  }
  const int condition = outer.input("condition", DType::kBool, {});
  const int x = outer.input("x", vector.element, vector.shape);
  const auto out = outer.step("if", {{"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}},
                              {condition, x}, 1, StepKind::kIf);
  outer.output(outer.step("add", {}, {out[0], x})[0], "y");
  const auto engine = outer.finish({});
  const Plan read = plan_from_json(plan_to_json(engine->plan));
  EXPECT_EQ(plan_text(read), plan_text(engine->plan));
  Executor executor(engine, *device_);
  std::vector<float> values = {1, 2, 3};
  for (uint8_t yes : {1, 0, 1}) {
    std::vector<uint8_t> flag = {yes};
    executor.set_input("condition", host_view(flag, {}));
    executor.set_input("x", host_view(values, {3}));
    executor.run();
    const float factor = yes ? 3 : 4;
    EXPECT_THAT(floats_of(executor.output("y")),
                testing::ElementsAre(factor, 2 * factor, 3 * factor));
  }
}

// Names of weights are unique within one graph only.
TEST_F(ExecutorTest, BranchesMayNameTheirWeightsAlike) {
  EngineMaker outer;
  for (int branch : {0, 1}) {
    const int held = outer.weight("held" + std::to_string(branch), {3});
    EngineMaker body("branch");
    const int x = body.input("b", DType::kFloat32, {3});
    const int w = body.value(PlanValue::Kind::kWeight, "w", {DType::kFloat32, {3}});
    body.plan().values[static_cast<size_t>(w)].segments =
        outer.plan().values[static_cast<size_t>(held)].segments;
    body.output(body.step("add", {}, {x, w})[0], "r");
    outer.plan().subplans.push_back(body.plan());
  }
  const int condition = outer.input("condition", DType::kBool, {});
  const int x = outer.input("x", DType::kFloat32, {3});
  const auto out = outer.step("if", {{"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}},
                              {condition, x}, 1, StepKind::kIf);
  outer.output(out[0], "y");
  Executor executor(outer.finish({}), *device_);
  std::vector<float> values = {0, 0, 0};
  for (uint8_t yes : {1, 0, 1}) {
    std::vector<uint8_t> flag = {yes};
    executor.set_input("condition", host_view(flag, {}));
    executor.set_input("x", host_view(values, {3}));
    executor.run();
    EXPECT_EQ(floats_of(executor.output("y")), ramp(3, yes ? 0.1f : 0.2f, 0.03f));
  }
}

// A result's size may be an expression of sizes that are known by then.
TEST_F(ExecutorTest, ResultsOfControlFlowKeepTheirDeclaredSizes) {
  const Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  // Declares the results of `if (condition) {x + x, x} else {x, x}` as given, runs it for 3
  // elements.
  auto run = [&](std::vector<Dim> declared) {
    EngineMaker outer;
    for (int branch : {0, 1}) {
      EngineMaker body("branch");
      const int x = body.input("b", DType::kFloat32, {n});
      body.output(branch == 0 ? body.step("add", {}, {x, x})[0] : x, "r");
      body.plan().outputs.push_back(x);
      outer.plan().subplans.push_back(body.plan());
    }
    const int condition = outer.input("condition", DType::kBool, {});
    const int x = outer.input("x", DType::kFloat32, {n});
    const auto out = outer.step("if", {{"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}},
                                {condition, x}, 2, StepKind::kIf);
    for (size_t i = 0; i < 2; ++i) {
      outer.plan().values[static_cast<size_t>(out[i])].type.shape = {declared[i]};
      outer.output(out[i], i == 0 ? "y" : "z");
    }
    Executor executor(outer.finish({}), *device_);
    std::vector<float> values = {1, 2, 3};
    std::vector<uint8_t> flag = {1};
    executor.set_input("condition", host_view(flag, {}));
    executor.set_input("x", host_view(values, {3}));
    try {
      executor.run();
      return std::string("ran");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(run({n, n}), "ran");
  EXPECT_EQ(run({m, n}), "ran") << "a size that only running tells";
  EXPECT_EQ(run({m, m * 2 - 3}), "ran");
  EXPECT_EQ(run({n * 2 - 3, n}), "ran");
  EXPECT_THAT(run({n * 2, n}), testing::HasSubstr("expected size 6 along axis 0, found 3"));
  EXPECT_THAT(run({m * 2, m}), testing::HasSubstr("expected size 6 along axis 0, found 3"))
      << "the size is told by the result behind it";
  EXPECT_THAT(run({m, m + 1}), testing::HasSubstr("expected size 4 along axis 0, found 3"));
}

// A carried value whose size an iteration changes against its declaration.
TEST_F(ExecutorTest, CarriedValuesKeepTheirDeclaredSizes) {
  const Dim n = Dim::symbol("n");
  EngineMaker body("body"), outer;
  body.input("i", DType::kInt64, {});
  const int go_on = body.input("go_on", DType::kBool, {});
  body.input("whole", DType::kFloat32, {n * 2});
  const int half = body.input("half", DType::kFloat32, {n});
  body.plan().outputs = {go_on, half};  // the next "whole" is a half
  outer.plan().subplans.push_back(body.plan());
  const int trips = outer.input("trips", DType::kInt64, {});
  const int x = outer.input("x", DType::kFloat32, {n});
  const int twice = outer.input("twice", DType::kFloat32, {n * 2});
  const Attrs attrs = {
      {"body_graph", int64_t{0}}, {"carried", int64_t{1}}, {"prefix", std::string("loop0")}};
  const auto out = outer.step("loop", attrs, {trips, kNoValue, twice, x}, 1, StepKind::kLoop);
  outer.plan().values[static_cast<size_t>(out[0])].type.shape = {Dim::symbol("loop0_0_0")};
  outer.output(out[0], "final");
  Executor executor(outer.finish({}), *device_);
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  executor.set_input("x", host_view(values, {3}));
  executor.set_input("twice", host_view(values, {6}));
  std::vector<int64_t> count = {1};
  executor.set_input("trips", host_view(count, {}));
  executor.run();
  EXPECT_EQ(executor.output("final").shape, (Shape{3}));
  count = {2};
  executor.set_input("trips", host_view(count, {}));
  try {
    executor.run();
    FAIL() << "the second iteration took a half for a whole";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'whole' is declared float32"));
    EXPECT_THAT(error.what(), testing::HasSubstr("expected size 6 along axis 0, found 3"));
  }
}

// carried = carried + carried; the condition goes on; scans the carried value.
TEST_F(ExecutorTest, LoopCarriesAndStacks) {
  EngineMaker body("body"), outer;
  body.input("i", DType::kInt64, {});
  const int go_on = body.input("go_on", DType::kBool, {});
  const int carried = body.input("c", DType::kFloat32, {2});
  const int twice = body.step("add", {}, {carried, carried})[0];
  body.plan().outputs = {go_on};
  body.output(twice, "next");
  body.plan().outputs.push_back(carried);
  outer.plan().subplans.push_back(body.plan());
  const int trips = outer.input("trips", DType::kInt64, {});
  const int start = outer.input("start", DType::kFloat32, {2});
  const Attrs attrs = {
      {"body_graph", int64_t{0}}, {"carried", int64_t{1}}, {"prefix", std::string("loop0")}};
  const auto out = outer.step("loop", attrs, {trips, kNoValue, start}, 2, StepKind::kLoop);
  outer.output(out[0], "final");
  outer.output(out[1], "scan");
  Executor executor(outer.finish({}), *device_);
  for (int64_t count : {3, 0, 2}) {
    std::vector<int64_t> n = {count};
    std::vector<float> values = {1, 10};
    executor.set_input("trips", host_view(n, {}));
    executor.set_input("start", host_view(values, {2}));
    executor.run();
    const auto factor = static_cast<float>(1 << count);
    EXPECT_THAT(floats_of(executor.output("final")), testing::ElementsAre(factor, 10 * factor));
    EXPECT_EQ(executor.output("scan").shape, (Shape{count, 2}));
    if (count == 3) {
      EXPECT_THAT(floats_of(executor.output("scan")), testing::ElementsAre(1, 10, 2, 20, 4, 40));
    }
  }
}

}  // namespace
}  // namespace ingot
