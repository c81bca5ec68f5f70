#include <dnnl.hpp>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "kernels/cpu/contract/onednn.h"
#include "kernels/cpu/contract/self_test.h"
#include "kernels/cpu/linear_common.h"
#include "kernels/cpu/scratch.h"
#include "tensor/cpu_isa.h"

namespace ingot::cpu {
namespace kernel_linear_onednn {

using dnnl::memory;

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::data_type data_type(const ElementType& type) {
  return type == DType::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

// x[m, k] * w[n, k]^T + bias[n] -> y[m, n] with row strides in elements.
struct Slice {
  int64_t m, n, k;
  int64_t x_stride, w_stride, y_stride;
  auto operator<=>(const Slice&) const = default;
};

struct Primitive {
  memory::desc x, w, bias, y, scratch;
  dnnl::matmul matmul;
};

class OneDnnLinear final : public KernelInstance {
 public:
  explicit OneDnnLinear(const KernelDesc& desc)
      : x_type_(desc.inputs[0].type),
        y_type_(desc.outputs[0].type),
        has_bias_(desc.inputs.size() > 2 && desc.inputs[2].present) {
    if (has_bias_) bias_type_ = desc.inputs[2].type;
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    if (args.inputs[0].rows() == 0) return;
    if (workers_.size() < static_cast<size_t>(context.team->size())) {
      workers_.resize(static_cast<size_t>(context.team->size()));
    }
    const int64_t n = args.outputs[0].columns();
    const int64_t share = round_up((n + context.team->size() - 1) / context.team->size(), 16);
    context.team->run([&](int worker, int) {
      Worker& self = workers_[static_cast<size_t>(worker)];
      try {
        one_thread_onednn();
        const int64_t begin = std::min(worker * share, n);
        run_range(self, args, begin, std::min(begin + share, n));
      } catch (const std::exception& e) {  // a job must not throw
        self.failure = e.what();
      }
    });
    std::string failure;
    for (Worker& worker : workers_) {
      std::string found = std::exchange(worker.failure, {});
      if (failure.empty()) failure = std::move(found);
    }
    if (!failure.empty()) {
      fail(ErrorCode::kInternal, "kernels/linear_onednn", "oneDNN: {}", failure);
    }
  }

 private:
  struct Worker {
    std::map<Slice, Primitive> primitives;
    std::string failure;
  };

  // Outputs [begin, end), piece by piece of the weight.
  void run_range(Worker& self, const LaunchArgs& args, int64_t begin, int64_t end) {
    for_each_segment(args, 1, [&](const TensorView& piece, int64_t first) {
      const int64_t from = std::max(begin, first);
      const int64_t to = std::min(end, first + piece.shape[0]);
      if (from < to) run_slice(self, args, piece, from - first, from, to - from);
    });
  }

  void run_slice(Worker& self, const LaunchArgs& args, const TensorView& w, int64_t w_row,
                 int64_t column, int64_t n) {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    const Slice slice = {x.rows(),
                         n,
                         x.columns(),
                         x.row_bytes() / x.type.bytes(1),
                         w.row_bytes() / w.type.bytes(1),
                         y.row_bytes() / y.type.bytes(1)};
    // One entry for each number of rows seen; a bucket sees few.
    if (self.primitives.size() > 64) self.primitives.clear();
    auto it = self.primitives.find(slice);
    if (it == self.primitives.end()) it = self.primitives.emplace(slice, make(slice)).first;
    const Primitive& p = it->second;
    std::unordered_map<int, memory> operands = {
        {DNNL_ARG_SRC, memory(p.x, engine(), x.data)},
        {DNNL_ARG_WEIGHTS, memory(p.w, engine(), w.row(w_row))},
        {DNNL_ARG_DST, memory(p.y, engine(), y.data + y.type.bytes(column))},
        {DNNL_ARG_SCRATCHPAD,
         memory(p.scratch, engine(), thread_scratch(p.scratch.get_size() + 64))}};
    if (has_bias_) {
      std::byte* bias = args.inputs[2].data + bias_type_.bytes(column);
      operands.emplace(DNNL_ARG_BIAS, memory(p.bias, engine(), bias));
    }
    thread_local dnnl::stream stream(engine());
    p.matmul.execute(stream, operands);
    stream.wait();
  }

  Primitive make(const Slice& s) const {
    Primitive out;
    out.x = memory::desc({s.m, s.k}, data_type(x_type_), memory::dims{s.x_stride, 1});
    out.w = memory::desc({s.k, s.n}, data_type(x_type_), memory::dims{1, s.w_stride});
    out.y = memory::desc({s.m, s.n}, data_type(y_type_), memory::dims{s.y_stride, 1});
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (has_bias_) out.bias = memory::desc({1, s.n}, data_type(bias_type_), memory::dims{s.n, 1});
    const dnnl::matmul::primitive_desc desc(has_bias_
                                                ? dnnl::matmul::desc(out.x, out.w, out.bias, out.y)
                                                : dnnl::matmul::desc(out.x, out.w, out.y),
                                            attr, engine());
    out.scratch = desc.scratchpad_desc();
    out.matmul = dnnl::matmul(desc);
    return out;
  }

  ElementType x_type_, y_type_, bias_type_;
  bool has_bias_;
  std::vector<Worker> workers_;  // one a thread of the team, touched by that thread alone
};

std::string supports(const KernelDesc& desc) {
  if (cpu_isa() < CpuIsa::kAvx2) return "needs AVX2";
  auto known = [](const ElementType& type) {
    return type == DType::kFloat32 || type == DType::kBFloat16;
  };
  const ElementType& x = desc.inputs[0].type;
  if (!known(x) || !(desc.inputs[1].type == x)) return "input and weight types";
  if (x == DType::kFloat32 && desc.outputs[0].type != DType::kFloat32) return "output type";
  if (!known(desc.outputs[0].type)) return "output type";
  // Without bfloat16 instructions its bf16 path is slower than float32.
  if (x == DType::kBFloat16 && cpu_isa() < CpuIsa::kAvx512Bf16) return "needs AVX512-BF16";
  const bool has_bias = desc.inputs.size() > 2 && desc.inputs[2].present;
  if (has_bias && !(desc.inputs[2].type == x)) return "bias type";
  if (desc.inputs[0].shape.back() == 0) return "K is 0";
  return rows_of(desc.inputs[0].shape) < 8 ? "few rows" : "";
}

}  // namespace kernel_linear_onednn

// oneDNN's matmul, one-threaded inside each worker's range of outputs. Its choice of kernel may
// depend on the number of rows, so it is not invariant.
const KernelDef& linear_onednn_kernel() {
  using namespace kernel_linear_onednn;
  static const KernelDef kernel = {
      .name = "linear_onednn",
      .op = "linear",
      .device = "cpu",
      .priority = 5,
      .supports = supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<OneDnnLinear>(desc);
      },
      .self_test =
          [] {
            try {
              return self_test(
                  linear_onednn_kernel(),
                  {{.inputs = {{DType::kFloat32, {9, 40}}, {DType::kFloat32, {24, 40}, true}}},
                   {.inputs = {{DType::kBFloat16, {9, 40}}, {DType::kBFloat16, {24, 40}, true}}}});
            } catch (const dnnl::error& e) {
              spdlog::warn("oneDNN: {}", e.what());
              return false;
            }
          },
      .library = onednn_version};
  return kernel;
}

}  // namespace ingot::cpu
