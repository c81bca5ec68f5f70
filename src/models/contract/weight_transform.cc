#include "models/contract/weight_transform.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

// Vectors of blocks, which no converter writes, cannot be cut at elements.
void check_whole_rows(const WeightInfo& info, const WeightTable& table) {
  if (!info.type.is_block() || info.shape.size() > 1) return;
  fail(ErrorCode::kUnsupported, kWhere, "{}: tensor '{}': expected a vector of floats, found {}",
       table.origin(), info.name, info.type.name());
}

size_t bytes_of_row(const WeightInfo& info) {
  return static_cast<size_t>(info.type.bytes(element_count(info.shape) / info.shape[0]));
}

WeightInfo unpermuted(const WeightInfo& stored, WeightTable& keep, int64_t heads) {
  check_whole_rows(stored, keep);
  const int64_t rows = stored.shape[0];
  CHECK_EQ(rows % (2 * heads), 0);
  const int64_t head_rows = rows / heads;
  const size_t bytes = bytes_of_row(stored);
  const std::span<std::byte> out = keep.allocate(stored.bytes.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / head_rows;
    const int64_t j = row % head_rows / (head_rows / 2);
    const int64_t i = row % (head_rows / 2);
    const int64_t from = head * head_rows + 2 * i + j;
    std::memcpy(out.data() + static_cast<size_t>(row) * bytes,
                stored.bytes.data() + static_cast<size_t>(from) * bytes, bytes);
  }
  WeightInfo info = stored;
  info.bytes = out;
  return info;
}

WeightInfo mapped(const WeightInfo& stored, WeightTable& keep, float (*f)(float)) {
  const TensorView from{stored.type, stored.shape, const_cast<std::byte*>(stored.bytes.data())};
  std::vector<float> values(static_cast<size_t>(stored.elements()));
  for (int64_t r = 0; r < from.rows(); ++r) {
    load_row(from, r, 0, from.columns(), values.data() + r * from.columns());
  }
  for (float& value : values) value = f(value);
  WeightInfo info = stored;
  info.type = DType::kFloat32;
  info.bytes = keep.keep_aligned(std::as_bytes(std::span(values)));
  return info;
}

WeightInfo of_unit_rows(const WeightInfo& stored, WeightTable& keep) {
  if (stored.type.is_block()) {
    fail(ErrorCode::kUnsupported, kWhere, "{}: tensor '{}': expected floats to normalise, found {}",
         keep.origin(), stored.name, stored.type.name());
  }
  const TensorView from{stored.type, stored.shape, const_cast<std::byte*>(stored.bytes.data())};
  const std::span<std::byte> out = keep.allocate(stored.bytes.size());
  const TensorView to{stored.type, stored.shape, out.data()};
  std::vector<float> row(static_cast<size_t>(from.columns()));
  for (int64_t r = 0; r < from.rows(); ++r) {
    load_row(from, r, 0, from.columns(), row.data());
    double squares = 0;
    for (float x : row) squares += static_cast<double>(x) * x;
    const double length = std::max(std::sqrt(squares), 1e-12);
    for (float& x : row) x = static_cast<float>(x / length);
    store_row(to, r, 0, to.columns(), row.data());
  }
  WeightInfo info = stored;
  info.bytes = out;
  return info;
}

// out[c][r] = in[r][first + c] for elements of `Size` bytes, in tiles that fit the first cache.
template <size_t Size>
void transpose_tiles(const std::byte* in, std::byte* out, size_t rows, size_t width, size_t first,
                     size_t count) {
  constexpr size_t kTile = 32;
  for (size_t r0 = 0; r0 < rows; r0 += kTile) {
    for (size_t c0 = 0; c0 < count; c0 += kTile) {
      for (size_t c = c0; c < std::min(count, c0 + kTile); ++c) {
        for (size_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
          std::memcpy(out + (c * rows + r) * Size, in + (r * width + first + c) * Size, Size);
        }
      }
    }
  }
}

WeightInfo transposed(const WeightInfo& stored, WeightTable& keep, int64_t first, int64_t count) {
  const int64_t size = stored.type.is_block() ? 0 : stored.type.bytes(1);
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: tensor '{}': expected floats, which can be transposed, found {}", keep.origin(),
         stored.name, stored.type.name());
  }
  WeightInfo info = stored;
  info.shape = {count, stored.shape[0]};
  const std::span<std::byte> out =
      keep.allocate(static_cast<size_t>(stored.type.bytes(element_count(info.shape))));
  const auto run = size == 1   ? &transpose_tiles<1>
                   : size == 2 ? &transpose_tiles<2>
                   : size == 4 ? &transpose_tiles<4>
                               : &transpose_tiles<8>;
  run(stored.bytes.data(), out.data(), static_cast<size_t>(stored.shape[0]),
      static_cast<size_t>(stored.shape[1]), static_cast<size_t>(first), static_cast<size_t>(count));
  info.bytes = out;
  return info;
}

}  // namespace

