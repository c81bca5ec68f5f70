// The grammars of a served model: compiled when a request asks for them, kept while there is room.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "runtime/text_assets.h"
#include "text/grammar_cache.h"

namespace ingot {

// Thread safe.
class ModelGrammars {
 public:
  static constexpr size_t kMaxBytes = size_t{256} << 20;  // of the grammars kept

  // `assets` outlive this; `vocab_size` is that of the model's logits.
  ModelGrammars(const TextAssets& assets, int64_t vocab_size)
      : assets_(assets), vocab_size_(vocab_size) {}

  // Compiles on the caller's thread; the first time, the vocabulary is made too (some 100 ms for a
  // large one). ApiError (400) naming `field` for what cannot be enforced, or where the model has
  // no tokenizer or no token that ends an answer. `marks`: control tokens that stand for their
  // text.
  std::shared_ptr<const Grammar> get(const GrammarSource& source, std::string_view field,
                                     const std::vector<int32_t>& marks = {});
  // The grammar if it need not be compiled; nullptr: it must, or who knows that is busy.
  std::shared_ptr<const Grammar> kept(const GrammarSource& source,
                                      const std::vector<int32_t>& marks);

  // ApiError (400) naming `field` for what cannot be enforced, whatever the model.
  static void check(const GrammarSource& source, std::string_view field);

 private:
  GrammarCache& cache(const std::vector<int32_t>& marks);

  const TextAssets& assets_;
  const int64_t vocab_size_;
  std::mutex mutex_;
  std::unique_ptr<GrammarCache> plain_, marked_;  // a model's marks are always the same
};

}  // namespace ingot
