#include "engine/weights.h"

#include <fmt/ranges.h>
#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"
#include "tensor/random_fill.h"

namespace ingot {
namespace {

// On a fault the kernel maps whatever is cached of the 64 KiB around it (fault_around_bytes), so
// residency is counted and dropped in these units.
constexpr uintptr_t kFaultAround = uintptr_t{64} << 10;

struct PageRange {
  uintptr_t begin;
  uintptr_t end;
  int64_t size() const { return static_cast<int64_t>(end - begin); }
};

// The units that hold `bytes`, cut at the ends of the mapping (which is page aligned).
PageRange units_of(std::span<const std::byte> bytes, std::span<const std::byte> file) {
  constexpr uintptr_t kPage = 4096;
  const auto data = reinterpret_cast<uintptr_t>(bytes.data());
  const auto first = reinterpret_cast<uintptr_t>(file.data());
  const uintptr_t last = (first + file.size() + kPage - 1) / kPage * kPage;
  const uintptr_t end = (data + bytes.size() + kFaultAround - 1) / kFaultAround * kFaultAround;
  return {std::max(data / kFaultAround * kFaultAround, first), std::min(end, last)};
}

}  // namespace

std::string WeightStore::key(const PlanValue& value) {
  return fmt::format("{}", fmt::join(value.segments, ","));
}

// Loading has checked that all pieces are random or none is.
bool WeightStore::is_random(const PlanValue& value) const {
  return engine_.plan.tensors[static_cast<size_t>(value.segments[0])].random.has_value();
}

TensorView WeightStore::make_random(const PlanValue& value) {
  auto [it, fresh] = made_.try_emplace(key(value));
  if (!fresh) return it->second;
  try {
    TensorView view{value.type.element, evaluate(value.type.shape, {})};
    const auto bytes = static_cast<size_t>(view.bytes());
    Buffer& buffer = buffers_.emplace_back(device_, std::max<size_t>(bytes, 1));
    const auto stream = device_.make_stream();
    view.data = buffer.data();
    std::byte* at = buffer.data();
    for (int id : value.segments) {
      const PlanTensor& tensor = engine_.plan.tensors[static_cast<size_t>(id)];
      device_.fill_random(at, tensor.type.dtype, element_count(tensor.shape), *tensor.random,
                          *stream);
      at += tensor.bytes();
    }
    stream->synchronize();
    owned_bytes_ += bytes;
    it->second = view;
  } catch (...) {
    made_.erase(it);
    throw;
  }
  return it->second;
}

// pieces() where the host can read them; `memory` holds what had to be made for that.
std::vector<TensorView> WeightStore::host_pieces(const PlanValue& value,
                                                 std::vector<std::byte>& memory) {
  if (device_.host_visible() || !is_random(value)) return pieces(value);
  TensorView view{value.type.element, evaluate(value.type.shape, {})};
  memory.resize(static_cast<size_t>(view.bytes()));
  view.data = memory.data();
  std::byte* at = memory.data();
  for (int id : value.segments) {
    const PlanTensor& tensor = engine_.plan.tensors[static_cast<size_t>(id)];
    fill_random_host(at, tensor.type.dtype, 0, element_count(tensor.shape), *tensor.random,
                     nullptr);
    at += tensor.bytes();
  }
  return {view};
}

std::vector<TensorView> WeightStore::pieces(const PlanValue& value) {
  if (is_random(value)) return {make_random(value)};
  std::vector<TensorView> out;
  for (int id : value.segments) {
    const PlanTensor& tensor = engine_.plan.tensors[static_cast<size_t>(id)];
    const std::span<const std::byte> bytes = engine_.tensors[static_cast<size_t>(id)];
    // Kernels take mutable views for all operands; weights are only ever inputs.
    auto* data = const_cast<std::byte*>(bytes.data());
    static std::byte empty[1];
    if (bytes.empty()) data = empty;
    if (!out.empty() && !tensor.shape.empty() && out.back().data + out.back().bytes() == data) {
      out.back().shape[0] += tensor.shape[0];
      continue;
    }
    out.push_back({tensor.type, tensor.shape, data});
  }
  if (out.size() > 1 && out[0].shape.size() == 1) return {gather(value, out)};
  return out;
}

TensorView WeightStore::gather(const PlanValue& value, const std::vector<TensorView>& pieces) {
  std::vector<std::byte>& memory = gathered_[key(value)];
  if (memory.empty()) {
    for (const TensorView& piece : pieces) {
      memory.insert(memory.end(), piece.data, piece.data + piece.bytes());
    }
  }
  return {value.type.element, evaluate(value.type.shape, {}), memory.data()};
}

size_t WeightStore::piece_count(const PlanValue& value) {
  return device_.host_visible() ? pieces(value).size() : 1;
}

std::vector<TensorView> WeightStore::upload(const PlanValue& value) {
  const std::vector<TensorView> source = pieces(value);
  if (device_.host_visible() || is_random(value)) return source;
  int64_t total = 0;
  for (const TensorView& piece : source) total += piece.bytes();
  const auto stream = device_.make_stream();
  Buffer& buffer = buffers_.emplace_back(device_, std::max<size_t>(static_cast<size_t>(total), 1));
  TensorView joined{value.type.element, evaluate(value.type.shape, {}), buffer.data()};
  std::byte* at = buffer.data();
  for (const TensorView& piece : source) {
    device_.copy_in(at, piece.data, static_cast<size_t>(piece.bytes()), *stream);
    at += piece.bytes();
  }
  stream->synchronize();
  owned_bytes_ += static_cast<size_t>(total);
  return {joined};
}

std::vector<TensorView> WeightStore::view(const PlanValue& value, const WeightLayout& layout) {
  const std::string weight = key(value);
  const std::string copy = weight + "\n" + layout.name;
  auto it = ready_.find(copy);
  if (it != ready_.end()) return it->second;
  if (layout.name.empty()) return ready_[copy] = upload(value);
  std::vector<std::byte> made;
  const std::vector<TensorView> source = host_pieces(value, made);
  OperandDesc desc;
  desc.type = value.type.element;
  desc.shape = evaluate(value.type.shape, {});
  desc.constant = true;
  const size_t bytes = layout.packed_bytes(desc);
  int& layouts = layouts_[weight];
  const int64_t extra = layouts > 0 ? static_cast<int64_t>(bytes) : 0;
  if (extra > most_extra_) {
    fail(ErrorCode::kUnsupported, "engine/weights",
         "weight '{}': a second layout '{}' of {} bytes exceeds what INGOT_PACK_BUDGET_MB leaves: "
         "{} bytes",
         value.name, layout.name, bytes, most_extra_);
  }
  most_extra_ -= extra;
  ++layouts;
  Buffer& buffer = buffers_.emplace_back(device_, bytes);
  owned_bytes_ += bytes;
  if (device_.host_visible()) {
    layout.pack(source, buffer.data(), device_.team());
  } else {
    std::vector<std::byte> packed(bytes);
    layout.pack(source, packed.data(), nullptr);
    const auto stream = device_.make_stream();
    device_.copy_in(buffer.data(), packed.data(), bytes, *stream);
    stream->synchronize();
  }
  drop(value);
  return ready_[copy] = {{value.type.element, desc.shape, buffer.data()}};
}

void WeightStore::drop(const PlanValue& value) const {
  if (!engine_.container) return;
  for (int id : value.segments) {
    engine_.container->file().drop_pages(engine_.tensors[static_cast<size_t>(id)]);
  }
}

bool WeightStore::mapped(const TensorView& view) const {
  if (!engine_.container) return false;
  const auto file = engine_.container->file().bytes();
  return view.data >= file.data() && view.data < file.data() + file.size();
}

void WeightStore::drop_all() {
  if (!engine_.container) return;
  for (const auto& bytes : engine_.tensors) engine_.container->file().drop_pages(bytes);
  resident_.clear();
  resident_bytes_ = 0;
}

void WeightStore::make_resident(std::span<const PlanValue* const> values, int64_t limit) {
  if (!engine_.container) return;
  const auto file = engine_.container->file().bytes();
  auto units = [&](int id) { return units_of(engine_.tensors[static_cast<size_t>(id)], file); };
  std::vector<int> wanted;
  for (const PlanValue* value : values) {
    wanted.insert(wanted.end(), value->segments.begin(), value->segments.end());
  }
  int64_t need = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (std::find(wanted.begin(), wanted.begin() + static_cast<int64_t>(i), wanted[i]) ==
        wanted.begin() + static_cast<int64_t>(i)) {
      need += units(wanted[i]).size();
    }
  }
  for (int id : wanted) {
    auto it = std::find(resident_.begin(), resident_.end(), id);
    if (it == resident_.end()) continue;
    resident_.erase(it);
    resident_bytes_ -= units(id).size();
  }
  while (!resident_.empty() && resident_bytes_ + need > limit) {
    const PageRange range = units(resident_.back());
    ::madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, MADV_DONTNEED);
    resident_bytes_ -= range.size();
    resident_.pop_back();
  }
  for (int id : wanted) {
    if (std::find(resident_.begin(), resident_.end(), id) == resident_.end()) {
      resident_.push_back(id);
    }
  }
  resident_bytes_ += need;
}

void WeightStore::prefetch(const PlanValue& value) const {
  if (!engine_.container) return;
  constexpr uintptr_t kPage = 4096;
  for (int id : value.segments) {
    const auto bytes = engine_.tensors[static_cast<size_t>(id)];
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / kPage * kPage;
    const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
  }
}

}  // namespace ingot
