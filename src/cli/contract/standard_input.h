// Standard input as it comes: within bounds, with the system's word on what goes wrong, and awake
// to Ctrl-C where interrupts.h catches it.
#pragma once

#include <string>

namespace ingot {

constexpr size_t kMostInput = size_t{1} << 30;  // bytes of all that is read at once
constexpr size_t kMostLine = size_t{1} << 26;

// Lines of any length up to a limit. Errors begin with the name of what is read.
class LineReader {
 public:
  enum class Input { kLine, kEnd, kInterrupted };

  explicit LineReader(size_t most = kMostLine, int fd = 0) : most_(most), fd_(fd) {}

  // The next line without its line break, which the last one need not have. kInterrupted when
  // `interrupted` is set while it waits; it stays set. Error{kIo}: what read() says.
  // Error{kInvalidArgument}: a longer line.
  Input next(std::string& line);
  // Of the last line, from 1.
  int64_t number() const { return number_; }

 private:
  size_t most_;
  int fd_;
  bool ended_ = false;
  std::string pending_;  // read, from `begin_` on not given out
  size_t begin_ = 0;
  int64_t number_ = 0;
};

// All of standard input, without its last line break. Errors as above.
std::string read_standard_input();

}  // namespace ingot
