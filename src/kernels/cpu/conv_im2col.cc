// Convolution as matrix products: input patches are laid out as columns, a block of output pixels
// at a time, and multiplied by the filters. Own code, for every CPU; oneDNN is the usual winner.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/contract/conv_geometry.h"
#include "kernels/cpu/contract/f32_ops.h"
#include "kernels/cpu/scratch.h"

namespace ingot::cpu {
namespace kernel_conv_im2col {

// Output pixels of a block: with K up to a few thousand its columns stay in the second-level cache.
constexpr int64_t kPixels = 64;
constexpr int64_t kFilters = 4;  // rows of the inner product computed together

// columns[k][j]: input under tap k of pixel begin + j; zero outside.
void lay_out(const ConvGeometry& g, const float* image, int64_t begin, int64_t count,
             float* columns) {
  for (int64_t c = 0; c < g.group_inputs; ++c) {
    const float* plane = image + c * g.in_plane;
    for (int64_t tap = 0; tap < g.taps; ++tap) {
      float* row = columns + (c * g.taps + tap) * kPixels;
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = g.input_offset(begin + j, tap);
        row[j] = at < 0 ? 0 : plane[at];
      }
    }
  }
}

// out[m][j] = sum over k of weight[m][k] * columns[k][j] + bias[m], in the order of k.
void multiply(const float* weight, const float* columns, const float* bias, int64_t rows,
              int64_t depth, int64_t count, float* out, int64_t out_stride) {
  for (int64_t m = 0; m < rows; m += kFilters) {
    const int64_t height = std::min(kFilters, rows - m);
    float sums[kFilters][kPixels];
    for (int64_t i = 0; i < height; ++i) {
      std::fill_n(sums[i], kPixels, bias ? bias[m + i] : 0.0f);
    }
    for (int64_t k = 0; k < depth; ++k) {
      const float* column = columns + k * kPixels;
      for (int64_t i = 0; i < height; ++i) {
        const float w = weight[(m + i) * depth + k];
        for (int64_t j = 0; j < kPixels; ++j) sums[i][j] += w * column[j];
      }
    }
    for (int64_t i = 0; i < height; ++i) {
      std::memcpy(out + (m + i) * out_stride, sums[i], static_cast<size_t>(count) * sizeof(float));
    }
  }
}

class Instance final : public KernelInstance {
 public:
  explicit Instance(const KernelDesc& desc) : attrs_(desc.attrs) {}

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const ConvGeometry g(attrs_, args.inputs[0].shape, args.inputs[1].shape, args.outputs[0].shape);
    const bool has_bias = args.inputs.size() > 2 && args.inputs[2].present();
    const float* bias = has_bias ? args.inputs[2].as<float>() : nullptr;
    const int64_t blocks = (g.out_plane + kPixels - 1) / kPixels;
    const int64_t depth = g.group_inputs * g.taps;
    split_work(context, g.batch * g.groups * blocks, 1, [&](int64_t first, int64_t last) {
      auto* columns = reinterpret_cast<float*>(
          thread_scratch(static_cast<size_t>(depth * kPixels) * sizeof(float)));
      for (int64_t task = first; task < last; ++task) {
        const int64_t begin = task % blocks * kPixels, group = task / blocks % g.groups;
        const int64_t n = task / blocks / g.groups;
        const int64_t count = std::min(kPixels, g.out_plane - begin);
        if (count < kPixels) std::fill_n(columns, depth * kPixels, 0.0f);
        lay_out(g,
                args.inputs[0].as<float>() + (n * g.groups + group) * g.group_inputs * g.in_plane,
                begin, count, columns);
        const int64_t m = group * g.group_outputs;
        multiply(args.inputs[1].as<float>() + m * depth, columns, bias ? bias + m : nullptr,
                 g.group_outputs, depth, count,
                 args.outputs[0].as<float>() + (n * g.groups * g.group_outputs + m) * g.out_plane +
                     begin,
                 g.out_plane);
      }
    });
  }

 private:
  Attrs attrs_;
};

}  // namespace kernel_conv_im2col

const KernelDef& conv_im2col_kernel() {
  using namespace kernel_conv_im2col;
  static const KernelDef kernel = {
      .name = "conv_im2col",
      .op = "conv",
      .device = "cpu",
      .invariant = true,
      .priority = 5,
      .supports = &needs_f32,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Instance>(desc);
      }};
  return kernel;
}

}  // namespace ingot::cpu
