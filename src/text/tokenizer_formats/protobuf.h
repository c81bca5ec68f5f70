// Reads protobuf's wire format. Internal to text/ (loaders/ has the real library for ONNX).
#pragma once

#include <cstdint>
#include <string_view>

namespace ingot {

// Fields of one message, front to back:
//   while (reader.next()) { if (reader.field() == 1) use(reader.text()); }
// A field whose value is not asked for is skipped. Error{kCorrupt} gives file, offset, what was
// expected and what was found.
class ProtoReader {
 public:
  // `offset`: of `bytes` in the file, for messages; `what` names the message.
  ProtoReader(std::string_view bytes, std::string_view what, std::string_view file,
              size_t offset = 0)
      : in_(bytes), what_(what), file_(file), base_(offset) {}

  bool next();
  uint32_t field() const { return field_; }
  // Values of the field that next() found; each only for its own wire type.
  uint64_t number();
  bool flag() { return number() != 0; }
  int32_t integer() { return static_cast<int32_t>(number()); }
  float real();
  std::string_view text();
  ProtoReader message(std::string_view what);

 private:
  enum Wire : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };
  uint64_t varint();
  std::string_view take(uint64_t size);
  void expect(Wire wire);
  void skip();
  [[noreturn]] void corrupt(std::string_view why) const;

  std::string_view in_;
  std::string_view what_, file_;
  size_t base_ = 0, at_ = 0;
  uint32_t field_ = 0, wire_ = 0;
  bool open_ = false;  // the field's value has not been read
};

}  // namespace ingot
