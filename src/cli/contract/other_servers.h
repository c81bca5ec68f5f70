// Flags of `ingot serve` as vLLM, llama-server and trtllm-serve name them.
#pragma once

#include "cli/contract/command.h"

namespace ingot {

// All that are known: names of flags that are declared next, and flags that are taken without
// effect, or refused with a word on what to use instead.
void declare_other_servers(Flags& flags);

}  // namespace ingot
