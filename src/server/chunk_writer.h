// Text of OpenAI's answers: chunks of a stream, log probabilities, usage.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "runtime/answer_text.h"
#include "text/tokenizer.h"

namespace ingot {

// Appends a JSON string, quotes included. `text` is valid UTF-8.
void append_json_string(std::string_view text, std::string& out);

// "logprobs" of a chat choice: {"content": [{"token", "logprob", "bytes", "top_logprobs"}]}.
Json chat_logprobs(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                   std::span<const TokenLogprobs> logprobs);

// The chunks of one stream: what is equal in all of them is made once.
class ChunkWriter {
 public:
  // `object`: "chat.completion.chunk" or "text_completion".
  ChunkWriter(std::string_view id, std::string_view object, int64_t created, std::string_view model,
              bool usage_null);
  // One event. `choice_fields`: JSON members behind "index", as `"delta":{…},"finish_reason":null`;
  // `more`: members of the chunk, each with a comma before it.
  void append(int32_t choice, std::string_view choice_fields, std::string_view more,
              std::string& out) const;
  // One without choices: `"usage":{…}` and the like.
  void append_without_choices(std::string_view more, std::string& out) const;

 private:
  std::string head_;
  bool usage_null_;
};

}  // namespace ingot
