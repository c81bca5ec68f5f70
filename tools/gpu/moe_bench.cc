// Times every kernel of moe_ffn with every tactic on a GPU, in bfloat16, at the shapes of one layer
// of Mixtral 8x7B (8 experts, 2 a token) and Qwen3-30B-A3B (128, 8). Tokens choose their experts at
// random; a CUDA graph walks several such choices, so that weights come from memory. Every result
// is compared with the first kernel's.
//   moe_bench [mixtral|qwen3|all] [kernel name part]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <set>

#include "base/random.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"
#include "tensor/buffer.h"
#include "tools/gpu/kernel_bench.h"

namespace ingot {
namespace {

constexpr int kSets = 8;  // choices of experts

struct Layer {
  const char* name;
  int64_t experts, k, hidden, inner;
  int64_t expert_bytes() const { return 3 * hidden * inner * 2; }
};
constexpr Layer kLayers[] = {{"mixtral", 8, 2, 4096, 14336}, {"qwen3", 128, 8, 2048, 768}};

class Bench final : public KernelBench {
 public:
  explicit Bench(const Layer& layer) : KernelBench(0.02), layer_(layer) {
    for (Buffer* stack : {&gate_, &up_, &down_}) {
      *stack = patterned(layer.experts * layer.hidden * layer.inner * 2);
    }
  }

  void run(int64_t tokens, std::string_view wanted) {
    prepare(tokens);
    std::printf("\n%s: %ld tokens, %.1f experts used\n", layer_.name, tokens, used_);
    std::vector<uint16_t> first;
    for (const KernelDef* kernel : kernels_for("cuda", "moe_ffn")) {
      if (kernel == &reference_kernel()) continue;
      if (kernel->name.find(wanted) == std::string_view::npos) continue;
      // Many tokens are not what it is for, and take it seconds.
      if (tokens > 256 && kernel->name == "moe_ffn_gemv") continue;
      const std::string reason = kernel->supports(desc_);
      if (!reason.empty()) {
        std::printf("  %-20s %s\n", std::string(kernel->name).c_str(), reason.c_str());
        continue;
      }
      const auto tactics = kernel->tactics ? kernel->tactics(desc_) : std::vector<std::string>{""};
      for (const std::string& tactic : tactics) time_one(*kernel, tactic, &first);
    }
  }

 private:
  void prepare(int64_t tokens) {
    std::vector<int32_t> ids;
    used_ = 0;
    for (int set = 0; set < kSets; ++set) {
      std::set<int32_t> seen;
      for (int64_t t = 0; t < tokens; ++t) {
        std::set<int32_t> mine;  // different ones
        for (uint64_t draw = 0; static_cast<int64_t>(mine.size()) < layer_.k; ++draw) {
          const auto seed = static_cast<uint64_t>(set * tokens + t);
          const auto experts = static_cast<uint64_t>(layer_.experts);
          const auto id = static_cast<int32_t>(random_below(seed, draw, experts));
          if (mine.insert(id).second) ids.push_back(id);
        }
        seen.insert(mine.begin(), mine.end());
      }
      used_ += static_cast<double>(seen.size()) / kSets;
    }
    ids_ = upload(ids);
    weights_ = upload(std::vector<float>(static_cast<size_t>(tokens * layer_.k), 0.25f));
    x_ = Buffer();
    x_ = patterned(tokens * layer_.hidden * 2);
    out_ = Buffer();
    out_ = Buffer(*device_, static_cast<size_t>(tokens * layer_.hidden * 2));
    const auto [name, experts, k, hidden, inner] = layer_;
    inputs_ = {{DType::kBFloat16, {tokens, hidden}, x_.data()},
               {DType::kInt32, {tokens, k}, ids_.data()},
               {DType::kFloat32, {tokens, k}, weights_.data()},
               {DType::kBFloat16, {experts, inner, hidden}, gate_.data()},
               {DType::kBFloat16, {experts, hidden, inner}, down_.data()},
               {DType::kBFloat16, {experts, inner, hidden}, up_.data()}};
    output_ = {DType::kBFloat16, {tokens, hidden}, out_.data()};
    desc_ = {};
    desc_.op = "moe_ffn";
    for (size_t i = 0; i < inputs_.size(); ++i) {
      desc_.inputs.push_back(
          {.type = inputs_[i].type, .shape = inputs_[i].shape, .constant = i >= 3});
    }
    desc_.outputs = {{.type = output_.type, .shape = output_.shape}};
    desc_.capability = device_->capability();
  }

  void launch(KernelInstance& instance, int set) override {
    std::vector<TensorView> inputs = inputs_;
    inputs[1].data += set * inputs[1].bytes();
    ExecContext context{
        *device_, *stream_, nullptr, {workspace_.data(), workspace_.size()}, nullptr};
    instance.launch({inputs, {&output_, 1}, {}}, context);
  }

  void time_one(const KernelDef& kernel, const std::string& tactic, std::vector<uint16_t>* first) {
    const auto [us, difference] = KernelBench::time(kernel, tactic, kSets, first);
    const double rows = static_cast<double>(inputs_[0].shape[0]);
    const double bytes = used_ * layer_.expert_bytes() + 4.0 * rows * layer_.hidden;
    const double flops = 6.0 * rows * layer_.k * layer_.hidden * layer_.inner;
    std::printf("  %-20s %-8s %9.1f us %6.2f TB/s %7.1f TFLOP/s  max difference %.4f\n",
                std::string(kernel.name).c_str(), tactic.c_str(), us, bytes / us * 1e-6,
                flops / us * 1e-6, difference);
    std::fflush(stdout);
  }

  Layer layer_;
  Buffer gate_, up_, down_, x_, ids_, weights_;
  std::vector<TensorView> inputs_;
  TensorView output_;
  double used_ = 0;  // experts a launch, on average
};

int bench_main(int count, char** arguments) {
  const std::string_view part = count > 1 ? arguments[1] : "all";
  const std::string_view wanted = count > 2 ? arguments[2] : "";
  bool found = false;
  for (const Layer& layer : kLayers) {
    if (part != "all" && part != layer.name) continue;
    found = true;
    Bench bench(layer);
    for (int64_t tokens : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 2048, 8192}) {
      bench.run(tokens, wanted);
    }
  }
  if (found && count <= 3) return 0;
  std::fprintf(stderr, "usage: moe_bench [mixtral|qwen3|all] [kernel name part]\n");
  return 2;
}

}  // namespace
}  // namespace ingot

int main(int count, char** arguments) {
  try {
    return ingot::bench_main(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "moe_bench: %s\n", error.what());
    return 1;
  }
}
