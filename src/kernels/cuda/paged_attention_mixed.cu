// unit: large

// Attention of steps that hold chunks of prompts beside decoding rows, by two kernels one after the
// other: paged_attention_wgmma takes the batch rows with many tokens, a decode kernel those with
// few. Both find their rows on the device and leave the others' output alone, so that every row is
// written once and the order does not matter.
#include <array>

#include "kernels/cuda/arch/bounded_attention.cuh"

namespace ingot::cuda {
namespace kernel_paged_attention_mixed {

// Tokens from which on a batch row is a prompt's. A decode kernel reads a row's keys once a token,
// from the second on out of the L2 cache, and has a block for each of kPrompt - 1 tokens of every
// row, used or not. The other reads them once for 128 query rows, however few there are, but keeps
// less of memory's bandwidth busy: a factor that a few tokens make up for.
constexpr int kPrompt = 8;
constexpr FreshBounds kFew = {.least = 0, .most = kPrompt - 1};
constexpr FreshBounds kMany = {.least = kPrompt, .most = INT_MAX};

struct Tactic {
  std::string_view name;
  int warps;  // of a block of paged_attention_stream; 0: paged_attention_flashinfer_group
  std::string_view prompts;
};
constexpr std::array<Tactic, 4> kTactics = {{{"stream4_resident", 4, "resident"},
                                             {"stream2_resident", 2, "resident"},
                                             {"group_resident", 0, "resident"},
                                             {"stream4_single", 4, "single"}}};

// The decode kernel's share at most.
KernelDesc decode_desc(const KernelDesc& desc) {
  KernelDesc out = desc;
  out.inputs[0].shape[0] = out.outputs[0].shape[0] = desc.inputs[7].shape[0] * kFew.most;
  return out;
}

std::string supports(const KernelDesc& desc) {
  if (desc.inputs[7].shape[0] < 2) return "one batch row";
  std::string reason = paged_attention_wgmma_kernel().supports(desc);
  const KernelDesc decode = decode_desc(desc);
  if (reason.empty()) reason = paged_attention_stream_kernel().supports(decode);
  if (reason.empty()) reason = paged_attention_flashinfer_group_kernel().supports(decode);
  return reason;
}

std::vector<std::string> tactics(const KernelDesc&) {
  std::vector<std::string> names;
  for (const Tactic& tactic : kTactics) names.emplace_back(tactic.name);
  return names;
}

// Ahead of paged_attention_wgmma where a step has room for decoding rows beside a prompt's.
int rank(const KernelDesc& desc) {
  const int64_t tokens = desc.inputs[0].shape[0];
  const int64_t rows = desc.inputs[7].shape[0];
  return tokens > 256 && rows > 1 && tokens > rows ? 33 : 17;
}

class Mixed final : public KernelInstance {
 public:
  Mixed(const KernelDesc& desc, std::string_view name) {
    const auto tactic = std::find_if(kTactics.begin(), kTactics.end(), [&](const Tactic& t) {
      return name.empty() || t.name == name;
    });
    CHECK(tactic != kTactics.end());
    const KernelDesc decode = decode_desc(desc);
    decode_ = tactic->warps > 0 ? bounded_stream(decode, kFew, tactic->warps)
                                : bounded_group(decode, kFew);
    prompts_ = bounded_wgmma(desc, kMany, tactic->prompts);
  }
  size_t workspace_bytes() const override {
    return std::max(decode_->workspace_bytes(), prompts_->workspace_bytes());
  }

  // Decoding comes first: it lets the next kernel's blocks start before it ends.
  void launch(const LaunchArgs& args, ExecContext& context) override {
    if (args.inputs[7].shape[0] == 0) return;  // no batch rows, no results
    decode_->launch(args, context);
    prompts_->launch(args, context);
  }

 private:
  std::unique_ptr<KernelInstance> decode_, prompts_;
};

}  // namespace kernel_paged_attention_mixed

// What both kinds of kernels take: 16-bit types, heads of 64 and 128, groups up to 16, pages of 32
// tokens, no cap; capability 9.0; two batch rows at least. Weights of the rows with many tokens are
// rounded to 16 bits, with tactic group_resident all are. Not invariant: see the kernels.
const KernelDef& paged_attention_mixed_kernel() {
  using namespace kernel_paged_attention_mixed;
  static const KernelDef kernel = {
      .name = "paged_attention_mixed",
      .op = "paged_attention",
      .device = "cuda",
      .version = 2,
      .rank = rank,
      .supports = supports,
      .tactics = tactics,
      .prepare = [](const KernelDesc& desc, std::string_view tactic)
          -> std::unique_ptr<KernelInstance> { return std::make_unique<Mixed>(desc, tactic); }};
  return kernel;
}

}  // namespace ingot::cuda
