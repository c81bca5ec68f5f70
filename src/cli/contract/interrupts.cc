#include "cli/contract/interrupts.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace ingot {
namespace {

int wake_pipe[2] = {-1, -1};

void on_interrupt(int) {
  const int before = errno;
  interrupted.store(true);
  [[maybe_unused]] const ssize_t count = ::write(wake_pipe[1], "", 1);
  errno = before;
}

}  // namespace

std::atomic<bool> interrupted{false};

void catch_interrupts(bool once) {
  if (wake_pipe[0] < 0 && ::pipe2(wake_pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
    fail(ErrorCode::kIo, "cli", "pipe: {}", std::strerror(errno));
  }
  struct sigaction action {};
  ::sigaction(SIGINT, nullptr, &action);
  if (action.sa_handler == SIG_IGN) return;  // nohup, a script's job in the background
  action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART | (once ? static_cast<int>(SA_RESETHAND) : 0);
  ::sigaction(SIGINT, &action, nullptr);
}

int interrupt_pipe() { return wake_pipe[0]; }

}  // namespace ingot
