#include "server/compile_queue.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace ingot {

struct CompileQueue::Job {
  const uint64_t tenant;
  const std::string name;
  std::function<void()> work, ended;
  std::atomic<bool> done{false};
};

CompileQueue::Place::Place(CompileQueue& queue, std::shared_ptr<Job> job)
    : queue_(queue), job_(std::move(job)) {}

CompileQueue::Place::~Place() { queue_.leave(*job_); }

bool CompileQueue::Place::ended() const { return job_->done.load(); }

CompileQueue::CompileQueue(CompileQueueOptions options)
    : options_(options), thread_([this] { run(); }) {}

CompileQueue::~CompileQueue() { stop(); }

std::unique_ptr<CompileQueue::Place> CompileQueue::enter(uint64_t tenant,
                                                         std::function<void()> work,
                                                         std::function<void()> ended,
                                                         std::string name) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || count_ >= options_.most_waiting) return nullptr;
  const auto own = waiting_.find(tenant);
  const size_t places = own == waiting_.end() ? 0 : own->second.size();
  if (options_.shared && places >= options_.most_waiting - count_) return nullptr;
  auto job = std::make_shared<Job>(tenant, std::move(name), std::move(work), std::move(ended));
  auto place = std::make_unique<Place>(*this, job);
  const bool has_turn = under_way_ != nullptr && under_way_->tenant == tenant;
  if (places == 0 && !has_turn) turns_.push_back(tenant);
  waiting_[tenant].push_back(std::move(job));
  ++count_;
  changed_.notify_one();
  return place;
}

void CompileQueue::stop() {
  decltype(waiting_) dropped;  // behind the lock
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
    turns_.clear();
    count_ = 0;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

size_t CompileQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::vector<std::string> CompileQueue::order() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  std::deque<uint64_t> turns = turns_;
  if (under_way_ != nullptr) {
    out.push_back(under_way_->name);
    if (waiting_.contains(under_way_->tenant)) turns.push_back(under_way_->tenant);
  }
  const size_t all = out.size() + count_;
  for (size_t round = 0; out.size() < all; ++round) {
    for (const uint64_t tenant : turns) {
      const auto& jobs = waiting_.at(tenant);
      if (round < jobs.size()) out.push_back(jobs[round]->name);
    }
  }
  return out;
}

void CompileQueue::leave(const Job& job) {
  std::shared_ptr<Job> dropped;  // behind the lock
  const std::lock_guard lock(mutex_);
  const auto own = waiting_.find(job.tenant);
  if (own == waiting_.end()) return;
  auto& jobs = own->second;
  const auto at = std::ranges::find_if(jobs, [&](const auto& one) { return one.get() == &job; });
  if (at == jobs.end()) return;
  dropped = std::move(*at);
  jobs.erase(at);
  --count_;
  if (!jobs.empty()) return;
  waiting_.erase(own);
  std::erase(turns_, job.tenant);
}

std::shared_ptr<CompileQueue::Job> CompileQueue::take() {
  const auto own = waiting_.find(turns_.front());
  turns_.pop_front();
  std::shared_ptr<Job> job = std::move(own->second.front());
  own->second.pop_front();
  if (own->second.empty()) waiting_.erase(own);
  --count_;
  return job;
}

void CompileQueue::run() {
  constexpr int kNice = 10;  // a tenth of the others' share where CPUs are short
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);  // best effort
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopped_ || !turns_.empty(); });
    if (stopped_) return;
    std::shared_ptr<Job> job = take();
    under_way_ = job.get();
    lock.unlock();
    job->work();
    job->work = nullptr;  // what it threw is then let go of by who asked for it
    job->done.store(true);
    job->ended();
    lock.lock();
    under_way_ = nullptr;
    // Its tenant is behind all that came meanwhile.
    if (waiting_.contains(job->tenant)) turns_.push_back(job->tenant);
    lock.unlock();
    job.reset();
    lock.lock();
  }
}

}  // namespace ingot
