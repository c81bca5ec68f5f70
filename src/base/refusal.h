// Why a model will not run: faults told in parts, and all that are known told in one error.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ingot {

struct Refusal {
  std::string kind;      // architecture, config, weight, op, tokenizer, template or embedding
  std::string file;      // where it was found
  std::string where;     // key, tensor or nodes; empty: nothing less than the file
  std::string expected;  // empty: `found` says all
  std::string found;     // empty: nothing

  bool operator==(const Refusal&) const = default;
};

// "[room] message" with control bytes escaped: what() of an Error.
std::string error_line(std::string_view room, std::string_view message);

// "'hidden_act': expected silu, found 'tanh'", "tensor 'x' is missing", without the file.
std::string refusal_text(const Refusal& refusal);

// One line, "[room] FILE: 'KEY': expected ..., found ...; 'KEY': ...", the first few of them.
class RefusedError : public Error {
 public:
  RefusedError(ErrorCode code, std::string_view room, std::vector<Refusal> refusals);
  const std::vector<Refusal>& refusals() const { return refusals_; }

 private:
  std::vector<Refusal> refusals_;
};

[[noreturn]] void refuse(ErrorCode code, std::string_view room, Refusal refusal);

// Gathers faults, each once, in the order in which they are found.
class RefusalList {
 public:
  // False when the same is there already.
  bool add(ErrorCode code, Refusal refusal);
  // An error's own refusals, else its text as one of `kind` about `file`. Rethrows what says
  // nothing about the model: kIo, kOutOfMemory, kCancelled, kInternal. False when it brings nothing
  // new.
  bool add(const Error& error, std::string_view kind, std::string_view file);
  // False when `f` throws an Error, which is added.
  template <typename F>
  bool gather(std::string_view kind, std::string_view file, F&& f) {
    try {
      f();
      return true;
    } catch (const Error& error) {
      add(error, kind, file);
      return false;
    }
  }

  bool empty() const { return refusals_.empty(); }
  const std::vector<Refusal>& items() const { return refusals_; }
  // RefusedError of all, with the first one's code.
  void throw_if_any(std::string_view room) const;

 private:
  std::vector<Refusal> refusals_;
  std::set<std::string> seen_;  // their parts, joined
  ErrorCode code_ = ErrorCode::kUnsupported;
};

}  // namespace ingot
