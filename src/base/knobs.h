// The one table of tuning knobs that are not command-line flags. `ingot knobs` prints it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

struct Knob {
  std::string_view name;  // "cpu_isa"; the environment variable is INGOT_CPU_ISA
  std::string_view fallback;
  std::string_view help;  // one line
};

std::span<const Knob> all_knobs();
// Value from the environment, else the default. CHECK-fails on a name that is not in the table.
// Read at each call: cache it outside hot paths.
std::string knob_text(std::string_view name);
bool knob_bool(std::string_view name);    // 1/true/on/yes, 0/false/off/no; Error{kInvalidArgument}
int64_t knob_int(std::string_view name);  // Error{kInvalidArgument} if not an integer
// Sets it for this process (tests, command-line flags that mirror a knob).
void set_knob(std::string_view name, std::string_view value);

}  // namespace ingot
