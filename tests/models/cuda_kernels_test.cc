// Every step of the models' plans has a kernel on CUDA: none runs through the reference adapter,
// which copies its operands to the host and back.
#include <set>

#include "compiler/compile.h"
#include "engine/selection.h"
#include "models/contract/presets.h"
#include "tests/models/golden_models.h"

namespace ingot {
namespace {

constexpr int kCapability = 90;

bool is_cuda(const KernelDef* kernel) { return kernel->device == "cuda"; }

bool has_cuda_kernels() { return std::any_of(kernel_list().begin(), kernel_list().end(), is_cuda); }

// Empty, or why each kernel of the op refuses the step.
std::string refusal(const KernelDesc& desc) {
  std::string why = "has no CUDA kernel";
  for (const KernelDef* kernel : kernel_list()) {
    if (!is_cuda(kernel) || kernel->op != desc.op) continue;
    const std::string reason = kernel->supports ? kernel->supports(desc) : "";
    if (reason.empty()) return "";
    why += fmt::format("; {}: {}", kernel->name, reason);
  }
  return why;
}

void check_steps(Graph& graph) {
  run_pipeline(graph, {});
  const Plan plan = lower(graph);
  std::set<std::string> found;
  for (const Bucket& bucket : plan_buckets(plan)) {
    for (const PlanStep& step : plan.steps) {
      if (get_op(step.op).column_view) continue;  // its outputs are views, nothing is launched
      const std::vector<int64_t> segments(step.inputs.size(), 1);
      KernelDesc desc = describe(plan, step, bucket, plan.limits, segments, false);
      desc.capability = kCapability;
      const std::string why = refusal(desc);
      if (!why.empty()) found.insert(fmt::format("{}: {}", step.op, why));
    }
  }
  for (const std::string& text : found) ADD_FAILURE() << text;
}

// Of one shelf: a file is a definition.
size_t sources_in(const std::string& shelf) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(INGOT_TEST_DATA) + "/../../src/" + shelf)) {
    count += entry.path().extension() == ".cc";
  }
  return count;
}

// Of each model the smallest published shapes.
TEST(CudaKernelsTest, gpu_EveryStepOfEveryModel) {
  if (!has_cuda_kernels()) GTEST_SKIP() << "this build has no CUDA kernels";
  size_t models = 0;
  for (const ModelDef* model : models_model_list()) {
    SCOPED_TRACE(std::string(model->name));
    ASSERT_FALSE(model->presets.empty());
    const Preset* smallest = &model->presets[0];
    for (const Preset& preset : model->presets) {
      if (preset.billions < smallest->billions) smallest = &preset;
    }
    const std::string name = std::string(kRandomPrefix) + std::string(smallest->name);
    check_steps(*build_model(random_source(name, DType::kBFloat16), {}));
    ++models;
  }
  EXPECT_EQ(models, sources_in("models"));
}

// The configs that published shapes do not have: clipped queries, keys and values (MPT), caps of
// logits, norms of heads. Cases that no model here reads are passed over.
TEST(CudaKernelsTest, gpu_EveryStepOfTheGoldenCases) {
  if (!has_cuda_kernels()) GTEST_SKIP() << "this build has no CUDA kernels";
  const std::string own = golden_folders()[0];
  size_t cases = 0, own_cases = 0;
  for (const std::string& folder : golden_folders()) {
    if (!std::filesystem::exists(folder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string path = entry.path().string();
      if (!std::filesystem::exists(path + "/config.json")) continue;
      own_cases += folder == own;
      RefusalList refused;
      const ModelSource source = open_model_source(path);
      if (!refused.gather("architecture", path, [&] { find_model(source); })) continue;
      SCOPED_TRACE(path);
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        check_steps(*build_model(source, {.dtype = dtype}));
      }
      cases += folder == own;
    }
  }
  EXPECT_GT(own_cases, 0u);
  EXPECT_EQ(cases, own_cases) << "in the repository are cases of models that are here";
}

}  // namespace
}  // namespace ingot
