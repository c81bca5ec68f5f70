#include "cli/contract/cli_io.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/json_line.h"
#include "base/printable.h"
#include "cli/contract/command.h"
#include "cli/contract/standard_input.h"

namespace ingot {

std::vector<int32_t> parse_ids(const std::string& text, std::string_view source,
                               std::string_view what) {
  std::vector<int32_t> out;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    int32_t id = 0;
    const char* last = text.data() + end;
    const auto [stop, error] = std::from_chars(text.data() + begin, last, id);
    if (error != std::errc() || stop != last || id < 0) {
      throw UsageError(fmt::format("{}: expected {} like 1,2,3, found '{}'", source, what,
                                   text.substr(begin, end - begin)));
    }
    out.push_back(id);
    begin = end + 1;
  }
  return out;
}

std::optional<DType> parse_float_dtype(std::string_view flag, const std::string& text) {
  if (text.empty() || text == "auto") return std::nullopt;
  const std::optional<DType> dtype = parse_dtype(text);
  for (const DType known : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    if (dtype == known) return dtype;
  }
  throw UsageError(
      fmt::format("--{}: expected float32, bfloat16 or float16, found '{}'", flag, text));
}

void check_range(std::string_view flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw UsageError(fmt::format("--{}: expected {} to {}, found {}", flag, least, most, value));
}

void check_range(std::string_view flag, double value, double least, double most) {
  if (value >= least && value <= most) return;
  throw UsageError(fmt::format("--{}: expected {} to {}, found {}", flag, least, most, value));
}

void check_seed(int64_t seed) { check_range("seed", seed, 0, std::numeric_limits<int64_t>::max()); }

std::unique_ptr<Device> open_device_flag(const std::string& name) {
  try {
    return open_device(name);
  } catch (const Error& error) {
    const bool unknown = error.code() == ErrorCode::kInvalidArgument ||
                         error.code() == ErrorCode::kNotFound ||
                         error.code() == ErrorCode::kUnsupported;
    if (!unknown) throw;
    throw UsageError(fmt::format("--device: {}", error.what()));
  }
}

double per_second(int64_t tokens, double milliseconds) {
  return milliseconds > 0 ? static_cast<double>(tokens) / milliseconds * 1e3 : 0.0;
}

void write_output(std::string_view text) {
  errno = 0;
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return;
  fail(ErrorCode::kIo, "cli", "standard output: {}",
       errno != 0 ? std::strerror(errno) : "cannot be written");
}

void print_line(std::string_view line) { std::printf("%s\n", printable(line).c_str()); }

void note_line(std::string_view line) { std::fprintf(stderr, "%s\n", printable(line).c_str()); }

void write_answer(std::string_view text) {
  write_output(::isatty(STDOUT_FILENO) == 1 ? without_controls(text) : std::string(text));
}

void print_json(const Json& line) {
  // Paths may be no UTF-8; they must not keep a result from being printed.
  write_output(json_line(line) + "\n");
}

void map_json_lines(std::string_view command,
                    FunctionRef<Json(const Json& value, const std::string& where)> f) {
  LineReader lines;
  std::string line;
  while (lines.next(line) == LineReader::Input::kLine) {
    const std::string where = fmt::format("standard input, line {}", lines.number());
    std::printf("%s\n", json_line(f(parse_json(line, command, where), where)).c_str());
  }
  write_output("");
}

}  // namespace ingot
