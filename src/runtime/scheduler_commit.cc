// Results of a step, and every way in which a choice or a request ends.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "runtime/scheduler.h"

namespace ingot {

bool Scheduler::matches(const StepResult& result) const {
  if (steps_.empty()) return false;
  const Batch& batch = steps_.front()->batch;
  return result.step == batch.step && result.rows.size() == batch.rows.size();
}

void Scheduler::commit(const StepResult& result) {
  CHECK(matches(result));
  std::unique_ptr<Step> step = std::move(steps_.front());
  steps_.pop_front();
  const Batch& batch = step->batch;
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    Sequence& s = *step->sequences[r];
    if (batch.rows[r].logit_count > 0) --s.pending;
    if (s.phase == SequencePhase::kFinished) {
      stats_.dropped += result.rows[r].count;
    } else {
      commit_row(s, batch.rows[r], result.rows[r]);
    }
    --s.in_flight;  // only now: until here s cannot be deleted
    settle(s);
  }
  spare_steps_.push_back(std::move(step));
}

void Scheduler::fail_step(int64_t step_number, FinishReason reason) {
  auto it = std::find_if(steps_.begin(), steps_.end(),
                         [&](const auto& s) { return s->batch.step == step_number; });
  CHECK(it != steps_.end());
  std::unique_ptr<Step> step = std::move(*it);
  steps_.erase(it);
  for (const Sequence* s : step->sequences) {
    if (s->phase != SequencePhase::kFinished) finish_request(s->request->id, reason);
  }
  for (size_t r = 0; r < step->batch.rows.size(); ++r) {
    Sequence& s = *step->sequences[r];
    if (step->batch.rows[r].logit_count > 0) --s.pending;
    --s.in_flight;
    settle(s);
  }
  spare_steps_.push_back(std::move(step));
}

void Scheduler::commit_row(Sequence& s, const BatchRow& row, const RowResult& result) {
  if (result.failure != FinishReason::kNone) return end_choice(s, result.failure);
  if (row.prompt_count > 0 && !commit_prompt(s, row, result)) return;
  if (row.logit_count == 0) {
    advance(s, row, 1);
    if (s.request->sampling.max_tokens > 0 || s.computed < s.prompt_len() - 1) return;
    return end_group(groups_.at(s.request->id), FinishReason::kLength);
  }
  const auto tokens = std::span(result.tokens.data(), result.count);
  const bool valid = result.count >= 1 && result.count <= row.logit_count &&
                     std::all_of(tokens.begin(), tokens.end(),
                                 [&](TokenId t) { return t >= 0 && t < limits_.vocab_size; });
  if (is_beam(s)) {
    advance(s, row, 1);
    return beam_commit(s, result);
  }
  if (!valid) {
    spdlog::warn("request {}: a step gave {} tokens for {} rows of logits, or unknown ids",
                 s.request->id, result.count, row.logit_count);
    return end_choice(s, FinishReason::kInternal);
  }
  stats_.accepted += result.count - 1;
  Group& group = groups_.at(s.request->id);
  FinishReason reason = FinishReason::kNone;
  uint8_t kept = 0;
  while (kept < result.count && reason == FinishReason::kNone) {
    s.tokens.push_back(result.tokens[kept++]);
    reason = end_after(s, group);
  }
  stats_.dropped += result.count - kept;
  order_.charge(s, kept * ServiceOrder::kOutputToken);
  advance(s, row, result.count);
  const size_t logprobs = std::min<size_t>(kept, result.logprobs.size());
  emit(group, s.choice, tokens.first(kept), reason, std::span(result.logprobs).first(logprobs));
  if (reason != FinishReason::kNone) retire(s, SequencePhase::kFinished);
}

// False: the request has ended.
bool Scheduler::commit_prompt(Sequence& s, const BatchRow& row, const RowResult& result) {
  Group& group = groups_.at(s.request->id);
  if (static_cast<int64_t>(result.prompt_logprobs.size()) != row.prompt_count) {
    spdlog::warn("request {}: a step gave {} prompt logprobs for {} rows of logits", s.request->id,
                 result.prompt_logprobs.size(), row.prompt_count);
    end_group(group, FinishReason::kInternal);
    return false;
  }
  group.prompt_told = std::max(row.first_position, group.prompt_told) + row.prompt_count;
  emit(group, 0, {}, FinishReason::kNone, {});
  events_.back().prompt_logprobs = result.prompt_logprobs;
  return true;
}

