#include "text/grammar_cache.h"

#include <fmt/format.h>

#include <utility>

namespace ingot {

GrammarCache::GrammarCache(std::shared_ptr<const GrammarVocabulary> vocabulary, size_t max_bytes,
                           GrammarLimits limits)
    : GrammarCache(
          [vocabulary = std::move(vocabulary), limits](const GrammarSource& source) {
            std::shared_ptr<const Grammar> out = Grammar::compile(vocabulary, source, limits);
            check_start(out);  // better told now than by every answer
            return out;
          },
          max_bytes) {}

GrammarCache::GrammarCache(Compile compile, size_t max_bytes)
    : compile_(std::move(compile)), max_bytes_(max_bytes) {}

namespace {

// The text itself: a stranger may choose texts with equal hashes.
std::string key_of(const GrammarSource& source) {
  return fmt::format("{}:{}", static_cast<int>(source.kind), source.text);
}

}  // namespace

std::shared_ptr<const Grammar> GrammarCache::kept(const GrammarSource& source) {
  const std::string key = key_of(source);
  const std::lock_guard lock(mutex_);
  return find(key);
}

GrammarCache::Compiled GrammarCache::find(const std::string& key) {
  const auto it = by_key_.find(key);
  if (it == by_key_.end()) return nullptr;
  ++stats_.hits;
  entries_.splice(entries_.begin(), entries_, it->second);
  const Compiled grammar = it->second->grammar;
  weigh(*it->second);
  make_room();
  return grammar;
}

std::shared_ptr<const Grammar> GrammarCache::get(const GrammarSource& source) {
  const std::string key = key_of(source);
  std::promise<Compiled> promise;
  std::shared_future<Compiled> other;
  {
    const std::lock_guard lock(mutex_);
    if (Compiled grammar = find(key)) return grammar;
    if (const auto it = compiling_.find(key); it != compiling_.end()) {
      ++stats_.hits;
      other = it->second;
    } else {
      ++stats_.misses;
      compiling_.emplace(key, promise.get_future().share());
    }
  }
  if (other.valid()) return other.get();  // its work is bounded, so this ends
  try {
    Compiled grammar = compile_(source);
    keep(key, grammar);
    promise.set_value(grammar);
    return grammar;
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      compiling_.erase(key);
    }
    promise.set_exception(std::current_exception());
    throw;
  }
}

void GrammarCache::keep(const std::string& key, const Compiled& grammar) {
  const std::lock_guard lock(mutex_);
  compiling_.erase(key);
  entries_.push_front({key, grammar, 0});
  by_key_[key] = entries_.begin();
  weigh(entries_.front());
  make_room();
}

void GrammarCache::weigh(Entry& entry) {
  stats_.bytes -= entry.bytes;
  entry.bytes = entry.grammar->bytes() + 2 * entry.key.size();
  stats_.bytes += entry.bytes;
}

void GrammarCache::make_room() {
  while (stats_.bytes > max_bytes_) {
    stats_.bytes -= entries_.back().bytes;
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

GrammarCache::Stats GrammarCache::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.grammars = entries_.size();
  return stats;
}

}  // namespace ingot
