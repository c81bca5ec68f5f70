#include "text/tokenizer_formats/protobuf.h"

#include <cstring>

#include "base/error.h"

namespace ingot {

void ProtoReader::corrupt(std::string_view why) const {
  fail(ErrorCode::kCorrupt, "text/protobuf", "{}: {} at offset {}: {}", file_, what_, base_ + at_,
       why);
}

uint64_t ProtoReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == in_.size()) corrupt("expected a number, found the end");
    const auto byte = static_cast<uint8_t>(in_[at_++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  corrupt("expected a number of at most 10 bytes, found a longer one");
}

std::string_view ProtoReader::take(uint64_t size) {
  if (size > in_.size() - at_) {
    corrupt(fmt::format("expected {} bytes, found {}", size, in_.size() - at_));
  }
  const std::string_view out = in_.substr(at_, size);
  at_ += size;
  return out;
}

bool ProtoReader::next() {
  if (open_) skip();
  if (at_ == in_.size()) return false;
  const uint64_t tag = varint();
  field_ = static_cast<uint32_t>(tag >> 3);
  wire_ = tag & 7;
  const bool known = wire_ == kVarint || wire_ == kFixed64 || wire_ == kLength || wire_ == kFixed32;
  if (tag >> 32 != 0 || field_ == 0 || !known) {
    corrupt(fmt::format("expected a field, found the tag {}", tag));
  }
  open_ = true;
  return true;
}

void ProtoReader::skip() {
  open_ = false;
  switch (wire_) {
    case kVarint:
      varint();
      break;
    case kFixed64:
      take(8);
      break;
    case kFixed32:
      take(4);
      break;
    default:
      take(varint());
  }
}

void ProtoReader::expect(Wire wire) {
  if (wire_ != wire) {
    corrupt(fmt::format("field {}: expected wire type {}, found {}", field_,
                        static_cast<uint32_t>(wire), wire_));
  }
  open_ = false;
}

uint64_t ProtoReader::number() {
  expect(kVarint);
  return varint();
}

float ProtoReader::real() {
  expect(kFixed32);
  float value = 0;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view ProtoReader::text() {
  expect(kLength);
  return take(varint());
}

ProtoReader ProtoReader::message(std::string_view what) {
  const std::string_view bytes = text();
  return {bytes, what, file_, base_ + at_ - bytes.size()};
}

}  // namespace ingot
