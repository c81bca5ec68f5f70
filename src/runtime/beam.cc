// Beam search inside the scheduler: when every beam of a request has its candidates, the best
// beam_width (parent, token) pairs live on; a parent chosen more than once is forked over the pages
// it has, a beam that nobody chose gives its place. Selection is on tokens, so beams that were
// preempted take part and are recomputed later.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "runtime/scheduler.h"

namespace ingot {

void Scheduler::beam_commit(Sequence& s, const RowResult& result) {
  Group& group = groups_.at(s.request->id);
  if (result.logprobs.empty() || result.logprobs[0].top.empty()) {
    return end_group(group, FinishReason::kInternal);
  }
  order_.charge(s, ServiceOrder::kOutputToken);
  s.beam_candidates = result.logprobs[0].top;
  for (const auto& [token, logprob] : s.beam_candidates) {
    if (token < 0 || token >= limits_.vocab_size || std::isnan(logprob)) {
      return end_group(group, FinishReason::kInternal);
    }
  }
  s.beam_ready = true;
  for (const Sequence* member : group.members) {
    if (!member->beam_ready) return;
  }
  beam_select(group);
}

// The survivors, best first; finished ones go to group.hypotheses. `full`: the search is over.
std::vector<Scheduler::Candidate> Scheduler::beam_candidates(Group& group, bool& full) {
  const SamplingParams& p = group.request->sampling;
  const auto width = static_cast<size_t>(p.beam_width);
  const int64_t length = group.members[0]->output_len() + 1;
  auto in = [](const std::vector<TokenId>& ids, TokenId t) {
    return std::find(ids.begin(), ids.end(), t) != ids.end();
  };
  std::vector<Candidate> all;
  for (Sequence* s : group.members) {
    size_t taken = 0;
    for (const auto& [token, logprob] : s->beam_candidates) {
      // Candidates are of the raw logits, which the rule min_tokens has not seen.
      const bool end_token = in(p.stop_token_ids, token) || in(p.eos_token_ids, token);
      if (end_token && length <= p.min_tokens) continue;
      if (++taken > 2 * width) break;
      all.push_back({s->beam_score + logprob, s, token});
    }
  }
  std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    // Equal scores are ordered by what the beams say, never by where they happen to live.
    if (a.parent != b.parent) return a.parent->tokens < b.parent->tokens;
    return a.token < b.token;
  });
  const double norm = std::pow(static_cast<double>(length), p.length_penalty);
  const bool last = group.members[0]->length() + 1 >= group.max_length;
  std::vector<Candidate> survivors;
  for (size_t rank = 0; rank < all.size() && survivors.size() < width; ++rank) {
    const Candidate& c = all[rank];
    const bool ends =
        in(p.stop_token_ids, c.token) || (!p.ignore_eos && in(p.eos_token_ids, c.token));
    if (!ends) survivors.push_back(c);
    if ((ends && rank < width) || (!ends && last)) {
      auto& h = group.hypotheses.emplace_back();
      h.score = c.score / norm;
      h.output.assign(c.parent->tokens.begin() + c.parent->prompt_len(), c.parent->tokens.end());
      h.output.push_back(c.token);
      h.reason = ends ? FinishReason::kStop : FinishReason::kLength;
    }
  }
  std::stable_sort(group.hypotheses.begin(), group.hypotheses.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  if (group.hypotheses.size() > width) group.hypotheses.resize(width);
  full = last || survivors.empty() ||
         (group.hypotheses.size() == width &&
          survivors[0].score / norm <= group.hypotheses.back().score);
  return survivors;
}

