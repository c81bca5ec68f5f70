// Json as an incomplete type, for headers that only pass it on.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace ingot {
using Json = nlohmann::ordered_json;
}  // namespace ingot
