#include "compiler/tune_jobs.h"

#include <gmock/gmock.h>

#include "compiler/compile.h"
#include "graph/text.h"
#include "ops/contract/fusion.h"
#include "tensor/device.h"

namespace ingot {
namespace tune_jobs_test {

using testing::SizeIs;

void add_one(const LaunchArgs& args) {
  std::vector<float> row(static_cast<size_t>(args.inputs[0].columns()));
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    load_row(args.inputs[0], r, 0, args.inputs[0].columns(), row.data());
    for (float& v : row) v += 1;
    store_row(args.outputs[0], r, 0, args.inputs[0].columns(), row.data());
  }
}

std::vector<ValueType> same(const InferArgs& args) { return {args.input(0)}; }

const OpDef& one_op() {
  static const OpDef op = {.name = "test_add_one", .infer = same, .reference = [](const OpArgs& a) {
                             add_one({a.inputs, a.outputs, {}});
                           }};
  return op;
}

// Two of them, one behind the other.
const OpDef& two_op() {
  static const OpDef op = {
      .name = "test_add_two",
      .infer = same,
      .decompose =
          [](OpEmitter& emitter, const Attrs&, std::span<const int> in) {
            return std::vector<int>{
                emitter.emit("test_add_one", {}, {emitter.emit("test_add_one", {}, {in[0]})})};
          },
      .match = [](const StepSource& steps, size_t last) -> std::optional<FusionMatch> {
        const StepSource::Step second = steps.step(last);
        const auto first = steps.producer(second.inputs[0]);
        if (second.op != "test_add_one" || !first) return {};
        return FusionMatch{
            {{"test_add_two", {}, {steps.step(*first).inputs[0]}, {second.outputs[0]}}},
            {*first, last}};
      }};
  return op;
}

template <int>  // a number for each, whose definition is static
const KernelDef& kernel_of(std::string_view op) {
  static const KernelDef kernel = {
      .name = op, .op = op, .device = "cpu", .prepare = [](const KernelDesc&, std::string_view) {
        return make_instance([](const LaunchArgs& args, ExecContext&) { add_one(args); });
      }};
  return kernel;
}

class TuneJobsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_op(one_op());
    register_op(two_op());
    register_kernel(kernel_of<1>("test_add_one"));
    register_kernel(kernel_of<2>("test_add_two"));
  }
  TuneJobsTest() {
    Graph graph("pair");
    const int x = graph.add_input("x", {DType::kFloat32, {4, 8}});
    const int once = graph.emit("test_add_one", {}, {x});
    graph.add_output(graph.emit("test_add_one", {}, {once}));
    engine_.plan = lower(graph);
    fused_ = find_fused_steps(engine_.plan, "cpu");
  }
  std::unique_ptr<Device> device_ = make_cpu_device(1);
  Engine engine_;
  std::vector<FusedStep> fused_;
};

TEST_F(TuneJobsTest, JobsSayWhoseStepsTheyAre) {
  WeightStore weights(engine_, *device_);
  std::vector<TuneJob> jobs = tune_jobs(engine_.plan, fused_, weights, 0);
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_EQ(jobs[0].desc.op, "test_add_one");
  EXPECT_THAT(jobs[0].steps, SizeIs(2));
  EXPECT_TRUE(jobs[0].in_plan);
  EXPECT_FALSE(jobs[0].in_fused);
  EXPECT_EQ(jobs[1].desc.op, "test_add_two");
  EXPECT_FALSE(jobs[1].in_plan);
  EXPECT_TRUE(jobs[1].in_fused);

  // One that both have is one job; a step that several fused ones hold counts once.
  fused_[0].steps.push_back(engine_.plan.steps[1]);
  fused_.push_back(fused_[0]);
  jobs = tune_jobs(engine_.plan, fused_, weights, 0);
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_TRUE(jobs[0].in_plan);
  EXPECT_TRUE(jobs[0].in_fused);
  EXPECT_THAT(jobs[0].steps, SizeIs(2));
  EXPECT_THAT(jobs[1].steps, SizeIs(1));
}

TEST_F(TuneJobsTest, WhatABucketHasNothingOfIsNoJob) {
  Graph graph("rows");
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("n"), 8}});
  graph.add_output(graph.emit("test_add_one", {}, {graph.emit("test_add_one", {}, {x})}));
  Engine engine;
  engine.plan = lower(graph);
  engine.plan.buckets = {{{"n", 0}}, {{"n", 4}}};
  WeightStore weights(engine, *device_);
  const std::vector<TuneJob> jobs =
      tune_jobs(engine.plan, find_fused_steps(engine.plan, "cpu"), weights, 0);
  ASSERT_THAT(jobs, SizeIs(2));
  for (const TuneJob& job : jobs) EXPECT_EQ(job.desc.inputs[0].shape, (Shape{4, 8}));
}

}  // namespace tune_jobs_test
}  // namespace ingot
