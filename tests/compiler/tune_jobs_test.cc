#include "compiler/tune_jobs.h"

#include <gmock/gmock.h>

#include "compiler/compile.h"
#include "compiler/tune.h"
#include "engine/selection.h"
#include "graph/text.h"
#include "ops/contract/fusion.h"
#include "tests/compiler/virtual_time.h"

namespace ingot {
namespace tune_jobs_test {

using testing::Contains;
using testing::Key;
using testing::Not;
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

constexpr double kPartMicroseconds = 500;
double fused_microseconds = 0;

const KernelDef& one_kernel() {
  static const KernelDef kernel = {.name = "test_add_one_slow",
                                   .op = "test_add_one",
                                   .device = "cpu",
                                   .prepare = [](const KernelDesc&, std::string_view) {
                                     return make_instance([](const LaunchArgs& args, ExecContext&) {
                                       VirtualTimeCpu::spend(kPartMicroseconds);
                                       add_one(args);
                                     });
                                   }};
  return kernel;
}
const KernelDef& two_kernel() {
  static const KernelDef kernel = {.name = "test_add_two_once",
                                   .op = "test_add_two",
                                   .device = "cpu",
                                   .prepare = [](const KernelDesc&, std::string_view) {
                                     return make_instance([](const LaunchArgs& args, ExecContext&) {
                                       VirtualTimeCpu::spend(fused_microseconds);
                                       add_one(args);
                                     });
                                   }};
  return kernel;
}

class TuneJobsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_op(one_op());
    register_op(two_op());
    register_kernel(one_kernel());
    register_kernel(two_kernel());
  }
  TuneJobsTest() {
    Graph graph("pair");
    const int x = graph.add_input("x", {DType::kFloat32, {4, 8}});
    const int once = graph.emit("test_add_one", {}, {x});
    graph.add_output(graph.emit("test_add_one", {}, {once}));
    engine_.plan = lower(graph);
    fused_ = find_fused_steps(engine_.plan, "cpu");
    desc_ = describe(engine_.plan, fused_.at(0).steps[0], {}, {}, {1}, false);
  }
  DeviceSection tuned() {
    TuneReport report;
    return tune(engine_, *device_, nullptr, 600, report);
  }

  std::unique_ptr<Device> device_ = std::make_unique<VirtualTimeCpu>();
  Engine engine_;
  std::vector<FusedStep> fused_;
  KernelDesc desc_;
};

TEST_F(TuneJobsTest, AFusedStepKnowsWhatItIsComparedWith) {
  WeightStore weights(engine_, *device_);
  const std::vector<TuneJob> jobs = tune_jobs(engine_.plan, fused_, weights, 0);
  ASSERT_THAT(jobs, SizeIs(2));
  EXPECT_EQ(jobs[0].desc.op, "test_add_one");
  EXPECT_THAT(jobs[0].steps, SizeIs(2));
  EXPECT_THAT(jobs[0].parts, SizeIs(0));
  EXPECT_EQ(jobs[1].desc.op, "test_add_two");
  ASSERT_THAT(jobs[1].parts, SizeIs(2)) << "one descriptor, twice";
  EXPECT_EQ(jobs[1].parts[0].text(), jobs[0].desc.text());
}

TEST_F(TuneJobsTest, AFusedKernelIsChosenWhereItBeatsItsParts) {
  fused_microseconds = 1.9 * kPartMicroseconds;
  EXPECT_THAT(tuned().choices, Contains(Key(desc_.text())));
}

TEST_F(TuneJobsTest, ASlowOneIsNot) {
  fused_microseconds = 2.1 * kPartMicroseconds;
  EXPECT_THAT(tuned().choices, Not(Contains(Key(desc_.text()))));
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
