#include "base/mapping_faults.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace ingot {
namespace {

// Read by a signal handler: no locks, no allocation. `begin` is set last and cleared first.
struct NotedMapping {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0};
  size_t size = 0;
  std::array<char, 240> name{};
  size_t name_size = 0;
};

std::array<NotedMapping, 512> noted_mappings;

void put(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

void on_fault(int signal, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const NotedMapping& slot : noted_mappings) {
    const uintptr_t begin = slot.begin.load();
    if (begin == 0 || at < begin || at - begin >= slot.size) continue;
    put("error: [base/mapped_file] ");
    put({slot.name.data(), slot.name_size});
    put(": a part of it cannot be read any more; was it cut or written over while in use? "
        "(rename a new file into its place)\n");
    ::_exit(1);
  }
  // Not ours: the same again, without this handler.
  ::signal(signal, SIG_DFL);
}

}  // namespace

void note_mapping(const void* data, size_t size, std::string_view path) {
  for (NotedMapping& slot : noted_mappings) {
    if (slot.taken.exchange(true)) continue;
    const std::string_view end = path.substr(path.size() - std::min(path.size(), slot.name.size()));
    std::ranges::transform(end, slot.name.begin(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    });
    slot.name_size = end.size();
    slot.size = size;
    slot.begin.store(reinterpret_cast<uintptr_t>(data));
    return;
  }
}

void forget_mapping(const void* data) {
  const auto begin = reinterpret_cast<uintptr_t>(data);
  for (NotedMapping& slot : noted_mappings) {
    if (slot.begin.load() != begin) continue;
    slot.begin.store(0);
    slot.taken.store(false);
    return;
  }
}

void name_mapping_faults() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace ingot
