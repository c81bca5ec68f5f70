#include "compiler/tune_tilings.h"

#include "compiler/tune_jobs.h"
#include "tests/compiler/chain_ops.h"

namespace ingot {
namespace tune_tilings_test {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Tiling = std::vector<size_t>;

class TuneTilingsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_chain_ops(); }
  // Groups where `ops` have choices: of norm in the section, of the others as proposals.
  std::vector<FusionGroup> groups(const std::set<std::string>& ops, int layers = 2, int tails = 0) {
    engine_ = chain_engine(layers, tails, rows_);
    engine_->plan.buckets = buckets_;
    WeightStore weights(*engine_, *device_);
    fused_ = find_fused_steps(engine_->plan, "cpu");
    DeviceSection section;
    std::map<std::string, KernelChoice> proposals;
    for (const TuneJob& job : tune_jobs(engine_->plan, fused_, weights, 0)) {
      if (!ops.count(job.desc.op)) continue;
      (job.in_plan ? section.choices : proposals)[job.desc.text()] = {job.desc.op, 1, "", 1};
    }
    return fusion_groups(engine_->plan, fused_, section, proposals, weights, *device_, false);
  }
  static std::vector<std::string> ops(const FusionGroup& group, const Tiling& tiling) {
    std::vector<std::string> out;
    for (const TilingStep* step : tiling_steps(group, tiling)) out.push_back(step->desc.op);
    return out;
  }

  const std::set<std::string> all_ = {"chain_norm", "chain_a", "chain_g", "chain_ag"};
  std::unique_ptr<Device> device_ = make_cpu_device(1);
  Dim rows_ = 2;
  std::vector<Bucket> buckets_;
  std::shared_ptr<Engine> engine_;
  std::vector<FusedStep> fused_;
};

TEST_F(TuneTilingsTest, LayersAreOneGroupOfAllDisjointSets) {
  const auto found = groups(all_);
  ASSERT_THAT(found, SizeIs(1));
  const FusionGroup& group = found[0];
  EXPECT_EQ(group.members, 2u);
  ASSERT_THAT(group.plain, SizeIs(4));
  EXPECT_THAT(group.plain[0].steps, SizeIs(2));
  EXPECT_NE(group.plain[0].steps[0]->inputs, group.plain[0].steps[1]->inputs);
  ASSERT_THAT(group.fused, SizeIs(3));
  EXPECT_EQ(group.fused[0].op, "chain_ag");
  EXPECT_THAT(group.fused[2].covers, ElementsAre(2, 3));
  EXPECT_THAT(group.fused[1].needs, SizeIs(1)) << "norm has a choice of its own";
  EXPECT_THAT(group.tilings, ElementsAre(Tiling{}, Tiling{0}, Tiling{1}, Tiling{2}, Tiling{1, 2}));
  EXPECT_THAT(ops(group, {}), ElementsAre("chain_o", "chain_norm", "chain_up", "chain_act"));
  EXPECT_THAT(ops(group, {0}), ElementsAre("chain_a", "chain_ag"));
  EXPECT_THAT(ops(group, {1, 2}), ElementsAre("chain_a", "chain_norm", "chain_g"));
  EXPECT_THAT(ops(group, {2}), ElementsAre("chain_o", "chain_norm", "chain_g"));
}

// Listing a library's tactics takes a millisecond, and plans have hundreds of layers' steps.
TEST_F(TuneTilingsTest, LayersAskTheirKernelsOnce) {
  const auto asked = [&](int layers) {
    const int before = chain_world().asked;
    EXPECT_EQ(groups(all_, layers).at(0).members, static_cast<size_t>(layers));
    return chain_world().asked - before;
  };
  const int one = asked(1);
  EXPECT_GT(one, 0);
  EXPECT_EQ(asked(9), one);
}

TEST_F(TuneTilingsTest, BucketsHaveGroupsOfTheirOwnWhereTheyDiffer) {
  buckets_ = {{{"n", 1}}, {{"n", 4}}};
  auto found = groups(all_);
  ASSERT_THAT(found, SizeIs(1)) << "two buckets say the same";
  EXPECT_EQ(found[0].members, 2u);
  rows_ = Dim::symbol("n");
  found = groups(all_);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].plain[0].desc.inputs[0].shape, (Shape{1, 4}));
  EXPECT_EQ(found[1].plain[0].desc.inputs[0].shape, (Shape{4, 4}));
  EXPECT_EQ(found[1].members, 2u);
  buckets_ = {{{"n", 0}}, {{"n", 4}}};
  EXPECT_THAT(groups(all_), SizeIs(1)) << "no rows, no work";
}

TEST_F(TuneTilingsTest, WhatHasNoChoiceIsLeftOut) {
  EXPECT_THAT(groups({"chain_norm"}), IsEmpty());
  auto found = groups({"chain_a", "chain_g", "chain_ag"});  // A's norm was not measured
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].tilings, ElementsAre(Tiling{}, Tiling{0}, Tiling{1}));
  // Without AG two pairs are left, which no fused step connects.
  found = groups({"chain_norm", "chain_a", "chain_g"});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0].plain, SizeIs(2));
}

// Binding takes what covers more first, so A beside AG's proposals does not run.
TEST_F(TuneTilingsTest, OnlyWhatBindingWouldTakeIsATiling) {
  FusionGroup group = groups(all_)[0];
  const std::set<std::string> ag = tiling_needs(group, {0});
  EXPECT_THAT(taken_tiling(group, ag), ElementsAre(0));
  EXPECT_THAT(taken_tiling(group, tiling_needs(group, {1, 2})), ElementsAre(1, 2));
  std::set<std::string> all = ag;
  all.merge(tiling_needs(group, {2}));
  EXPECT_THAT(taken_tiling(group, all), ElementsAre(0));
  EXPECT_THAT(taken_tiling(group, {}), IsEmpty());
}

TEST_F(TuneTilingsTest, TheLeastTimeOfAllGroupsCounts) {
  const auto found = groups(all_, 3, 1);  // and a tail of o and norm
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].members, 3u);
  EXPECT_THAT(found[1].tilings, ElementsAre(Tiling{}, Tiling{0}));
  const auto layers = [&](const std::vector<std::vector<double>>& times) {
    return taken_tiling(found[0], choose_tilings(found, times));
  };
  EXPECT_THAT(layers({{100, 90, 95, 99, 94}, {50, 50}}), ElementsAre(0));
  EXPECT_THAT(layers({{100, 90, 95, 99, 85}, {50, 50}}), ElementsAre(1, 2));
  EXPECT_THAT(layers({{100, 90, 95, 97, 94}, {50, 90}}), ElementsAre(2)) << "A costs the tail 40";
  EXPECT_THAT(layers({{100, 80, 95, 97, 94}, {50, 90}}), ElementsAre(0)) << "20 three times";
  // Not measured: a tiling, a group.
  EXPECT_THAT(layers({{100, 0, 95, 99, 0}, {50, 50}}), ElementsAre(1));
  EXPECT_THAT(layers({{100, 90, 95, 99, 94}, {0, 0}}), ElementsAre(2));
  EXPECT_THAT(layers({{0, 90, 95, 99, 94}, {50, 50}}), IsEmpty());
  EXPECT_THAT(layers({{}, {}}), IsEmpty());
  // Half a percent, and equals.
  EXPECT_THAT(layers({{100, 99.6, 100, 100, 100}, {50, 50}}), IsEmpty());
  EXPECT_THAT(layers({{100, 99, 100, 95, 95}, {50, 50}}), ElementsAre(2));
}

}  // namespace tune_tilings_test
}  // namespace ingot
