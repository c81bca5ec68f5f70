#include "runtime/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ingot {

Scheduler::Scheduler(const ModelLimits& limits, SchedulerOptions options, const Clock& clock)
    : limits_(limits),
      options_(options),
      clock_(clock),
      kv_(limits.state_groups, options.prefix_cache),
      order_(options.fair) {
  CHECK_GT(limits_.vocab_size, 0);
  CHECK_GT(limits_.max_seq_len, 0);
  CHECK_GT(limits_.max_batch_rows, 0);
  CHECK_GT(limits_.max_batch_tokens, 0);
  if (options_.max_step_tokens <= 0 || options_.max_step_tokens > limits_.max_batch_tokens) {
    options_.max_step_tokens = limits_.max_batch_tokens;
  }
  // Decodes come first: less than this could keep a prompt waiting for as long as they run.
  options_.max_step_tokens = std::min(
      std::max(options_.max_step_tokens, limits_.max_batch_rows + 1), limits_.max_batch_tokens);
  if (options_.max_chunk <= 0) options_.max_chunk = options_.max_step_tokens;
  for (auto slot = static_cast<int32_t>(limits_.max_batch_rows) - 1; slot >= 0; --slot) {
    free_slots_.push_back(slot);
  }
}

Scheduler::~Scheduler() = default;

void Scheduler::succeed(const Scheduler& other) {
  next_step_ = other.next_step_;
  next_arrival_ = other.next_arrival_;
  stats_ = other.stats_;
}

int32_t Scheduler::width_of(const Request& request) {
  return std::max({1, request.sampling.n, request.sampling.beam_width});
}

bool Scheduler::can_truncate() const {
  return std::none_of(limits_.state_groups.begin(), limits_.state_groups.end(),
                      [](const KvGroup& g) { return g.kind == KvKind::kFixed; });
}

void Scheduler::add(std::shared_ptr<const Request> request) {
  const SamplingParams& p = request->sampling;
  const auto prompt = static_cast<int64_t>(request->prompt.size());
  const int64_t room = std::min(limits_.max_seq_len, kv_.capacity_tokens());
  // Its events, one for each choice.
  auto end_at_once = [&](FinishReason reason) {
    const int32_t choices = choice_count(p);
    for (int32_t c = 0; c < choices; ++c) {
      TokenEvent& event = events_.emplace_back();
      event.request_id = request->id;
      event.choice = c;
      event.finish = reason;
      event.request_done = c == choices - 1;
    }
  };
  auto refuse = [&](FinishReason reason) {
    ++stats_.refused;
    end_at_once(reason);
  };
  const bool known = std::all_of(request->prompt.begin(), request->prompt.end(),
                                 [&](TokenId t) { return t >= 0 && t < limits_.vocab_size; });
  // Workers validate before they submit: these are faults of ours.
  if (prompt == 0 || !known || groups_.count(request->id) != 0 || request->cross_tokens < 0) {
    return refuse(FinishReason::kInternal);
  }
  bool fits = prompt < room && width_of(*request) <= limits_.max_batch_rows && p.n <= kMaxChoices;
  for (size_t g = 0; g < kv_.groups().size(); ++g) {
    fits = fits && kv_.pages_for(g, prompt + 1, request->cross_tokens) <= kv_.groups()[g].num_pages;
  }
  if (!fits) return refuse(FinishReason::kTooLong);
  // Nothing to compute.
  if (p.max_tokens <= 0 && (p.prompt_logprobs < 0 || prompt == 1)) {
    return end_at_once(FinishReason::kLength);
  }

  Group& group = groups_[request->id];
  group.request = request;
  group.arrival = next_arrival_++;
  group.max_length = prompt + std::min(p.max_tokens, room - prompt);
  group.ended.assign(static_cast<size_t>(choice_count(p)), false);
  group.live = choice_count(p);
  if (request->deadline_ns != kNoDeadline) deadlines_.emplace(request->deadline_ns, request->id);

  auto owned = std::make_unique<Sequence>();
  Sequence& s = *owned;
  s.request = std::move(request);
  s.arrival = group.arrival;
  s.kv = kv_.make_tables(s.request->id);
  group.members.push_back(&s);
  order_.arrive(s);
  sequences_.emplace(&s, std::move(owned));
}

void Scheduler::finish_request(uint64_t request_id, FinishReason reason) {
  auto it = groups_.find(request_id);
  if (it == groups_.end()) return;
  if (reason == FinishReason::kCancelled) ++stats_.cancels;
  if (reason == FinishReason::kTimeout) ++stats_.timeouts;
  end_group(it->second, reason);
}

