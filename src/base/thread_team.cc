#include "base/thread_team.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/knobs.h"

namespace ingot {
namespace {

void cpu_relax() { __builtin_ia32_pause(); }

// Spins while `value` equals `old`, then sleeps on it. Returns when it changed.
template <typename T>
void wait_change(const std::atomic<T>& value, T old, int64_t spin_ns) {
  if (spin_ns > 0) {
    const int64_t end = SteadyClock().now_ns() + spin_ns;
    do {
      for (int i = 0; i < 64; ++i) {
        if (value.load(std::memory_order_acquire) != old) return;
        cpu_relax();
      }
    } while (SteadyClock().now_ns() < end);
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

std::vector<int> allowed_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &mask)) cpus.push_back(i);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Smallest quota of this process's control group and those around it; 0: none. Both versions: one
// tree with cpu.max, or a tree of its own for the CPU controller.
int group_cpus() {
  int least = 0;
  const auto take = [&](int cpus) {
    if (cpus > 0 && (least == 0 || cpus < least)) least = cpus;
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/path", "4:cpu,cpuacct:/path"
    const size_t controllers = line.find(':') + 1;
    const size_t path = line.find(':', controllers) + 1;
    if (controllers == 0 || path == 0) continue;
    const std::string list = "," + line.substr(controllers, path - 1 - controllers) + ",";
    const bool unified = list == ",,";
    if (!unified && list.find(",cpu,") == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (std::string at = line.substr(path);; at.erase(at.rfind('/'))) {
      const std::string folder = root + at;
      take(quota_cpus(unified ? first_line(folder + "/cpu.max")
                              : first_line(folder + "/cpu.cfs_quota_us") + " " +
                                    first_line(folder + "/cpu.cfs_period_us")));
      if (at.find('/') == std::string::npos) break;
    }
  }
  return least;
}

}  // namespace

int quota_cpus(std::string_view cpu_max) {
  const size_t space = cpu_max.find(' ');
  if (space == std::string_view::npos) return 0;
  int64_t quota = 0, period = 0;
  const char* const end = cpu_max.data() + cpu_max.size();
  const auto first = std::from_chars(cpu_max.data(), cpu_max.data() + space, quota);
  const auto second = std::from_chars(cpu_max.data() + space + 1, end, period);
  if (first.ec != std::errc() || second.ec != std::errc() || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::clamp<int64_t>((quota - 1) / period + 1, 1, 1 << 20));
}

int available_cpus() {
  const auto allowed = static_cast<int>(allowed_cpus().size());
  const int paid = group_cpus();
  return paid > 0 ? std::min(allowed, paid) : allowed;
}

ThreadTeam::ThreadTeam(int threads, bool pin) {
  if (threads <= 0) threads = static_cast<int>(knob_int("threads"));
  const std::vector<int> cpus = allowed_cpus();
  size_ = std::clamp(threads <= 0 ? available_cpus() : threads, 1, 1024);
  spin_ns_ = knob_int("spin_us") * 1000;
  for (int i = 1; i < size_; ++i) {
    try {
      threads_.emplace_back([this, i] { worker_loop(i); });
    } catch (const std::exception& error) {  // a limit of the system, or no memory
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
      generation_.notify_all();
      for (std::thread& thread : threads_) thread.join();
      threads_.clear();
      fail(ErrorCode::kOutOfMemory, "base/thread_team", "starting thread {} of {} failed: {}", i,
           size_ - 1, error.what());
    }
    if (pin) {
      cpu_set_t mask;
      CPU_ZERO(&mask);
      CPU_SET(cpus[static_cast<size_t>(i) % cpus.size()], &mask);
      pthread_setaffinity_np(threads_.back().native_handle(), sizeof mask, &mask);
    }
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_ = true;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::worker_loop(int worker) {
  uint32_t seen = 0;
  while (true) {
    wait_change(generation_, seen, spin_ns_);
    ++seen;
    if (stopping_) return;
    (*job_)(worker, size_);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

void ThreadTeam::run(FunctionRef<void(int, int)> job) {
  if (size_ == 1) return job(0, 1);
  job_ = &job;
  pending_.store(size_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  job(0, size_);
  for (int left = pending_.load(std::memory_order_acquire); left != 0;
       left = pending_.load(std::memory_order_acquire)) {
    wait_change(pending_, left, spin_ns_);
  }
}

void ThreadTeam::parallel_for(int64_t count, int64_t grain,
                              FunctionRef<void(int64_t, int64_t)> body) {
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || size_ == 1) {
    if (count > 0) body(0, count);
    return;
  }
  std::atomic<int64_t> next{0};
  std::exception_ptr error;  // the first one; the caller gets it when all workers are done
  std::mutex error_mutex;
  const bool checks_throw = ChecksThrow::here();
  run([&](int, int) {
    const ChecksThrow scope(checks_throw);
    while (true) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        body(begin, std::min(begin + grain, count));
      } catch (...) {
        next.store(count, std::memory_order_relaxed);  // no further chunks
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        return;
      }
    }
  });
  if (error) std::rethrow_exception(error);
}

void ThreadTeam::barrier() {
  if (size_ == 1) return;
  const uint32_t generation = barrier_generation_.load(std::memory_order_acquire);
  if (barrier_count_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    barrier_count_.store(0, std::memory_order_relaxed);
    barrier_generation_.fetch_add(1, std::memory_order_release);
    barrier_generation_.notify_all();
    return;
  }
  wait_change(barrier_generation_, generation, spin_ns_);
}

}  // namespace ingot
