// The plan of a step written down as a Batch; forks of a prompt into its choices.
#include <algorithm>

#include "base/check.h"
#include "runtime/scheduler.h"

namespace ingot {

const Batch* Scheduler::build() {
  std::unique_ptr<Step> step;
  if (spare_steps_.empty()) {
    step = std::make_unique<Step>();
  } else {
    step = std::move(spare_steps_.back());
    spare_steps_.pop_back();
  }
  Batch& batch = step->batch;
  batch.step = next_step_++;
  batch.rows.clear();
  batch.token_ids.clear();
  batch.logit_rows.clear();
  batch.slot_starts.clear();
  batch.copies.clear();
  step->sequences.clear();
  step->put_off.clear();
  for (const Planned& planned : plan_) add_row(*step, planned);
  add_tables(*step);
  step->put_off.assign(batch.rows.size(), false);
  ++stats_.steps;
  stats_.rows += static_cast<int64_t>(batch.rows.size());
  stats_.tokens += static_cast<int64_t>(batch.token_ids.size());
  steps_.push_back(std::move(step));
  return &steps_.back()->batch;
}

void Scheduler::start_slot(Batch& batch, Sequence& s) {
  if (!s.slot_fresh) return;
  s.slot_fresh = false;
  batch.slot_starts.push_back({s.slot, s.choice, s.request, s.tokens});
}

void Scheduler::add_row(Step& step, const Planned& planned) {
  Batch& batch = step.batch;
  Sequence& s = *planned.sequence;
  start_slot(batch, s);
  batch.copies.insert(batch.copies.end(), planned.copies.begin(), planned.copies.end());
  BatchRow row;
  row.slot = s.slot;
  row.query_len = static_cast<int32_t>(planned.count);
  row.first_position = s.scheduled - planned.count;
  row.token_begin = static_cast<int32_t>(batch.token_ids.size());
  row.draft_len = planned.draft_len;
  const Positions asked = prompt_wanted(s, row.first_position, planned.count);
  row.prompt_begin = static_cast<int32_t>(batch.logit_rows.size());
  row.prompt_count = static_cast<int32_t>(asked.end - asked.begin);
  for (int64_t p = asked.begin; p < asked.end; ++p) {
    batch.logit_rows.push_back(row.token_begin + static_cast<int32_t>(p - row.first_position));
  }
  row.logit_begin = static_cast<int32_t>(batch.logit_rows.size());
  const int64_t own_end = s.scheduled - planned.draft_len;
  for (int64_t p = row.first_position; p < own_end; ++p) {
    batch.token_ids.push_back(p < s.length() ? s.tokens[static_cast<size_t>(p)] : kLastSampled);
  }
  batch.token_ids.insert(batch.token_ids.end(), planned.drafts.begin(),
                         planned.drafts.begin() + planned.draft_len);
  ++s.in_flight;
  const bool samples = own_end == s.length() + s.pending;
  if (samples) {
    row.logit_count = 1 + row.draft_len;
    row.may_put_off = row.draft_len == 0 && !is_beam(s) && can_truncate();
    const auto end = static_cast<int32_t>(batch.token_ids.size());
    for (int32_t t = end - row.logit_count; t < end; ++t) batch.logit_rows.push_back(t);
    ++s.pending;
  }
  batch.rows.push_back(row);
  step.sequences.push_back(&s);
  if (samples && !s.forked && !is_beam(s)) add_forks(step, s);
}

Sequence& Scheduler::fork(Sequence& parent, int32_t choice) {
  Group& group = groups_.at(parent.request->id);
  auto owned = std::make_unique<Sequence>(parent);
  Sequence& child = *owned;
  child.tokens.reserve(static_cast<size_t>(group.max_length));
  child.choice = choice;
  child.forked = true;
  child.slot_fresh = true;
  child.kv = kv_.fork(parent.kv, parent.request->id);
  CHECK(!group.reserved_slots.empty());
  child.slot = group.reserved_slots.back();
  group.reserved_slots.pop_back();
  group.members.push_back(&child);
  order_.add_running(child);
  sequences_.emplace(&child, std::move(owned));
  ++stats_.forks;
  return child;
}

// The prompt's last row has been added: the other choices sample from its logits.
void Scheduler::add_forks(Step& step, Sequence& parent) {
  parent.forked = true;
  const auto parent_row = static_cast<int32_t>(step.batch.rows.size()) - 1;
  const BatchRow source = step.batch.rows.back();
  for (int32_t choice = 1; choice < parent.request->sampling.n; ++choice) {
    Sequence& child = fork(parent, choice);
    start_slot(step.batch, child);
    BatchRow row;
    row.slot = child.slot;
    row.first_position = source.context_len();
    row.token_begin = static_cast<int32_t>(step.batch.token_ids.size());
    row.logit_begin = source.logit_begin;
    row.logit_count = source.logit_count;
    row.parent = parent_row;
    row.may_put_off = source.may_put_off;
    child.in_flight = 1;
    child.pending = 1;
    step.batch.rows.push_back(row);
    step.sequences.push_back(&child);
  }
}

void Scheduler::add_tables(Step& step) const {
  Batch& batch = step.batch;
  batch.tables.resize(kv_.groups().size());
  batch.table_stride.resize(kv_.groups().size());
  for (size_t g = 0; g < kv_.groups().size(); ++g) {
    size_t stride = 1;
    for (const Sequence* s : step.sequences) stride = std::max(stride, s->kv.groups[g].size());
    batch.table_stride[g] = static_cast<int64_t>(stride);
    auto& tables = batch.tables[g];
    tables.assign(stride * batch.rows.size(), kNoPage);
    for (size_t r = 0; r < batch.rows.size(); ++r) {
      const auto& own = step.sequences[r]->kv.groups[g];
      const BatchRow& row = batch.rows[r];
      // A row without tokens stands for its parent's last one.
      const int64_t position = row.first_position - (row.query_len == 0 ? 1 : 0);
      const auto first = static_cast<size_t>(kv_.first_block(g, position));
      for (size_t b = std::min(first, own.size()); b < own.size(); ++b) {
        tables[r * stride + b] = own[b];
      }
    }
  }
}

}  // namespace ingot
