#include "loaders/torch_file.h"

#include <cstring>
#include <map>
#include <optional>

#include "base/checked.h"
#include "base/error.h"
#include "base/stand_in.h"
#include "loaders/pickle.h"
#include "loaders/stored_zip.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/torch_file";
using Kind = PickleValue::Kind;

std::optional<DType> storage_type(std::string_view global) {
  static const std::map<std::string_view, DType> kTypes = {
      {"torch FloatStorage", DType::kFloat32},     {"torch HalfStorage", DType::kFloat16},
      {"torch BFloat16Storage", DType::kBFloat16}, {"torch DoubleStorage", DType::kFloat64},
      {"torch LongStorage", DType::kInt64},        {"torch IntStorage", DType::kInt32},
      {"torch CharStorage", DType::kInt8},         {"torch ByteStorage", DType::kUInt8},
      {"torch BoolStorage", DType::kBool}};
  const auto found = kTypes.find(global);
  if (found == kTypes.end()) return std::nullopt;
  return found->second;
}

class TorchReader {
 public:
  TorchReader(std::span<const std::byte> bytes, const std::string& name)
      : file_(name), archive_(read_stored_zip(bytes, kWhere, name)), bytes_(bytes.size()) {
    table_ = std::make_shared<WeightTable>(name);
  }