WeightTransform unpermute_heads(int64_t heads) {
  if (heads == 0) return {};
  return {[heads](const WeightInfo& stored, WeightTable& keep) {
            return unpermuted(stored, keep, heads);
          },
          {}};
}

WeightTransform map_elements(float (*f)(float)) {
  return {[f](const WeightInfo& stored, WeightTable& keep) { return mapped(stored, keep, f); }, {}};
}

WeightTransform unit_rows() { return {of_unit_rows, {}}; }

WeightTransform transpose_matrix(int64_t rows, int64_t columns) {
  return transpose_columns(0, rows, {columns, rows});
}

WeightTransform transpose_columns(int64_t first, int64_t count, Shape whole) {
  CHECK(whole.size() == 2 && first >= 0 && count >= 0 && first + count <= whole[1]);
  return {[first, count](const WeightInfo& stored, WeightTable& keep) {
            return transposed(stored, keep, first, count);
          },
          std::move(whole)};
}

WeightTransform take_rows(int64_t first, int64_t count, Shape whole) {
  CHECK(first >= 0 && count >= 0 && !whole.empty() && first + count <= whole[0]);
  return {[first, count](const WeightInfo& stored, WeightTable& keep) {
            check_whole_rows(stored, keep);
            const size_t bytes = bytes_of_row(stored);
            WeightInfo info = stored;
            info.shape[0] = count;
            info.bytes = stored.bytes.subspan(static_cast<size_t>(first) * bytes,
                                              static_cast<size_t>(count) * bytes);
            return info;
          },
          std::move(whole)};
}

WeightTransform take_matrix_rows(int64_t matrix, int64_t first, int64_t count, Shape whole) {
  CHECK(whole.size() == 3 && matrix >= 0 && matrix < whole[0]);
  CHECK(first >= 0 && count >= 0 && first + count <= whole[1]);
  const int64_t from = matrix * whole[1] + first;
  return {[from, count](const WeightInfo& stored, WeightTable&) {
            const int64_t columns = stored.shape[2];
            const auto bytes = static_cast<size_t>(stored.type.bytes(columns));
            WeightInfo info = stored;
            info.shape = {count, columns};
            info.bytes = stored.bytes.subspan(static_cast<size_t>(from) * bytes,
                                              static_cast<size_t>(count) * bytes);
            return info;
          },
          std::move(whole)};
}

WeightTransform take_vector(int64_t row, Shape whole) {
  CHECK(whole.size() == 2);
  const int64_t columns = whole[1];
  const WeightTransform one = take_rows(row, 1, std::move(whole));
  return {[apply = one.apply, columns](const WeightInfo& stored, WeightTable& keep) {
            WeightInfo info = apply(stored, keep);
            info.shape = {columns};
            return info;
          },
          one.shape};
}

WeightTransform take_rows_of_groups(int64_t first, int64_t count, int64_t group, Shape whole) {
  CHECK(first >= 0 && count >= 0 && first + count <= group);
  CHECK(!whole.empty() && whole[0] % group == 0);
  if (whole[0] == group) return take_rows(first, count, std::move(whole));
  return {[first, count, group](const WeightInfo& stored, WeightTable& keep) {
            check_whole_rows(stored, keep);
            const size_t bytes = bytes_of_row(stored);
            const int64_t groups = stored.shape[0] / group;
            const size_t part = static_cast<size_t>(count) * bytes;
            const std::span<std::byte> out = keep.allocate(static_cast<size_t>(groups) * part);
            for (int64_t g = 0; g < groups; ++g) {
              std::memcpy(out.data() + static_cast<size_t>(g) * part,
                          stored.bytes.data() + static_cast<size_t>(g * group + first) * bytes,
                          part);
            }
            WeightInfo info = stored;
            info.shape[0] = groups * count;
            info.bytes = out;
            return info;
          },
          std::move(whole)};
}

WeightTransform then(WeightTransform first, WeightTransform next) {
  if (!first.apply) return next;
  if (!next.apply) return first;
  return {[a = first.apply, b = std::move(next.apply), shape = std::move(next.shape)](
              const WeightInfo& stored, WeightTable& keep) {
            const WeightInfo middle = a(stored, keep);
            CHECK_MSG(shape.empty() || middle.shape == shape, "'{}' became {}", stored.name,
                      shape_text(middle.shape));
            return b(middle, keep);
          },
          std::move(first.shape), std::move(first.stored)};
}

WeightTransform WeightTransform::of(std::string name) const {
  WeightTransform out = *this;
  out.stored = std::move(name);
  return out;
}

}  // namespace ingot
