// Helpers of the loaders' tests: scratch directories and expected errors.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ingot {

// Where a golden case lies: in tests/data, else in $DEV_INGOT_GOLDENS, else in shared/goldens
// beside the repository, where only tests/models looks for it.
inline std::vector<std::string> golden_folders() {
  const char* folder = std::getenv("DEV_INGOT_GOLDENS");
  const std::string beside = std::string(INGOT_TEST_DATA) + "/../../../shared/goldens";
  return {std::string(INGOT_TEST_DATA) + "/goldens", folder && *folder ? folder : beside};
}

inline std::string golden_path(const std::string& name) {
  const std::vector<std::string> folders = golden_folders();
  for (const std::string& folder : folders) {
    if (std::filesystem::exists(folder + "/" + name)) return folder + "/" + name;
  }
  return folders[0] + "/" + name;
}

// A directory that is removed with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ingot-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = *this / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  std::string path_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// `action` must throw Error with `code` and a message that holds every one of `parts`.
template <typename F>
void expect_error(F&& action, ErrorCode code, const std::vector<std::string>& parts) {
  try {
    action();
    ADD_FAILURE() << "expected an error with: " << testing::PrintToString(parts);
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), testing::HasSubstr(part));
  }
}

// True when parsing ends normally or with an Error that opens with a room and names `file`.
template <typename F>
bool ends_cleanly(F&& action, const std::string& file) {
  try {
    action();
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    const bool named = message.starts_with("[") && message.find(file) != std::string::npos;
    EXPECT_TRUE(named) << message;
    return named;
  }
}

// A safetensors file: header and data bytes 0, 1, 2 ...
inline std::string encode_safetensors(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), 8);
  out += header;
  for (size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i);
  return out;
}

}  // namespace ingot
