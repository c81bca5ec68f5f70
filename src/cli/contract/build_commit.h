// Which sources the program was built of.
#pragma once

#include <string_view>

namespace ingot {

// The commit's first twelve digits, with "-dirty" behind them where files differed from it or were
// new; "" where it was built outside of a git checkout. What benchmarks print beside their figures.
std::string_view build_commit();

}  // namespace ingot
