// Log lines go to standard error; standard output belongs to results.
#pragma once

#include <spdlog/spdlog.h>

namespace ingot {

// Reads INGOT_LOG (trace, debug, info, warn, error, off; default warn). Call once at start.
void init_log();

}  // namespace ingot
