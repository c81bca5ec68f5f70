// Permutes axes: output axis i is input axis perm[i].
#include <algorithm>

#include "ops/shared/element.h"
#include "ops/shared/onnx_import.h"
#include "ops/shared/shape.h"

namespace ingot {
namespace op_transpose {

struct TransposeAttrs {
  std::vector<int64_t> perm;
  template <typename V>
  void fields(V& v) {
    v("perm", perm);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  ops::require_scalar_type(args, 0);
  const SymShape& from = args.input(0).shape;
  const std::vector<int64_t> perm = read_attrs<TransposeAttrs>(args.attrs, "ops/transpose").perm;
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool ok = sorted.size() == from.size();
  for (size_t i = 0; ok && i < sorted.size(); ++i) ok = sorted[i] == static_cast<int64_t>(i);
  if (!ok) args.bad(fmt::format("perm does not permute {} axes", from.size()));
  SymShape shape;
  for (int64_t axis : perm) shape.push_back(from[static_cast<size_t>(axis)]);
  return {{args.input(0).element, shape}};
}

void reference(const OpArgs& args) {
  const auto perm = read_attrs<TransposeAttrs>(args.attrs, "ops/transpose").perm;
  const std::vector<int64_t> own = ops::element_strides(args.inputs[0].shape);
  std::array<std::vector<int64_t>, 1> strides;
  for (int64_t axis : perm) strides[0].push_back(own[static_cast<size_t>(axis)]);
  const ops::ElementMover mover(args.inputs[0], args.outputs[0]);
  ops::walk(args.outputs[0].shape, strides,
            [&](int64_t i, const std::array<int64_t, 1>& at) { mover.move(i, at[0]); });
}

std::vector<int> import_transpose(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"perm"});
  const int x = ops::onnx_required(node, 0);
  std::vector<int64_t> perm;
  if (auto given = ops::onnx_ints(node, "perm")) {
    perm = *given;
  } else {
    for (size_t i = ops::onnx_rank(emitter, x); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  }
  return {ops::emit_transpose(emitter, x, perm)};
}

// Both are a reshape to six axes, a permutation and a reshape back; x is [N, C, H, W].
std::vector<int> import_depth_to_space(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"blocksize", "mode"});
  const int x = ops::onnx_required(node, 0);
  const SymShape s = emitter.type(x).shape;
  const Dim b = ops::onnx_int(node, "blocksize", 0);
  if (s.size() != 4 || b.constant() < 1) node.unsupported("input rank or blocksize");
  const std::string mode = ops::onnx_string(node, "mode", "DCR");
  if (mode != "DCR" && mode != "CRD") node.unsupported("mode " + mode);
  const Dim c = Dim::floor_div(s[1], b * b);
  const bool dcr = mode == "DCR";
  const SymShape six =
      dcr ? SymShape{s[0], b, b, c, s[2], s[3]} : SymShape{s[0], c, b, b, s[2], s[3]};
  const int split = ops::emit_reshape(emitter, x, six);
  const int moved = ops::emit_transpose(
      emitter, split,
      dcr ? std::vector<int64_t>{0, 3, 4, 1, 5, 2} : std::vector<int64_t>{0, 1, 4, 2, 5, 3});
  return {ops::emit_reshape(emitter, moved, {s[0], c, s[2] * b, s[3] * b})};
}
std::vector<int> import_space_to_depth(const OnnxNode& node, OpEmitter& emitter) {
  ops::onnx_allow_attrs(node, {"blocksize", "mode"});
  const int x = ops::onnx_required(node, 0);
  const SymShape s = emitter.type(x).shape;
  const Dim b = ops::onnx_int(node, "blocksize", 0);
  if (s.size() != 4 || b.constant() < 1) node.unsupported("input rank or blocksize");
  const std::string mode = ops::onnx_string(node, "mode", "DCR");
  if (mode != "DCR" && mode != "CRD") node.unsupported("mode " + mode);
  const Dim h = Dim::floor_div(s[2], b), w = Dim::floor_div(s[3], b);
  const int split = ops::emit_reshape(emitter, x, {s[0], s[1], h, b, w, b});
  const int moved = ops::emit_transpose(emitter, split,
                                        mode == "DCR" ? std::vector<int64_t>{0, 3, 5, 1, 2, 4}
                                                      : std::vector<int64_t>{0, 1, 3, 5, 2, 4});
  return {ops::emit_reshape(emitter, moved, {s[0], s[1] * b * b, h, w})};
}

}  // namespace op_transpose

const OpDef& transpose_op() {
  using namespace op_transpose;
  static const OpDef op = {.name = "transpose",
                           .onnx = {{"", "Transpose", 1, &import_transpose},
                                    {"", "DepthToSpace", 1, &import_depth_to_space},
                                    {"", "SpaceToDepth", 1, &import_space_to_depth}},
                           .infer = &infer,
                           .reference = &reference,
                           .keeps_elements = true};
  return op;
}

}  // namespace ingot
