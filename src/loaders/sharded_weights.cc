#include "loaders/sharded_weights.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/stand_in.h"
#include "loaders/safetensors.h"
#include "loaders/torch_file.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "loaders/sharded_weights";
constexpr size_t kMaxIndexBytes = size_t{256} << 20;

// Reads {"metadata": {...}, "weight_map": {tensor: shard}} as a stream: an object of the JSON
// library would take time quadratic in the number of tensors.
class IndexReader : public nlohmann::json_sax<Json> {
 public:
  explicit IndexReader(const std::string& file) : file_(file) {}
  std::map<std::string, std::string> weight_map;
  bool has_map = false;

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool binary(binary_t&) override { return value("binary data"); }
  bool string(string_t& text) override {
    if (!in_map_) return value("a string");
    if (!weight_map.emplace(key_, std::move(text)).second) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: weight_map: '{}' appears twice", file_, key_);
    }
    return true;
  }
  bool key(string_t& text) override {
    key_ = std::move(text);
    return true;
  }
  bool start_object(size_t) override {
    if (in_map_) value("an object");
    if (depth_ == 1 && key_ == "weight_map") {
      if (has_map) fail(ErrorCode::kCorrupt, kWhere, "{}: weight_map appears twice", file_);
      in_map_ = has_map = true;
    }
    return enter();
  }
  bool end_object() override {
    in_map_ = false;
    --depth_;
    return true;
  }
  bool start_array(size_t) override {
    value("a list");
    return enter();
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail(ErrorCode::kCorrupt, kWhere, "{}: byte {}: not valid JSON", file_, position);
  }

 private:
  bool value(std::string_view what) const {
    if (in_map_) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: weight_map: '{}': expected a file name, found {}",
           file_, key_, what);
    }
    if (depth_ == 0) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", file_, what);
    }
    if (depth_ == 1 && key_ == "weight_map") {
      fail(ErrorCode::kCorrupt, kWhere, "{}: weight_map: expected an object, found {}", file_,
           what);
    }
    return true;
  }
  bool enter() {
    if (++depth_ > 64) fail(ErrorCode::kCorrupt, kWhere, "{}: nested deeper than 64", file_);
    return true;
  }

  const std::string& file_;
  std::string key_;
  int depth_ = 0;
  bool in_map_ = false;
};

std::map<std::string, std::string> read_index(const std::string& path) {
  const std::string text = read_regular_file(path, kMaxIndexBytes);
  refuse_stand_in(std::as_bytes(std::span(text)), kWhere, path, "an index of shards");
  IndexReader reader(path);
  Json::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.has_map) fail(ErrorCode::kCorrupt, kWhere, "{}: 'weight_map' is missing", path);
  if (reader.weight_map.empty()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'weight_map' is empty", path);
  }
  return std::move(reader.weight_map);
}

// A shard is a plain file name beside the index.
void check_shard_name(const std::string& shard, const std::string& index_path) {
  if (shard.empty() || shard == "." || shard == ".." || shard.find('/') != std::string::npos ||
      shard.find('\\') != std::string::npos || shard.find('\0') != std::string::npos) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: shard '{}': expected the name of a file in the same directory", index_path, shard);
  }
}

// Keeps the shards' sources alive beside the table that views them.
class ShardedWeights : public WeightTable {
 public:
  using WeightTable::WeightTable;
  std::vector<std::shared_ptr<const WeightTable>> shards;
};

}  // namespace

std::shared_ptr<const WeightTable> open_weights_file(const std::string& path) {
  if (path.ends_with(".bin")) return open_torch_file(path);
  return SafetensorsFile::open(path);
}

std::shared_ptr<const WeightSource> open_sharded_weights(const std::string& index_path) {
  const auto weight_map = read_index(index_path);
  const fs::path directory = fs::path(index_path).parent_path();
  std::map<std::string, std::shared_ptr<const WeightTable>> shards;
  for (const auto& [tensor, shard] : weight_map) {
    auto& file = shards[shard];
    if (file) continue;
    check_shard_name(shard, index_path);
    const std::string path = (directory / shard).string();
    if (!is_regular_file(path)) {
      fail(ErrorCode::kNotFound, kWhere, "{}: shard '{}', which holds '{}', is missing", index_path,
           shard, tensor);
    }
    file = open_weights_file(path);
  }
  auto table = std::make_shared<ShardedWeights>(index_path);
  for (const auto& [shard, file] : shards) {
    for (const auto& entry : file->entries()) {
      auto it = weight_map.find(entry->name);
      if (it != weight_map.end() && it->second == shard) {
        table->add(*entry);
      } else if (it != weight_map.end()) {
        fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}': expected in shard '{}', found in '{}'",
             index_path, entry->name, it->second, shard);
      }
    }
    table->add_file(file->files().front());
    table->shards.push_back(file);
  }
  for (const auto& [tensor, shard] : weight_map) {
    if (!table->contains(tensor)) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: tensor '{}' is not in its shard '{}'", index_path,
           tensor, shard);
    }
  }
  return table;
}

bool is_model_safetensors(std::string_view name) {
  return name.ends_with(".safetensors") && name.find('/') == name.npos &&
         !name.starts_with("adapter") && name != "golden.safetensors";
}

std::shared_ptr<const WeightSource> open_weights_directory(const std::string& directory) {
  const fs::path base(directory);
  const auto open_named = [&](const char* name) -> std::shared_ptr<const WeightSource> {
    const std::string single = (base / name).string();
    const std::string index = single + ".index.json";
    if (is_regular_file(index)) return open_sharded_weights(index);
    if (is_regular_file(single)) return open_weights_file(single);
    return nullptr;
  };
  if (auto weights = open_named("model.safetensors")) return weights;
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(base, error), end; !error && it != end; it.increment(error)) {
    if (is_model_safetensors(it->path().filename().string())) found.push_back(it->path().string());
  }
  if (error) fail(ErrorCode::kIo, kWhere, "{}: {}", directory, error.message());
  if (found.size() == 1) return open_weights_file(found.front());
  if (found.empty()) {
    if (auto weights = open_named("pytorch_model.bin")) return weights;
  }
  fail(ErrorCode::kNotFound, kWhere,
       "{}: expected model.safetensors or pytorch_model.bin, or their .index.json, found {} other "
       "*.safetensors files",
       directory, found.size());
}

}  // namespace ingot
