#include "engine/weights.h"

#include <sys/mman.h>

#include "base/check.h"
#include "base/knobs.h"

namespace ingot {

std::vector<TensorView> WeightStore::pieces(const PlanValue& value) {
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
  std::vector<std::byte>& memory = gathered_[value.name];
  if (memory.empty()) {
    for (const TensorView& piece : pieces) {
      memory.insert(memory.end(), piece.data, piece.data + piece.bytes());
    }
  }
  return {value.type.element, evaluate(value.type.shape, {}), memory.data()};
}

std::vector<TensorView> WeightStore::upload(const PlanValue& value) {
  std::vector<TensorView> source = pieces(value);
  if (device_.host_visible()) return source;
  auto stream = device_.make_stream();
  for (TensorView& piece : source) {
    const auto bytes = static_cast<size_t>(piece.bytes());
    Buffer& buffer = buffers_.emplace_back(device_, std::max<size_t>(bytes, 1));
    device_.copy_in(buffer.data(), piece.data, bytes, *stream);
    piece.data = buffer.data();
    owned_bytes_ += bytes;
  }
  stream->synchronize();
  return source;
}

std::vector<TensorView> WeightStore::view(const PlanValue& value, const WeightLayout& layout) {
  const std::string key = value.name + "\n" + layout.name;
  auto it = ready_.find(key);
  if (it != ready_.end()) return it->second;
  if (layout.name.empty()) return ready_[key] = upload(value);
  const int64_t budget = knob_int("pack_budget_mb") << 20;
  const std::vector<TensorView> source = pieces(value);
  OperandDesc desc;
  desc.type = value.type.element;
  desc.shape = evaluate(value.type.shape, {});
  desc.constant = true;
  const size_t bytes = layout.packed_bytes(desc);
  if (layouts_[value.name]++ > 0 && static_cast<int64_t>(bytes) > budget) {
    fail(ErrorCode::kOutOfMemory, "engine/weights",
         "weight '{}': a second layout '{}' of {} bytes exceeds --pack-budget", value.name,
         layout.name, bytes);
  }
  Buffer& buffer = buffers_.emplace_back(device_, bytes);
  owned_bytes_ += bytes;
  layout.pack(source, buffer.data(), device_.team());
  drop(value);
  return ready_[key] = {{value.type.element, desc.shape, buffer.data()}};
}

void WeightStore::drop(const PlanValue& value) const {
  if (!engine_.container) return;
  for (int id : value.segments) {
    engine_.container->file().drop_pages(engine_.tensors[static_cast<size_t>(id)]);
  }
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
