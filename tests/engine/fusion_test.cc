#include "engine/fusion.h"

#include "engine/memory.h"
#include "engine/selection.h"
#include "ops/contract/fusion.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace fusion_test {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// a * b + c. Plans hold mul and add.
const OpDef& mul_add_op() {
  static const OpDef op = {
      .name = "test_mul_add",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .decompose =
          [](OpEmitter& emitter, const Attrs&, std::span<const int> in) {
            const int product = emitter.emit("mul", {}, {in[0], in[1]});
            return std::vector<int>{emitter.emit("add", {}, {product, in[2]})};
          },
      .match = [](const StepSource& steps, size_t last) -> std::optional<FusionMatch> {
        const StepSource::Step add = steps.step(last);
        if (add.op != "add") return {};
        const auto first = steps.producer(add.inputs[0]);
        if (!first || steps.step(*first).op != "mul") return {};
        if (steps.readers(add.inputs[0]) != 1) return {};
        const StepSource::Step mul = steps.step(*first);
        return FusionMatch{{{"test_mul_add",
                             {},
                             {mul.inputs[0], mul.inputs[1], add.inputs[1]},
                             {add.outputs.begin(), add.outputs.end()}}},
                           {*first, last}};
      }};
  return op;
}

const KernelDef& mul_add_kernel() {
  static const KernelDef kernel = {
      .name = "test_mul_add_loop",
      .op = "test_mul_add",
      .device = "cpu",
      .prepare = [](const KernelDesc&, std::string_view) {
        return make_instance([](const LaunchArgs& args, ExecContext&) {
          // Element by element: an output in the memory of an input that is still read shows.
          const auto* a = args.inputs[0].as<float>();
          const auto* b = args.inputs[1].as<float>();
          const auto* c = args.inputs[2].as<float>();
          for (int64_t i = args.outputs[0].elements() - 1; i >= 0; --i) {
            args.outputs[0].as<float>()[i] = a[i] * b[args.inputs[0].elements() - 1 - i] + c[i];
          }
        });
      }};
  return kernel;
}

// d = a - b; d * d + c. Matches sub, mul and add, the last two of which are mul_add's too, and runs
// a step of another operator first, for the difference, which others may read.
const OpDef& square_add_op() {
  static const OpDef op = {
      .name = "test_square_add",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .match = [](const StepSource& steps, size_t last) -> std::optional<FusionMatch> {
        const StepSource::Step add = steps.step(last);
        if (add.op != "add") return {};
        const auto second = steps.producer(add.inputs[0]);
        if (!second || steps.step(*second).op != "mul") return {};
        const StepSource::Step mul = steps.step(*second);
        const auto first = steps.producer(mul.inputs[0]);
        if (!first || steps.step(*first).op != "sub") return {};
        const StepSource::Step sub = steps.step(*first);
        return FusionMatch{{{"test_difference",
                             {},
                             {sub.inputs[0], sub.inputs[1]},
                             {sub.outputs.begin(), sub.outputs.end()}},
                            {"test_square_add",
                             {},
                             {sub.outputs[0], add.inputs[1]},
                             {add.outputs.begin(), add.outputs.end()}}},
                           {*first, *second, last}};
      }};
  return op;
}
const OpDef& difference_op() {
  static const OpDef op = {
      .name = "test_difference",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; }};
  return op;
}

// Doubles its input in place.
const OpDef& double_op() {
  static const OpDef op = {
      .name = "test_double",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .effects = {.aliases = {{0, 0}}}};
  return op;
}

template <typename F>
std::unique_ptr<KernelInstance> of_elements(F f) {
  return make_instance([f](const LaunchArgs& args, ExecContext&) {
    for (int64_t i = 0; i < args.outputs[0].elements(); ++i) {
      args.outputs[0].as<float>()[i] =
          f(args.inputs[0].as<float>()[i], args.inputs[1].as<float>()[i]);
    }
  });
}
const KernelDef& square_add_kernel() {
  static const KernelDef kernel = {.name = "test_square_add_loop",
                                   .op = "test_square_add",
                                   .device = "cpu",
                                   .prepare = [](const KernelDesc&, std::string_view) {
                                     return of_elements([](float d, float c) { return d * d + c; });
                                   }};
  return kernel;
}
// Half off, so that results tell who ran.
const KernelDef& difference_kernel() {
  static const KernelDef kernel = {
      .name = "test_difference_loop",
      .op = "test_difference",
      .device = "cpu",
      .prepare = [](const KernelDesc&, std::string_view) {
        return of_elements([](float a, float b) { return a - b + 0.5f; });
      }};
  return kernel;
}

class FusionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_op(mul_add_op());
    register_op(square_add_op());
    register_op(difference_op());
    register_op(double_op());
    for (const KernelDef* kernel :
         {&mul_add_kernel(), &square_add_kernel(), &difference_kernel()}) {
      register_kernel(*kernel);
    }
  }
  // d = 2x - x; y = d * d + x; steps 1 (sub), 2 (mul), 4 (add), and 3 or 5: z = -d.
  static std::shared_ptr<Engine> overlap(bool early = false) {
    EngineMaker maker;
    const int x = maker.input("x", DType::kFloat32, {2, 4});
    const int twice = maker.step("add", {}, {x, x})[0];
    const int d = maker.step("sub", {}, {twice, x})[0];
    const int product = maker.step("mul", {}, {d, d})[0];
    int z = early ? maker.step("neg", {}, {d})[0] : 0;
    const int y = maker.step("add", {}, {product, x})[0];
    if (!early) z = maker.step("neg", {}, {d})[0];
    maker.output(z, "z");
    maker.output(y, "y");
    return maker.finish({});
  }
  // Choices for these operators of fused steps.
  void choose_ops(Engine& engine, const std::set<std::string>& ops) {
    DeviceSection section{device_->identity(), {}};
    for (const FusedStep& fused : find_fused_steps(engine.plan, "cpu")) {
      for (const PlanStep& step : fused.steps) {
        if (!ops.count(step.op)) continue;
        const KernelDesc desc = describe(engine.plan, step, {}, {}, {}, false);
        section.choices[desc.text()] = {step.op + "_loop", 1, "", 1};
      }
    }
    engine.devices = {section};
  }

  // y = (x + x) * (x + x) + x; steps 0 (add), 1 (mul), 2 (add).
  std::shared_ptr<Engine> engine(bool keep_product = false) {
    EngineMaker maker;
    const int x = maker.input("x", DType::kFloat32, {Dim::symbol("rows"), 4});
    const int twice = maker.step("add", {}, {x, x})[0];
    const int product = maker.step("mul", {}, {twice, twice})[0];
    const int y = maker.step("add", {}, {product, x})[0];
    if (keep_product) maker.output(product, "product");
    maker.output(y, "y");
    return maker.finish({{"rows", 2}});
  }
  static void choose(Engine& engine, const Device& device) {
    const auto fused = find_fused_steps(engine.plan, "cpu");
    ASSERT_EQ(fused.size(), 1u);
    const KernelDesc desc =
        describe(engine.plan, fused[0].steps[0], {}, engine.plan.limits, {}, false);
    engine.devices = {{device.identity(), {{desc.text(), {"test_mul_add_loop", 1, "", 1}}}}};
  }
  // x_i * 2 at both ends of the row pair, as the kernel pairs them.
  std::vector<float> run(const std::shared_ptr<Engine>& engine, ExecutorOptions options = {}) {
    Executor executor(engine, *device_, std::move(options));
    executor.set_input("x", host_view(x_, {2, 4}));
    executor.enable_profile(true);
    executor.run();
    kernels_ = executor.kernels_used();
    timings_ = executor.profile();
    return floats_of(executor.output("y"));
  }

  std::unique_ptr<Device> device_ = make_cpu_device(1);
  std::vector<float> x_ = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<std::string> kernels_;
  std::vector<StepTiming> timings_;
};

TEST_F(FusionTest, StepsAreFoundWhereNobodyElseReadsBetween) {
  const auto found = find_fused_steps(engine()->plan, "cpu");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].covers, ElementsAre(1, 2));
  EXPECT_EQ(found[0].steps[0].op, "test_mul_add");
  EXPECT_THAT(find_fused_steps(engine(true)->plan, "cpu"), IsEmpty());
  EXPECT_THAT(find_fused_steps(engine()->plan, "device without kernels"), IsEmpty());
}

