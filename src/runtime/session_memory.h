// The arithmetic of a session's memory, before any of it is taken.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "runtime/text_session.h"

namespace ingot {

// Bytes unless a name says otherwise.
struct SessionMemory {
  std::string device;       // its kind, for messages
  int64_t weights = 0;      // all of them, in memory
  int64_t weights_new = 0;  // of those, that loading takes: a host reads stored ones where they are
  int64_t kv_token = 0;     // of one position, over all layers
  int64_t kv_tokens = 0;    // positions that the pages of the largest block table hold
  int64_t kv = 0;
  int64_t activations = 0;  // the arena, and the inputs at their limits
  int64_t graphs = 0;       // of captured steps: an estimate, see session_memory.cc
  int64_t free = 0;         // on the device now; 0: not known
  int64_t rows = 0;
  int64_t step_tokens = 0;
  int64_t context = 0;  // of one sequence

  int64_t needed() const { return weights_new + kv + activations + graphs; }
  // Left for a KV cache once the rest is there; not below 0.
  int64_t room_for_kv() const;
};

// For a session of these options on the device. Errors as EngineRunner.
SessionMemory session_memory(const Engine& engine, const SessionOptions& options,
                             const Device& device);

// What an executor of the engine takes at these values of the plan's symbols: weights, KV cache and
// activations, with no captured steps; the figures of sequences and steps are left to the caller.
SessionMemory memory_at(const Engine& engine, const SymbolValues& symbols, const Device& device);

// kOutOfMemory that no other limit of the session helps.
class WeightsTooLarge : public Error {
 public:
  using Error::Error;
};

// Error{kOutOfMemory} with the arithmetic, where more is needed than free; WeightsTooLarge when
// that holds of the weights alone.
void check_session_fits(const SessionMemory& memory);

}  // namespace ingot
