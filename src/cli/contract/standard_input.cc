#include "cli/contract/standard_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/contract/interrupts.h"

namespace ingot {
namespace {

enum class More { kBytes, kEnd, kInterrupted };

// Appends what there is, once there is something. A descriptor that does not block is waited for.
More read_more(int fd, std::string& out) {
  char buffer[65536];
  while (true) {
    pollfd wait[2] = {{fd, POLLIN, 0}, {interrupt_pipe(), POLLIN, 0}};
    if (::poll(wait, 2, -1) < 0) continue;
    if (wait[1].revents != 0) {
      while (::read(interrupt_pipe(), buffer, sizeof buffer) > 0) continue;
      if (interrupted.load()) return More::kInterrupted;  // else it was meant for something before
    }
    if (wait[0].revents == 0) continue;
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) fail(ErrorCode::kIo, "cli", "standard input: {}", std::strerror(errno));
    out.append(buffer, static_cast<size_t>(count));
    return count > 0 ? More::kBytes : More::kEnd;
  }
}

}  // namespace

LineReader::Input LineReader::next(std::string& line) {
  size_t end = pending_.find('\n', begin_);
  while (end == std::string::npos && !ended_) {
    pending_.erase(0, begin_);
    begin_ = 0;
    const size_t searched = pending_.size();
    const More more = read_more(fd_, pending_);
    if (more == More::kInterrupted) return Input::kInterrupted;
    ended_ = more == More::kEnd;
    end = pending_.find('\n', searched);
    if (std::min(end, pending_.size()) > most_) break;
  }
  const size_t size = std::min(end, pending_.size()) - begin_;
  if (end == std::string::npos && size == 0) return Input::kEnd;
  ++number_;
  if (size > most_) {
    fail(ErrorCode::kInvalidArgument, "cli", "standard input, line {}: expected at most {} bytes",
         number_, most_);
  }
  line = pending_.substr(begin_, size);
  begin_ += end == std::string::npos ? size : size + 1;
  return Input::kLine;
}

std::string read_standard_input() {
  std::string out;
  while (read_more(STDIN_FILENO, out) == More::kBytes) {
    if (out.size() > kMostInput) {
      fail(ErrorCode::kInvalidArgument, "cli", "standard input: expected at most {} bytes",
           kMostInput);
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace ingot
