#include "text/grammar_cache.h"

#include <fmt/format.h>

#include <utility>

#include "base/hash.h"

namespace ingot {

GrammarCache::GrammarCache(std::shared_ptr<const GrammarVocabulary> vocabulary, size_t max_bytes,
                           GrammarLimits limits)
    : vocabulary_(std::move(vocabulary)), max_bytes_(max_bytes), limits_(limits) {}

std::shared_ptr<const Grammar> GrammarCache::get(const GrammarSource& source) {
  const std::string key =
      fmt::format("{}:{}", static_cast<int>(source.kind), hash128(source.text).hex());
  std::promise<Compiled> promise;
  std::shared_future<Compiled> other;
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = by_key_.find(key); it != by_key_.end()) {
      ++stats_.hits;
      entries_.splice(entries_.begin(), entries_, it->second);
      const Compiled grammar = it->second->grammar;
      weigh(*it->second);
      make_room();
      return grammar;
    }
    if (const auto it = compiling_.find(key); it != compiling_.end()) {
      ++stats_.hits;
      other = it->second;
    } else {
      ++stats_.misses;
      compiling_.emplace(key, promise.get_future().share());
    }
  }
  if (other.valid()) return other.get();
  try {
    Compiled grammar = Grammar::compile(vocabulary_, source, limits_);
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
  entry.bytes = entry.grammar->bytes();
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
