#include "kernels/cpu/contract/conv_geometry.h"

namespace ingot::cpu {

void ConvGeometry::set_window(const Attrs& attrs, const Shape& x, const Shape& y) {
  in.assign(x.begin() + 2, x.end());
  out.assign(y.begin() + 2, y.end());
  const auto list = [&](std::string_view name, size_t count, int64_t fallback) {
    auto values = attr_or<std::vector<int64_t>>(attrs, name, {});
    if (values.empty()) values.assign(count, fallback);
    return values;
  };
  strides = list("strides", in.size(), 1);
  dilations = list("dilations", in.size(), 1);
  pads = list("pads", 2 * in.size(), 0);
  in_plane = element_count(in);
  out_plane = element_count(out);
  taps = element_count(kernel);
  batch = x[0];
}

ConvGeometry::ConvGeometry(const Attrs& attrs, const Shape& x, const Shape& w, const Shape& y) {
  groups = attr_or<int64_t>(attrs, "groups", 1);
  group_inputs = w[1];
  group_outputs = w[0] / groups;
  kernel.assign(w.begin() + 2, w.end());
  set_window(attrs, x, y);
}

ConvGeometry ConvGeometry::pool(const Attrs& attrs, const Shape& x, const Shape& y) {
  ConvGeometry g;
  g.kernel = attr_or<std::vector<int64_t>>(attrs, "kernel", {});
  g.group_inputs = g.group_outputs = x[1];
  g.set_window(attrs, x, y);
  return g;
}

}  // namespace ingot::cpu
