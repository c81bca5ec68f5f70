#include "runtime/grammar_masks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/thread_team.h"

namespace ingot {
namespace {

// A mask takes 10 to 100 us: few threads keep up with a step's rows, and leave the CPUs to others.
// Two at least: where one works a new state out, the other has the other slots.
size_t worker_count() { return static_cast<size_t>(std::clamp(available_cpus() / 4, 2, 8)); }

}  // namespace

GrammarMasks::GrammarMasks(size_t slots, size_t mask_words,
                           std::function<void(int32_t slot)> on_work)
    : mask_words_(mask_words), on_work_(std::move(on_work)), slots_(slots), used_(slots, false) {}

GrammarMasks::~GrammarMasks() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void GrammarMasks::begin(int32_t index, std::shared_ptr<const Grammar> grammar,
                         std::span<const TokenId> output) {
  const auto at = static_cast<size_t>(index);
  Slot& slot = slots_.at(at);
  if (grammar == nullptr && !used_[at]) return;
  used_[at] = grammar != nullptr;
  if (workers_.empty()) {
    for (size_t i = 0; i < worker_count(); ++i) workers_.emplace_back([this] { work(); });
  }
  const std::lock_guard lock(mutex_);
  slot.restart = true;
  slot.grammar = std::move(grammar);
  slot.tokens.assign(output.begin(), output.end());
  put(slot);
}

void GrammarMasks::take(int32_t index, std::span<const TokenId> tokens) {
  const auto at = static_cast<size_t>(index);
  if (!used_[at] || tokens.empty()) return;
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[at];
  slot.tokens.insert(slot.tokens.end(), tokens.begin(), tokens.end());
  put(slot);
}

GrammarMasks::Mask GrammarMasks::mask(int32_t index) {
  const auto at = static_cast<size_t>(index);
  CHECK(used_.at(at));
  Slot& slot = slots_[at];
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return !slot.queued; });
  return {slot.state, slot.bits};
}

bool GrammarMasks::ready(int32_t index, std::chrono::steady_clock::time_point until) {
  const auto at = static_cast<size_t>(index);
  CHECK(used_.at(at));
  Slot& slot = slots_[at];
  std::unique_lock lock(mutex_);
  const bool is_ready = done_.wait_until(lock, until, [&] { return !slot.queued; });
  slot.awaited = !is_ready;
  return is_ready;
}

void GrammarMasks::on_ready(std::function<void()> told) {
  const std::lock_guard lock(mutex_);
  told_ = std::move(told);
}

// Under the mutex. A slot at work looks for more when it is done.
void GrammarMasks::put(Slot& slot) {
  if (slot.queued) return;
  slot.queued = true;
  queue_.push_back(&slot);
  wanted_.notify_one();
}

void GrammarMasks::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Slot& slot = *queue_.front();
    queue_.pop_front();
    while (slot.restart || !slot.tokens.empty()) {
      const bool restart = std::exchange(slot.restart, false);
      std::shared_ptr<const Grammar> grammar = std::move(slot.grammar);
      const std::vector<TokenId> tokens = std::exchange(slot.tokens, {});
      lock.unlock();
      if (on_work_) on_work_(static_cast<int32_t>(&slot - slots_.data()));
      advance(slot, restart, std::move(grammar), tokens);
      lock.lock();
    }
    slot.queued = false;
    done_.notify_all();
    if (std::exchange(slot.awaited, false) && told_) told_();
  }
}

void GrammarMasks::advance(Slot& slot, bool restart, std::shared_ptr<const Grammar> grammar,
                           std::span<const TokenId> tokens) const try {
  using Result = GrammarMatcher::Result;
  if (restart) {
    slot.matcher.reset();
    slot.state = State::kFault;
    if (grammar == nullptr) return;
    CHECK_LE(grammar->vocabulary().mask_words(), mask_words_);
    slot.matcher = std::make_unique<GrammarMatcher>(std::move(grammar));
    slot.bits.resize(mask_words_);
    slot.state = State::kOpen;
  }
  if (slot.state != State::kOpen) return;
  slot.state = State::kFault;  // unless what follows holds
  for (const TokenId token : tokens) {
    if (const Result result = slot.matcher->accept(token); result != Result::kOk) {
      spdlog::warn("a grammar {} token {}",
                   result == Result::kFault ? "is over its limits at" : "does not take", token);
      return;
    }
    if (slot.matcher->terminated()) {
      slot.matcher.reset();
      slot.state = State::kEnded;
      return;
    }
  }
  if (slot.matcher->mask(slot.bits) != Result::kOk) {
    spdlog::warn("a grammar is over its limits: it has no mask");
    return;
  }
  const bool any = std::ranges::any_of(slot.bits, [](uint32_t word) { return word != 0; });
  if (any) slot.state = State::kOpen;
  if (!any) spdlog::warn("a grammar has no token that goes on");
} catch (const std::exception& error) {
  spdlog::warn("a grammar's mask: {}", error.what());
  slot.state = State::kFault;
}

}  // namespace ingot
