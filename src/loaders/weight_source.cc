#include "loaders/weight_source.h"

#include <cstring>

#include "base/error.h"

namespace ingot {

const WeightInfo& WeightSource::require(std::string_view name) const {
  const WeightInfo* info = find(name);
  if (!info) {
    fail(ErrorCode::kNotFound, "loaders/weights", "{}: tensor '{}' is missing ({} tensors present)",
         origin(), name, names().size());
  }
  return *info;
}

const WeightInfo& WeightSource::require(std::string_view name, const Shape& expected) const {
  const WeightInfo& info = require(name);
  if (info.shape != expected) {
    fail(ErrorCode::kCorrupt, "loaders/weights", "{}: tensor '{}': expected shape {}, found {}",
         origin(), name, shape_text(expected), shape_text(info.shape));
  }
  return info;
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

std::span<const std::byte> WeightTable::keep_aligned(std::span<const std::byte> bytes) {
  constexpr size_t kAlignment = 64;
  std::vector<std::byte>& copy = copies_.emplace_back(bytes.size() + kAlignment);
  void* start = copy.data();
  size_t space = copy.size();
  std::align(kAlignment, bytes.size(), start, space);
  if (!bytes.empty()) std::memcpy(start, bytes.data(), bytes.size());
  return {static_cast<const std::byte*>(start), bytes.size()};
}

}  // namespace ingot