// Makes `target` (or a new beam) continue `parent`: its tokens, and its pages while it has them.
void Scheduler::beam_move(Group& group, Sequence* target, Sequence& parent) {
  const bool share = parent.phase == SequencePhase::kRunning;
  if (target == nullptr) {
    // The smallest that no member has: beams that ended have left gaps.
    int32_t choice = 0;
    const auto taken = [&](const Sequence* s) { return s->choice == choice; };
    while (std::any_of(group.members.begin(), group.members.end(), taken)) ++choice;
    // A search that grows again after beams ended has given its spare slots back.
    if (share && group.reserved_slots.empty() && !free_slots_.empty()) {
      group.reserved_slots.push_back(free_slots_.back());
      free_slots_.pop_back();
    }
    if (share && !group.reserved_slots.empty()) {
      Sequence& child = fork(parent, choice);
      child.in_flight = child.pending = 0;
      return;
    }
    auto owned = std::make_unique<Sequence>(parent);
    Sequence& child = *owned;
    child.choice = choice;
    child.phase = SequencePhase::kWaiting;
    child.kv = kv_.make_tables(parent.request->id);
    child.slot = -1;
    child.scheduled = child.computed = 0;
    child.in_flight = child.pending = 0;
    group.members.push_back(&child);
    order_.add_waiting(child);
    sequences_.emplace(&child, std::move(owned));
    return;
  }
  target->tokens = parent.tokens;
  if (target->phase != SequencePhase::kRunning) return;  // recomputes its new tokens when resumed
  if (!share) return retire(*target, SequencePhase::kWaiting);
  kv_.free(target->kv);
  target->kv = kv_.fork(parent.kv, parent.request->id);
  target->scheduled = parent.scheduled;
  target->computed = parent.computed;
  target->slot_fresh = true;
  ++stats_.forks;
}

void Scheduler::beam_select(Group& group) {
  bool full = false;
  const std::vector<Candidate> survivors = beam_candidates(group, full);
  // Nothing but end tokens, too early: the sampler finds no token to draw there either.
  if (survivors.empty() && group.hypotheses.empty()) {
    return end_group(group, FinishReason::kBadLogits);
  }
  if (full) return beam_finish(group);
  std::vector<Sequence*> idle;
  for (Sequence* s : group.members) {
    const bool chosen = std::any_of(survivors.begin(), survivors.end(),
                                    [&](const Candidate& c) { return c.parent == s; });
    if (!chosen) idle.push_back(s);
  }
  std::vector<Sequence*> heirs(survivors.size(), nullptr);
  for (size_t i = 0; i < survivors.size(); ++i) {
    Sequence* parent = survivors[i].parent;
    if (std::find(heirs.begin(), heirs.begin() + static_cast<ptrdiff_t>(i), parent) ==
        heirs.begin() + static_cast<ptrdiff_t>(i)) {
      heirs[i] = parent;
      continue;
    }
    Sequence* target = idle.empty() ? nullptr : idle.back();
    if (target != nullptr) idle.pop_back();
    beam_move(group, target, *parent);
    heirs[i] = target != nullptr ? target : group.members.back();
  }
  for (int32_t slot : group.reserved_slots) free_slots_.push_back(slot);
  group.reserved_slots.clear();
  for (size_t i = 0; i < survivors.size(); ++i) {
    Sequence& s = *heirs[i];
    s.tokens.push_back(survivors[i].token);
    s.beam_score = survivors[i].score;
    s.beam_ready = false;
    s.beam_candidates.clear();
    s.forked = true;
    s.slot_fresh = true;  // the runner's own draw was not what the beam took
  }
  for (Sequence* s : idle) retire(*s, SequencePhase::kFinished);
}

void Scheduler::beam_finish(Group& group) {
  const auto choices = static_cast<int32_t>(group.ended.size());
  for (int32_t c = 0; c < choices; ++c) {
    const auto i = static_cast<size_t>(c);
    if (i >= group.hypotheses.size()) {  // every candidate ended: fewer beams than choices
      emit(group, c, {}, FinishReason::kStop, {});
      continue;
    }
    const auto& h = group.hypotheses[i];
    std::span<const TokenId> rest = h.output;
    while (!rest.empty()) {
      const size_t count = std::min<size_t>(rest.size(), kMaxStepTokens);
      emit(group, c, rest.first(count), count == rest.size() ? h.reason : FinishReason::kNone, {});
      rest = rest.subspan(count);
    }
  }
  const auto members = group.members;
  for (Sequence* s : members) retire(*s, SequencePhase::kFinished);
}

}  // namespace ingot
