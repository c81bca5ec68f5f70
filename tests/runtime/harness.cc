#include "tests/runtime/harness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "tests/runtime/oracle_streams.h"

namespace ingot {
namespace {

// Guesses from the oracle itself, sometimes spoiled.
class OracleDrafts final : public DraftSource {
 public:
  OracleDrafts(const ModelLimits& limits, uint64_t seed) : limits_(limits), random_{seed} {}
  int draft(const Sequence& s, int most, TokenId* out) override {
    const int count = static_cast<int>(random_.between(0, std::min(most, 3)));
    std::vector<TokenId> tokens = s.tokens;
    for (int i = 0; i < count; ++i) {
      TokenId token = oracle_next(limits_, tokens, *s.request, s.choice);
      if (random_.chance(30)) token = static_cast<TokenId>((token + 1) % limits_.vocab_size);
      tokens.push_back(token);
      out[i] = token;
    }
    return count;
  }

 private:
  ModelLimits limits_;
  Random random_;
};

}  // namespace

bool FaultyRunner::fault() {
  if (percent_ == 0 || !random_.chance(percent_)) return false;
  ++faults_;
  return true;
}

void FaultyRunner::submit(const Batch& batch) {
  if (fault()) fail(ErrorCode::kInternal, "simulation", "not submitted, as planned");
  rows_ += static_cast<int64_t>(batch.rows.size());
  oracle_.submit(batch);
}

void FaultyRunner::collect(StepResult& result) {
  oracle_.collect(result);
  if (!fault()) return;
  switch (random_.below(4)) {
    case 0:
      fail(ErrorCode::kOutOfMemory, "simulation", "failed, as planned");
    case 1:
      result.rows.pop_back();
      return;
    default:
      result.rows[static_cast<size_t>(random_.below(static_cast<int64_t>(result.rows.size())))]
          .failure = random_.chance(50) ? FinishReason::kBadLogits : FinishReason::kInternal;
  }
}

Simulation::Simulation(uint64_t seed) : random_{seed * 7919 + 1} {
  limits_.vocab_size = random_.between(16, 80);
  limits_.max_seq_len = random_.between(40, 256);
  limits_.max_batch_rows = random_.between(2, 10);
  limits_.max_batch_tokens = limits_.max_batch_rows + random_.between(1, 96);
  limits_.max_prompt_logits = random_.chance(60) ? random_.between(2, 40) : 0;
  make_groups();
  make_options(seed);
  runner_ = std::make_unique<FaultyRunner>(limits_, seed, random_.chance(20) ? 2 : 0);
  loop_ = std::make_unique<Loop>(*runner_, options_, clock_);
  room_ = std::min(limits_.max_seq_len, loop_->scheduler().kv().capacity_tokens());
  for (int i = 0; i < 3; ++i) {
    prefixes_.emplace_back();
    for (int64_t t = random_.between(20, 160); t > 0; --t) prefixes_.back().push_back(token());
  }
}

Simulation::~Simulation() = default;

void Simulation::make_groups() {
  const int64_t pages = random_.between(4, 32);
  const int64_t window = random_.between(8, 100);
  const int64_t window_pages = (window + 31) / 32 + 2 + random_.between(0, 12);
  const int64_t slots = limits_.max_batch_rows + random_.between(0, 4);
  limits_.state_groups = {{"full", KvKind::kPaged, pages, 0}};
  switch (random_.below(8)) {
    case 0:
      limits_.state_groups.push_back({"window", KvKind::kWindowed, window_pages, window});
      break;
    case 1:
      limits_.state_groups = {{"window", KvKind::kWindowed, window_pages, window}};
      break;
    case 2:
      limits_.state_groups.push_back({"state", KvKind::kFixed, slots, 0});
      break;
    case 3:
      limits_.state_groups.push_back({"cross", KvKind::kCross, random_.between(2, 12), 0});
      break;
    default:
      break;
  }
}

void Simulation::make_options(uint64_t seed) {
  options_.overlap = random_.chance(60);
  options_.scheduler.prefix_cache = random_.chance(80);
  options_.scheduler.max_chunk = random_.chance(50) ? random_.between(1, 64) : 0;
  options_.scheduler.fair = random_.chance(85);
  tenants_ = random_.chance(50) ? random_.between(2, 4) : 1;
  if (random_.chance(15)) {
    options_.max_queued_requests = random_.between(1, 5);
    options_.share_queue = random_.chance(50);
  }
  if (random_.chance(25)) {
    drafts_ = std::make_unique<OracleDrafts>(limits_, seed);
    options_.scheduler.drafts = drafts_.get();
  }
}

// 200 to 2,000 steps, then what is left.
void Simulation::run(SimulationTotals& totals) {
  const int64_t target =
      random_.chance(97) ? random_.between(200, 240) : random_.between(240, 2000);
  const int64_t at_once = random_.between(1, 12);
  while (step_ < target || !live_.empty()) {
    if (step_ < target && random_.chance(live_.empty() ? 100 : 15)) {
      // Bursts, and times in which little runs.
      for (int64_t count = random_.between(1, 3); count > 0; --count) {
        if (static_cast<int64_t>(live_.size()) < at_once) submit(make_request());
      }
    }
    if (random_.chance(2) && !live_.empty()) {
      const auto at = static_cast<size_t>(random_.below(static_cast<int64_t>(live_.size())));
      clients_[live_[at]].outbox->cancel();
      clients_[live_[at]].cancelled = true;
    }
    if (random_.chance(3) && !live_.empty()) stall();
    one_step();
    if (testing::Test::HasFailure()) return;
    ASSERT_LT(step_, 20 * target + 20'000) << "no end in sight";
  }
  int surplus = 0;  // steps in flight for sequences that have ended
  while (loop_->step()) ASSERT_LT(++surplus, 4);
  ASSERT_TRUE(loop_->scheduler().idle());
  loop_->scheduler().check_invariants();
  for (size_t g = 0; g < limits_.state_groups.size(); ++g) {
    ASSERT_EQ(loop_->scheduler().kv().available(g), limits_.state_groups[g].num_pages);
  }
  for (const Client& client : clients_) {
    check_client(client, totals);
    if (testing::Test::HasFailure()) return;
  }
  add(totals);
}

// A client reads nothing for a while: none of its events may be lost, and few may wait.
void Simulation::stall() {
  const auto at = static_cast<size_t>(random_.below(static_cast<int64_t>(live_.size())));
  Client& client = clients_[live_[at]];
  client.stalled_until = step_ + random_.between(1, 40);
  client.outbox->pause_beyond(random_.between(1, 4'000));
}

void Simulation::one_step() {
  clock_.advance_ns(random_.between(0, 2'000'000));
  loop_->step();
  ++step_;
  loop_->scheduler().check_invariants();
  for (const size_t at : live_) {
    Client& client = clients_[at];
    const bool reads = client.stalled_until < step_ || client.cancelled;
    if (reads && client.stalled_until >= 0) {
      // Some read slowly from then on.
      if (random_.chance(70)) client.outbox->pause_beyond(Outbox::kAnyNumber);
      client.stalled_until = -1;
    }
    if (reads) read(client);
  }
  std::erase_if(live_, [&](size_t at) { return clients_[at].done(); });
  for (const size_t at : live_) {
    const Client& client = clients_[at];
    if (client.stalled_until >= 0) continue;  // it has not looked
    ASSERT_FALSE(client.cancelled) << "a request outlives the step after its cancellation";
    ASSERT_GT(client.outbox->request().deadline_ns, clock_.now_ns()) << "and its deadline";
  }
  check_progress();
}

Request Simulation::make_request() {
  Request r;
  if (random_.chance(60)) {
    const auto& prefix = prefixes_[static_cast<size_t>(random_.below(3))];
    const auto taken = random_.between(1, static_cast<int64_t>(prefix.size()));
    r.prompt.assign(prefix.begin(), prefix.begin() + taken);
  }
  const int64_t tail = random_.chance(3) ? limits_.max_seq_len : random_.between(1, 40);
  for (int64_t i = 0; i < tail; ++i) r.prompt.push_back(token());
  SamplingParams& p = r.sampling;
  p.max_tokens = random_.between(1, 60);
  p.seed = static_cast<uint64_t>(random_.below(4));
  if (random_.chance(40)) p.eos_token_ids = {token(), token()};
  if (random_.chance(20)) p.stop_token_ids = {token()};
  p.ignore_eos = random_.chance(10);
  p.min_tokens = random_.chance(20) ? random_.between(0, p.max_tokens) : 0;
  if (random_.chance(15)) p.n = static_cast<int32_t>(random_.between(2, 4));
  if (random_.chance(5)) {
    p.beam_width = static_cast<int32_t>(random_.between(2, 4));
    p.n = static_cast<int32_t>(random_.between(1, p.beam_width));
    p.length_penalty = random_.chance(50) ? 1.0 : 0.5;
    p.max_tokens = std::min<int64_t>(p.max_tokens, 24);
    p.min_tokens = std::min(p.min_tokens, p.max_tokens);
  }
  if (random_.chance(10)) p.logprobs = static_cast<int32_t>(random_.below(3));
  if (p.beam_width == 1 && random_.chance(10)) add_masks(p);
  if (random_.chance(8)) p.prompt_logprobs = static_cast<int32_t>(random_.below(3));
  if (random_.chance(p.prompt_logprobs >= 0 ? 40 : 1)) p.max_tokens = p.min_tokens = 0;
  r.priority = random_.chance(70) ? 1 : static_cast<int32_t>(random_.below(3));
  r.tenant = static_cast<uint64_t>(random_.below(tenants_));
  r.tenant_salt.low = tenants_ > 1 ? r.tenant : static_cast<uint64_t>(random_.below(2));
  if (random_.chance(10)) r.deadline_ns = clock_.now_ns() + random_.between(0, 60'000'000);
  if (limits_.state_groups.back().kind == KvKind::kCross) r.cross_tokens = random_.below(150);
  return r;
}

// Few tokens are left, so that bad words match.
void Simulation::add_masks(SamplingParams& p) {
  std::set<TokenId> allowed;
  while (allowed.size() < 6) allowed.insert(token());
  p.allowed_token_ids.assign(allowed.begin(), allowed.end());
  if (random_.chance(50)) p.logit_bias = {{p.allowed_token_ids[0], -INFINITY}};
  if (random_.chance(70)) {
    p.bad_words = {{p.allowed_token_ids[1], p.allowed_token_ids[3]},
                   {p.allowed_token_ids[2], p.allowed_token_ids[1], p.allowed_token_ids[4]}};
  }
  if (random_.chance(30)) p.allowed_token_ids.clear();
  p.min_tokens = 0;  // end tokens may be all that is allowed
  validate(p, limits_.vocab_size);
  ++masked_;
}

// A queue that is not shared refuses exactly when it is full.
void Simulation::submit(const Request& request) {
  const int64_t most = options_.max_queued_requests;
  const bool full = most > 0 && loop_->stats().queued_requests >= most;
  Client client;
  client.outbox = loop_->submit(request);
  client.streams.resize(static_cast<size_t>(request.sampling.n));
  client.logprobs.resize(client.streams.size());
  client.finish.resize(client.streams.size(), FinishReason::kNone);
  read(client);
  const bool refused = client.finish[0] == FinishReason::kOverloaded;
  ASSERT_EQ(client.done(), refused);
  if (options_.share_queue) {
    ASSERT_GE(refused, full);
    if (most == 0) ASSERT_FALSE(refused);
  } else {
    ASSERT_EQ(refused, full);
  }
  if (!client.done()) live_.push_back(clients_.size());
  clients_.push_back(std::move(client));
}

void Simulation::read(Client& client) {
  while (const TokenEvent* event = client.outbox->poll()) {
    last_news_ = step_;
    const auto c = static_cast<size_t>(event->choice);
    ASSERT_LT(c, client.streams.size());
    ASSERT_EQ(client.finish[c], FinishReason::kNone) << "event after a choice's end";
    ASSERT_FALSE(client.done());
    for (TokenId t : event->token_span()) client.streams[c].push_back(t);
    const SamplingParams& p = client.outbox->request().sampling;
    if (!event->prompt_logprobs.empty()) {
      ASSERT_EQ(c, 0u);
      for (const auto& stream : client.streams) ASSERT_TRUE(stream.empty());
    }
    auto& prompt = client.prompt_logprobs;
    prompt.insert(prompt.end(), event->prompt_logprobs.begin(), event->prompt_logprobs.end());
    if (p.logprobs >= 0 && p.beam_width == 1) {
      ASSERT_EQ(event->logprobs.size(), event->count);
    }
    auto& logprobs = client.logprobs[c];
    logprobs.insert(logprobs.end(), event->logprobs.begin(), event->logprobs.end());
    client.finish[c] = event->finish;
    client.cached = event->cached_tokens;
    if (event->request_done) ++client.done_events;
  }
}

// Bounded waits. Whatever the order of service, somebody gets on: the first that runs needs no more
// steps than it has tokens to recompute; beams and choices may preempt each other first. One tenant
// alone: the first request ends in time.
void Simulation::check_progress() {
  const bool all_read = std::all_of(live_.begin(), live_.end(),
                                    [&](size_t at) { return clients_[at].stalled_until < 0; });
  if (live_.empty() || !all_read) {
    last_news_ = step_;
    for (const size_t at : live_) clients_[at].head_since = -1;
    return;
  }
  ASSERT_LT(step_ - last_news_, 6 * room_ + 40) << "no request gets on";
  if (tenants_ == 1 || !options_.scheduler.fair) check_head();
}

// The first live request in the order of service ends within a few steps for each of its tokens,
// whatever the others do.
void Simulation::check_head() {
  Client* head = nullptr;
  for (const size_t at : live_) {
    Client& client = clients_[at];
    if (head == nullptr || client.outbox->request().priority < head->outbox->request().priority) {
      head = &client;
    }
  }
  for (const size_t at : live_) {
    if (&clients_[at] != head) clients_[at].head_since = -1;
  }
  if (head->head_since < 0) head->head_since = step_;
  const Request& r = head->outbox->request();
  const int64_t width = std::max(r.sampling.n, r.sampling.beam_width);
  const auto length = static_cast<int64_t>(r.prompt.size()) + r.sampling.max_tokens;
  // Choices may preempt each other in a small pool, and then recompute.
  const int64_t bound = width == 1 ? 4 * length + 20 : 8 * width * width * length + 20;
  ASSERT_LT(step_ - head->head_since, bound) << "request " << r.id << " waits";
}

bool Simulation::may_fit(const Request& r) const {
  bool fits = static_cast<int64_t>(r.prompt.size()) < room_ &&
              std::max(r.sampling.n, r.sampling.beam_width) <= limits_.max_batch_rows;
  for (const KvGroup& group : limits_.state_groups) {
    if (group.kind == KvKind::kCross) fits = fits && kv_blocks(r.cross_tokens) <= group.num_pages;
  }
  return fits;
}

bool Simulation::was_cut(FinishReason reason) {
  return reason == FinishReason::kCancelled || reason == FinishReason::kTimeout ||
         reason == FinishReason::kInternal || reason == FinishReason::kOutOfMemory ||
         reason == FinishReason::kBadLogits;
}

void Simulation::check_client(const Client& client, SimulationTotals& totals) const {
  const Request& r = client.outbox->request();
  const SamplingParams& p = r.sampling;
  ASSERT_EQ(client.done_events, 1);
  ++totals.requests;
  if (client.finish[0] == FinishReason::kOverloaded) {
    ++totals.overloaded;
    return;
  }
  totals.beams += p.beam_width > 1;
  totals.minimums += p.min_tokens > 0;
  check_cached(client);
  const bool fits = may_fit(r);
  if (fits) check_prompt(client, totals);
  std::vector<ExpectedStream> beams;
  if (fits && p.beam_width > 1) beams = expected_beams(limits_, room_, r);
  for (size_t c = 0; c < client.streams.size(); ++c) {
    totals.tokens += static_cast<int64_t>(client.streams[c].size());
    totals.stopped += client.finish[c] == FinishReason::kStop;
    if (!fits) {
      ASSERT_EQ(client.finish[c], FinishReason::kTooLong);
      continue;
    }
    const ExpectedStream want =
        p.beam_width > 1 ? beams[c] : expected_stream(limits_, room_, r, static_cast<int32_t>(c));
    check_choice(client, c, want.tokens, want.finish);
    if (p.logprobs >= 0 && p.beam_width == 1) check_logprobs(client, c, totals);
  }
}

void Simulation::check_choice(const Client& client, size_t c, const std::vector<TokenId>& want,
                              FinishReason finish) const {
  const Request& r = client.outbox->request();
  const auto& got = client.streams[c];
  check_masks(r.sampling, got);
  const FinishReason reason = client.finish[c];
  if (was_cut(reason) && reason != finish) {
    const bool asked = client.cancelled || r.deadline_ns != kNoDeadline || runner_->faults() > 0;
    ASSERT_TRUE(asked) << "request " << r.id << " ends with " << finish_reason_name(reason);
    ASSERT_LE(got.size(), want.size());
    ASSERT_TRUE(std::equal(got.begin(), got.end(), want.begin()));
    return;
  }
  const auto [at, other] = std::mismatch(got.begin(), got.end(), want.begin(), want.end());
  ASSERT_EQ(got, want) << "request " << r.id << " choice " << c << " of " << r.sampling.n
                       << ", beam width " << r.sampling.beam_width << ", prompt " << r.prompt.size()
                       << ", first difference at " << at - got.begin() << ", found " << got.size()
                       << ", expected " << want.size() << " tokens, finish "
                       << finish_reason_name(reason);
  ASSERT_EQ(finish_reason_name(reason), finish_reason_name(finish));
}

void Simulation::check_masks(const SamplingParams& p, const std::vector<TokenId>& got) const {
  if (!has_masks(p)) return;
  for (const TokenId t : got) {
    for (const auto& bias : p.logit_bias) ASSERT_NE(t, bias.first);
    if (p.allowed_token_ids.empty()) continue;
    ASSERT_EQ(std::count(p.allowed_token_ids.begin(), p.allowed_token_ids.end(), t), 1);
  }
  for (const auto& word : p.bad_words) {
    ASSERT_EQ(std::search(got.begin(), got.end(), word.begin(), word.end()), got.end());
  }
}

// What was found in the prefix cache, some prompt of the same salt began with.
void Simulation::check_cached(const Client& client) const {
  if (client.cached == 0) return;
  const Request& r = client.outbox->request();
  ASSERT_LT(client.cached, static_cast<int64_t>(r.prompt.size()));
  const auto end = r.prompt.begin() + client.cached;
  const bool known = std::any_of(clients_.begin(), clients_.end(), [&](const Client& other) {
    const Request& o = other.outbox->request();
    return &other != &client && o.tenant_salt == r.tenant_salt &&
           static_cast<int64_t>(o.prompt.size()) >= client.cached &&
           std::equal(r.prompt.begin(), end, o.prompt.begin());
  });
  ASSERT_TRUE(known) << "request " << r.id << " found " << client.cached
                     << " tokens that nobody of its salt computed";
}

void Simulation::check_prompt(const Client& client, SimulationTotals& totals) const {
  const Request& r = client.outbox->request();
  const auto& got = client.prompt_logprobs;
  if (r.sampling.prompt_logprobs < 0) {
    ASSERT_TRUE(got.empty());
    return;
  }
  ASSERT_LE(got.size(), r.prompt.size() - 1);
  if (!was_cut(client.finish[0])) ASSERT_EQ(got.size(), r.prompt.size() - 1);
  const auto count = static_cast<size_t>(r.sampling.prompt_logprobs);
  for (size_t i = 0; i < got.size(); ++i) {
    const auto before = std::span(r.prompt).first(i + 1);
    ASSERT_EQ(got[i].chosen, oracle_logprob(limits_, before, r.prompt[i + 1])) << i;
    ASSERT_EQ(got[i].top, oracle_top(limits_, before, count)) << i;
  }
  totals.scored += static_cast<int64_t>(got.size());
}

void Simulation::check_logprobs(const Client& client, size_t choice,
                                SimulationTotals& totals) const {
  const Request& r = client.outbox->request();
  std::vector<TokenId> tokens = r.prompt;
  const auto& got = client.logprobs[choice];
  ASSERT_EQ(got.size(), client.streams[choice].size());
  for (size_t i = 0; i < got.size(); ++i) {
    const TokenId next = client.streams[choice][i];
    ASSERT_EQ(got[i].chosen, oracle_logprob(limits_, tokens, next)) << i;
    const auto count = static_cast<size_t>(r.sampling.logprobs);
    ASSERT_EQ(got[i].top, oracle_top(limits_, tokens, count)) << i;
    tokens.push_back(next);
  }
  totals.logprobs += static_cast<int64_t>(got.size());
}

void Simulation::add(SimulationTotals& t) const {
  const SchedulerStats& s = loop_->scheduler().stats();
  const KvStats& kv = loop_->scheduler().kv().stats();
  ++t.seeds;
  t.steps += step_;
  t.rows += runner_->rows();
  t.masked += masked_;
  t.faults += runner_->faults();
  t.faulted += runner_->faults() > 0;
  t.tenants += tenants_ > 1 && options_.scheduler.fair;
  for (const KvGroup& group : limits_.state_groups) ++t.groups[group.kind];
  for (int64_t SchedulerStats::*count :
       {&SchedulerStats::preemptions, &SchedulerStats::prefix_hits,
        &SchedulerStats::prefix_hit_tokens, &SchedulerStats::cancels, &SchedulerStats::timeouts,
        &SchedulerStats::refused, &SchedulerStats::forks, &SchedulerStats::pauses,
        &SchedulerStats::drafted, &SchedulerStats::accepted, &SchedulerStats::dropped}) {
    t.stats.*count += s.*count;
  }
  t.kv.evictions += kv.evictions;
  t.kv.copies += kv.copies;
}

}  // namespace ingot
