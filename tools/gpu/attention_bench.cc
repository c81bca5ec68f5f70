// Times every paged attention kernel with every tactic on a GPU, at the shapes of Llama 3.1 8B (32
// query heads, 8 KV heads of 128, bfloat16, pages of 32 tokens in scattered order). Launches are
// recorded into CUDA graphs; one graph walks page sets that together exceed the L2 cache, so keys
// and values come from memory. Every result is compared with the first kernel's.
//   attention_bench [decode|prefill|mixed|all] [kernel name part]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <numeric>

#include "base/random.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"
#include "tensor/buffer.h"
#include "tools/gpu/kernel_bench.h"

namespace ingot {
namespace {

constexpr int64_t kHeads = 32, kKvHeads = 8, kDim = 128, kPage = 32;
constexpr int64_t kColdBytes = int64_t{256} << 20;  // several times the L2 cache

struct Work {
  int64_t batch, fresh, context;  // sequences, tokens each in this step, keys of the last token
  int64_t decoding = 0;           // so many of the sequences have one token
  int64_t fresh_of(int64_t sequence) const { return sequence < batch - decoding ? fresh : 1; }
  int64_t tokens() const { return (batch - decoding) * fresh + decoding; }
  int64_t blocks() const { return (context + kPage - 1) / kPage; }
  int64_t cache_bytes() const { return 2 * batch * blocks() * kPage * kKvHeads * kDim * 2; }
  // What must be moved once, and the arithmetic over the keys that are seen.
  double bytes() const {
    return 2.0 * batch * context * kKvHeads * kDim * 2 + 2.0 * tokens() * kHeads * kDim * 2;
  }
  double flops() const {
    const double seen = fresh * (context - fresh) + fresh * (fresh + 1) / 2.0;
    return 4.0 * kHeads * kDim * (seen * (batch - decoding) + 1.0 * context * decoding);
  }
};

class Bench final : public KernelBench {
 public:
  Bench() : KernelBench(1) {}

  void run(const Work& work, std::string_view wanted) {
    prepare(work);
    const char* kind = work.fresh == 1 ? "decode" : work.decoding == 0 ? "prefill" : "mixed";
    std::printf(
        "\n%s: %ld sequences, %ld tokens each, %ld of one token, context %ld (%d page sets)\n",
        kind, work.batch, work.fresh, work.decoding, work.context, sets_);
    std::vector<uint16_t> first;
    for (const KernelDef* kernel : kernels_for("cuda", "paged_attention")) {
      if (kernel == &reference_kernel()) continue;
      if (kernel->name.find(wanted) == std::string_view::npos) continue;
      const std::string reason = kernel->supports ? kernel->supports(desc_) : "";
      if (!reason.empty()) {
        std::printf("  %-44s %s\n", std::string(kernel->name).c_str(), reason.c_str());
        continue;
      }
      const auto tactics = kernel->tactics ? kernel->tactics(desc_) : std::vector<std::string>{""};
      for (const std::string& tactic : tactics) time_one(work, *kernel, tactic, &first);
    }
  }

 private:
  void prepare(const Work& work) {
    for (Buffer* old : {&keys_, &values_, &q_, &out_}) *old = Buffer();  // room for larger ones
    sets_ = static_cast<int>(std::clamp<int64_t>(kColdBytes / work.cache_bytes(), 1, 256));
    const int64_t pages = sets_ * work.batch * work.blocks();
    keys_ = patterned(pages * kPage * kKvHeads * kDim * 2);
    values_ = patterned(pages * kPage * kKvHeads * kDim * 2);
    q_ = patterned(work.tokens() * kHeads * kDim * 2);
    out_ = Buffer(*device_, static_cast<size_t>(work.tokens() * kHeads * kDim * 2));

    std::vector<int32_t> order(static_cast<size_t>(pages));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_below(2, i, i)]);
    std::vector<int32_t> positions, rows, offsets = {0}, lengths;
    for (int64_t b = 0; b < work.batch; ++b) {
      const int64_t fresh = work.fresh_of(b);
      for (int64_t i = 0; i < fresh; ++i) {
        positions.push_back(static_cast<int32_t>(work.context - fresh + i));
        rows.push_back(static_cast<int32_t>(b));
      }
      offsets.push_back(static_cast<int32_t>(rows.size()));
      lengths.push_back(static_cast<int32_t>(work.context));
    }
    tables_ = upload(order);
    positions_ = upload(positions);
    rows_ = upload(rows);
    offsets_ = upload(offsets);
    lengths_ = upload(lengths);

