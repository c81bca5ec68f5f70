// Overflow-checked arithmetic for every length, count and offset that comes from outside.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace ingot {

// An unsigned 64-bit size whose + and * throw Error{kCorrupt} instead of wrapping. `what` names the
// quantity in the message and must outlive the value (use a literal).
class CheckedSize {
 public:
  CheckedSize(uint64_t value, std::string_view what) : value_(value), what_(what) {}
  uint64_t value() const { return value_; }
  CheckedSize operator+(uint64_t other) const {
    uint64_t out;
    if (__builtin_add_overflow(value_, other, &out)) overflow();
    return {out, what_};
  }
  CheckedSize operator*(uint64_t other) const {
    uint64_t out;
    if (__builtin_mul_overflow(value_, other, &out)) overflow();
    return {out, what_};
  }

 private:
  [[noreturn]] void overflow() const {
    fail(ErrorCode::kCorrupt, "base/checked", "{} does not fit 64 bits", what_);
  }
  uint64_t value_;
  std::string_view what_;
};

// Product of non-negative dimensions; throws Error{kCorrupt} on a negative one or when the product
// exceeds 2^62 (so that a later multiplication by an element size is caught by CheckedSize). Where
// one is 0, the product of the others may be 2^58: strides and the bytes of a row then fit int64.
int64_t checked_elements(std::span<const int64_t> dims, std::string_view what);

}  // namespace ingot
