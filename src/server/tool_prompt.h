// Conversations with tools for chat templates that know none: tools, calls and results as text of
// messages whose roles every template has.
#pragma once

#include <string>

#include "runtime/text_assets.h"

namespace ingot {

// What a model is told of `tools`, a list of OpenAI's: each on a line as JSON, and how it calls
// one. Begins and ends with a character that is not white space.
std::string tool_description(const Json& tools);

// `messages` with content that is text or null, and calls whose arguments are objects. Calls of an
// assistant come behind its text, in the form of tool_formats/generic.cc; results of tools become
// messages of the user, one with what the user says beside them: many templates want turns.
Json messages_without_tools(const Json& messages);

// `messages` with `description` at the end of the system message, one of its own where they begin
// with none; where the template refuses a system message that the caller did not send, or leaves it
// out, before the first message of the user. Error and ApiError (400) as the template refuses the
// messages, or shows neither place.
ChatSegments render_described(const TextAssets& assets, const Json& messages,
                              const std::string& description, const ChatOptions& options);

}  // namespace ingot
