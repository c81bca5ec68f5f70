// A persistent team of compute threads for one executor.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace ingot {

// The caller is worker 0; size()-1 threads wait for work, spin for the knob spin_us, then sleep.
// run() may be called from one thread at a time and must not be called from inside a worker.
// Kernels get a team and create no threads of their own.
class ThreadTeam {
 public:
  // threads = 0: the knob `threads`, which defaults to the CPUs in this process's affinity mask.
  // pin: bind worker i to the i-th allowed CPU (the caller is left alone).
  explicit ThreadTeam(int threads = 0, bool pin = false);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return size_; }

  // Runs job(worker, size) on every worker and returns when all are done. The job must not throw:
  // on another thread than the caller's that ends the process.
  void run(FunctionRef<void(int worker, int workers)> job);

  // Splits [0, count) into chunks of at most `grain`, handed out dynamically: body(begin, end).
  // Runs inline when there is only one chunk. The order of chunks is not defined; each index is
  // visited once, so results that are a function of the index do not depend on the thread count.
  // The body may throw: no further chunks are handed out, and the first error is rethrown here once
  // all workers are done; which other chunks ran is not defined. The team stays usable.
  void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

  // Inside run(): waits until every worker arrived. All writes before are visible after.
  void barrier();

 private:
  void worker_loop(int worker);

  int size_;
  int64_t spin_ns_;
  std::atomic<uint32_t> generation_{0};
  std::atomic<int> pending_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int> barrier_count_{0};
  std::atomic<uint32_t> barrier_generation_{0};
  FunctionRef<void(int, int)>* job_ = nullptr;
  std::vector<std::thread> threads_;
};

// CPUs that this process may keep busy: those in its affinity mask (cpusets included), and no more
// than the CPU quota of its control groups allows, rounded up.
int available_cpus();
// CPUs that a quota of cgroup's cpu.max ("200000 100000", microseconds a period) pays for, rounded
// up; 0 when it sets none or is not understood.
int quota_cpus(std::string_view cpu_max);

}  // namespace ingot
