// Messages of a chat request on their way to token ids.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/text_assets.h"
#include "server/schema.h"

namespace ingot {

// Of one message.
std::vector<Field> message_fields();

// The prompt of a body with "messages", "add_generation_prompt", "chat_template_kwargs",
// "documents", "reasoning_effort" and "tools", all but the first optional; check_body() has passed
// it. ApiError (400) for content that is no text, and when the template refuses the messages.
std::vector<int32_t> chat_prompt(const Json& body, const TextAssets& assets);
// The same as text.
ChatSegments chat_segments(const Json& body, const TextAssets& assets);

}  // namespace ingot
