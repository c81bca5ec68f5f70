#include "base/generation_defaults.h"

#include <algorithm>
#include <limits>

namespace ingot {
namespace {

constexpr std::string_view kWhere = "base/generation_defaults";

template <typename T>
void read_optional(const Json& object, const char* key, std::string_view file,
                   std::optional<T>& out) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return;
  out = json_require<T>(object, key, kWhere, file);
}

// An id, a list of ids, or nothing.
std::vector<int64_t> read_ids(const Json& object, const char* key, std::string_view file) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return {};
  if (it->is_array()) return json_require<std::vector<int64_t>>(object, key, kWhere, file);
  return {json_require<int64_t>(object, key, kWhere, file)};
}

void read_id(const Json& object, const char* key, std::string_view file,
             std::optional<int64_t>& out) {
  const std::vector<int64_t> ids = read_ids(object, key, file);
  if (!ids.empty()) out = ids.front();
}

template <typename T>
void write_optional(Json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

}  // namespace

Json generation_defaults_to_json(const GenerationDefaults& defaults) {
  Json out = Json::object();
  write_optional(out, "bos_token_id", defaults.bos_id);
  if (!defaults.eos_ids.empty()) out["eos_token_id"] = defaults.eos_ids;
  write_optional(out, "pad_token_id", defaults.pad_id);
  write_optional(out, "do_sample", defaults.do_sample);
  write_optional(out, "temperature", defaults.temperature);
  write_optional(out, "top_p", defaults.top_p);
  write_optional(out, "min_p", defaults.min_p);
  write_optional(out, "top_k", defaults.top_k);
  write_optional(out, "repetition_penalty", defaults.repetition_penalty);
  write_optional(out, "chat_format", defaults.chat_format);
  return out;
}

GenerationDefaults generation_defaults_from_json(const Json& json, std::string_view file,
                                                 int64_t vocab_size) {
  GenerationDefaults out;
  if (json.is_null()) return out;
  if (!json.is_object()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an object, found {}", file, json.type_name());
  }
  out.eos_ids = read_ids(json, "eos_token_id", file);
  read_id(json, "bos_token_id", file, out.bos_id);
  read_id(json, "pad_token_id", file, out.pad_id);
  read_optional(json, "do_sample", file, out.do_sample);
  read_optional(json, "temperature", file, out.temperature);
  read_optional(json, "top_p", file, out.top_p);
  read_optional(json, "min_p", file, out.min_p);
  read_optional(json, "top_k", file, out.top_k);
  read_optional(json, "repetition_penalty", file, out.repetition_penalty);
  read_optional(json, "chat_format", file, out.chat_format);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // the sampler counts in 32 bits
  for (const int64_t id : out.eos_ids) {
    const int64_t last = vocab_size > 0 ? std::min(vocab_size - 1, kMost) : kMost;
    if (id >= 0 && id <= last) continue;
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'eos_token_id': expected 0 to {}, found {}", file, last,
         id);
  }
  const int64_t most = vocab_size > 0 ? std::min(vocab_size, kMost) : kMost;
  if (out.top_k && (*out.top_k < 0 || *out.top_k > most)) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: 'top_k': expected 0 to {}, found {}", file, most,
         *out.top_k);
  }
  return out;
}

}  // namespace ingot