// Positions that the row wrote count as computed; room for guesses that were wrong is given back.
void Scheduler::advance(Sequence& s, const BatchRow& row, int32_t committed) {
  if (row.draft_len > 0) {
    s.scheduled = row.context_len() - row.draft_len + committed - 1;
    kv_.truncate(s.kv, s.scheduled);
  }
  s.computed = row.draft_len > 0 ? s.scheduled : row.context_len();
  const int64_t known = std::min(s.computed, s.length());
  kv_.publish(s.kv, s.tokens, salt_of(*s.request), known);
  kv_.leave_window(s.kv, s.computed);
}

FinishReason Scheduler::end_after(const Sequence& s, const Group& group) const {
  const SamplingParams& p = s.request->sampling;
  const TokenId token = s.tokens.back();
  auto in = [&](const std::vector<TokenId>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  if (s.output_len() > p.min_tokens) {
    if (in(p.stop_token_ids) || (!p.ignore_eos && in(p.eos_token_ids))) return FinishReason::kStop;
  }
  return s.length() >= group.max_length ? FinishReason::kLength : FinishReason::kNone;
}

void Scheduler::emit(Group& group, int32_t choice, std::span<const TokenId> tokens,
                     FinishReason reason, std::span<const TokenLogprobs> logprobs) {
  TokenEvent& event = events_.emplace_back();
  event.request_id = group.request->id;
  event.choice = choice;
  event.count = static_cast<uint8_t>(tokens.size());
  event.cached_tokens = group.cached_tokens;
  stats_.output_tokens += event.count;
  std::copy(tokens.begin(), tokens.end(), event.tokens.begin());
  event.logprobs.assign(logprobs.begin(), logprobs.end());
  event.finish = reason;
  if (reason == FinishReason::kNone) return;
  CHECK(!group.ended.at(static_cast<size_t>(choice)));
  group.ended[static_cast<size_t>(choice)] = true;
  event.request_done = --group.live == 0;
  if (event.request_done) ++stats_.finished;
}

// A choice's fault; before the fork, and in beam search, that of all choices.
void Scheduler::end_choice(Sequence& s, FinishReason reason) {
  Group& group = groups_.at(s.request->id);
  if (is_beam(s) || (!s.forked && s.request->sampling.n > 1)) return end_group(group, reason);
  emit(group, s.choice, {}, reason, {});
  retire(s, SequencePhase::kFinished);
}

void Scheduler::end_group(Group& group, FinishReason reason) {
  for (size_t c = 0; c < group.ended.size(); ++c) {
    if (!group.ended[c]) emit(group, static_cast<int32_t>(c), {}, reason, {});
  }
  // The last one takes the group along.
  const auto members = group.members;
  for (Sequence* s : members) retire(*s, SequencePhase::kFinished);
}

// Out of service: preempted (to kWaiting), paused or ended (to kFinished). Pages and slot go back
// now, or when the last step that names them is committed. May delete `s` and its group.
void Scheduler::retire(Sequence& s, SequencePhase phase) {
  const bool was_running = s.phase == SequencePhase::kRunning;
  s.phase = phase;
  if (was_running) ++retiring_;
  if (phase == SequencePhase::kWaiting) {
    order_.preempt(s);
  } else if (phase == SequencePhase::kPaused) {
    order_.pause(s);
  } else {
    order_.remove(s);
    auto it = groups_.find(s.request->id);
    std::erase(it->second.members, &s);
    if (it->second.members.empty()) {
      CHECK_EQ(it->second.live, 0);
      for (int32_t slot : it->second.reserved_slots) free_slots_.push_back(slot);
      forget_deadline(*s.request);
      groups_.erase(it);
    }
  }
  settle(s);
}

void Scheduler::settle(Sequence& s) {
  if (s.phase == SequencePhase::kRunning || s.in_flight > 0) return;
  if (s.slot >= 0) {
    --retiring_;
    release(s);
  }
  if (s.phase == SequencePhase::kFinished) sequences_.erase(&s);
}

void Scheduler::release(Sequence& s) {
  kv_.free(s.kv);
  free_slots_.push_back(s.slot);
  s.slot = -1;
  s.scheduled = s.computed = 0;
  auto it = groups_.find(s.request->id);
  if (!s.forked && it != groups_.end()) {
    for (int32_t slot : it->second.reserved_slots) free_slots_.push_back(slot);
    it->second.reserved_slots.clear();
  }
}

}  // namespace ingot
