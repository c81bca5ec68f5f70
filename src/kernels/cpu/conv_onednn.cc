// Convolution by oneDNN, one image and one range of output channels a task: each team worker runs a
// one-thread primitive on its part.
#include <algorithm>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/check.h"
#include "kernels/cpu/contract/conv_geometry.h"
#include "kernels/cpu/contract/f32_ops.h"
#include "kernels/cpu/contract/onednn.h"
#include "kernels/cpu/scratch.h"

namespace ingot::cpu {
namespace kernel_conv_onednn {

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

// Parts of the output channels: enough for a few workers at batch 1, each a whole vector wide.
constexpr int64_t kParts = 4;
constexpr int64_t kVector = 16;

dnnl::engine& cpu_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::desc plain(const Dims& dims) {
  Dims strides(dims.size());
  dnnl_dim_t step = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    strides[d] = step;
    step *= dims[d];
  }
  return {dims, dnnl::memory::data_type::f32, strides};
}

// One range of output channels of one image.
struct Part {
  int64_t begin = 0, count = 0;
  dnnl::convolution_forward primitive;
  dnnl::memory weights;  // in the primitive's own order, filled at the first launch
  dnnl::memory::desc scratchpad;
};

class Instance final : public KernelInstance {
 public:
  explicit Instance(const KernelDesc& desc)
      : attrs_(desc.attrs), constant_(desc.inputs[1].constant) {
    build(desc.inputs[0].shape, desc.inputs[1].shape, desc.outputs[0].shape,
          desc.inputs.size() > 2 && desc.inputs[2].present);
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
    const bool bias = args.inputs.size() > 2 && args.inputs[2].present();
    // Symbolic image sizes: rebuilt when they change.
    if (Shape(x.shape.begin() + 1, x.shape.end()) != image_) build(x.shape, w.shape, y.shape, bias);
    if (!packed_ || !constant_ || w.data != packed_from_) pack(w);
    const auto parts = static_cast<int64_t>(parts_.size());
    split_work(context, x.shape[0] * parts, 1, [&](int64_t first, int64_t last) {
      one_thread_onednn();
      dnnl::stream stream(cpu_engine());
      for (int64_t task = first; task < last; ++task) {
        Part& part = parts_[static_cast<size_t>(task % parts)];
        const int64_t n = task / parts;
        const auto view = [&](const dnnl::memory::desc& desc, const float* data) {
          return dnnl::memory(desc, cpu_engine(), const_cast<float*>(data));
        };
        std::unordered_map<int, dnnl::memory> operands = {
            {DNNL_ARG_SRC, view(source_, x.as<float>() + n * x.elements() / x.shape[0])},
            {DNNL_ARG_WEIGHTS, part.weights},
            {DNNL_ARG_SCRATCHPAD, dnnl::memory(part.scratchpad, cpu_engine(),
                                               thread_scratch(part.scratchpad.get_size()))},
            {DNNL_ARG_DST, view(plain(output_dims(part.count)),
                                y.as<float>() + (n * y.shape[1] + part.begin) * plane_)}};
        if (bias) {
          operands[DNNL_ARG_BIAS] =
              view(plain({part.count}), args.inputs[2].as<float>() + part.begin);
        }
        part.primitive.execute(stream, operands);
        stream.wait();
      }
    });
  }

 private:
  Dims output_dims(int64_t channels) const {
    Dims dims = {1, channels};
    dims.insert(dims.end(), out_.begin(), out_.end());
    return dims;
  }

