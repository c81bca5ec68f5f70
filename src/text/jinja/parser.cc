#include "text/jinja/parser.h"

#include <algorithm>
#include <array>

#include "text/jinja/expression_parser.h"

namespace ingot::jinja {
namespace {

class Parser {
 public:
  explicit Parser(TokenStream& tokens) : t_(tokens), expressions_(tokens) {}

  Body parse_all() {
    Body body = parse_body({});
    if (t_.peek().type != TokenType::kEnd) {
      t_.error(t_.line(), fmt::format("unexpected tag '{}'", t_.peek(1).text));
    }
    return body;
  }

 private:
  using Names = std::vector<std::string_view>;

  // Up to a tag that begins with one of `ends`; that tag's "{%" is then next.
  Body parse_body(const Names& ends) {
    Body body;
    while (true) {
      const Token& token = t_.peek();
      if (token.type == TokenType::kEnd) return body;
      if (token.type == TokenType::kData) {
        auto statement = make(StatementKind::kData);
        statement->text = t_.next().text;
        body.push_back(std::move(statement));
      } else if (token.type == TokenType::kVariableBegin) {
        auto statement = make(StatementKind::kOutput);
        t_.next();
        statement->expr = expressions_.parse_tuple();
        t_.expect(TokenType::kVariableEnd, "'}}'");
        body.push_back(std::move(statement));
      } else {
        const std::string& tag = t_.peek(1).text;
        if (tag.starts_with("end") || tag == "else" || tag == "elif") {
          if (std::find(ends.begin(), ends.end(), tag) == ends.end()) {
            t_.error(t_.line(), fmt::format("unexpected tag '{}'", tag));
          }
          return body;
        }
        t_.next();
        body.push_back(parse_statement());
      }
    }
  }

  // Passes "{% name", or complains that the statement begun at `line` has no end.
  std::string end_tag(std::string_view statement, int line) {
    if (t_.peek().type == TokenType::kEnd) {
      t_.error(line, fmt::format("'{}' has no end", statement));
    }
    t_.next();
    return t_.expect_name();
  }
  void block_end() { t_.expect(TokenType::kBlockEnd, "'%}'"); }

  std::unique_ptr<Statement> make(StatementKind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = t_.line();
    return statement;
  }

  std::unique_ptr<Statement> parse_statement() {
    const TokenStream::Level level(t_);
    const int line = t_.line();
    const std::string tag = t_.expect_name();
    if (tag == "if") return parse_if(line);
    if (tag == "for") return parse_for(line);
    if (tag == "set") return parse_set(line);
    if (tag == "macro") return parse_macro(line);
    if (tag == "call") return parse_call(line);
    if (tag == "filter") return parse_filter_block(line);
    if (tag == "with") return parse_with(line);
    if (tag == "generation") return parse_group(line);
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) t_.error(line, fmt::format("'{}' outside a loop", tag));
      auto out = make(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue);
      block_end();
      return out;
    }
    static constexpr std::array<std::string_view, 8> kKnown = {
        "include", "import", "from", "extends", "block", "do", "autoescape", "trans"};
    if (std::find(kKnown.begin(), kKnown.end(), tag) != kKnown.end()) {
      t_.unsupported(line, fmt::format("statement '{}'", tag));
    }
    t_.error(line, fmt::format("unknown statement '{}'", tag));
  }

  std::unique_ptr<Statement> parse_if(int line) {
    auto out = make(StatementKind::kIf);
    bool more = true;
    for (std::string tag = "if"; more;) {
      Branch branch;
      if (tag != "else") branch.condition = expressions_.parse_tuple();
      block_end();
      branch.body = parse_body(tag == "else" ? Names{"endif"} : Names{"elif", "else", "endif"});
      out->branches.push_back(std::move(branch));
      tag = end_tag("if", line);
      more = tag != "endif";
    }
    block_end();
    return out;
  }

  std::vector<std::string> parse_targets() {
    std::vector<std::string> names;
    const bool bracket = t_.skip_op("(");
    do {
      if (!names.empty() && (t_.is_op(")") || t_.is_name("in") || t_.is_op("="))) break;
      names.push_back(t_.expect_name());
    } while (t_.skip_op(","));
    if (bracket) t_.expect_op(")");
    return names;
  }

  std::unique_ptr<Statement> parse_for(int line) {
    auto out = make(StatementKind::kFor);
    out->targets = parse_targets();
    if (!t_.skip_name("in")) t_.unexpected("'in'");
    out->expr = expressions_.parse_tuple(false);
    if (t_.skip_name("if")) out->condition = expressions_.parse();
    out->recursive = t_.skip_name("recursive");
    block_end();
    ++loops_;
    out->body = parse_body({"else", "endfor"});
    --loops_;
    if (end_tag("for", line) == "else") {
      block_end();
      out->otherwise = parse_body({"endfor"});
      end_tag("for", line);
    }
    block_end();
    return out;
  }