  std::shared_ptr<WeightTable> read() {
    const auto pickle_file = find_pickle();
    folder_ = pickle_file->first.substr(0, pickle_file->first.size() - std::strlen("data.pkl"));
    if (const auto order = archive_.find(folder_ + "byteorder"); order != archive_.end()) {
      const auto* text = reinterpret_cast<const char*>(order->second.data());
      if (std::string_view(text, order->second.size()) != "little") {
        fail(ErrorCode::kUnsupported, kWhere, "{}: expected little-endian tensors, found others",
             file_);
      }
    }
    pickle_ = read_pickle(pickle_file->second, kWhere, file_);
    PickleId root = pickle_.root;
    std::span<const PickleId> entries = entries_of(root);
    if (!entries.data()) {
      bad("", "expected a dictionary of tensors, found " + pickle_.describe(root));
    }
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const PickleValue& key = pickle_.at(entries[i]);
      if (key.kind != Kind::kText || key.text != "state_dict") continue;
      if (const auto inner = entries_of(entries[i + 1]); inner.data()) entries = inner;
      break;
    }
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const PickleValue& key = pickle_.at(entries[i]);
      if (key.kind == Kind::kText) add(name_of(key), entries[i + 1]);
    }
    return table_;
  }

 private:
  using Archive = std::map<std::string, std::span<const std::byte>, std::less<>>;

  [[noreturn]] void bad(const std::string& tensor, const std::string& what) const {
    fail(ErrorCode::kCorrupt, kWhere, "{}: {}{}", file_,
         tensor.empty() ? "" : fmt::format("tensor '{}': ", tensor), what);
  }

  // "<any folder>/data.pkl", the only one.
  Archive::const_iterator find_pickle() const {
    auto found = archive_.end();
    for (auto it = archive_.begin(); it != archive_.end(); ++it) {
      const std::string& name = it->first;
      const size_t slash = name.find('/');
      if (slash == std::string::npos || name.substr(slash) != "/data.pkl") continue;
      if (found != archive_.end()) bad("", "two data.pkl in one archive");
      found = it;
    }
    if (found == archive_.end()) {
      bad("", fmt::format("expected an archive with data.pkl, found {} files and none of that name",
                          archive_.size()));
    }
    return found;
  }

  std::string_view callee(const PickleValue& call) const {
    const PickleValue& name = pickle_.at(call.items[0]);
    return name.kind == Kind::kGlobal ? name.text : std::string_view();
  }
  const std::vector<PickleId>& arguments(const PickleValue& call) const {
    return pickle_.at(call.items[1]).items;
  }

  // Keys and values of a dict or an OrderedDict, also empty ones; data() is nullptr for others.
  std::span<const PickleId> entries_of(PickleId id) const {
    static constexpr PickleId kNothing[] = {0};
    const PickleValue& value = pickle_.at(id);
    std::span<const PickleId> items = value.items;
    if (value.kind == Kind::kCall && callee(value) == "collections OrderedDict") {
      if (!arguments(value).empty()) bad("", "an OrderedDict made of arguments");
      items = items.subspan(2);
    } else if (value.kind != Kind::kDict) {
      return {};
    }
    return items.empty() ? std::span(kNothing).first(0) : items;
  }

  std::string name_of(const PickleValue& key) const {
    constexpr size_t kMost = 1024;
    if (key.text.size() > kMost) {
      bad("", fmt::format("a tensor's name: expected at most {} bytes, found {}", kMost,
                          key.text.size()));
    }
    return std::string(key.text);
  }

  void add(const std::string& name, PickleId id) {
    const PickleValue* value = &pickle_.at(id);
    if (value->kind != Kind::kCall) return;  // counts and settings beside the tensors
    if (callee(*value) == "torch._utils _rebuild_parameter") {
      if (arguments(*value).empty()) bad(name, "a parameter without data");
      value = &pickle_.at(arguments(*value)[0]);
    }
    if (value->kind != Kind::kCall || callee(*value) != "torch._utils _rebuild_tensor_v2") {
      fail(ErrorCode::kUnsupported, kWhere,
           "{}: '{}': expected a tensor, found {}, which is not run", file_, name,
           pickle_.describe(id));
    }
    rebuild(name, arguments(*value));
  }

  int64_t integer(const std::string& name, PickleId id, std::string_view what) const {
    const PickleValue& value = pickle_.at(id);
    if (value.kind != Kind::kInt || value.number < 0) {
      bad(name, fmt::format("{}: expected an integer of 0 or more, found {}", what,
                            pickle_.describe(id)));
    }
    return value.number;
  }
  Shape integers(const std::string& name, PickleId id, std::string_view what) const {
    if (pickle_.at(id).kind != Kind::kTuple) {
      bad(name, fmt::format("{}: expected a tuple, found {}", what, pickle_.describe(id)));
    }
    constexpr size_t kMost = 8;
    const std::vector<PickleId>& items = pickle_.at(id).items;
    if (items.size() > kMost) {
      bad(name,
          fmt::format("{}: expected at most {} dimensions, found {}", what, kMost, items.size()));
    }
    Shape out;
    for (PickleId item : items) out.push_back(integer(name, item, what));
    return out;
  }

  struct Storage {
    DType dtype;
    std::span<const std::byte> bytes;
  };
  // ("storage", type, key, device, count)
  Storage storage(const std::string& name, PickleId id) const {
    const PickleValue& outside = pickle_.at(id);
    const bool tuple = outside.kind == Kind::kPersistent &&
                       pickle_.at(outside.items[0]).kind == Kind::kTuple &&
                       pickle_.at(outside.items[0]).items.size() == 5;
    if (!tuple) bad(name, "expected a storage, found " + pickle_.describe(id));
    const auto& parts = pickle_.at(outside.items[0]).items;
    const PickleValue &type = pickle_.at(parts[1]), &key = pickle_.at(parts[2]);
    const auto dtype =
        type.kind == Kind::kGlobal ? storage_type(type.text) : std::optional<DType>();
    if (!dtype) {
      fail(ErrorCode::kUnsupported, kWhere,
           "{}: tensor '{}': expected a storage of float32, float16, bfloat16, float64, int64, "
           "int32, int8, uint8 or bool, found {}",
           file_, name, pickle_.describe(parts[1]));
    }
    const auto found = archive_.find(fmt::format("{}data/{}", folder_, key.text));
    if (key.kind != Kind::kText || found == archive_.end()) {
      bad(name, fmt::format("its bytes, {}data/{}, are missing", folder_, key.text));
    }
    return {*dtype, found->second};
  }

  // (storage, offset, sizes, strides, requires_grad, hooks ...), in elements.
  void rebuild(const std::string& name, const std::vector<PickleId>& arguments) {
    if (arguments.size() < 4) bad(name, "expected storage, offset, sizes and strides");
    const Storage from = storage(name, arguments[0]);
    const int64_t offset = integer(name, arguments[1], "offset");
    const Shape shape = integers(name, arguments[2], "sizes");
    const Shape strides = integers(name, arguments[3], "strides");
    if (shape.size() != strides.size()) {
      bad(name, fmt::format("{} sizes and {} strides", shape.size(), strides.size()));
    }
    const auto size = static_cast<int64_t>(dtype_size(from.dtype));
    const int64_t count = checked_elements(shape, fmt::format("{}: tensor '{}'", file_, name));
    const int64_t held = static_cast<int64_t>(from.bytes.size()) / size;
    int64_t reach = offset;  // of the last element
    bool follows = true;
    int64_t next = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      follows = follows && (shape[d] == 1 || strides[d] == next);
      next *= std::max<int64_t>(1, shape[d]);
      if (shape[d] > 1 && strides[d] > (held - 1) / (shape[d] - 1)) reach = held;
      if (shape[d] > 1 && reach < held) reach += strides[d] * (shape[d] - 1);
    }
    // Elements that share memory could ask for any amount of it.
    if (count > held) reach = held;
    if (count > 0 && reach >= held) {
      bad(name, fmt::format("{} from element {} needs more than the {} elements of its storage",
                            shape_text(shape), offset, held));
    }
    WeightInfo info{name, from.dtype, shape, {}};
    const auto bytes = static_cast<size_t>(count * size);
    if (count > 0 && follows) {
      info.bytes = from.bytes.subspan(static_cast<size_t>(offset * size), bytes);
      const auto at = reinterpret_cast<uintptr_t>(info.bytes.data());
      if (at % static_cast<uintptr_t>(size) != 0) {
        count_copy(name, bytes);
        info.bytes = table_->keep_aligned(info.bytes);
      }
    } else if (count > 0) {
      count_copy(name, bytes);
      const std::span<std::byte> copy = table_->allocate(bytes);
      gather(from.bytes.data() + offset * size, shape, strides, size, copy.data());
      info.bytes = copy;
    }
    if (!table_->add(std::move(info))) bad(name, "is there twice");
  }

  // Views that share a storage could ask for any amount of memory.
  void count_copy(const std::string& name, size_t bytes) {
    copied_ += bytes;
    if (copied_ <= bytes_) return;
    bad(name, fmt::format("tensors that are not stored in order take more than the {} bytes of the "
                          "file",
                          bytes_));
  }

  static void gather(const std::byte* from, const Shape& shape, const Shape& strides, int64_t size,
                     std::byte* to) {
    const int64_t count = element_count(shape);
    Shape index(shape.size(), 0);
    int64_t at = 0;
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(to + i * size, from + at * size, static_cast<size_t>(size));
      for (size_t d = shape.size(); d-- > 0;) {
        at += strides[d];
        if (++index[d] < shape[d]) break;
        at -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
  }

  const std::string& file_;
  Archive archive_;
  std::string folder_;  // with its slash
  Pickle pickle_;
  size_t bytes_ = 0, copied_ = 0;
  std::shared_ptr<WeightTable> table_;
};

// What torch.save wrote before 1.6 begins with a pickled number.
void check_archive(std::span<const std::byte> bytes, const std::string& name) {
  refuse_stand_in(bytes, kWhere, name, "PyTorch's weights");
  const bool pickle = bytes.size() > 2 && bytes[0] == std::byte{0x80} && bytes[1] <= std::byte{5};
  if (!pickle) return;
  fail(ErrorCode::kUnsupported, kWhere,
       "{}: expected an archive as PyTorch 1.6 and later write, found a bare pickle of before",
       name);
}

}  // namespace

std::shared_ptr<const WeightTable> parse_torch_file(std::span<const std::byte> bytes,
                                                    const std::string& name) {
  check_archive(bytes, name);
  return TorchReader(bytes, name).read();
}

std::shared_ptr<const WeightTable> open_torch_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  check_archive(file->bytes(), path);
  auto table = TorchReader(file->bytes(), path).read();
  table->add_file(file);
  return table;
}

}  // namespace ingot
