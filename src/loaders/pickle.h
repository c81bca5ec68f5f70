// Reads Python pickles as data. Nothing is imported, called or built: a call that the file asks for
// is kept as what it names and its arguments, and whoever reads the result decides what it may
// mean.
//
// Opcodes: Python's pickletools, protocols 2 to 5, those that tensors and containers need.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace ingot {

// A value by its number in a Pickle. Values may be shared and, in hostile files, contain
// themselves: readers bound their depth.
using PickleId = int32_t;

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,   // number
    kInt,    // number
    kFloat,  // real
    kText,   // text: str, UTF-8 as it stands in the file
    kBytes,  // text
    kList,   // items, of tuples and sets too
    kTuple,
    kDict,    // items: key, value, key, value ...
    kGlobal,  // text: "module name"
    kCall,    // items[0] was to be called with the tuple items[1]; what was put into it follows,
              // as of a dict
    kPersistent,  // items[0]: an object that lies outside of the pickle
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;
  double real = 0;
  std::string_view text{};  // of the bytes that were read
  std::vector<PickleId> items{};
};

struct Pickle {
  std::vector<PickleValue> values;
  // Joined texts of globals that no bytes of the file hold as one; kept for `text`, each once.
  std::unordered_set<std::string> names;
  PickleId root = 0;

  const PickleValue& at(PickleId id) const { return values[static_cast<size_t>(id)]; }
  // "a list", "call of torch FloatStorage", for messages.
  std::string describe(PickleId id) const;
};

// `bytes` must outlive the result. `where` and `file` open messages, as ByteReader's. Memory grows
// with the opcodes, by some hundred bytes each at most (values and kept ones are at most 2^24,
// different globals 1024).
// Error{kCorrupt} with the offset; kUnsupported naming an opcode that tensor files do not need.
Pickle read_pickle(std::span<const std::byte> bytes, std::string_view where, std::string_view file);

}  // namespace ingot