    const Shape cache = {pages, kKvHeads, kPage, kDim};
    inputs_ = {{DType::kBFloat16, {work.tokens(), kHeads * kDim}, q_.data()},
               {DType::kBFloat16, cache, keys_.data()},
               {DType::kBFloat16, cache, values_.data()},
               {DType::kInt32, {work.tokens()}, positions_.data()},
               {DType::kInt32, {work.tokens()}, rows_.data()},
               {DType::kInt32, {work.batch + 1}, offsets_.data()},
               {DType::kInt32, {work.batch}, lengths_.data()},
               {DType::kInt32, {work.batch, work.blocks()}, tables_.data()}};
    output_ = {DType::kBFloat16, {work.tokens(), kHeads * kDim}, out_.data()};
    desc_ = {};
    desc_.op = "paged_attention";
    desc_.attrs = {{"head_dim", kDim}, {"scale", 1.0 / std::sqrt(double(kDim))}};
    for (const TensorView& view : inputs_) {
      desc_.inputs.push_back({.type = view.type, .shape = view.shape});
    }
    desc_.outputs = {{.type = output_.type, .shape = output_.shape}};
    desc_.capability = device_->capability();
  }

  // Launches on one page set.
  void launch(KernelInstance& instance, int set) override {
    std::vector<TensorView> inputs = inputs_;
    inputs[7].data += set * inputs[7].bytes();
    ExecContext context{
        *device_, *stream_, nullptr, {workspace_.data(), workspace_.size()}, nullptr};
    instance.launch({inputs, {&output_, 1}, {}}, context);
  }

  void time_one(const Work& work, const KernelDef& kernel, const std::string& tactic,
                std::vector<uint16_t>* first) {
    const auto [us, difference] = KernelBench::time(kernel, tactic, sets_, first);
    std::printf("  %-36s %-8s %9.1f us %6.2f TB/s %7.1f TFLOP/s  max difference %.4f\n",
                std::string(kernel.name).c_str(), tactic.c_str(), us, work.bytes() / us * 1e-6,
                work.flops() / us * 1e-6, difference);
    std::fflush(stdout);
  }

  Buffer keys_, values_, q_, tables_, positions_, rows_, offsets_, lengths_;
  std::vector<TensorView> inputs_;
  TensorView output_;
  int sets_ = 1;
};

int bench_main(int count, char** arguments) {
  const std::string_view part = count > 1 ? arguments[1] : "all";
  const std::string_view wanted = count > 2 ? arguments[2] : "";
  const bool all = part == "all";
  if ((!all && part != "decode" && part != "prefill" && part != "mixed") || count > 3) {
    std::fprintf(stderr, "usage: attention_bench [decode|prefill|mixed|all] [kernel name part]\n");
    return 2;
  }
  Bench bench;
  if (all || part == "decode") {
    for (int64_t context : {128, 192, 256, 1024, 2048, 8192}) {
      for (int64_t batch : {1, 8, 32, 64, 128, 256}) bench.run({batch, 1, context}, wanted);
      if (context == 192) bench.run({512, 1, context}, wanted);
    }
  }
  if (all || part == "prefill") {
    bench.run({1, 2048, 2048}, wanted);
    bench.run({8, 512, 512}, wanted);
    bench.run({1, 512, 4096}, wanted);  // the last chunk of a long prompt
  }
  if (all || part == "mixed") {
    bench.run({132, 2016, 2048, 128}, wanted);
    bench.run({33, 480, 2048, 32}, wanted);
    for (int64_t fresh : {2, 4, 7, 8, 16}) bench.run({64, fresh, 2048}, wanted);  // the threshold
  }
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int count, char** arguments) {
  try {
    return ingot::bench_main(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attention_bench: %s\n", error.what());
    return 1;
  }
}
