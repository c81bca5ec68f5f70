// The tokens of a template with one of look-ahead, and the errors both parsers raise. Internal.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/jinja/lexer.h"

namespace ingot::jinja {

class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, std::string_view name, int most_depth)
      : tokens_(std::move(tokens)), name_(name), most_depth_(most_depth) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)];
  }
  const Token& next() {
    const Token& token = peek();
    if (pos_ + 1 < tokens_.size()) ++pos_;
    return token;
  }
  int line() const { return peek().line; }
  bool is_op(std::string_view op, size_t ahead = 0) const {
    return peek(ahead).type == TokenType::kOperator && peek(ahead).text == op;
  }
  bool is_name(std::string_view name, size_t ahead = 0) const {
    return peek(ahead).type == TokenType::kName && peek(ahead).text == name;
  }
  bool skip_op(std::string_view op) {
    if (!is_op(op)) return false;
    next();
    return true;
  }
  bool skip_name(std::string_view name) {
    if (!is_name(name)) return false;
    next();
    return true;
  }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) unexpected(fmt::format("'{}'", op));
  }
  std::string expect_name() {
    if (peek().type != TokenType::kName) unexpected("a name");
    return next().text;
  }
  void expect(TokenType type, std::string_view what) {
    if (peek().type != type) unexpected(what);
    next();
  }

  std::string describe() const {
    switch (peek().type) {
      case TokenType::kEnd:
        return "the end of the template";
      case TokenType::kVariableEnd:
        return "'}}'";
      case TokenType::kBlockEnd:
        return "'%}'";
      case TokenType::kData:
        return "text";
      default:
        return fmt::format("'{}'", peek().text);
    }
  }
  [[noreturn]] void unexpected(std::string_view wanted) const {
    error(line(), fmt::format("expected {}, found {}", wanted, describe()));
  }
  [[noreturn]] void error(int line, std::string_view reason) const {
    fail(ErrorCode::kInvalidArgument, "text/chat_template", "{}: line {}: {}", name_, line, reason);
  }
  [[noreturn]] void unsupported(int line, std::string_view what) const {
    fail(ErrorCode::kUnsupported, "text/chat_template", "{}: line {}: {} is not supported", name_,
         line, what);
  }

  // Guards one level of nesting.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream.depth_ > stream.most_depth_) {
        stream.error(stream.line(), fmt::format("nested deeper than {}", stream.most_depth_));
      }
    }
    ~Level() { --stream_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  std::string_view name_;
  int most_depth_;
  int depth_ = 0;
  size_t pos_ = 0;
};

}  // namespace ingot::jinja
