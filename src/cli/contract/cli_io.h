// What commands read and print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/json.h"

namespace ingot {

// Help of an argument that open_tokenizer() takes.
constexpr const char* kTokenizerSources =
    "tokenizer.json, .gguf file, model directory, engine or hub name";

// "1,2,3" as ids; UsageError says which part is not a number.
std::vector<int32_t> parse_ids(const std::string& text);
// Tokens per second; 0 when nothing was timed.
double per_second(int64_t tokens, double milliseconds);
// Prints one JSON line on standard output and flushes.
void print_json(const Json& line);
// All of standard input, without its last line break.
std::string read_standard_input();
// Reads standard input line by line as JSON and prints f(value, where) for each as one line.
void map_json_lines(std::string_view command,
                    FunctionRef<Json(const Json& value, const std::string& where)> f);

}  // namespace ingot
