#include "cli/contract/standard_input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "cli/contract/interrupts.h"

namespace ingot {
namespace standard_input_test {

using Input = LineReader::Input;

class LineReaderTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  void TearDown() override {
    for (const int fd : ends_) {
      if (fd >= 0) ::close(fd);
    }
    interrupted.store(false);
  }
  void write(std::string_view text) {
    ASSERT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() { ::close(std::exchange(ends_[1], -1)); }
  // All lines, joined by "|".
  static std::string all(LineReader& lines) {
    std::string out, line;
    while (lines.next(line) == Input::kLine) out += line + "|";
    return out;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LineReaderTest, GivesLinesWithoutTheirBreaks) {
  write("one\n\nthree\r\nlast");
  end();
  LineReader lines(100, ends_[0]);
  EXPECT_EQ(all(lines), "one||three\r|last|");
  EXPECT_EQ(lines.number(), 4);
  std::string line;
  EXPECT_EQ(lines.next(line), Input::kEnd);
}

TEST_F(LineReaderTest, LinesComeInPieces) {
  LineReader lines(1 << 20, ends_[0]);
  const std::string longer(200000, 'x');  // than one read, and than the pipe holds
  std::thread writer([&] {
    for (size_t at = 0; at < longer.size(); at += 50000) write(longer.substr(at, 50000));
    write("\nb\n");
    end();
  });
  EXPECT_EQ(all(lines), longer + "|b|");
  writer.join();
}

TEST_F(LineReaderTest, ALongerLineIsAnErrorThatNamesIt) {
  for (const bool broken : {true, false}) {
    SetUp();
    write(broken ? "1234567890\n12345678901\n" : "1234567890\n12345678901");
    end();
    LineReader lines(10, ends_[0]);
    std::string line;
    EXPECT_EQ(lines.next(line), Input::kLine);
    EXPECT_EQ(line, "1234567890");
    try {
      lines.next(line);
      FAIL() << "taken: " << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(),
                std::string("[cli] standard input, line 2: expected at most 10 bytes"));
    }
    TearDown();
    ends_[0] = -1;
  }
}

// It stops reading there; the pipe's writer goes on for as long as somebody reads.
TEST_F(LineReaderTest, ALineWithoutEndTakesNoMoreMemory) {
  const int zeros = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  LineReader lines(1 << 20, zeros);
  std::string line;
  EXPECT_THROW(lines.next(line), Error);
  ::close(zeros);
}

TEST_F(LineReaderTest, WhatCannotBeReadIsAnErrorAndNoEnd) {
  const int folder = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int unreadable = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (const auto& [fd, says] :
       {std::pair(folder, "[cli] standard input: Is a directory"),
        std::pair(unreadable, "[cli] standard input: Bad file descriptor")}) {
    LineReader lines(100, fd);
    std::string line;
    try {
      lines.next(line);
      FAIL() << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo);
      EXPECT_STREQ(error.what(), says);
    }
    ::close(fd);
  }
}

TEST_F(LineReaderTest, ADescriptorThatDoesNotBlockIsWaitedFor) {
  ASSERT_EQ(::fcntl(ends_[0], F_SETFL, O_NONBLOCK), 0);
  LineReader lines(100, ends_[0]);
  std::thread writer([&] {
    ::usleep(20000);
    write("late\n");
    end();
  });
  EXPECT_EQ(all(lines), "late|");
  writer.join();
}

TEST_F(LineReaderTest, AnInterruptEndsTheWaitAndLosesNothing) {
  catch_interrupts(/*once=*/false);
  LineReader lines(100, ends_[0]);
  std::string line;
  write("half");
  std::thread presser([] {
    ::usleep(20000);
    ::kill(::getpid(), SIGINT);
  });
  EXPECT_EQ(lines.next(line), Input::kInterrupted);
  presser.join();
  EXPECT_TRUE(interrupted.load()) << "it is the caller's to clear";
  interrupted.store(false);
  write(" a line\n");
  EXPECT_EQ(lines.next(line), Input::kLine);
  EXPECT_EQ(line, "half a line");
  // One that something else took does not end a wait.
  ::kill(::getpid(), SIGINT);
  interrupted.store(false);
  write("next\n");
  EXPECT_EQ(lines.next(line), Input::kLine);
  ::signal(SIGINT, SIG_DFL);
}

}  // namespace standard_input_test
}  // namespace ingot
