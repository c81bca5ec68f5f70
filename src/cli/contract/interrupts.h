// Ctrl-C that ends an answer instead of the process.
#pragma once

#include <atomic>

namespace ingot {

// Set by SIGINT once it is caught; what was meant by it clears it.
extern std::atomic<bool> interrupted;

// From here on SIGINT sets `interrupted`, unless the process was started to ignore it. Calls that
// wait go on. With `once` only the first does; the next ends the process.
void catch_interrupts(bool once);

// A file descriptor to poll beside others: readable once for every SIGINT, without a race. Bytes
// are the reader's to take.
int interrupt_pipe();

}  // namespace ingot
