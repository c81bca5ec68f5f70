// Stop strings over streamed text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// Passes text through until a stop string is complete, holding back what may be the start of one.
// The stop string itself is not passed on unless it is to be included. The first stop string to be
// completed wins; of several completed by the same byte the longest. Time is linear in the text,
// times the number of stops. Not thread safe.
class StopMatcher {
 public:
  // Empty stop strings are ignored. `include`: the stop string that matched is passed on too.
  explicit StopMatcher(std::vector<std::string> stops, bool include = false);
  // Text that can be passed on. After stopped() nothing more comes out. Text is cut only at the
  // bounds of UTF-8 characters when input and stop strings are whole UTF-8.
  std::string push(std::string_view text);
  // End of the stream: what was held back.
  std::string flush();
  bool stopped() const { return stopped_ >= 0; }
  // Index of the stop string that matched, in the list given; -1 before.
  int stop_index() const { return stopped_; }

 private:
  struct Stop {
    std::string text;
    std::vector<uint32_t> fallback;  // length of the longest border of each prefix
    size_t matched = 0;              // length of the prefix that ends the text so far
    int index = 0;                   // in the caller's list
  };
  std::vector<Stop> stops_;
  const bool include_;
  std::string held_;
  int stopped_ = -1;
};

}  // namespace ingot
