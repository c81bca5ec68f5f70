// The thread that compiles forms of answers, and who waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ingot {

struct CompileQueueOptions {
  size_t most_waiting = 64;  // beside the one under way
  // A tenant has no more places than it leaves free.
  bool shared = false;
};

// One thread that yields to all others. Tenants take turns, one job each; jobs of one tenant go by
// arrival. Thread safe.
class CompileQueue {
  struct Job;

 public:
  // Of a job, until its caller needs it no more; the queue outlives it.
  class Place {
   public:
    Place(CompileQueue& queue, std::shared_ptr<Job> job);
    ~Place();  // a job that has not begun is dropped; one that has goes on
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    bool ended() const;  // the job was done; what it wrote is seen

   private:
    CompileQueue& queue_;
    const std::shared_ptr<Job> job_;
  };

  explicit CompileQueue(CompileQueueOptions options = {});
  ~CompileQueue();  // stop()
  CompileQueue(const CompileQueue&) = delete;
  CompileQueue& operator=(const CompileQueue&) = delete;

  // Queues `work`; the thread calls `ended` behind it. Neither may throw, and both own what they
  // use: the place may be gone by then. nullptr: there is no room (left for this tenant). `name`:
  // for order().
  std::unique_ptr<Place> enter(uint64_t tenant, std::function<void()> work,
                               std::function<void()> ended, std::string name = {});
  // Drops the jobs that wait, which then never end, and waits for the one under way.
  void stop();
  size_t waiting() const;
  // Names of the one under way and of those that wait, in the order in which they will be done if
  // nobody comes or leaves. One under way may have been left by its caller.
  std::vector<std::string> order() const;

 private:
  void run();
  std::shared_ptr<Job> take();  // under the mutex
  void leave(const Job& job);

  const CompileQueueOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::deque<std::shared_ptr<Job>>> waiting_;  // by tenant; none is empty
  std::deque<uint64_t> turns_;  // tenants that wait, but for that of the job under way
  size_t count_ = 0;            // of all that wait
  const Job* under_way_ = nullptr;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace ingot
