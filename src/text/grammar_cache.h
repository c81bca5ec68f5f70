// Compiled grammars of one vocabulary, kept while there is room.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "text/grammar.h"

namespace ingot {

// Thread safe. Threads that ask for the same grammar at once compile it once; what does not compile
// is not kept.
class GrammarCache {
 public:
  using Compile = std::function<std::shared_ptr<const Grammar>(const GrammarSource&)>;
  // `max_bytes`: of the grammars kept with their texts, each as large as it was when last asked
  // for.
  GrammarCache(std::shared_ptr<const GrammarVocabulary> vocabulary, size_t max_bytes,
               GrammarLimits limits = {});
  // With another way to compile.
  GrammarCache(Compile compile, size_t max_bytes);
  // Errors as Grammar::compile(), which runs on the caller's thread; where another thread compiles
  // the same text, what comes of that. The limits bound its work, not the time that it takes on a
  // crowded machine, so there is no other end of the wait.
  std::shared_ptr<const Grammar> get(const GrammarSource& source);

  // The grammar if it is here; nullptr: it would have to be compiled.
  std::shared_ptr<const Grammar> kept(const GrammarSource& source);

  struct Stats {
    size_t grammars = 0, bytes = 0;  // kept
    uint64_t hits = 0, misses = 0;
  };
  Stats stats() const;

 private:
  using Compiled = std::shared_ptr<const Grammar>;
  struct Entry {
    std::string key;
    Compiled grammar;
    size_t bytes = 0;
  };
  Compiled find(const std::string& key);  // under the mutex
  void keep(const std::string& key, const Compiled& grammar);
  void weigh(Entry& entry);  // as it is now
  void make_room();

  const Compile compile_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
  std::map<std::string, std::list<Entry>::iterator> by_key_;
  std::map<std::string, std::shared_future<Compiled>> compiling_;
  Stats stats_;
};

}  // namespace ingot
