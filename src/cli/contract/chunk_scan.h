// What a load generator must know of a streamed chunk, found without parsing its JSON.
#pragma once

#include <string_view>

namespace ingot {

struct ChunkScan {
  bool text = false;      // a token or more: content, text, reasoning, a tool call, ids
  bool finished = false;  // a choice tells why it ended
  bool usage = false;     // an object "usage" is in it: worth parsing
  bool error = false;     // "error" is in it and no null
};
// `data`: the JSON of one event. Keys are found wherever they stand; a quote inside of a string has
// a backslash before it, so what a string holds is never taken for a key.
ChunkScan scan_chunk(std::string_view data);

}  // namespace ingot