TEST_F(FusionTest, ATunedChoiceTakesTheStepsOver) {
  const auto made = engine();
  const std::vector<float> plain = run(made);
  EXPECT_THAT(kernels_, Not(Contains("test_mul_add_loop")));
  EXPECT_THAT(plain, ElementsAre(5, 18, 39, 68, 105, 150, 203, 264));
  choose(*made, *device_);
  // The kernel reads its second operand backwards: nobody could take it for the two others.
  EXPECT_THAT(run(made), ElementsAre(33, 58, 75, 84, 85, 78, 63, 40));
  EXPECT_THAT(kernels_, Contains("test_mul_add_loop"));
  ASSERT_EQ(timings_.size(), 2u);
  EXPECT_EQ(timings_[1].op, "test_mul_add");
  EXPECT_THAT(timings_[1].steps, ElementsAre(1, 2));
}

TEST_F(FusionTest, WhoeverLooksBetweenStepsSeesThemAll) {
  const auto made = engine();
  choose(*made, *device_);
  std::vector<size_t> seen;
  ExecutorOptions options;
  options.on_step = [&](const StepSeen& step) { seen.push_back(step.index); };
  EXPECT_EQ(run(made, options)[0], 5);
  EXPECT_THAT(seen, ElementsAre(0, 1, 2));
  ExecutorOptions reference;
  reference.selection.reference = true;
  EXPECT_EQ(run(made, reference)[0], 5);
  EXPECT_THAT(kernels_, ElementsAre("reference"));
}

TEST_F(FusionTest, MemoryIsSetAsideWhereAKernelWasChosenAlone) {
  const auto made = engine();
  const auto arena = [&] {
    Executor executor(made, *device_);
    return executor.memory().text;
  };
  const auto expected = [&](bool fused) {
    const auto steps = find_fused_steps(made->plan, "cpu");
    return memory_text(made->plan, fused ? plan_memory(made->plan, made->plan.limits, steps)
                                         : plan_memory(made->plan, made->plan.limits));
  };
  ASSERT_NE(expected(true), expected(false));
  for (const char* other :
       {"add{}(of another operator)", "test_mul_add{\"of\":\"other attributes\"}(x)"}) {
    made->devices = {{device_->identity(), {{other, {"test_mul_add_loop", 1, "", 1}}}}};
    EXPECT_EQ(arena(), expected(false)) << other;
  }
  choose(*made, *device_);
  EXPECT_EQ(arena(), expected(true));
}

// The choice is a bucket's: two rows run fused, one row does not.
TEST_F(FusionTest, BucketsChooseForThemselves) {
  const auto made = engine();
  made->plan.buckets = {{{"rows", 1}}, {{"rows", 2}}};
  const auto fused = find_fused_steps(made->plan, "cpu");
  const KernelDesc desc = describe(made->plan, fused[0].steps[0], {{"rows", 2}}, {}, {}, false);
  made->devices = {{device_->identity(), {{desc.text(), {"test_mul_add_loop", 1, "", 1}}}}};
  Executor executor(made, *device_);
  const auto first = [&](int64_t rows) {
    executor.set_input("x", host_view(x_, {rows, 4}));
    executor.run();
    return floats_of(executor.output("y"))[0];
  };
  EXPECT_EQ(first(1), 5);
  EXPECT_EQ(first(2), 33);
  EXPECT_EQ(first(1), 5);
  EXPECT_EQ(first(2), 33);
}

// Without the fused step, the output may take the memory of what the first covered step read.
TEST_F(FusionTest, WhatAFusedStepReadsLivesUntilItRuns) {
  const Plan plan = engine()->plan;
  const auto fused = find_fused_steps(plan, "cpu");
  const int twice = plan.steps[0].outputs[0];
  const auto last = [&](const MemoryPlan& memory) {
    for (size_t i = 0; i < memory.values.size(); ++i) {
      if (memory.values[i] == twice) return memory.items[i].last;
    }
    return -1;
  };
  EXPECT_EQ(last(plan_memory(plan, plan.limits)), 1);
  EXPECT_EQ(last(plan_memory(plan, plan.limits, fused)), 2);
}

TEST_F(FusionTest, StepsMayOverlapAndWhatCoversMoreComesFirst) {
  const auto found = find_fused_steps(overlap()->plan, "cpu");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].op, "test_square_add");
  EXPECT_THAT(found[0].covers, ElementsAre(1, 2, 3));
  ASSERT_EQ(found[0].steps.size(), 2u);
  EXPECT_EQ(found[0].steps[0].op, "test_difference");
  EXPECT_THAT(found[1].covers, ElementsAre(2, 3));
  TakenSteps taken;
  EXPECT_TRUE(taken.free(found[1]));
  taken.take(found[0]);
  EXPECT_FALSE(taken.free(found[1]));
}

