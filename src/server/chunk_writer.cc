#include "server/chunk_writer.h"

#include <fmt/format.h>

#include "server/prompt_logprobs.h"

namespace ingot {
namespace {

Json token_entry(const Tokenizer& tokenizer, int32_t id, float logprob) {
  Json bytes = Json::array();
  if (id < tokenizer.vocab_size()) {
    for (const char c : tokenizer.token_bytes(id)) bytes.push_back(static_cast<unsigned char>(c));
  }
  return {
      {"token", token_alone(tokenizer, id)}, {"logprob", json_logprob(logprob)}, {"bytes", bytes}};
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

Json chat_logprobs(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                   std::span<const TokenLogprobs> logprobs) {
  Json content = Json::array();
  for (size_t i = 0; i < logprobs.size(); ++i) {
    Json entry = token_entry(tokenizer, ids[i], logprobs[i].chosen);
    Json top = Json::array();
    for (const auto& [id, logprob] : logprobs[i].top) {
      top.push_back(token_entry(tokenizer, id, logprob));
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

ChunkWriter::ChunkWriter(std::string_view id, std::string_view object, int64_t created,
                         std::string_view model, bool usage_null)
    : usage_null_(usage_null) {
  head_ =
      fmt::format(R"(data: {{"id":"{}","object":"{}","created":{},"model":)", id, object, created);
  append_json_string(model, head_);
  head_ += R"(,"system_fingerprint":"ingot","choices":[)";
}

void ChunkWriter::append(int32_t choice, std::string_view choice_fields, std::string_view more,
                         std::string& out) const {
  out += head_;
  out += R"({"index":)";
  out += std::to_string(choice);
  out += ',';
  out += choice_fields;
  out += "}]";
  if (usage_null_ && more.find("\"usage\"") == more.npos) out += R"(,"usage":null)";
  out += more;
  out += "}\n\n";
}

void ChunkWriter::append_without_choices(std::string_view more, std::string& out) const {
  out += head_;
  out += ']';
  out += more;
  out += "}\n\n";
}

}  // namespace ingot
