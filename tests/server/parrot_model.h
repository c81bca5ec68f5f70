// A model that says what it is told to: the text between the last "SAY:" of its prompt and the end
// of that message, and then its end token. Of the oracle's vocabulary. In a grammar it passes over
// what may not stand there; where nothing is left to say, it ends, or says the last byte that may.
#pragma once

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "inline_model.h"
#include "text/grammar.h"

namespace ingot {

class ParrotModel final : public InlineModel {
 public:
  using InlineModel::InlineModel;

 private:
  void answer(const Batch& batch, std::vector<RowResult>& rows) override {
    for (const SlotStart& start : batch.slot_starts) {
      const size_t said = start.tokens.size() - start.request->prompt.size();
      Slot& slot = slots_[start.slot] = {text_of(start.request->prompt), said, nullptr};
      const auto& grammar = start.request->sampling.grammar;
      if (grammar != nullptr) slot.matcher = std::make_unique<GrammarMatcher>(grammar);
    }
    for (size_t r = 0; r < batch.rows.size(); ++r) {
      if (batch.rows[r].logit_count == 0) continue;
      Slot& slot = slots_[batch.rows[r].slot];
      RowResult& row = rows[r];
      row.count = 1;
      row.tokens[0] = slot.matcher ? in_grammar(slot) : slot.next();
    }
  }

  static constexpr TokenId kEnd = 257;
  struct Slot {
    TokenId next() { return said < text.size() ? text[said++] : kEnd; }
    std::vector<TokenId> text;
    size_t said = 0;
    std::unique_ptr<GrammarMatcher> matcher;
  };
  static TokenId in_grammar(Slot& slot) {
    const auto taken = [&](TokenId token) {
      return slot.matcher->accept(token) == GrammarMatcher::Result::kOk;
    };
    while (slot.said < slot.text.size()) {
      if (const TokenId token = slot.next(); taken(token)) return token;
    }
    if (taken(kEnd)) return kEnd;
    for (TokenId token = kEnd; token-- > 0;) {
      if (taken(token)) return token;
    }
    return kEnd;
  }
  static std::vector<TokenId> text_of(const std::vector<TokenId>& prompt) {
    const std::vector<TokenId> mark = {'S', 'A', 'Y', ':'};
    const auto at = std::find_end(prompt.begin(), prompt.end(), mark.begin(), mark.end());
    if (at == prompt.end()) return {};
    return {at + 4, std::find(at, prompt.end(), kEnd)};
  }

  std::unordered_map<int32_t, Slot> slots_;
};

}  // namespace ingot
