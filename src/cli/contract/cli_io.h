// What commands read and print.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/function_ref.h"
#include "base/json.h"
#include "tensor/device.h"
#include "tensor/kv_page.h"

namespace ingot {

// "1,2,3" as ids, or as `what` else they are; UsageError names their source and the part that is
// not a number.
std::vector<int32_t> parse_ids(const std::string& text, std::string_view source = "--prompt-ids",
                               std::string_view what = "ids");
// A type that models compute in, float32, bfloat16 or float16; nullopt for an empty text.
// UsageError names the flag ("dtype") and lists them.
std::optional<DType> parse_float_dtype(std::string_view flag, const std::string& text);
// UsageError naming the flag, its range and the value when it lies outside; NaN does.
void check_range(std::string_view flag, int64_t value, int64_t least, int64_t most);
void check_range(std::string_view flag, double value, double least, double most);
// The same for --seed: no negative number.
void check_seed(int64_t seed);
// The device of --device; UsageError when there is none of that name.
std::unique_ptr<Device> open_device_flag(const std::string& name);
// Tokens per second; 0 when nothing was timed.
double per_second(int64_t tokens, double milliseconds);
// Writes to standard output and flushes; Error{kIo} when that fails (a full disk, a closed pipe).
void write_output(std::string_view text);
// A line for people on standard output, or on standard error: what would steer a terminal is
// escaped. Names in files may hold anything.
void print_line(std::string_view line);
void note_line(std::string_view line);
// What a model wrote, or a part of it: a terminal gets it without controls, whatever else reads it
// as it is.
void write_answer(std::string_view text);
// Prints one JSON line on standard output and flushes.
void print_json(const Json& line);
// Reads standard input line by line as JSON and prints f(value, where) for each as one line. Errors
// of LineReader.
void map_json_lines(std::string_view command,
                    FunctionRef<Json(const Json& value, const std::string& where)> f);

}  // namespace ingot
