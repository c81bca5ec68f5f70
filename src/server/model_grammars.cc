#include "server/model_grammars.h"

#include "server/api_error.h"

namespace ingot {
namespace {

ApiError named(const Error& error, std::string_view field) {
  ApiError out = api_error_of(error);
  if (out.status != 400) return out;
  out.param = field;
  out.message = fmt::format("'{}': {}", field, out.message);
  return out;
}

}  // namespace

std::shared_ptr<const Grammar> ModelGrammars::get(const GrammarSource& source,
                                                  std::string_view field,
                                                  const std::vector<int32_t>& marks) {
  try {
    return cache(marks).get(source);
  } catch (const Error& error) {
    throw named(error, field);
  }
}

void ModelGrammars::check(const GrammarSource& source, std::string_view field) {
  try {
    grammar_rules(source);
  } catch (const Error& error) {
    throw named(error, field);
  }
}

std::shared_ptr<const Grammar> ModelGrammars::kept(const GrammarSource& source,
                                                   const std::vector<int32_t>& marks) {
  const std::unique_lock lock(mutex_, std::try_to_lock);  // held while a vocabulary is made
  GrammarCache* const cache = !lock ? nullptr : marks.empty() ? plain_.get() : marked_.get();
  return cache == nullptr ? nullptr : cache->kept(source);
}

GrammarCache& ModelGrammars::cache(const std::vector<int32_t>& marks) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<GrammarCache>& cache = marks.empty() ? plain_ : marked_;
  if (cache == nullptr) {
    cache = std::make_unique<GrammarCache>(
        GrammarVocabulary::create(assets_.require_tokenizer(), assets_.end_ids(),
                                  static_cast<int32_t>(vocab_size_), marks),
        kMaxBytes);
  }
  return *cache;
}

}  // namespace ingot
