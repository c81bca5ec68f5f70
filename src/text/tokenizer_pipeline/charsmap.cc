#include "text/tokenizer_pipeline/charsmap.h"

#include "base/byte_reader.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/charsmap";

// Fields of a unit: a leaf holds a value, any other a label and the distance to its children.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << (unit >> 9 & 1) * 8; }

}  // namespace

Charsmap::Charsmap(std::string_view blob, std::string_view file) : file_(file) {
  if (blob.empty()) return;
  ByteReader in(std::as_bytes(std::span(blob.data(), blob.size())), kWhere, file);
  const auto size = in.read<uint32_t>("size of the precompiled_charsmap's trie");
  if (size == 0 || size % sizeof(uint32_t) != 0) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: precompiled_charsmap: expected a trie of a multiple of 4 bytes, found {}", file,
         size);
  }
  const auto trie = in.bytes(size, "trie of the precompiled_charsmap");
  units_.resize(size / sizeof(uint32_t));
  std::memcpy(units_.data(), trie.data(), size);
  texts_ = in.text(in.remaining(), "texts of the precompiled_charsmap");
}

void Charsmap::outside(std::string_view what, size_t index, size_t size) const {
  fail(ErrorCode::kCorrupt, kWhere, "{}: precompiled_charsmap: expected {} below {}, found {}",
       file_, what, size, index);
}

uint32_t Charsmap::unit(size_t index) const {
  if (index >= units_.size()) outside("a unit", index, units_.size());
  return units_[index];
}

std::string_view Charsmap::text_at(size_t offset) const {
  if (offset >= texts_.size()) outside("a text", offset, texts_.size());
  const std::string_view rest = std::string_view(texts_).substr(offset);
  return rest.substr(0, rest.find('\0'));
}

Charsmap::Match Charsmap::find(std::string_view text, size_t at, bool first) const {
  Match best;
  if (units_.empty()) return best;
  size_t node = offset_of(units_[0]);
  for (size_t i = at; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    const uint32_t found = unit(node);
    if (label_of(found) != byte) break;
    node ^= offset_of(found);
    if (!has_leaf(found)) continue;
    best = {i + 1 - at, text_at(value_of(unit(node)))};
    if (first) break;
  }
  return best;
}

}  // namespace ingot
