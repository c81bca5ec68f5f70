// What models of tests that answer on the spot have in common: a step is computed when it is
// collected.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "runtime/model_runner.h"

namespace ingot {

class InlineModel : public ModelRunner {
 public:
  explicit InlineModel(ModelLimits limits) : limits_(std::move(limits)) {}
  const ModelLimits& limits() const final { return limits_; }
  bool asynchronous() const final { return false; }
  void submit(const Batch& batch) final { queue_.push_back(&batch); }
  void collect(StepResult& result) final {
    const Batch& batch = *queue_.front();
    queue_.pop_front();
    result.step = batch.step;
    result.rows.assign(batch.rows.size(), {});
    answer(batch, result.rows);
  }

 private:
  // `rows`: those of the batch, empty.
  virtual void answer(const Batch& batch, std::vector<RowResult>& rows) = 0;

  const ModelLimits limits_;
  std::deque<const Batch*> queue_;
};

}  // namespace ingot