bool Scheduler::pause(uint64_t request_id) {
  const auto it = groups_.find(request_id);
  if (it == groups_.end() || it->second.request->sampling.beam_width > 1) return false;
  ++stats_.pauses;
  for (Sequence* s : it->second.members) {
    if (s->phase == SequencePhase::kPaused) continue;
    s->anew_by_pause |= s->phase == SequencePhase::kRunning;
    retire(*s, SequencePhase::kPaused);
  }
  return true;
}

void Scheduler::resume(uint64_t request_id) {
  const auto it = groups_.find(request_id);
  if (it == groups_.end()) return;
  for (Sequence* s : it->second.members) {
    if (s->phase != SequencePhase::kPaused) continue;
    s->phase = SequencePhase::kWaiting;
    order_.resume(*s);
  }
}

int64_t Scheduler::tokens(uint64_t request_id) const {
  const auto it = groups_.find(request_id);
  if (it == groups_.end()) return 0;
  int64_t out = 0;
  for (const Sequence* s : it->second.members) {
    out += std::max(s->prompt_len(), static_cast<int64_t>(s->tokens.size()));
  }
  return out;
}

void Scheduler::expire() {
  if (deadlines_.empty()) return;
  const int64_t now = clock_.now_ns();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto [deadline, id] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    auto it = groups_.find(id);
    if (it != groups_.end() && it->second.request->deadline_ns == deadline) {
      finish_request(id, FinishReason::kTimeout);
    }
  }
}

void Scheduler::forget_deadline(const Request& request) {
  auto [it, end] = deadlines_.equal_range(request.deadline_ns);
  for (; it != end; ++it) {
    if (it->second != request.id) continue;
    deadlines_.erase(it);
    return;
  }
}

// Positions that the sequence could compute now, counting tokens that steps in flight will sample.
int64_t Scheduler::work_left(const Sequence& s) const {
  if (s.put_off) return 0;
  const Group& group = groups_.at(s.request->id);
  if (s.request->sampling.max_tokens <= 0) return s.prompt_len() - 1 - s.scheduled;
  if (s.length() + s.pending >= group.max_length) return 0;  // the rest is in flight
  if (s.beam_ready || (is_beam(s) && s.pending > 0)) return 0;
  if (options_.drafts != nullptr && s.pending > 0) return 0;  // how many is not known yet
  return s.length() + s.pending - s.scheduled;
}

Scheduler::Positions Scheduler::prompt_wanted(const Sequence& s, int64_t first,
                                              int64_t count) const {
  if (s.request->sampling.prompt_logprobs < 0) return {};
  // The logits of the last token are of what is drawn.
  const int64_t begin = std::max(first, groups_.at(s.request->id).prompt_told);
  return {begin, std::max(begin, std::min(first + count, s.prompt_len() - 1))};
}

const Batch* Scheduler::next() {
  expire();
  do {
    plan_.clear();
    budget_ = options_.max_step_tokens;
    prompt_budget_ =
        limits_.max_prompt_logits > 0 ? limits_.max_prompt_logits : limits_.max_batch_tokens;
    starved_ = false;
    const std::vector<Sequence*>& running = order_.running_in_order();
    plan_running(running, true);
    plan_running(running, false);
    admit();
    if (!plan_.empty()) return build();
  } while (steps_.empty() && preempt_waiting_beam());
  if (!has_work()) return nullptr;
  if (steps_.empty() && put_off_.empty()) fail_first();
  return nullptr;
}

// Beams that have their candidates hold pages without using them; the last beam of their request
// may need those very pages.
bool Scheduler::preempt_waiting_beam() {
  const std::vector<Sequence*>& running = order_.running_in_order();
  const auto last = std::find_if(running.rbegin(), running.rend(),
                                 [](const Sequence* s) { return s->beam_ready; });
  if (last == running.rend()) return false;
  preempt(**last);
  return true;
}

void Scheduler::fail_first() {
  const Sequence* s = order_.first();
  CHECK(s != nullptr);
  finish_request(s->request->id, FinishReason::kOutOfMemory);
}

void Scheduler::plan_running(const std::vector<Sequence*>& running, bool decodes) {
  for (Sequence* s : running) {
    if (budget_ <= 0) return;
    if (s->phase != SequencePhase::kRunning) continue;  // preempted for one before it
    const int64_t left = work_left(*s);
    if (left > 0 && (left == 1) == decodes) plan(*s);
  }
}

