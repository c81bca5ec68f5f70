// Token ids of requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace ingot {

// `list` as ids below `vocab_size`; may be empty. ApiError (400) naming "path[i]", the first value
// that is none.
std::vector<int32_t> read_token_ids(const Json& list, const std::string& path, int64_t vocab_size);

}  // namespace ingot
