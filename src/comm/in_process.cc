#include <condition_variable>
#include <mutex>

#include "base/check.h"
#include "base/error.h"
#include "comm/comm.h"

namespace ingot {
namespace {

// Shared by the ranks (shared_ptr: the group ends with its last rank).
class Group {
 public:
  explicit Group(int size) : size_(size), data_(static_cast<size_t>(size)) {}
  int size() const { return size_; }

  void leave() {
    std::lock_guard lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }

  void barrier() {
    std::unique_lock lock(mutex_);
    if (left_) fail(ErrorCode::kCancelled, "comm/in_process", "another rank left the group");
    const uint64_t generation = generation_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++generation_;
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [&] { return generation_ != generation || left_; });
    if (generation_ == generation) {
      fail(ErrorCode::kCancelled, "comm/in_process", "another rank left the group");
    }
  }

  void all_reduce_sum(int rank, const TensorView& view) {
    CHECK(view.is_packed() && is_float(view.type.dtype));
    const TensorView flat{view.type, {view.elements()}, view.data};
    std::vector<float>& mine = data_[static_cast<size_t>(rank)];
    mine.resize(static_cast<size_t>(view.elements()));
    load_row(flat, 0, 0, view.elements(), mine.data());
    barrier();
    std::vector<float> sum(mine.size(), 0.0f);
    for (const std::vector<float>& part : data_) {
      CHECK_EQ(part.size(), sum.size());
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    store_row(flat, 0, 0, view.elements(), sum.data());
    barrier();
  }

 private:
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;                       // guarded by mutex_
  uint64_t generation_ = 0;               // guarded by mutex_
  bool left_ = false;                     // guarded by mutex_
  std::vector<std::vector<float>> data_;  // each rank writes its own between barriers
};

class InProcessComm final : public Comm {
 public:
  InProcessComm(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}
  ~InProcessComm() override { group_->leave(); }
  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  void all_reduce_sum(const TensorView& data) override { group_->all_reduce_sum(rank_, data); }
  void barrier() override { group_->barrier(); }

 private:
  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Comm>> make_in_process_comms(int ranks) {
  auto group = std::make_shared<Group>(ranks);
  std::vector<std::unique_ptr<Comm>> out;
  for (int i = 0; i < ranks; ++i) out.push_back(std::make_unique<InProcessComm>(group, i));
  return out;
}

}  // namespace ingot
