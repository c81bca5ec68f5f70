// Collectives between the ranks of one engine.
#pragma once

#include <memory>
#include <vector>

#include "tensor/tensor_view.h"

namespace ingot {

// One rank's end. Every rank must make the same calls in the same order; a call blocks until all
// ranks arrived or one left (Error{kCancelled}). One thread per rank.
class Comm {
 public:
  virtual ~Comm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // data becomes the elementwise sum over ranks, added in rank order so that every rank and every
  // run gets the same bits. float32, float16 and bfloat16, packed; sums are made in float32.
  virtual void all_reduce_sum(const TensorView& data) = 0;
  virtual void barrier() = 0;
};

// Ranks that are threads of one process, for tests and for several sockets of one machine.
std::vector<std::unique_ptr<Comm>> make_in_process_comms(int ranks);

}  // namespace ingot
