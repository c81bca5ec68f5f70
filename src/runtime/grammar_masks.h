// What each slot's answer may go on with in its grammar, worked out on threads of their own while
// steps run: a token goes in when it is known, and its mask is asked for where it is needed. A mask
// takes microseconds but where the grammar's state is a new one: then it can take a hundred
// milliseconds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "runtime/request.h"
#include "text/grammar.h"

namespace ingot {

// Used by one thread; its workers start with the first grammar.
class GrammarMasks {
 public:
  // `mask_words`: of a mask, enough for every grammar that comes. `on_work`: for tests, called by a
  // worker before it works a slot's tokens in.
  GrammarMasks(size_t slots, size_t mask_words,
               std::function<void(int32_t slot)> on_work = nullptr);
  ~GrammarMasks();
  GrammarMasks(const GrammarMasks&) = delete;
  GrammarMasks& operator=(const GrammarMasks&) = delete;

  // The slot's answer, of which `output` has been drawn, is in `grammar`; nullptr: in none.
  void begin(int32_t slot, std::shared_ptr<const Grammar> grammar, std::span<const TokenId> output);
  // Tokens behind those of begin() and earlier calls. Nothing for a slot without a grammar.
  void take(int32_t slot, std::span<const TokenId> tokens);

  enum class State : uint8_t {
    kOpen,   // bits tells what may come
    kEnded,  // an end token was taken: nothing comes that anyone reads
    kFault,  // a token was taken that the grammar does not have, no token can come, or no memory
  };
  struct Mask {
    State state = State::kFault;
    // Bit i % 32 of word i / 32 is token i's; of mask_words words, unchanged until the next begin()
    // or take() of the slot.
    std::span<const uint32_t> bits;
  };
  // Waits until the slot's tokens are worked in. Only for slots with a grammar.
  Mask mask(int32_t slot);
  // Whether mask() would not wait; waits for that until then.
  bool ready(int32_t slot, std::chrono::steady_clock::time_point until = {});
  // Called by a worker when a slot is ready of which ready() has said that it is not. It must not
  // call this; nullptr: nobody. The old one is not called when this has returned.
  void on_ready(std::function<void()> told);

 private:
  struct Slot {
    // What is to be done; under the mutex.
    bool restart = false;
    std::shared_ptr<const Grammar> grammar;
    std::vector<TokenId> tokens;
    bool queued = false;   // or at work
    bool awaited = false;  // ready() has said no
    // The worker's, while `queued`.
    std::unique_ptr<GrammarMatcher> matcher;
    State state = State::kFault;
    std::vector<uint32_t> bits;
  };
  void put(Slot& slot);
  void work();
  void advance(Slot& slot, bool restart, std::shared_ptr<const Grammar> grammar,
               std::span<const TokenId> tokens) const;

  const size_t mask_words_;
  const std::function<void(int32_t slot)> on_work_;
  std::function<void()> told_;  // under the mutex, its calls too
  std::vector<Slot> slots_;
  std::vector<bool> used_;  // slots with a grammar
  std::mutex mutex_;
  std::condition_variable wanted_, done_;
  std::deque<Slot*> queue_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace ingot
