// Template source to tokens, with white space around tags already treated. Internal to text/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot::jinja {

enum class TokenType {
  kData,           // text between tags
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;  // a string's value; else as written
  int line = 1;
};

// Errors carry `name` and the line. The last token is kEnd.
std::vector<Token> lex(std::string_view source, std::string_view name);

}  // namespace ingot::jinja
