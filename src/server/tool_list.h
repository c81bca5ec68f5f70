// Calls in a list behind a mark: MARK[{"name": …, "arguments": {…}}, …].
#pragma once

#include <memory>
#include <string_view>

#include "server/tool_format.h"

namespace ingot {

// Reads `open`, a list of calls or one of them, and `close` behind it, which may be missing. An
// `open` that ends with '[' begins the list itself. Both outlive the parser.
std::unique_ptr<ToolParser> make_list_parser(ToolSink& sink, std::string_view open,
                                             std::string_view close = {});

CallForm list_form(std::string_view name, std::string_view open, std::string_view close = {});

}  // namespace ingot
