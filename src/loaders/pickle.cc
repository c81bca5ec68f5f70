#include "loaders/pickle.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "base/byte_reader.h"

namespace ingot {
namespace {

using Kind = PickleValue::Kind;

// A value takes some 100 bytes here and at least one there: so many are more than any model has.
constexpr size_t kMostValues = size_t{1} << 24;
constexpr size_t kMostName = 256;  // bytes of a module or of a name in it
// Different ones; a file of tensors names a dozen. Five bytes can join two long texts to a new one.
constexpr size_t kMostGlobals = 1024;

class PickleReader {
 public:
  PickleReader(std::span<const std::byte> bytes, std::string_view where, std::string_view file)
      : reader_(bytes, where, file), where_(where), file_(file) {}

  Pickle read() {
    while (step()) {
    }
    out_.root = pop();
    return std::move(out_);
  }

 private:
  [[noreturn]] void bad(std::string_view what) const {
    fail(ErrorCode::kCorrupt, where_, "{}: pickle: byte {}: {}", file_, at_, what);
  }

  PickleId add(PickleValue value) {
    if (out_.values.size() >= kMostValues) bad("more than 16777216 values");
    out_.values.push_back(std::move(value));
    return static_cast<PickleId>(out_.values.size()) - 1;
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  PickleId pop() {
    if (stack_.size() <= floor()) bad("expected a value on the stack, found none");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleId top() {
    if (stack_.size() <= floor()) bad("expected a value on the stack, found none");
    return stack_.back();
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) bad("expected a mark, found none");
    std::vector<PickleId> items(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  void collect(Kind kind, std::vector<PickleId> items) {
    PickleValue value;
    value.kind = kind;
    value.items = std::move(items);
    push(std::move(value));
  }
  void integer(int64_t number, Kind kind = Kind::kInt) {
    PickleValue value;
    value.kind = kind;
    value.number = number;
    push(std::move(value));
  }
  void text(Kind kind, uint64_t size) {
    PickleValue value;
    value.kind = kind;
    value.text = reader_.text(size, "text");
    push(std::move(value));
  }

  void memoize(uint64_t key) {
    if (memo_.size() >= kMostValues) bad("more than 16777216 values are kept");
    memo_[key] = top();
  }
  void recall(uint64_t key) {
    const auto known = memo_.find(key);
    if (known == memo_.end()) bad(fmt::format("nothing was kept under {}", key));
    stack_.push_back(known->second);
  }

  // Puts items into the value below them.
  void extend(std::vector<PickleId> items, bool pairs) {
    PickleValue& into = out_.values[static_cast<size_t>(top())];
    const bool fits = into.kind == Kind::kCall || into.kind == (pairs ? Kind::kDict : Kind::kList);
    if (!fits) bad("expected a container below the items, found " + out_.describe(top()));
    if (pairs && items.size() % 2 != 0) bad("a key without a value");
    into.items.insert(into.items.end(), items.begin(), items.end());
  }

  void global(std::string_view module, std::string_view name) {
    if (module.size() > kMostName || name.size() > kMostName) {
      bad(fmt::format("a global's name: expected at most {} bytes, found {}", kMostName,
                      std::max(module.size(), name.size())));
    }
    const auto known = out_.names.insert(fmt::format("{} {}", module, name)).first;
    if (out_.names.size() > kMostGlobals) bad(fmt::format("more than {} globals", kMostGlobals));
    PickleValue value;
    value.kind = Kind::kGlobal;
    value.text = *known;
    push(std::move(value));
  }
  std::string_view line() {
    std::string_view left = reader_.text(reader_.remaining(), "line");
    const size_t end = left.find('\n');
    if (end == std::string_view::npos) bad("a line without an end");
    reader_.seek(reader_.offset() - left.size() + end + 1, "line");
    return left.substr(0, end);
  }

  // Little-endian two's complement of up to 8 bytes.
  void long_integer(uint64_t size) {
    if (size > 8) bad(fmt::format("an integer of {} bytes; at most 8 are read", size));
    const auto bytes = reader_.bytes(size, "integer");
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      number |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    }
    if (size > 0 && size < 8 && (number >> (8 * size - 1)) != 0)
      number |= ~uint64_t{0} << (8 * size);
    integer(static_cast<int64_t>(number));
  }

  void real() {
    uint64_t bits = 0;  // big-endian
    for (std::byte b : reader_.bytes(8, "float")) bits = bits << 8 | static_cast<uint64_t>(b);
    PickleValue value;
    value.kind = Kind::kFloat;
    value.real = std::bit_cast<double>(bits);
    push(std::move(value));
  }

  void call() {
    const PickleId arguments = pop(), callee = pop();
    if (out_.at(arguments).kind != Kind::kTuple) bad("expected a tuple of arguments");
    collect(Kind::kCall, {callee, arguments});
  }

  bool step() {
    at_ = reader_.offset();
    const auto op = reader_.read<uint8_t>("opcode");
    return containers(op) || values(op) || references(op) || last(op);
  }

  bool containers(uint8_t op) {
    switch (op) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case ']':
      case 0x8f:  // a set
        collect(Kind::kList, {});
        return true;
      case '}':
        collect(Kind::kDict, {});
        return true;
      case ')':
        collect(Kind::kTuple, {});
        return true;
      case 't':
        collect(Kind::kTuple, pop_to_mark());
        return true;
      case 0x85:
      case 0x86:
      case 0x87: {
        std::vector<PickleId> items(op - 0x84u);
        for (auto it = items.rbegin(); it != items.rend(); ++it) *it = pop();
        collect(Kind::kTuple, std::move(items));
        return true;
      }
      case 'a':
        extend({pop()}, false);
        return true;
      case 'e':
      case 0x90:  // into a set
        extend(pop_to_mark(), false);
        return true;
      case 's': {
        const PickleId value = pop(), key = pop();
        extend({key, value}, true);
        return true;
      }
      case 'u':
        extend(pop_to_mark(), true);
        return true;
      default:
        return false;
    }
  }

  bool values(uint8_t op) {
    switch (op) {
      case 'N':
        push({});
        return true;
      case 0x88:
      case 0x89:
        integer(op == 0x88 ? 1 : 0, Kind::kBool);
        return true;
      case 'J':
        integer(reader_.read<int32_t>("integer"));
        return true;
      case 'K':
        integer(reader_.read<uint8_t>("integer"));
        return true;
      case 'M':
        integer(reader_.read<uint16_t>("integer"));
        return true;
      case 0x8a:
        long_integer(reader_.read<uint8_t>("size"));
        return true;
      case 'G':
        real();
        return true;
      case 'X':
        text(Kind::kText, reader_.read<uint32_t>("size"));
        return true;
      case 0x8c:
        text(Kind::kText, reader_.read<uint8_t>("size"));
        return true;
      case 0x8d:
        text(Kind::kText, reader_.read<uint64_t>("size"));
        return true;
      case 'U':
      case 'C':
        text(Kind::kBytes, reader_.read<uint8_t>("size"));
        return true;
      case 'T':
      case 'B':
        text(Kind::kBytes, reader_.read<uint32_t>("size"));
        return true;
      case 0x8e:
        text(Kind::kBytes, reader_.read<uint64_t>("size"));
        return true;
      default:
        return false;
    }
  }

  bool references(uint8_t op) {
    switch (op) {
      case 'q':
        memoize(reader_.read<uint8_t>("number"));
        return true;
      case 'r':
        memoize(reader_.read<uint32_t>("number"));
        return true;
      case 0x94:
        memoize(memo_.size());
        return true;
      case 'h':
        recall(reader_.read<uint8_t>("number"));
        return true;
      case 'j':
        recall(reader_.read<uint32_t>("number"));
        return true;
      case 'c': {
        const std::string_view module = line();
        global(module, line());
        return true;
      }
      case 0x93: {
        const PickleId name = pop(), module = pop();
        if (out_.at(name).kind != Kind::kText || out_.at(module).kind != Kind::kText) {
          bad("a global that is not named by text");
        }
        global(out_.at(module).text, out_.at(name).text);
        return true;
      }
      case 'Q':
        collect(Kind::kPersistent, {pop()});
        return true;
      case 'R':
      case 0x81:  // of a class
        call();
        return true;
      case 'b':  // state of an object: attributes, no items
        pop();
        top();
        return true;
      default:
        return false;
    }
  }

  bool last(uint8_t op) {
    switch (op) {
      case 0x80:
        if (const auto protocol = reader_.read<uint8_t>("protocol"); protocol > 5) {
          bad(fmt::format("protocol {}: expected at most 5", protocol));
        }
        return true;
      case 0x95:  // a frame: what follows stands there anyway
        reader_.read<uint64_t>("frame");
        return true;
      case '0':
        pop();
        return true;
      case '1':
        pop_to_mark();
        return true;
      case '.':
        return false;
      default:
        fail(ErrorCode::kUnsupported, where_,
             "{}: pickle: byte {}: opcode {:#04x}: files of tensors do not need it", file_, at_,
             op);
    }
  }

  ByteReader reader_;
  std::string where_, file_;
  size_t at_ = 0;  // of the opcode
  Pickle out_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::unordered_map<uint64_t, PickleId> memo_;
};

}  // namespace

std::string Pickle::describe(PickleId id) const {
  const PickleValue& value = at(id);
  switch (value.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.number ? "True" : "False";
    case Kind::kInt:
      return fmt::format("{}", value.number);
    case Kind::kFloat:
      return fmt::format("{}", value.real);
    case Kind::kText:
      return fmt::format("'{}'", value.text.substr(0, 60));
    case Kind::kBytes:
      return fmt::format("{} bytes", value.text.size());
    case Kind::kList:
      return fmt::format("a list of {}", value.items.size());
    case Kind::kTuple:
      return fmt::format("a tuple of {}", value.items.size());
    case Kind::kDict:
      return fmt::format("a dict of {}", value.items.size() / 2);
    case Kind::kGlobal:
      return fmt::format("'{}'", value.text.substr(0, 80));
    case Kind::kCall: {
      const PickleValue& callee = at(value.items[0]);
      return "a call of " + (callee.kind == Kind::kGlobal ? describe(value.items[0]) : "an object");
    }
    case Kind::kPersistent:
      return "an object outside";
  }
  return "";
}

Pickle read_pickle(std::span<const std::byte> bytes, std::string_view where,
                   std::string_view file) {
  return PickleReader(bytes, where, file).read();
}

}  // namespace ingot
