// Operators that change the logits of listed ids: a block copies a slice of a row and changes it on
// the way, after counting how often each of its ids is listed.
#pragma once

#include "kernels/cuda/contract/views.h"

namespace ingot::cuda {

constexpr int kEditThreads = 512;
constexpr int kEditSlice = 8192;  // elements of a block

struct EditArgs {
  const float* x;
  float* y;
  int64_t x_stride, y_stride;  // elements
  int n;                       // of a row
  const int32_t* ids;
  int64_t id_count;
  const int32_t* offsets;  // row r lists ids[offsets[r]] to ids[offsets[r + 1] - 1]
  const int32_t* skip;     // so many of a row's ids are left out at its front; null: none
  const float* parameter;  // of each row; null: none
};

// grid: slices, rows. Edit::idle(parameter): the row stays as it is, as does one that lists
// nothing. Edit::change(logit, parameter, count): the new logit of an id that is listed `count` > 0
// times. Edit::unlisted(logit), where there is one: of the others.
template <class Edit>
__global__ void __launch_bounds__(kEditThreads) edit_logits(EditArgs a) {
  __shared__ int counts[kEditSlice];
  const int64_t row = blockIdx.y;
  const int begin = static_cast<int>(blockIdx.x) * kEditSlice;
  const int size = min(kEditSlice, a.n - begin);
  const float parameter = a.parameter ? a.parameter[row] : 0.0f;
  const float* x = a.x + row * a.x_stride + begin;
  float* y = a.y + row * a.y_stride + begin;
  int64_t from = max(a.offsets[row], 0);
  const int64_t to = min(static_cast<int64_t>(a.offsets[row + 1]), a.id_count);
  if (a.skip) from = max(from + a.skip[row], int64_t{0});
  if (from >= to || Edit::idle(parameter)) {
    for (int i = threadIdx.x; i < size; i += kEditThreads) y[i] = x[i];
    return;
  }
  for (int i = threadIdx.x; i < size; i += kEditThreads) counts[i] = 0;
  __syncthreads();
  for (int64_t i = from + threadIdx.x; i < to; i += kEditThreads) {
    const int64_t at = static_cast<int64_t>(a.ids[i]) - begin;
    if (at >= 0 && at < size) atomicAdd(&counts[at], 1);
  }
  __syncthreads();
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kEditThreads) {
    const float v = x[i];
    if constexpr (requires { Edit::unlisted(v); }) {
      y[i] = counts[i] > 0 ? Edit::change(v, parameter, counts[i]) : Edit::unlisted(v);
    } else {
      y[i] = counts[i] > 0 ? Edit::change(v, parameter, counts[i]) : v;
    }
  }
}

// Inputs: logits, ids, offsets and, where there are five, prompt lengths and parameters.
// `skip_prompt`: only what comes after the prompt counts.
inline EditArgs edit_args(bool skip_prompt, const LaunchArgs& args) {
  const TensorView& x = args.inputs[0];
  const TensorView& y = args.outputs[0];
  EditArgs a = {};
  a.x = x.as<const float>();
  a.y = y.as<float>();
  a.x_stride = row_elements(x);
  a.y_stride = row_elements(y);
  a.n = static_cast<int>(x.columns());
  a.ids = args.inputs[1].as<const int32_t>();
  a.id_count = args.inputs[1].elements();
  a.offsets = args.inputs[2].as<const int32_t>();
  if (skip_prompt) a.skip = args.inputs[3].as<const int32_t>();
  if (args.inputs.size() > 4) a.parameter = args.inputs[4].as<const float>();
  return a;
}

inline dim3 edit_grid(const TensorView& x) {
  CHECK_LE(x.rows(), 65535);
  return {static_cast<unsigned>(ceil_div(static_cast<int>(x.columns()), kEditSlice)),
          static_cast<unsigned>(x.rows())};
}

template <class Edit>
void launch_edit(const char* name, bool skip_prompt, const LaunchArgs& args, ExecContext& context) {
  if (args.inputs[0].rows() == 0) return;
  const EditArgs a = edit_args(skip_prompt, args);
  const dim3 grid = edit_grid(args.inputs[0]);
  edit_logits<Edit><<<grid, kEditThreads, 0, cuda_stream(context.stream)>>>(a);
  check_launch(name);
}

inline std::string edit_supports(const KernelDesc& desc) {
  const Shape& logits = desc.inputs[0].shape;
  if (logits.size() != 2 || logits[1] > INT32_MAX) return "not a matrix of logits";
  return logits[0] > 65535 ? "more than 65535 rows" : "";
}

}  // namespace ingot::cuda
