// The one table of tuning knobs that are not command-line flags. `ingot knobs` prints it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ingot {

enum class KnobKind {
  kText,    // anything
  kChoice,  // one of `choices`
  kSwitch,  // 1/true/on/yes, 0/false/off/no or nothing
  kNumber,  // a decimal integer from `least` to `most`
};

struct Knob {
  std::string_view name;  // "cpu_isa"; the environment variable is INGOT_CPU_ISA
  std::string_view fallback;
  std::string_view help;  // one line
  KnobKind kind = KnobKind::kText;
  int64_t least = 0, most = 0;
  std::string_view choices = {};  // "warn error off"
};

std::span<const Knob> all_knobs();
// CHECK-fails on a name that is not in the table, as all functions below do.
const Knob& find_knob(std::string_view name);
// Error{kInvalidArgument} "SOURCE: expected ..., found 'VALUE'" unless the knob may have that
// value. `source` is where it was given: "--threads", "INGOT_THREADS".
void check_knob(const Knob& knob, std::string_view source, std::string_view value);
// All knobs as the environment has them now.
void check_knobs();
// Value from the environment, else the default; checked by check_knob(), under the variable's name.
// Read at each call: cache it outside hot paths.
std::string knob_text(std::string_view name);
bool knob_bool(std::string_view name);    // of kind kSwitch
int64_t knob_int(std::string_view name);  // of kind kNumber
// Sets it for this process (tests, command-line flags that mirror a knob).
void set_knob(std::string_view name, std::string_view value);

}  // namespace ingot
