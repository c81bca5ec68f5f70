#include "tests/ops/case_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"

namespace ingot::test {
namespace {

constexpr int64_t kGap = 48;  // elements between the rows of a strided view
constexpr std::byte kGapByte{0xa5};

void fill_normal(const CaseInput& input, const TensorView& view, uint64_t seed) {
  std::vector<float> row(static_cast<size_t>(view.columns()));
  for (int64_t r = 0; r < view.rows(); ++r) {
    for (size_t c = 0; c < row.size(); ++c) {
      const uint64_t at = static_cast<uint64_t>(r) * row.size() + c;
      row[c] = static_cast<float>(input.scale * random_normal(seed, at));
      if (input.step > 0) {
        row[c] = static_cast<float>(std::round(static_cast<double>(row[c]) / input.step));
        row[c] *= static_cast<float>(input.step);
      }
    }
    if (view.type.is_block()) {
      ASSERT_NE(view.type.block->encode, nullptr) << view.type.name();
      view.type.block->encode(row.data(), view.columns() / view.type.block->block_elements,
                              view.row(r));
    } else {
      store_row(view, r, 0, view.columns(), row.data());
    }
  }
}

void set_spots(const CaseInput& input, const TensorView& view) {
  for (const Spot& spot : input.spots) {
    const bool whole = spot.column < 0;
    const std::vector<float> values(static_cast<size_t>(whole ? view.columns() : 1),
                                    static_cast<float>(spot.value));
    store_row(view, spot.row, whole ? 0 : spot.column, static_cast<int64_t>(values.size()),
              values.data());
  }
}

// NaN in every slot from `from` on of a cache [page][head][slot][dim].
void poison(const TensorView& cache, int64_t from) {
  const std::vector<float> nan(static_cast<size_t>(cache.columns()), NAN);
  for (int64_t r = 0; r < cache.rows(); ++r) {
    if (r % cache.shape[2] >= from) store_row(cache, r, 0, cache.columns(), nan.data());
  }
}

}  // namespace

TensorView Memory::add(const ElementType& type, const Shape& shape, bool strided) {
  TensorView view{type, shape};
  if (strided) view.row_stride = type.bytes(view.columns()) + kGap * type.bytes(1);
  const int64_t bytes =
      strided ? view.rows() * view.row_stride : std::max<int64_t>(view.bytes(), 1);
  blocks_.emplace_back(static_cast<size_t>(std::max<int64_t>(bytes, 1)), kGapByte);
  view.data = blocks_.back().data();
  return view;
}

void copy_view(const TensorView& from, const TensorView& to) {
  const auto bytes = static_cast<size_t>(from.type.bytes(from.columns()));
  const int64_t rows = from.rows(), step = from.row_bytes(), to_step = to.row_bytes();
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(to.data + r * to_step, from.data + r * step, bytes);
}

bool gaps_untouched(const TensorView& view) {
  const int64_t bytes = view.type.bytes(view.columns());
  for (int64_t r = 0; r < view.rows(); ++r) {
    for (int64_t i = bytes; i < view.row_bytes(); ++i) {
      if (view.row(r)[i] != kGapByte) return false;
    }
  }
  return true;
}

void fill_query_offsets(const TensorView& token_rows, const TensorView& offsets) {
  for (int64_t b = 0; b < offsets.elements(); ++b) {
    int64_t count = 0;
    for (int64_t t = 0; t < token_rows.elements(); ++t) count += load_index(token_rows, t) < b;
    store_index(offsets, b, count);
  }
}

void fill_input(const CaseInput& input, const std::vector<TensorView>& views, size_t index) {
  const TensorView& view = views[index];
  if (input.fill == Fill::kNormal) {
    fill_normal(input, view, 17 + index);
    if (input.poison_from >= 0) poison(view, input.poison_from);
    return set_spots(input, view);
  }
  if (input.fill == Fill::kReals) {
    for (int64_t i = 0; i < view.elements(); ++i) {
      store_element(view, i, input.reals[static_cast<size_t>(i) % input.reals.size()]);
    }
    return;
  }
  if (input.fill == Fill::kQueryOffsets) {
    return fill_query_offsets(views[static_cast<size_t>(input.low)], view);
  }
  for (int64_t i = 0; i < view.elements(); ++i) {
    int64_t value = 0;
    if (input.fill == Fill::kValues) {
      ASSERT_EQ(static_cast<int64_t>(input.values.size()), view.elements());
      value = input.values[static_cast<size_t>(i)];
    } else {
      const auto span = static_cast<uint64_t>(input.high - input.low);
      value = input.low + static_cast<int64_t>(random_below(index, static_cast<uint64_t>(i), span));
    }
    store_index(view, i, value);
  }
}

}  // namespace ingot::test
