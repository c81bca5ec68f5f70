// A line of the log for each request that was answered.
#pragma once

namespace ingot {

class Call;  // server/call.h

// At level info. Never what a client sent, but for method and path: no query, no body, no header.
void log_access(const Call& call, double milliseconds);

}  // namespace ingot
