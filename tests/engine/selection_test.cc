#include "engine/selection.h"

#include "tensor/cpu_isa.h"
#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

std::unique_ptr<KernelInstance> zeros(const KernelDesc&, std::string_view) {
  return make_instance([](const LaunchArgs& args, ExecContext&) {
    const TensorView& out = args.outputs[0];
    for (int64_t r = 0; r < out.rows(); ++r) {
      std::fill_n(out.row_as<float>(r), out.columns(), 0.f);
    }
  });
}

// Below every other kernel of the operator, so that only a tuned choice picks it.
const KernelDef& slow_kernel() {
  static const KernelDef kernel = {.name = "test_selection_linear",
                                   .op = "linear",
                                   .device = "cpu",
                                   .version = 3,
                                   .priority = -5,
                                   .supports = [](const KernelDesc& desc) -> std::string {
                                     return desc.inputs[0].shape[0] > 100 ? "too many rows" : "";
                                   },
                                   .tactics =
                                       [](const KernelDesc&) {
                                         return std::vector<std::string>{"a", "b"};
                                       },
                                   .prepare = zeros};
  return kernel;
}

class SelectionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { register_kernel(slow_kernel()); }
  static KernelDesc desc(int64_t rows = 2) {
    KernelDesc out;
    out.op = "linear";
    out.inputs = {{.type = DType::kFloat32, .shape = {rows, 8}},
                  {.type = DType::kFloat32, .shape = {8, 8}, .constant = true}};
    out.outputs = {{.type = DType::kFloat32, .shape = {rows, 8}}};
    return out;
  }
  static DeviceSection section(KernelChoice choice, int64_t rows = 2) {
    return {"here", {{desc(rows).text(), std::move(choice)}}};
  }
};

TEST_F(SelectionTest, TunedChoiceWins) {
  const DeviceSection tuned = section({"test_selection_linear", 3, "b", 1});
  const Selection found = select_kernel(desc(), "cpu", &tuned, {});
  EXPECT_EQ(found.kernel, &slow_kernel());
  EXPECT_EQ(found.tactic, "b");
  EXPECT_TRUE(found.tuned);
}

TEST_F(SelectionTest, ChoicesThatNoLongerFitAreIgnored) {
  const Selection heuristic = select_kernel(desc(), "cpu", nullptr, {});
  EXPECT_FALSE(heuristic.tuned);
  EXPECT_NE(heuristic.kernel, &slow_kernel());
  for (const KernelChoice& choice :
       {KernelChoice{"test_selection_linear", 2, "b", 1}, KernelChoice{"gone_kernel", 3, "b", 1}}) {
    const DeviceSection tuned = section(choice);
    const Selection found = select_kernel(desc(), "cpu", &tuned, {});
    EXPECT_EQ(found.kernel, heuristic.kernel) << choice.kernel;
    EXPECT_FALSE(found.tuned);
  }
  const DeviceSection unsupported = section({"test_selection_linear", 3, "b", 1}, 200);
  EXPECT_NE(select_kernel(desc(200), "cpu", &unsupported, {}).kernel, &slow_kernel());
}

TEST_F(SelectionTest, UnknownTacticOfAFileIsIgnored) {
  const DeviceSection tuned = section({"test_selection_linear", 3, "no such tactic", 1});
  EXPECT_FALSE(select_kernel(desc(), "cpu", &tuned, {}).tuned);
}

TEST_F(SelectionTest, ReferenceAndInvariantOverrideTheTuner) {
  const DeviceSection tuned = section({"test_selection_linear", 3, "a", 1});
  EXPECT_EQ(select_kernel(desc(), "cpu", &tuned, {.reference = true}).kernel->name, "reference");
  KernelDesc invariant = desc();
  invariant.invariant = true;
  std::vector<std::string> rejected;
  for (const Selection& s : candidates(invariant, "cpu", &rejected)) {
    EXPECT_TRUE(s.kernel->invariant) << s.kernel->name;
  }
  EXPECT_THAT(rejected, testing::Contains(testing::HasSubstr("test_selection_linear")));
}

TEST_F(SelectionTest, RejectionsSayWhy) {
  std::vector<std::string> rejected;
  candidates(desc(200), "cpu", &rejected);
  EXPECT_THAT(rejected, testing::Contains("test_selection_linear: too many rows"));
}