  // A block's text under the filters that follow, or null.
  ExprPtr parse_block_filters(bool required) {
    if (!required && !t_.is_op("|")) return nullptr;
    auto text = std::make_unique<Expr>();
    text->kind = ExprKind::kName;
    text->line = t_.line();
    text->name = kBlockText;
    return expressions_.parse_filters(std::move(text), required);
  }

  std::unique_ptr<Statement> parse_set(int line) {
    auto out = make(StatementKind::kSet);
    if (t_.is_op(".", 1)) {
      out->targets.push_back(t_.expect_name());
      t_.next();
      out->attribute = t_.expect_name();
    } else {
      out->targets = parse_targets();
    }
    if (t_.skip_op("=")) {
      out->expr = expressions_.parse_tuple();
      block_end();
      return out;
    }
    if (out->targets.size() != 1 || !out->attribute.empty()) t_.unexpected("'='");
    out->kind = StatementKind::kSetBlock;
    out->expr = parse_block_filters(false);
    block_end();
    out->body = parse_nested({"endset"});
    end_tag("set", line);
    block_end();
    return out;
  }

  // A body that a break or continue may not leave.
  Body parse_nested(const Names& ends) {
    const int outer = std::exchange(loops_, 0);
    Body body = parse_body(ends);
    loops_ = outer;
    return body;
  }

  std::unique_ptr<Statement> parse_macro(int line) {
    auto out = make(StatementKind::kMacro);
    out->text = t_.expect_name();
    parse_parameters(*out);
    parse_macro_body(*out, "endmacro");
    end_tag("macro", line);
    if (t_.peek().type == TokenType::kName) t_.next();
    block_end();
    return out;
  }

  // {% call(parameters) macro(arguments) %}
  std::unique_ptr<Statement> parse_call(int line) {
    auto out = make(StatementKind::kCall);
    out->text = "caller";
    if (t_.is_op("(")) parse_parameters(*out);
    out->expr = expressions_.parse();
    if (out->expr->kind != ExprKind::kCall) t_.error(line, "'call' needs a call of a macro");
    parse_macro_body(*out, "endcall");
    end_tag("call", line);
    block_end();
    return out;
  }

  void parse_parameters(Statement& out) {
    t_.expect_op("(");
    while (!t_.is_op(")")) {
      if (!out.targets.empty()) t_.expect_op(",");
      if (t_.is_op(")")) break;
      out.targets.push_back(t_.expect_name());
      if (t_.skip_op("=")) {
        out.defaults.push_back(expressions_.parse());
      } else if (!out.defaults.empty()) {
        t_.error(t_.line(), "a parameter without a default after one with a default");
      }
    }
    t_.expect_op(")");
  }

  void parse_macro_body(Statement& out, std::string_view end) {
    block_end();
    const SpecialNames outer = std::exchange(expressions_.seen, {});
    out.body = parse_nested({end});
    SpecialNames& seen = expressions_.seen;
    out.uses = seen;
    seen = {outer.caller || seen.caller, outer.varargs || seen.varargs,
            outer.kwargs || seen.kwargs};
  }

  std::unique_ptr<Statement> parse_filter_block(int line) {
    auto out = make(StatementKind::kFilterBlock);
    out->expr = parse_block_filters(true);
    block_end();
    out->body = parse_nested({"endfilter"});
    end_tag("filter", line);
    block_end();
    return out;
  }

  std::unique_ptr<Statement> parse_with(int line) {
    auto out = make(StatementKind::kWith);
    while (t_.peek().type != TokenType::kBlockEnd) {
      if (!out->targets.empty()) t_.expect_op(",");
      out->targets.push_back(t_.expect_name());
      t_.expect_op("=");
      out->defaults.push_back(expressions_.parse());
    }
    block_end();
    out->body = parse_body({"endwith"});
    end_tag("with", line);
    block_end();
    return out;
  }

  std::unique_ptr<Statement> parse_group(int line) {
    auto out = make(StatementKind::kGroup);
    block_end();
    out->body = parse_body({"endgeneration"});
    end_tag("generation", line);
    block_end();
    return out;
  }

  TokenStream& t_;
  ExpressionParser expressions_;
  int loops_ = 0;  // loops around the statement being parsed
};

}  // namespace

Body parse_template(std::string_view source, std::string_view name, int depth) {
  TokenStream tokens(lex(source, name), name, depth);
  return Parser(tokens).parse_all();
}

}  // namespace ingot::jinja