void Scheduler::plan(Sequence& s) {
  int64_t count = std::min({work_left(s), budget_, options_.max_chunk});
  const Positions wanted = prompt_wanted(s, s.scheduled, count);
  if (wanted.end - wanted.begin > prompt_budget_) {
    count = wanted.begin + prompt_budget_ - s.scheduled;
  }
  if (count <= 0) return;
  const int64_t cross = s.request->cross_tokens;
  if (kv_.max_append(s.kv, 1, cross) == 0 && !make_room(s)) {
    starved_ = true;
    return;
  }
  count = kv_.max_append(s.kv, count, cross);
  Planned& planned = plan_.emplace_back();
  planned.sequence = &s;
  planned.count = count;
  if (options_.drafts != nullptr && s.scheduled + count == s.length() && s.scheduled > 0) {
    add_drafts(planned);
  }
  const Positions asked = prompt_wanted(s, s.scheduled, planned.count);
  prompt_budget_ -= asked.end - asked.begin;
  CHECK(kv_.append(s.kv, planned.count, cross, planned.copies));
  s.scheduled += planned.count;
  budget_ -= planned.count;
}

void Scheduler::add_drafts(Planned& planned) {
  const Sequence& s = *planned.sequence;
  const Group& group = groups_.at(s.request->id);
  // The masks behind a guess are not known.
  if (s.request->sampling.grammar != nullptr) return;
  if (!can_truncate() || is_beam(s) || !(s.forked || width_of(*s.request) == 1)) return;
  // Guesses must not take the budget that other sequences need to get on.
  const auto others = static_cast<int64_t>(running());
  const int64_t most = std::min<int64_t>(
      {kMaxStepTokens - 1, group.max_length - s.length() - 1, budget_ - planned.count - others});
  if (most <= 0) return;
  const int got = options_.drafts->draft(s, static_cast<int>(most), planned.drafts.data());
  CHECK_LE(got, most);
  const int64_t want = planned.count + std::max(0, got);
  const int64_t fit = kv_.max_append(s.kv, want, s.request->cross_tokens);
  planned.draft_len = static_cast<int32_t>(std::max<int64_t>(0, fit - planned.count));
  planned.count += planned.draft_len;
  stats_.drafted += planned.draft_len;
}

Sequence* Scheduler::victim_after(const Sequence& s, bool worse_priority_only) {
  Sequence* last = order_.last_running();
  if (last == nullptr || last == &s || !order_.before(s, *last)) return nullptr;
  if (worse_priority_only && last->request->priority <= s.request->priority) return nullptr;
  return last;
}

// Whose place one that waits may take: of a worse priority, or of the tenant that runs most, if its
// own runs nothing. Neither tenant loses its last place so: they cannot take it in turns for ever.
Sequence* Scheduler::victim_for(const Sequence& s) {
  Sequence* worse = victim_after(s, true);
  if (worse != nullptr) return worse;
  return order_.last_of_most(s, static_cast<size_t>(s.forked ? 1 : width_of(*s.request)));
}

// Pages for at least one position of a running sequence. False: not in this step.
bool Scheduler::make_room(const Sequence& s) {
  while (kv_.max_append(s.kv, 1, s.request->cross_tokens) == 0) {
    if (retiring_ > 0) return false;  // pages come back at the next commit
    Sequence* victim = victim_after(s, false);
    if (victim == nullptr) return false;
    preempt(*victim);
  }
  return true;
}

Hash128 Scheduler::salt_of(const Request& request) const {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // spreads small numbers over all bits
  Hash128 salt = request.tenant_salt;
  salt.high ^= kOdd * static_cast<uint64_t>(limits_.rotation_of(request));
  return salt;
}

void Scheduler::preempt(Sequence& s) {
  ++stats_.preemptions;
  for (auto it = plan_.begin(); it != plan_.end(); ++it) {
    if (it->sequence != &s) continue;
    budget_ += it->count;
    const Positions asked = prompt_wanted(s, s.scheduled - it->count, it->count);
    prompt_budget_ += asked.end - asked.begin;
    stats_.drafted -= it->draft_len;
    plan_.erase(it);
    break;
  }
  retire(s, SequencePhase::kWaiting);
}

void Scheduler::admit() {
  while (budget_ > 0 && !starved_) {
    Sequence* const next = order_.first_waiting();
    if (next == nullptr) return;
    Sequence& s = *next;
    if (s.slot >= 0) return;  // preempted with a step in flight: first in line, at the next commit
    // One that can compute no position now would hold a slot, and the pages that it was let in for.
    const bool asks = s.request->sampling.prompt_logprobs >= 0 &&
                      groups_.at(s.request->id).prompt_told < s.prompt_len() - 1;
    if (asks && prompt_budget_ <= 0) return;
    if (start(s)) {
      plan(s);
    } else {
      Sequence* victim = retiring_ > 0 ? nullptr : victim_for(s);
      if (victim == nullptr) return;
      preempt(*victim);
    }
  }
}