// Without measurements: tiles want rows to fill them.
TEST_F(SelectionTest, HeuristicsKeepMatrixTilesForManyRows) {
  auto untuned = [](int64_t rows) {
    KernelDesc d = desc(rows);
    for (OperandDesc* operand : {&d.inputs[0], &d.inputs[1], &d.outputs[0]}) {
      operand->type = DType::kBFloat16;
    }
    return std::string(select_kernel(d, "cpu", nullptr, {}).kernel->name);
  };
  EXPECT_EQ(untuned(1), untuned(4));
  EXPECT_NE(untuned(1), "linear_amx");
  if (cpu_isa() >= CpuIsa::kAmx) {
    EXPECT_EQ(untuned(1), "linear_avx512bf16");
    EXPECT_EQ(untuned(64), "linear_amx");
    EXPECT_EQ(untuned(512), "linear_amx");
  } else {
    EXPECT_EQ(untuned(512), untuned(1));
  }
}

TEST_F(SelectionTest, LayoutsAreSettledByVotesAndBudget) {
  using Names = std::set<std::string, std::less<>>;
  LayoutVotes votes;
  votes.add("alone", "a", 100, 3);
  votes.add("alone", "a", 100, 0);
  votes.add("alone", "", 0, 1);  // as the file holds it: no layout to settle
  EXPECT_TRUE(votes.settle(0).empty()) << "one packed layout needs no choice";
  for (size_t bucket : {1, 2}) votes.add("majority", "b", 100, bucket);
  votes.add("majority", "a", 100, 0);
  votes.add("tie", "z", 100, 0);
  votes.add("tie", "a", 100, 1);
  const LayoutVotes::Allowed none = votes.settle(0);
  EXPECT_EQ(none.size(), 2u);
  EXPECT_EQ(none.at("majority"), Names{"b"});
  EXPECT_EQ(none.at("tie"), Names{"z"}) << "the smaller bucket";
  const LayoutVotes::Allowed some = votes.settle(199);  // one more copy, not two
  EXPECT_EQ(some.count("majority"), 0u) << "both may be made";
  EXPECT_EQ(some.at("tie"), Names{"z"});
  EXPECT_TRUE(votes.settle(200).empty());
}

TEST_F(SelectionTest, SectionsOfOtherDevicesAreNotUsed) {
  auto device = make_cpu_device(1);
  auto engine = gated_engine();
  EXPECT_EQ(find_section(*engine, *device), nullptr);
  engine->devices.push_back({device->identity(), {}});
  EXPECT_EQ(find_section(*engine, *device), &engine->devices[1]);
}

TEST_F(SelectionTest, EnginesSayWhyHeuristicsChoose) {
  auto device = make_cpu_device(1);
  Engine engine;
  EXPECT_EQ(section_notice(engine, *device), "") << "never tuned";
  engine.devices.push_back({"cpu:other", {}});
  EXPECT_THAT(
      section_notice(engine, *device),
      testing::AllOf(testing::HasSubstr("cpu:other"), testing::HasSubstr(device->identity())));
  engine.devices.push_back({device->identity(), {{"x", {"test_selection_linear", 3, "a", 1}}}});
  EXPECT_EQ(section_notice(engine, *device), "");
  engine.devices[1].choices["y"] = {"test_selection_linear", 2, "a", 1};
  EXPECT_THAT(section_notice(engine, *device), testing::HasSubstr("1 of 2 tuned choices"));
  engine.devices[1].choices["y"] = {"test_selection_linear", 3, "a", 1, "some library 7"};
  EXPECT_THAT(section_notice(engine, *device), testing::HasSubstr("some library 7"));
}

TEST_F(SelectionTest, AChoiceHoldsForItsLibraryVersionAlone) {
  const DeviceSection tuned = section({"test_selection_linear", 3, "b", 1, "some library 7"});
  EXPECT_FALSE(select_kernel(desc(), "cpu", &tuned, {}).tuned);
}

// The same through an executor: a tuned choice of a kernel that gives zeros shows.
TEST_F(SelectionTest, TheExecutorUsesTheSectionOfItsDeviceAlone) {
  auto device = make_cpu_device(1);
  const auto right = run_gated(gated_engine(), *device);
  for (const std::string& where : {device->identity(), std::string("cpu:other")}) {
    auto engine = gated_engine();
    DeviceSection tuned{where, {}};
    for (const Bucket& bucket : engine->plan.buckets) {
      for (int64_t pieces : {1, 2}) {
        const KernelDesc d = describe(engine->plan, engine->plan.steps[0], bucket,
                                      engine->plan.limits, {1, pieces}, false);
        tuned.choices[d.text()] = {"test_selection_linear", 3, "a", 1};
      }
    }
    engine->devices = {tuned};
    const auto found = run_gated(engine, *device);
    if (where == device->identity()) {
      EXPECT_EQ(found, std::vector<float>(found.size(), 0.f));
    } else {
      EXPECT_EQ(found, right);
    }
  }
}

}  // namespace
}  // namespace ingot