// z would be made of a difference that is not there yet.
TEST_F(FusionTest, WhatIsReadTooEarlyIsNotFound) {
  const auto found = find_fused_steps(overlap(true)->plan, "cpu");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].op, "test_mul_add");
}

// A sequence in the place of the addition would find other numbers where `twice` was.
TEST_F(FusionTest, WhatIsOverwrittenBetweenIsNotFound) {
  const auto found = [](bool read_before) {
    EngineMaker maker;
    const int x = maker.input("x", DType::kFloat32, {2, 4});
    const int twice = maker.step("add", {}, {x, x})[0];
    const int other = maker.step("add", {}, {x, x})[0];
    const int d = maker.step("sub", {}, {twice, x})[0];
    const int c = maker.step("test_double", {}, {read_before ? twice : other})[0];
    const int product = maker.step("mul", {}, {d, d})[0];
    maker.output(maker.step("add", {}, {product, c})[0], "y");
    std::vector<std::string> ops;
    for (const FusedStep& fused : find_fused_steps(maker.plan(), "cpu")) ops.push_back(fused.op);
    return ops;
  };
  EXPECT_THAT(found(true), ElementsAre("test_mul_add"));
  EXPECT_THAT(found(false), ElementsAre("test_square_add", "test_mul_add"));
}

TEST_F(FusionTest, ASequenceRunsWhereAllOfItIsChosen) {
  const auto made = overlap();
  const auto z = [&] {
    Executor executor(made, *device_);
    executor.set_input("x", host_view(x_, {2, 4}));
    executor.run();
    return floats_of(executor.output("z"));
  };
  const std::vector<float> plain = run(made);
  EXPECT_THAT(plain, ElementsAre(2, 6, 12, 20, 30, 42, 56, 72));
  // Half of it: nothing is fused. With the other one's choice, that runs.
  choose_ops(*made, {"test_square_add"});
  EXPECT_EQ(run(made), plain);
  choose_ops(*made, {"test_square_add", "test_mul_add"});
  EXPECT_THAT(run(made), ElementsAre(9, 16, 21, 24, 25, 24, 21, 16));
  EXPECT_EQ(timings_.size(), 4u);
  // All: (x + 0.5)^2 + x, and z reads the difference of the sequence.
  choose_ops(*made, {"test_difference", "test_square_add", "test_mul_add"});
  EXPECT_EQ(run(made)[1], 2.5f * 2.5f + 2);
  EXPECT_EQ(z()[1], -2.5f);
  EXPECT_THAT(kernels_, Contains("test_difference_loop"));
  EXPECT_THAT(kernels_, Not(Contains("test_mul_add_loop")));
  ASSERT_EQ(timings_.size(), 4u) << "add, neg and two of the sequence";
  EXPECT_EQ(timings_[2].op, "test_difference");
  EXPECT_EQ(timings_[3].op, "test_square_add");
  for (size_t i : {2, 3}) EXPECT_THAT(timings_[i].steps, ElementsAre(1, 2, 3));
}

// What a sequence writes first is there until it ends.
TEST_F(FusionTest, OutputsOfASequenceLiveUntilItsEnd) {
  EngineMaker maker;
  const int x = maker.input("x", DType::kFloat32, {2, 4});
  const int d = maker.step("sub", {}, {x, x})[0];
  const int product = maker.step("mul", {}, {d, d})[0];
  maker.output(maker.step("add", {}, {product, x})[0], "y");
  const auto made = maker.finish({});
  const auto fused = find_fused_steps(made->plan, "cpu");
  ASSERT_EQ(fused.size(), 2u);
  const auto last = [&](const MemoryPlan& memory) {
    for (size_t i = 0; i < memory.values.size(); ++i) {
      if (memory.values[i] == d) return memory.items[i].last;
    }
    return -1;
  };
  EXPECT_EQ(last(plan_memory(made->plan, {})), 1);
  EXPECT_EQ(last(plan_memory(made->plan, {}, std::span(fused).first(1))), 2);
}

}  // namespace fusion_test
}  // namespace ingot
