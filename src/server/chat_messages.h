// Messages of a chat request on their way to token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/text_assets.h"
#include "server/schema.h"

namespace ingot {

// Of one message.
std::vector<Field> message_fields();

// The prompt of a body with "messages", "add_generation_prompt", "chat_template_kwargs",
// "documents", "reasoning_effort" and "tools", all but the first optional; check_body() has passed
// it. ApiError (400) for content that is no text, for "chat_template_kwargs" that the template has
// from elsewhere, and when it refuses the messages.
std::vector<int32_t> chat_prompt(const Json& body, const TextAssets& assets);
// The same as text.
ChatSegments chat_segments(const Json& body, const TextAssets& assets);

// Those of "documents", "reasoning_effort" and "chat_template_kwargs.NAME" that the body has and
// the template does not read, safe in a header; a name that is not, and those behind the 16th,
// stand as "chat_template_kwargs".
std::vector<std::string> unread_fields(const Json& body, const TextAssets& assets);

}  // namespace ingot
