#include "ops/shared/shape.h"

#include <algorithm>

namespace ingot::ops {

int64_t normalize_axis(const InferArgs& args, int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n) {
    args.bad(fmt::format("axis {} is outside [-{}, {})", axis, n, n));
  }
  return wrap_axis(axis, rank);
}

void check_inside(const Shape& indices, const Shape& data, size_t axis, std::string_view where) {
  for (size_t d = 0; d < data.size(); ++d) {
    if (d == axis || indices[d] <= data[d]) continue;
    fail(ErrorCode::kInvalidArgument, where, "indices {} are wider than the data {}",
         shape_text(indices), shape_text(data));
  }
}

SymShape broadcast_shapes(const InferArgs& args, std::span<const SymShape> shapes) {
  size_t rank = 0;
  for (const SymShape& shape : shapes) rank = std::max(rank, shape.size());
  SymShape out(rank, Dim(1));
  for (const SymShape& shape : shapes) {
    for (size_t i = 0; i < shape.size(); ++i) {
      Dim& to = out[rank - shape.size() + i];
      const Dim& from = shape[i];
      if (from == to || from == Dim(1)) continue;
      if (to == Dim(1)) {
        to = from;
      } else if (from.is_constant() && to.is_constant()) {
        args.bad(fmt::format("shapes {} and {} do not broadcast", shape_text(shapes[0]),
                             shape_text(shape)));
      } else if (from.is_constant()) {
        to = from;
      } else if (!to.is_constant()) {
        to = Dim::max(to, from);
      }
    }
  }
  return out;
}

std::vector<int64_t> element_strides(const Shape& shape) {
  std::vector<int64_t> out(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    out[i] = stride;
    stride *= shape[i];
  }
  return out;
}

std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out) {
  const auto bad = [&] {
    fail(ErrorCode::kInvalidArgument, "ops", "a shape {} does not broadcast to {}",
         shape_text(shape), shape_text(out));
  };
  if (shape.size() > out.size()) bad();
  const std::vector<int64_t> own = element_strides(shape);
  std::vector<int64_t> strides(out.size(), 0);
  const size_t skip = out.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (shape[i] != out[skip + i]) bad();
    strides[skip + i] = own[i];
  }
  return strides;
}

AxisSplit split_at(const Shape& shape, int64_t axis) {
  AxisSplit out;
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    (at < axis ? out.outer : at == axis ? out.length : out.inner) *= shape[i];
  }
  return out;
}

namespace {
void require(const InferArgs& args, size_t index, bool ok, std::string_view expected) {
  if (!ok) {
    args.bad(
        fmt::format("input {} must be {}, got {}", index, expected, type_text(args.input(index))));
  }
}
}  // namespace

void require_float(const InferArgs& args, size_t index) {
  require(args, index, is_float(args.input(index).element.dtype), "a float tensor");
}
void require_numeric(const InferArgs& args, size_t index) {
  const DType dtype = args.input(index).element.dtype;
  require(args, index, is_float(dtype) || is_integer(dtype), "a float or integer tensor");
}
void require_integer(const InferArgs& args, size_t index) {
  require(args, index, is_integer(args.input(index).element.dtype), "an integer tensor");
}
void require_bool(const InferArgs& args, size_t index) {
  require(args, index, args.input(index).element.dtype == DType::kBool, "a bool tensor");
}
void require_scalar_type(const InferArgs& args, size_t index) {
  require(args, index, !args.input(index).element.is_block(), "of a scalar type");
}
void require_same_type(const InferArgs& args, size_t a, size_t b) {
  if (!(args.input(a).element == args.input(b).element)) {
    args.bad(fmt::format("inputs {} and {} must have one element type, got {} and {}", a, b,
                         args.input(a).element.name(), args.input(b).element.name()));
  }
}
void require_rank(const InferArgs& args, size_t index, size_t rank) {
  require(args, index, args.input(index).shape.size() == rank, fmt::format("of rank {}", rank));
}
void require_min_rank(const InferArgs& args, size_t index, size_t rank) {
  require(args, index, args.input(index).shape.size() >= rank,
          fmt::format("of rank {} or more", rank));
}

std::optional<std::vector<Dim>> same_dims(const DimsArgs& args) {
  const std::vector<Dim>* known = args.known(0);
  if (!known) return std::nullopt;
  return *known;
}

}  // namespace ingot::ops
