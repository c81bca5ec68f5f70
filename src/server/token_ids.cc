#include "server/token_ids.h"

#include "server/api_error.h"

namespace ingot {

std::vector<int32_t> read_token_ids(const Json& list, const std::string& path, int64_t vocab_size) {
  std::vector<int32_t> out;
  out.reserve(list.size());
  for (const Json& id : list) {
    // As double: an unsigned number may not fit an int64_t.
    if (!id.is_number_integer() || id.get<double>() < 0 ||
        id.get<double>() >= static_cast<double>(vocab_size)) {
      const std::string inner = fmt::format("{}[{}]", path, out.size());
      throw bad_request(inner,
                        fmt::format("'{}': expected a token id, 0 to {}", inner, vocab_size - 1));
    }
    out.push_back(id.get<int32_t>());
  }
  return out;
}

}  // namespace ingot
