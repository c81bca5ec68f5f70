// Binding, second half: where weights are while an executor runs.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "kernels/kernel_def.h"
#include "tensor/buffer.h"

namespace ingot {

// Pieces of weight values as views. On host-visible devices canonical weights are read where the
// engine file is mapped, without a copy; elsewhere they are uploaded once; random ones are made on
// the device. Packed layouts are made at bind, after which the canonical pages are dropped from
// memory. One executor's; not thread safe.
class WeightStore {
 public:
  // `most_extra`: bytes that view() may make in all beyond one layout a value.
  WeightStore(const Engine& engine, Device& device,
              int64_t most_extra = std::numeric_limits<int64_t>::max())
      : engine_(engine), device_(device), most_extra_(most_extra) {}

  // What tells weights apart: the tensors they are made of. Names do so within one graph only; the
  // branches of an If may both have a "w".
  static std::string key(const PlanValue& value);

  // Pieces of a weight value; neighbours in memory are joined, so most merged weights are one
  // piece. Vectors (merged biases) are small: they are always gathered to one piece. A random
  // weight is one piece, in device memory; of any other the host may read the bytes.
  std::vector<TensorView> pieces(const PlanValue& value);

  // How many pieces view() gives in canonical form: those of pieces(), or one on a device apart,
  // where they are uploaded side by side.
  size_t piece_count(const PlanValue& value);

  // The value in a kernel's layout: canonical pieces when layout.name is empty. Past
  // `most_extra` Error{kUnsupported}: the tuner, who allows pack_budget_mb, skips such candidates;
  // an executor has no limit here, since it chose by that knob which layouts there are
  // (LayoutVotes).
  std::vector<TensorView> view(const PlanValue& value, const WeightLayout& layout);

  // Bytes this store owns beside the mapped file.
  size_t owned_bytes() const { return owned_bytes_; }

  // Streaming under a memory limit. True when a view lies in the mapped engine file.
  bool mapped(const TensorView& view) const;
  // Counts the value's pages as resident; before that, drops others until all that count fit in
  // `limit` bytes. The one used last goes first: a plan runs again and again in the same order, so
  // that one is needed again after all others. Values of one step come in one call; they stay even
  // when they alone exceed the limit.
  void make_resident(std::span<const PlanValue* const> values, int64_t limit);
  void drop_all();  // nothing is resident any more (opening the file has read all of it)
  // Hints that the value's pages come next.
  void prefetch(const PlanValue& value) const;

 private:
  bool is_random(const PlanValue& value) const;
  TensorView make_random(const PlanValue& value);
  std::vector<TensorView> host_pieces(const PlanValue& value, std::vector<std::byte>& memory);
  void drop(const PlanValue& value) const;
  std::vector<TensorView> upload(const PlanValue& value);
  TensorView gather(const PlanValue& value, const std::vector<TensorView>& pieces);

  const Engine& engine_;
  Device& device_;
  int64_t most_extra_;
  std::map<std::string, std::vector<TensorView>> ready_;    // by key() + layout
  std::map<std::string, std::vector<std::byte>> gathered_;  // by key(), on the host
  std::map<std::string, TensorView> made_;                  // random weights by key()
  std::map<std::string, int> layouts_;                      // copies by key()
  std::vector<Buffer> buffers_;
  size_t owned_bytes_ = 0;
  std::vector<int> resident_;  // tensors that make_resident counts, last used at the back
  int64_t resident_bytes_ = 0;
};

}  // namespace ingot
