#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace ingot::jinja {

// Error{kInvalidArgument} for a syntax error, {kUnsupported} for what the subset leaves out; both
// name `name` and the line. `depth` bounds the nesting of statements and of brackets.
Body parse_template(std::string_view source, std::string_view name, int depth);

}  // namespace ingot::jinja
