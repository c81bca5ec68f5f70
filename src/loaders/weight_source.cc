#include "loaders/weight_source.h"

#include <cstring>

#include "base/refusal.h"

namespace ingot {

const WeightInfo& WeightSource::require(std::string_view name) const {
  const WeightInfo* info = find(name);
  if (!info) {
    refuse(ErrorCode::kNotFound, "loaders/weights",
           {"weight", origin(), std::string(name), "a tensor", ""});
  }
  return *info;
}

const WeightInfo& WeightSource::require(std::string_view name, const Shape& expected) const {
  const WeightInfo* info = find(name);
  if (info && info->shape == expected) return *info;
  refuse(info ? ErrorCode::kCorrupt : ErrorCode::kNotFound, "loaders/weights",
         {"weight", origin(), std::string(name), "shape " + shape_text(expected),
          info ? shape_text(info->shape) : ""});
}

const WeightInfo* WeightTable::find(std::string_view name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::vector<std::string> WeightTable::names() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const auto& entry : entries_) out.push_back(entry->name);
  return out;
}

bool WeightTable::add(WeightInfo info) {
  if (find(info.name)) return false;
  entries_.push_back(std::make_unique<WeightInfo>(std::move(info)));
  by_name_.emplace(entries_.back()->name, entries_.back().get());
  return true;
}

std::span<std::byte> WeightTable::allocate(size_t bytes) {
  constexpr size_t kAlignment = 64;
  size_t space = bytes + kAlignment;
  // Not value-initialized: whoever asked fills it.
  copies_.push_back(std::make_unique_for_overwrite<std::byte[]>(space));
  void* start = copies_.back().get();
  std::align(kAlignment, bytes, start, space);
  return {static_cast<std::byte*>(start), bytes};
}

std::span<const std::byte> WeightTable::keep_aligned(std::span<const std::byte> bytes) {
  const std::span<std::byte> copy = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace ingot
