// Attention of single tokens whose keys are cut into equal parts, one block a part, and merged by a
// second kernel. The number of parts is fixed when a kernel is prepared (a captured graph keeps its
// grid); how long they are follows from each token's own context, read on the device.
#pragma once

#include <algorithm>

#include "kernels/cuda/arch/attention.cuh"

namespace ingot::cuda {

struct PartArgs {
  AttentionArgs a;
  float* sums;  // [places][parts][heads][dim], each divided by its weights' sum
  float* logs;  // [places][parts][heads]: log2 of the weights' sum
  int parts;
};

// Keys [begin, end) of a token's part; empty where there are fewer pages than parts.
struct PartRange {
  int row, begin, end;
  __device__ bool empty() const { return begin >= end; }
};
// Pages a part takes of a token's keys.
__device__ inline int pages_per_part(const PartArgs& args, const KeyRange& range) {
  const int page = args.a.keys.page_tokens;
  const int pages = (range.end + page - 1) / page - range.begin / page;
  return max(1, (pages + args.parts - 1) / args.parts);
}
__device__ inline PartRange part_range(const PartArgs& args, const KeyRange& range, int part) {
  if (range.begin >= range.end) return {range.row, 0, 0};
  const int page = args.a.keys.page_tokens;
  const int size = pages_per_part(args, range) * page;
  const int first = range.begin / page * page + part * size;
  return {range.row, max(range.begin, first), min(range.end, first + size)};
}

// What is added up for one token, part and head starts here. A token's place is its index, but
// where rows are bounded: see token_place().
__device__ inline int64_t part_offset(const PartArgs& args, int place, int part) {
  return (static_cast<int64_t>(place) * args.parts + part) * args.a.heads;
}

// With one part, its block writes the output itself: query heads [first, first + count), whose sums
// it stored before a barrier, or zeros where the token has no keys.
__device__ inline void finish_token(const PartArgs& args, int place, int token, int first,
                                    int count, bool empty) {
  const int dim = args.a.keys.dim;
  const float* from = args.sums + (part_offset(args, place, 0) + first) * dim;
  const int64_t to = token * args.a.out_stride + static_cast<int64_t>(first) * dim;
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const int threads = blockDim.x * blockDim.y * blockDim.z;
  for (int i = thread; i < count * dim; i += threads) {
    store_any(args.a.out, args.a.out_type, to + i, empty ? 0.0f : from[i]);
  }
}

// grid: tokens, heads; a thread a column.
static __global__ void merge_parts(PartArgs args) {
  let_next_start();
  wait_for_earlier();
  const AttentionArgs& a = args.a;
  const int token = blockIdx.x;
  const int head = blockIdx.y;
  const int d = threadIdx.x;
  if (d >= a.keys.dim) return;
  const KeyRange range = key_range(a, token);
  float top = -INFINITY;
  int parts = 0;
  for (; parts < args.parts && !part_range(args, range, parts).empty(); ++parts) {
    top = fmaxf(top, args.logs[part_offset(args, token, parts) + head]);
  }
  float sum = 0;
  float total = 0;
  for (int part = 0; part < parts; ++part) {
    const int64_t at = part_offset(args, token, part) + head;
    const float weight = exp2f(args.logs[at] - top);
    total += weight;
    sum = fmaf(weight, args.sums[at * a.keys.dim + d], sum);
  }
  const int64_t to = token * a.out_stride + static_cast<int64_t>(head) * a.keys.dim + d;
  store_any(a.out, a.out_type, to, total > 0 ? sum / total : 0.0f);
}

inline void launch_merge(std::string_view name, ExecContext& context, const PartArgs& args) {
  launch_early_grid(name, context, merge_parts,
                    {.blocks = attention_dims(args.a.tokens, args.a.heads),
                     .threads = attention_dims(ceil_div(args.a.keys.dim, 32) * 32)},
                    args);
}

// Host side: the shape of a descriptor, and what a number of parts needs.
struct PartShape {
  int64_t tokens, heads, kv_heads, dim, blocks, rows;
};
inline PartShape part_shape(const KernelDesc& desc) {
  const Shape& cache = desc.inputs[1].shape;
  return {desc.inputs[0].shape[0],
          desc.inputs[0].shape[1] / cache[3],
          cache[1],
          cache[3],
          desc.inputs[7].shape[1],
          desc.inputs[7].shape[0]};
}
inline int64_t part_bytes(const PartShape& shape, int64_t parts) {
  return shape.tokens * parts * shape.heads * (shape.dim + 1) * 4;
}
// Tactics "parts<n>", best guess first: about four blocks for each of 132 processors, as little as
// two pages each, and the neighbours of that number.
inline std::vector<std::string> part_tactics(const KernelDesc& desc) {
  constexpr int64_t kBlocks = 4 * 132;
  constexpr int64_t kMostBytes = int64_t{256} << 20;
  const PartShape shape = part_shape(desc);
  const int64_t most = std::max<int64_t>(1, shape.blocks / 2);
  int64_t guess = 1;
  while (guess * 2 <= most && guess * shape.kv_heads * shape.tokens < kBlocks) guess *= 2;
  while (guess > 1 && part_bytes(shape, guess) > kMostBytes) guess /= 2;
  std::vector<std::string> out = {"parts" + std::to_string(guess)};
  if (guess > 1) out.push_back("parts" + std::to_string(guess / 2));
  if (guess * 2 <= most && part_bytes(shape, guess * 2) <= kMostBytes) {
    out.push_back("parts" + std::to_string(guess * 2));
  }
  return out;
}
inline int parts_of(const KernelDesc& desc, std::string_view tactic) {
  const std::string name = tactic.empty() ? part_tactics(desc)[0] : std::string(tactic);
  return std::max(1, std::atoi(name.c_str() + sizeof("parts") - 1));
}

// Kernels that work token by token: 16-bit queries and caches, one type for both.
inline std::string part_supports(const KernelDesc& desc) {
  const ElementType& type = desc.inputs[0].type;
  if (type != DType::kBFloat16 && type != DType::kFloat16) return "input is " + type.name();
  if (!(desc.inputs[1].type == type)) return "cache is " + desc.inputs[1].type.name();
  const PartShape shape = part_shape(desc);
  // Each token reads its keys by itself.
  if (shape.tokens > 32 * shape.rows) return "more than 32 tokens a sequence";
  return attention_supports(desc);
}

// Fills in the workspace's place in `args`.
inline void place_parts(PartArgs* args, ExecContext& context) {
  const int64_t rows = token_places(args->a) * args->parts * args->a.heads;
  CHECK_LE(rows * (args->a.keys.dim + 1) * 4, static_cast<int64_t>(context.workspace.size()));
  args->sums = reinterpret_cast<float*>(context.workspace.data());
  args->logs = args->sums + rows * args->a.keys.dim;
}

}  // namespace ingot::cuda
