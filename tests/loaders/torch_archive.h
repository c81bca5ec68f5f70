// Archives as torch.save writes them, made by hand.
#pragma once

#include "tests/loaders/test_files.h"

namespace ingot {

inline std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// Stored files of a ZIP archive. `method` other than 0 and `zip64` are written into the directory
// alone.
class StoredZip {
 public:
  void add(const std::string& name, const std::string& bytes, int method = 0, bool zip64 = false) {
    const size_t offset = out_.size();
    const std::string sizes = little_endian(bytes.size(), 4) + little_endian(bytes.size(), 4);
    out_ += "PK\x03\x04" + little_endian(20, 2) + std::string(12, '\0') + sizes +
            little_endian(name.size(), 2) + little_endian(0, 2) + name + bytes;
    const std::string extra =
        !zip64 ? ""
               : little_endian(1, 2) + little_endian(24, 2) + little_endian(bytes.size(), 8) +
                     little_endian(bytes.size(), 8) + little_endian(offset, 8);
    directory_ += "PK\x01\x02" + std::string(6, '\0') + little_endian(method, 2) +
                  std::string(8, '\0') + (zip64 ? std::string(8, '\xff') : sizes) +
                  little_endian(name.size(), 2) + little_endian(extra.size(), 2) +
                  std::string(10, '\0') +
                  (zip64 ? std::string(4, '\xff') : little_endian(offset, 4)) + name + extra;
    ++count_;
  }
  std::string take(const std::string& comment = "") const {
    return out_ + directory_ + "PK\x05\x06" + std::string(4, '\0') + little_endian(count_, 2) +
           little_endian(count_, 2) + little_endian(directory_.size(), 4) +
           little_endian(out_.size(), 4) + little_endian(comment.size(), 2) + comment;
  }

 private:
  std::string out_, directory_;
  uint64_t count_ = 0;
};

inline std::string pickled_text(const std::string& text) {
  return "X" + little_endian(text.size(), 4) + text;
}
inline std::string pickled_int(int64_t value) {
  return "J" + little_endian(static_cast<uint64_t>(value), 4);
}
inline std::string pickled_tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (int64_t value : values) out += pickled_int(value);
  return out + "t";
}

// A call of torch._utils._rebuild_tensor_v2.
struct TorchTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides = {};  // default: one element after the other
  std::string type = "FloatStorage";
  int64_t offset = 0;
  std::string key = "";  // of the storage; default: the name
};
inline std::string pickled_tensor(TorchTensor t) {
  if (t.strides.empty()) {
    int64_t next = 1;
    for (size_t d = t.shape.size(); d-- > 0; next *= t.shape[d]) {
      t.strides.insert(t.strides.begin(), next);
    }
  }
  const std::string key = t.key.empty() ? t.name : t.key;
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled_text("storage") + "ctorch\n" + t.type +
         "\n" + pickled_text(key) + pickled_text("cpu") + pickled_int(1) + "tQ" +
         pickled_int(t.offset) + pickled_tuple(t.shape) + pickled_tuple(t.strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}
// Of "name: value" pairs that are pickled already.
inline std::string pickled_dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}";
  for (const auto& [name, value] : items) out += pickled_text(name) + value + "s";
  return out;
}
inline std::string whole_pickle(const std::string& value) { return "\x80\x02" + value + "."; }

// float32 0, 1, 2 ... of a storage.
inline std::string counted_floats(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    out.append(reinterpret_cast<const char*>(&value), 4);
  }
  return out;
}

// Tensors of float32, each with a storage of as many elements.
inline std::string torch_archive(const std::vector<TorchTensor>& tensors) {
  StoredZip zip;
  std::vector<std::pair<std::string, std::string>> items;
  for (const TorchTensor& tensor : tensors) items.emplace_back(tensor.name, pickled_tensor(tensor));
  zip.add("archive/data.pkl", whole_pickle(pickled_dict(items)));
  zip.add("archive/byteorder", "little");
  for (const TorchTensor& tensor : tensors) {
    size_t count = 1;
    for (int64_t size : tensor.shape) count *= static_cast<size_t>(size);
    zip.add("archive/data/" + tensor.name, counted_floats(count));
  }
  return zip.take();
}

}  // namespace ingot
