// oneDNN inside our own threads.
#pragma once

#include <string>

namespace ingot::cpu {

// Debian's oneDNN runs on OpenMP, whose thread count is a setting of the calling thread: at 1 a
// primitive runs inside this worker alone and no pool starts. Call before using oneDNN in a thread.
void one_thread_onednn();
std::string onednn_version();  // "oneDNN 2.6.3": timings hold for it alone

}  // namespace ingot::cpu
