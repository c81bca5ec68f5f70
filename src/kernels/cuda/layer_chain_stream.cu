#include "kernels/cuda/arch/grid_barrier.cuh"
#include "kernels/cuda/arch/stream_linear.cuh"

namespace ingot::cuda {
namespace kernel_layer_chain_stream {

using namespace stream_linear;

constexpr int kMostTokens = 8;
constexpr int kMostShared = 227 * 1024;
constexpr int kLeastStages = 3, kMostStages = 8;

// Behind the stages: sums, barriers, then normalized rows.
constexpr int kFixed = 4 * Form<1>::kSums + 16 * kMostStages;
int stages_for(int64_t tokens, int64_t hidden) {
  const int64_t rows = 2 * tokens * hidden;
  return static_cast<int>(std::clamp<int64_t>((kMostShared - kFixed - rows) / kStage, 0,
                                              kMostStages));
}

struct Norm {
  AnyFloats weight;
  float epsilon, offset;
  bool vector;
};

struct Chain {
  // Their results: residual + out, the gated unit's, that + down, and the layer's that follows.
  GemvArgs out, up, down, next;
  Columns<PlainUnit> out_columns, down_columns, next_columns;
  Columns<GatedUnit> up_columns;
  GatedUnit unit;
  Norm norm, next_norm;
  const void* residual;
  int64_t residual_stride;  // elements
  uint64_t* arrivals;
  int stages;
};

struct ChainMemory {
  std::byte* stages;
  float* sums;
  uint64_t *full, *empty;
  std::byte* rows;
  __device__ ChainMemory(std::byte* shared, int count)
      : stages(shared),
        sums(reinterpret_cast<float*>(shared + count * kStage)),
        full(reinterpret_cast<uint64_t*>(sums + Form<1>::kSums)),
        empty(full + kMostStages),
        rows(reinterpret_cast<std::byte*>(empty + kMostStages)) {}
};

struct StageRing {
  int stages;
  int index = 0, parity = 0;
  __device__ void advance() {
    if (++index == stages) index = 0, parity ^= 1;
  }
};

// Every block norms all rows for itself, which costs less than to wait for another's. `to` is
// packed; `scratch` holds kWarps * kMostTokens floats. A row's result depends on that row alone.
template <class T>
__device__ Rows normalize(const Rows& x, const Norm& norm, T* to, float* scratch) {
  float squares[kMostTokens] = {};
#pragma unroll
  for (int token = 0; token < kMostTokens; ++token) {
    if (token >= x.count) break;
    const T* from = static_cast<const T*>(x.data) + token * x.stride;
    for (int64_t at = 8 * threadIdx.x; at < x.k; at += 8 * kMultiply) {
      const uint4 words = load_words(from + at, x.vector);
      *reinterpret_cast<uint4*>(to + token * x.k + at) = words;
      float v[8];
      unpack8(words, T{}, v);
#pragma unroll
      for (int c = 0; c < 8; ++c) squares[token] = fmaf(v[c], v[c], squares[token]);
    }
  }
#pragma unroll
  for (int token = 0; token < kMostTokens; ++token) {
    if (token >= x.count) break;
    const float sum = warp_sum(squares[token]);
    if (threadIdx.x % 32 == 0) scratch[token * kWarps + threadIdx.x / 32] = sum;
  }
  named_sync(1, kMultiply);
  for (int token = 0; token < x.count; ++token) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) sum += scratch[token * kWarps + w];
    const float scale = 1.0f / sqrtf(sum / static_cast<float>(x.k) + norm.epsilon);
    for (int64_t at = 8 * threadIdx.x; at < x.k; at += 8 * kMultiply) {
      float v[8], weight[8];
      load8(to + token * x.k + at, v);
      load8_any(norm.weight, at, x.k - at, norm.vector, weight);
#pragma unroll
      for (int c = 0; c < 8; ++c) v[c] *= scale * (weight[c] + norm.offset);
      store8(to + token * x.k + at, v);
    }
  }
  named_sync(1, kMultiply);
  return {to, x.k, x.k, x.count, true};
}

// Brings a norm's weight near before it is waited for.
__device__ void prefetch(const Norm& norm, int64_t columns) {
  const int64_t bytes = columns * (norm.weight.type == DType::kFloat32 ? 4 : 2);
  for (int64_t at = 128 * threadIdx.x; at < bytes; at += 128 * kMultiply) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(static_cast<const char*>(norm.weight.data) + at));
  }
}

// y = rounded product + residual, rounded again as the plan's own steps do.
template <class T>
__device__ void add_columns(const GemvArgs& a, const float* sums, int first, int count,
                            const void* residual, int64_t stride) {
  make_columns<Form<1>>(a, sums, first, count, PlainUnit{}, [&](int token, int64_t n, float v) {
    const float before = to_float(static_cast<const T*>(residual)[token * stride + n]);
    static_cast<T*>(a.y)[token * a.y_stride + n] =
        from_float<T>(to_float(from_float<T>(v)) + before);
  });
}