bool Scheduler::start(Sequence& s) {
  Group& group = groups_.at(s.request->id);
  const auto slots = static_cast<size_t>(s.forked ? 1 : width_of(*s.request));
  if (free_slots_.size() < slots) return false;
  const std::vector<TokenId>& known = s.tokens.empty() ? s.request->prompt : s.tokens;
  const auto length = static_cast<int64_t>(known.size());
  // Cached positions have no logits: those that are wanted are computed.
  int64_t most = length - 1;
  if (s.request->sampling.prompt_logprobs >= 0 && group.prompt_told < s.prompt_len() - 1) {
    most = std::min(most, group.prompt_told);
  }
  const int64_t taken = kv_.adopt(s.kv, known, salt_of(*s.request), most);
  // One page kept back for each running sequence: each may need its next before anybody ends.
  const auto reserve = static_cast<int64_t>(running());
  if (!kv_.fits(s.kv, length + 1, s.request->cross_tokens, reserve)) {
    kv_.free(s.kv);
    return false;
  }
  if (taken > 0) {
    ++stats_.prefix_hits;
    stats_.prefix_hit_tokens += taken;
  }
  if (!group.started) {
    group.started = true;
    group.cached_tokens = static_cast<int32_t>(taken);
    stats_.prompt_tokens += s.prompt_len();
    // Once: that it is recomputed after a preemption was not its tenant's wish.
    order_.charge(s, (s.prompt_len() - taken) * ServiceOrder::kPromptToken);
    started_.push_back(s.request->id);
  } else if (std::exchange(s.anew_by_pause, false)) {
    order_.charge(s, (length - taken) * ServiceOrder::kPromptToken);
  }
  // All tokens the sequence can have: no allocation while it decodes, none while it waits.
  s.tokens.reserve(static_cast<size_t>(group.max_length));
  if (s.tokens.empty()) s.tokens = s.request->prompt;
  order_.start(s);
  s.phase = SequencePhase::kRunning;
  s.scheduled = s.computed = taken;
  s.slot_fresh = true;
  s.slot = free_slots_.back();
  free_slots_.pop_back();
  for (size_t i = 1; i < slots; ++i) {
    group.reserved_slots.push_back(free_slots_.back());
    free_slots_.pop_back();
  }
  return true;
}

void Scheduler::check_invariants() const {
  std::vector<const KvTables*> tables;
  std::vector<int> slot_users(static_cast<size_t>(limits_.max_batch_rows), 0);
  auto use = [&](int32_t slot) { ++slot_users.at(static_cast<size_t>(slot)); };
  std::unordered_map<const Sequence*, int32_t> rows;
  for (const auto& step : steps_) {
    for (const Sequence* s : step->sequences) ++rows[s];
  }
  int64_t retiring = 0;
  for (const auto& [key, owned] : sequences_) {
    const Sequence& s = *owned;
    tables.push_back(&s.kv);
    CHECK_EQ(s.kv.tokens, s.slot >= 0 ? s.scheduled : 0);
    CHECK(!s.put_off || (s.phase == SequencePhase::kRunning && s.pending == 0));
    CHECK_EQ(s.put_off, std::count(put_off_.begin(), put_off_.end(), &s) == 1);
    CHECK_EQ(s.in_flight, rows[&s]);
    CHECK_GE(s.pending, 0);
    CHECK_LE(s.computed, s.scheduled);
    if (s.slot >= 0) use(s.slot);
    retiring += s.slot >= 0 && s.phase != SequencePhase::kRunning;
    CHECK_EQ(order_.is_running(s), s.phase == SequencePhase::kRunning);
    CHECK_EQ(order_.is_waiting(s), s.phase == SequencePhase::kWaiting);
    CHECK_EQ(order_.is_paused(s), s.phase == SequencePhase::kPaused);
    CHECK(s.phase != SequencePhase::kRunning || s.slot >= 0);
    CHECK(s.phase == SequencePhase::kRunning || s.slot < 0 || s.in_flight > 0);
    CHECK(s.phase == SequencePhase::kFinished || groups_.count(s.request->id) != 0);
  }
  CHECK_EQ(retiring, retiring_);
  for (const Sequence* s : put_off_) CHECK_EQ(sequences_.count(s), 1u);
  kv_.check_conserved(tables);
  for (int32_t slot : free_slots_) use(slot);
  for (const auto& [id, group] : groups_) {
    for (int32_t slot : group.reserved_slots) use(slot);
    CHECK_GT(group.live, 0);
    CHECK_EQ(group.live, std::count(group.ended.begin(), group.ended.end(), false));
  }
  for (const auto& [when, id] : deadlines_) CHECK_EQ(groups_.count(id), 1u);
  for (int users : slot_users) CHECK_EQ(users, 1);
  // No step in flight names a page that somebody else could be given.
  for (const auto& step : steps_) {
    for (size_t g = 0; g < step->batch.tables.size(); ++g) {
      for (PageId page : step->batch.tables[g]) {
        if (page != kNoPage) CHECK_GT(kv_.page_info(g, page).references, 0);
      }
    }
  }
}

}  // namespace ingot
