// What /readyz and /health answer.
#pragma once

#include "server/call.h"

namespace ingot {

// 503 until the model is loaded, and when the server drains.
Task<> answer_readiness(Call& call);

}  // namespace ingot
