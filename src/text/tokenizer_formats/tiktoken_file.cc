#include "text/tokenizer_formats/tiktoken_file.h"

#include <charconv>

#include "base/error.h"
#include "text/base64.h"
#include "text/tokenizer_pipeline/tokenizer_parts.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "text/tiktoken_file";
constexpr uint32_t kMaxRankGap = 1 << 16;  // ranks that no line has, at most

bool read_line(std::string_view line, std::string& token, uint32_t& rank) {
  const size_t space = line.find(' ');
  if (space == line.npos || space == 0) return false;
  const std::string_view digits = line.substr(space + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  return error == std::errc() && end == digits.data() + digits.size() && !digits.empty() &&
         decode_base64(line.substr(0, space), token) && !token.empty();
}

// Takes the first line away.
std::string_view next_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

bool is_tiktoken_text(std::string_view bytes) {
  std::string token;
  uint32_t rank = 0;
  return read_line(next_line(bytes), token, rank);
}

std::vector<std::string> read_tiktoken_file(std::string_view bytes, std::string_view file) {
  std::vector<std::string> tokens;
  for (size_t number = 1; !bytes.empty(); ++number) {
    const std::string_view line = next_line(bytes);
    if (line.empty()) continue;
    std::string token;
    uint32_t rank = 0;
    if (!read_line(line, token, rank)) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: line {}: expected a token in base64, a space and its rank, found '{}'", file,
           number, line.substr(0, 80));
    }
    if (rank >= kMaxVocabulary || rank > number + kMaxRankGap) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: line {}: expected a rank near {}, found {}", file,
           number, number - 1, rank);
    }
    if (rank >= tokens.size()) tokens.resize(size_t{rank} + 1);
    if (!tokens[rank].empty()) {
      fail(ErrorCode::kCorrupt, kWhere,
           "{}: line {}: expected one token of rank {}, found a second", file, number, rank);
    }
    tokens[rank] = std::move(token);
  }
  return tokens;
}

}  // namespace ingot