  void build(const Shape& x, const Shape& w, const Shape& y, bool bias) {
    one_thread_onednn();
    const ConvGeometry g(attrs_, x, w, y);
    image_.assign(x.begin() + 1, x.end());
    out_ = g.out;
    plane_ = g.out_plane;
    groups_ = g.groups;
    filter_ = w;
    Dims in = {1};
    in.insert(in.end(), image_.begin(), image_.end());
    source_ = plain(in);
    Dims dilates = g.dilations;
    for (auto& d : dilates) --d;  // oneDNN counts the gaps
    const auto middle = g.pads.begin() + static_cast<int64_t>(g.in.size());
    const Dims before(g.pads.begin(), middle);
    Dims after(middle, g.pads.end());
    // The window count rounds down, oneDNN wants the pad that the last window really reaches.
    for (size_t d = 0; d < g.in.size(); ++d) {
      after[d] = (g.out[d] - 1) * g.strides[d] + (g.kernel[d] - 1) * g.dilations[d] + 1 - g.in[d] -
                 before[d];
    }
    parts_.clear();
    packed_ = false;
    // Grouped filters stay whole: a range of channels would cut through groups.
    const int64_t step =
        groups_ > 1 ? w[0] : std::max(kVector, (w[0] / kParts + kVector - 1) / kVector * kVector);
    for (int64_t begin = 0; begin < w[0]; begin += step) {
      Part part;
      part.begin = begin;
      part.count = std::min(step, w[0] - begin);
      Dims filter = filter_dims(part.count);
      const dnnl::memory::desc any(filter, dnnl::memory::data_type::f32, Tag::any);
      const auto kind = dnnl::prop_kind::forward_inference;
      const auto algorithm = dnnl::algorithm::convolution_direct;
      const dnnl::memory::desc dst = plain(output_dims(part.count));
      const auto desc =
          bias ? dnnl::convolution_forward::desc(kind, algorithm, source_, any, plain({part.count}),
                                                 dst, g.strides, dilates, before, after)
               : dnnl::convolution_forward::desc(kind, algorithm, source_, any, dst, g.strides,
                                                 dilates, before, after);
      // Two images may run the same primitive at once, so every worker brings its own scratchpad.
      dnnl::primitive_attr attributes;
      attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
      const dnnl::convolution_forward::primitive_desc chosen(desc, attributes, cpu_engine());
      part.scratchpad = chosen.scratchpad_desc();
      part.primitive = dnnl::convolution_forward(chosen);
      part.weights = dnnl::memory(chosen.weights_desc(), cpu_engine());
      parts_.push_back(std::move(part));
    }
  }

  Dims filter_dims(int64_t count) const {
    Dims dims;
    if (groups_ > 1)
      dims = {groups_, count / groups_};
    else
      dims = {count};
    dims.insert(dims.end(), filter_.begin() + 1, filter_.end());
    return dims;
  }

  void pack(const TensorView& w) {
    dnnl::stream stream(cpu_engine());
    const int64_t row = w.elements() / w.shape[0];
    for (Part& part : parts_) {
      dnnl::memory from(plain(filter_dims(part.count)), cpu_engine(),
                        w.as<float>() + part.begin * row);
      dnnl::reorder(from, part.weights).execute(stream, from, part.weights);
    }
    stream.wait();
    packed_ = true;
    packed_from_ = w.data;
  }

  Attrs attrs_;
  bool constant_;
  Shape image_, out_, filter_;
  int64_t plane_ = 0, groups_ = 1;
  dnnl::memory::desc source_;
  std::vector<Part> parts_;
  bool packed_ = false;
  const std::byte* packed_from_ = nullptr;
};

std::string supports(const KernelDesc& desc) {
  const size_t rank = desc.inputs[0].shape.size();
  if (rank < 3 || rank > 5) return "needs 1 to 3 spatial axes";
  if (desc.inputs[0].shape[0] == 0 || element_count(desc.outputs[0].shape) == 0) return "empty";
  return needs_f32(desc);
}

}  // namespace kernel_conv_onednn

const KernelDef& conv_onednn_kernel() {
  using namespace kernel_conv_onednn;
  static const KernelDef kernel = {
      .name = "conv_onednn",
      .op = "conv",
      .device = "cpu",
      .invariant = true,
      .priority = 20,
      .supports = &supports,
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<Instance>(desc);
      },
      .library = onednn_version};
  return kernel;
}

}  // namespace ingot::cpu