template <class T>
__device__ void multiply_all(const Chain& a, const ChainMemory& memory) {
  prefetch(a.norm, a.up.k);
  prefetch(a.next_norm, a.next.k);
  wait_for_earlier();
  StageRing ring{a.stages};
  multiply_columns<T, 1>(x_rows(a.out), a.out_columns, memory, ring, [&](int first, int count) {
    add_columns<T>(a.out, memory.sums, first, count, a.residual, a.residual_stride);
  });
  grid_sync(a.arrivals, 1, kMultiply);
  T* rows = reinterpret_cast<T*>(memory.rows);
  const Rows x = normalize(x_rows(a.up), a.norm, rows, memory.sums);
  multiply_columns<T, 1>(x, a.up_columns, memory, ring, [&](int first, int count) {
    store_columns<Form<1>>(a.up, memory.sums, first, count, a.unit);
  });
  grid_sync(a.arrivals, 1, kMultiply);
  multiply_columns<T, 1>(x_rows(a.down), a.down_columns, memory, ring, [&](int first, int count) {
    add_columns<T>(a.down, memory.sums, first, count, a.out.y, a.out.y_stride);
  });
  grid_sync(a.arrivals, 1, kMultiply);
  const Rows sum = normalize(x_rows(a.next), a.next_norm, rows, memory.sums);
  multiply_columns<T, 1>(sum, a.next_columns, memory, ring, [&](int first, int count) {
    store_columns<Form<1>>(a.next, memory.sums, first, count, PlainUnit{});
  });
}

// Weights arrive in one stream: those of a layer are on their way while the one before waits for
// all blocks.
template <class T>
__global__ void __launch_bounds__(kThreads, 1) chain(const __grid_constant__ Chain a) {
  extern __shared__ __align__(128) std::byte shared[];
  const ChainMemory memory(shared, a.stages);
  if (threadIdx.x == 0) {
    for (int s = 0; s < a.stages; ++s) {
      barrier_init(&memory.full[s], 1);
      barrier_init(&memory.empty[s], kWarps);
    }
    barrier_init_fence();
  }
  __syncthreads();
  let_next_start();
  if (threadIdx.x < kMultiply) return multiply_all<T>(a, memory);
  StageRing ring{a.stages};
  const uint64_t policy = evict_first_policy();
  fetch_columns(a.out, a.out_columns, memory, ring, policy);
  fetch_columns(a.up, a.up_columns, memory, ring, policy);
  fetch_columns(a.down, a.down_columns, memory, ring, policy);
  fetch_columns(a.next, a.next_columns, memory, ring, policy);
  wait_for_earlier();
}

// Inputs and outputs as the operator has them.
constexpr size_t kWeights[] = {2, 5, 7, 10}, kNorms[] = {4, 9};

std::string chain_supports(const KernelDesc& desc) {
  const std::string reason = gated_supports(desc.attrs);
  if (!reason.empty()) return reason;
  if (desc.capability < 90) return "needs compute capability 9.0";
  if (desc.capability >= 120) return "needs more than 99 KiB of shared memory";
  if (cuda_code_version(desc.capability) < 90) return "built for earlier GPUs";
  const ElementType& x = desc.inputs[0].type;
  if (x == DType::kFloat32 || !is_activation(x)) return "input is " + x.name();
  for (size_t i : kWeights) {
    const OperandDesc& w = desc.inputs[i];
    if (!(w.type == x)) return "input is " + x.name() + ", weight is " + w.type.name();
    if (!w.constant) return "weight is computed";  // it is read before the wait
    if (w.shape[1] == 0 || w.shape[1] % kStep != 0) return "K is not a multiple of 32";
    if (w.shape[0] > INT_MAX / 2) return "too many output columns";
    const std::string pieces = too_many_pieces(w);
    if (!pieces.empty()) return pieces;
    if (desc.inputs.size() <= i + 1) continue;
    const OperandDesc& bias = desc.inputs[i + 1];
    if (bias.present && !is_activation(bias.type)) return "bias is " + bias.type.name();
  }
  for (size_t i : kNorms) {
    const OperandDesc& w = desc.inputs[i];
    if (!is_activation(w.type)) return "a norm's weight is " + w.type.name();
    if (!w.constant) return "a norm's weight is computed";
  }
  const int64_t rows = rows_of(desc.inputs[0].shape);
  if (rows > kMostTokens) return std::to_string(rows) + " rows; at most 8";
  if (stages_for(rows, desc.inputs[1].shape.back()) < kLeastStages) {
    return "rows do not fit in shared memory";
  }
  return "";
}

class Instance final : public KernelInstance {
 public:
  explicit Instance(const KernelDesc& desc)
      : attrs_(desc.attrs), hidden_(desc.inputs[1].shape.back()), half_(desc.inputs[7].shape[1]),
        rows_(rows_of(desc.inputs[0].shape)) {
    with_float(desc.inputs[0].type, [&](auto tag) {
      if constexpr (sizeof(tag) == 2) allow_shared(kName, chain<decltype(tag)>, kMostShared);
    });
    cuda_check(cudaMalloc(&arrivals_, sizeof(uint64_t)), kName);
    const uint64_t none = 0;
    cuda_check(cudaMemcpy(arrivals_, &none, sizeof none, cudaMemcpyHostToDevice), kName);
  }
  ~Instance() override { cudaFree(arrivals_); }
  size_t workspace_bytes() const override {
    return static_cast<size_t>(2 * rows_ * (hidden_ + half_));
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const int64_t m = args.inputs[0].rows();
    if (m == 0) return;
    CHECK_LE(m, rows_);
    const int blocks = multiprocessors();
    Chain a = {};
    std::byte* middle = context.workspace.data();
    std::byte* gated = middle + 2 * m * hidden_;
    a.out = layer(args, kWeights[0], hidden_);
    a.up = layer(args, kWeights[1], half_);
    a.down = layer(args, kWeights[2], hidden_);
    a.next = layer(args, kWeights[3], args.outputs[1].columns());
    const auto rows = [&](GemvArgs& from, const void* data, int64_t stride, bool vector) {
      from.x = {data, args.inputs[0].type.dtype};
      from.x_stride = stride;
      from.x_vector = vector;
    };
    const TensorView& sum = args.outputs[0];
    rows(a.out, args.inputs[0].data, row_elements(args.inputs[0]),
         is_vector_aligned(args.inputs[0]));
    rows(a.up, middle, hidden_, true);
    rows(a.down, gated, half_, true);
    rows(a.next, sum.data, row_elements(sum), is_vector_aligned(sum));
    const auto result = [](GemvArgs& of, void* data, int64_t stride) {
      of.y = data;
      of.y_stride = stride;
    };
    result(a.out, middle, hidden_);
    result(a.up, gated, half_);
    result(a.down, sum.data, row_elements(sum));
    result(a.next, args.outputs[1].data, row_elements(args.outputs[1]));
    a.out_columns = columns_for<PlainUnit>(static_cast<int>(a.out.n), blocks);
    a.up_columns = columns_for<GatedUnit>(static_cast<int>(a.up.n), blocks);
    a.down_columns = columns_for<PlainUnit>(static_cast<int>(a.down.n), blocks);
    a.next_columns = columns_for<PlainUnit>(static_cast<int>(a.next.n), blocks);
    a.unit = GatedUnit::of(attrs_);
    a.norm = norm(args.inputs[kNorms[0]], "epsilon", "weight_offset");
    a.next_norm = norm(args.inputs[kNorms[1]], "next_epsilon", "next_weight_offset");
    a.residual = args.inputs[1].data;
    a.residual_stride = row_elements(args.inputs[1]);
    a.arrivals = arrivals_;
    a.stages = stages_for(m, hidden_);
    const auto shared = static_cast<size_t>(a.stages * kStage + kFixed + 2 * m * hidden_);
    with_float(args.inputs[0].type, [&](auto tag) {
      if constexpr (sizeof(tag) == 2) {
        launch_early_grid(kName, context, chain<decltype(tag)>,
                          {.blocks = dim3(static_cast<unsigned>(blocks)),
                           .threads = dim3(kThreads),
                           .shared = shared,
                           .cooperative = true},
                          a);
      }
    });
  }

 private:
  static constexpr const char* kName = "layer_chain_stream";

  // The layer of weight input `index`, with `n` output columns.
  static GemvArgs layer(const LaunchArgs& args, size_t index, int64_t n) {
    GemvArgs a = {};
    a.bias = optional_floats(args.inputs, index + 1);
    a.y_type = args.inputs[0].type.dtype;
    a.m = static_cast<int>(args.inputs[0].rows());
    a.n = n;
    a.k = args.inputs[index].shape[1];
    a.split = 1;
    a.weight = pieces_of(args, index);
    CHECK_MSG(is_vector_aligned(a.weight), "weights are not at 16-byte boundaries");
    return a;
  }
  Norm norm(const TensorView& weight, const char* epsilon, const char* offset) const {
    return {any_floats(weight), static_cast<float>(attr_or<double>(attrs_, epsilon, 1e-5)),
            static_cast<float>(attr_or<double>(attrs_, offset, 0.0)),
            reinterpret_cast<uintptr_t>(weight.data) % 16 == 0};
  }

  Attrs attrs_;
  int64_t hidden_, half_, rows_;
  uint64_t* arrivals_ = nullptr;
};

}  // namespace kernel_layer_chain_stream

// Up to 8 rows of 16-bit x and weights: all layers between two attentions in one launch of a block
// a multiprocessor.
const KernelDef& layer_chain_stream_kernel() {
  using namespace kernel_layer_chain_stream;
  static const KernelDef kernel = {.name = "layer_chain_stream",
                                   .op = "layer_chain",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = chain_supports,
                                   .prepare = [](const KernelDesc& desc, std::string_view)
                                       -> std::unique_ptr<KernelInstance> {
                                     return std::make_unique<Instance>(desc);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
