#include "graph/text.h"

#include <cctype>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/json.h"

namespace ingot {
namespace {

constexpr int64_t kInlineElements = 256;
constexpr std::string_view kNameMarks = "_.:/-+";

std::string quoted(const std::string& text) { return Json(text).dump(); }

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || kNameMarks.find(c) != kNameMarks.npos;
}

std::string plain_or_quoted(const std::string& name) {
  bool plain = !name.empty();
  for (char c : name) plain &= is_name_char(c);
  return plain ? name : quoted(name);
}

bool printable_values(const TensorView& view) {
  return !view.type.is_block() && view.elements() <= kInlineElements;
}

// Decimal where that reads back to the same bits, else the bytes in hexadecimal.
std::string values_text(const TensorView& view) {
  const bool wide = view.type.dtype == DType::kFloat32 || view.type.dtype == DType::kFloat64;
  bool decimal = wide || !is_float(view.type.dtype);
  std::string out = "[";
  for (int64_t i = 0; decimal && i < view.elements(); ++i) {
    if (i > 0) out += ", ";
    if (!is_float(view.type.dtype)) {
      out += fmt::format("{}", load_index(view, i));
      continue;
    }
    const double value = load_element(view, i);
    decimal = std::isfinite(value);
    if (value == 0 && std::signbit(value)) {
      out += "-0.0";  // "-0" reads back as an integer, which has no sign
      continue;
    }
    out += view.type.dtype == DType::kFloat32 ? fmt::format("{}", static_cast<float>(value))
                                              : fmt::format("{}", value);
  }
  if (decimal) return out + "]";
  out = "0x";
  for (int64_t i = 0; i < view.bytes(); ++i) {
    out += fmt::format("{:02x}", static_cast<unsigned>(view.data[i]));
  }
  return out;
}

std::string weight_text(const Graph& graph, int id) {
  const Value& value = graph.at(id);
  const TensorView* data = graph.constant(id);
  const std::string shard =
      value.weight.shard_axis < 0 ? "" : fmt::format(" shard {}", value.weight.shard_axis);
  if (data && printable_values(*data)) {
    return fmt::format("constant %{} : {} = {}{}", value.name, type_text(value.type),
                       values_text(*data), shard);
  }
  return fmt::format("weight %{} : {}{}", value.name, type_text(value.type), shard);
}

std::string node_text(const Graph& graph, const Node& node) {
  auto names = [&](const std::vector<int>& ids) {
    std::string out;
    for (int id : ids) {
      out += (out.empty() ? "" : ", ") + (id == kNoValue ? "-" : "%" + graph.at(id).name);
    }
    return out;
  };
  std::string types;
  for (int id : node.outputs) types += (types.empty() ? "" : ", ") + type_text(graph.type(id));
  return fmt::format("{} = {}({}){} : {}{}", names(node.outputs), node.op, names(node.inputs),
                     node.attrs.empty() ? "" : " " + attrs_text(node.attrs), types,
                     node.origin.empty() ? "" : " @ " + quoted(node.origin));
}

void print(const Graph& graph, const std::string& indent, std::string& out) {
  out += fmt::format("{}graph {}\n", indent, plain_or_quoted(graph.name()));
  auto line = [&](const std::string& text) { out += indent + "  " + text + "\n"; };
  for (const auto& [key, value] : graph.metadata()) {
    line(fmt::format("meta {} = {}", quoted(key), quoted(value)));
  }
  for (const auto& [name, value] : graph.limits()) line(fmt::format("limit {} = {}", name, value));
  for (int id : graph.inputs()) {
    line(fmt::format("input %{} : {}", graph.at(id).name, type_text(graph.type(id))));
  }
  for (int id : graph.states()) {
    const Value& value = graph.at(id);
    line(fmt::format("state %{} : {} group {} {}{}", value.name, type_text(value.type),
                     plain_or_quoted(value.state.group), state_kind_name(value.state.kind),
                     value.state.window ? fmt::format(" window {}", value.state.window) : ""));
  }
  std::vector<bool> used(static_cast<size_t>(graph.value_count()), false);
  auto use = [&](const std::vector<int>& ids) {
    for (int id : ids) {
      if (id != kNoValue) used[static_cast<size_t>(id)] = true;
    }
  };
  for (const Node& node : graph.nodes()) use(node.inputs);
  use(graph.outputs());
  for (int id = 0; id < graph.value_count(); ++id) {
    const bool weight = graph.at(id).kind == Value::Kind::kWeight;
    if (weight && used[static_cast<size_t>(id)]) line(weight_text(graph, id));
  }
  for (size_t i = 0; i < graph.subgraph_count(); ++i) {
    print(graph.subgraph(static_cast<int64_t>(i)), indent + "  ", out);
  }
  for (const Node& node : graph.nodes()) line(node_text(graph, node));
  std::string outputs;
  for (int id : graph.outputs()) outputs += " %" + graph.at(id).name;
  line("return" + outputs);
}

[[noreturn]] void bad(const std::string& message) {
  throw Error(ErrorCode::kCorrupt, message);  // the caller adds the line
}

// One line, read from left to right.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool done() {
    skip_spaces();
    return at_ == text_.size();
  }
  bool accept(std::string_view token) {
    skip_spaces();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) bad(fmt::format("expected '{}', found '{}'", token, text_.substr(at_)));
  }
  void expect_end() {
    if (!done()) bad(fmt::format("unexpected '{}'", text_.substr(at_)));
  }
  std::string name() {
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '"') return string();
    const size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    if (at_ == begin) bad(fmt::format("expected a name, found '{}'", text_.substr(at_)));
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string value_name() {
    expect("%");
    return name();
  }
  int64_t integer() {
    const std::string text = name();
    const Json number = parse_json(text, "graph/text", "number");
    if (!number.is_number_integer()) bad(fmt::format("expected an integer, found '{}'", text));
    return number.get<int64_t>();
  }
  // A JSON string, list or object.
  Json json() {
    skip_spaces();
    const size_t begin = at_;
    int depth = 0;
    bool inside = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (inside && c == '\\') {
        ++at_;
      } else if (c == '"') {
        inside = !inside;
      } else if (!inside) {
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      }
      if (depth == 0 && !inside) break;
    }
    if (at_ < text_.size()) ++at_;
    return parse_json(text_.substr(begin, at_ - begin), "graph/text", "line");
  }
  std::string string() {
    const Json value = json();
    if (!value.is_string()) bad("expected a quoted string");
    return value.get<std::string>();
  }
  ValueType type() {
    ValueType out;
    out.state = accept("state ");
    out.element = parse_element_type(name());
    expect("[");
    int depth = 0;
    size_t begin = at_;
    auto add = [&] {
      const std::string_view dim = text_.substr(begin, at_ - begin);
      if (dim.find_first_not_of(' ') != dim.npos) out.shape.push_back(Dim::parse(dim));
      begin = at_ + 1;
    };
    for (;; ++at_) {
      if (at_ == text_.size()) bad("a shape has no end");
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == ']')) add();
      if (depth == 0 && c == ']') break;
      depth += (c == '(') - (c == ')');
    }
    ++at_;
    return out;
  }
  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  std::string_view rest() {
    skip_spaces();
    return text_.substr(at_);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { advance(); }

  std::unique_ptr<Graph> run() {
    std::unique_ptr<Graph> out;
    try {
      out = graph(line_indent());
      if (!finished_) bad("text follows the end of the graph");
    } catch (const Error& error) {
      fail(ErrorCode::kCorrupt, "graph/text", "line {}: {}", number_, error.what());
    }
    return out;
  }

 private:
  // Moves to the next line that says something.
  void advance() {
    while (next_ < text_.size()) {
      const size_t end = std::min(text_.find('\n', next_), text_.size());
      line_ = text_.substr(next_, end - next_);
      next_ = end + 1;
      ++number_;
      const size_t begin = line_.find_first_not_of(' ');
      if (begin != line_.npos && line_[begin] != '#') return;
    }
    finished_ = true;
    line_ = {};
  }
  size_t line_indent() const { return std::min(line_.find_first_not_of(' '), line_.size()); }

  std::unique_ptr<Graph> graph(size_t indent) {
    Cursor header(line_);
    header.expect("graph ");
    auto out = std::make_unique<Graph>(header.name());
    header.expect_end();
    for (advance(); !finished_; advance()) {
      while (!finished_ && line_indent() > indent && Cursor(line_).accept("graph ")) {
        out->add_subgraph(graph(line_indent()));
      }
      if (finished_ || line_indent() <= indent) break;
      Cursor cursor(line_);
      if (cursor.accept("return")) {
        while (!cursor.done()) out->add_output(find(*out, cursor.value_name()));
        advance();
        return out;
      }
      statement(*out, cursor);
      cursor.expect_end();
    }
    bad("the graph has no 'return'");
  }

  static int find(const Graph& graph, const std::string& name) {
    const int id = graph.find(name);
    if (id == kNoValue) bad(fmt::format("%{} is not defined", name));
    return id;
  }

  static void check_new(const Graph& graph, int id, const std::string& name) {
    if (graph.at(id).name != name) bad(fmt::format("%{} is taken or not a valid name", name));
  }

  static void statement(Graph& graph, Cursor& cursor) {
    if (cursor.peek() == '%') return node(graph, cursor);
    const std::string word = cursor.name();
    if (word == "meta") {
      const std::string key = cursor.string();
      cursor.expect("=");
      graph.metadata()[key] = cursor.string();
    } else if (word == "limit") {
      const std::string key = cursor.name();
      cursor.expect("=");
      graph.limits()[key] = cursor.integer();
    } else if (word == "input") {
      const std::string name = cursor.value_name();
      cursor.expect(":");
      check_new(graph, graph.add_input(name, cursor.type()), name);
    } else if (word == "state") {
      state(graph, cursor);
    } else if (word == "weight" || word == "constant") {
      weight(graph, cursor, word == "constant");
    } else {
      bad(fmt::format("unknown statement '{}'", word));
    }
  }

  static void state(Graph& graph, Cursor& cursor) {
    const std::string name = cursor.value_name();
    cursor.expect(":");
    const ValueType type = cursor.type();
    StateDecl decl;
    cursor.expect("group ");
    decl.group = cursor.name();
    const std::string kind = cursor.name();
    bool known = false;
    for (int i = 0; i < 4; ++i) {
      if (state_kind_name(static_cast<StateKind>(i)) != kind) continue;
      decl.kind = static_cast<StateKind>(i);
      known = true;
    }
    if (!known) bad(fmt::format("unknown kind of state '{}'", kind));
    if (cursor.accept("window ")) decl.window = cursor.integer();
    check_new(graph, graph.add_state(name, type.element, type.shape, decl), name);
  }

  static std::vector<std::byte> values(Cursor& cursor, ElementType type, const Shape& shape) {
    std::vector<std::byte> bytes(static_cast<size_t>(type.bytes(element_count(shape))));
    if (cursor.accept("0x")) {
      const std::string digits = bytes.empty() ? "" : cursor.name();
      if (digits.size() != 2 * bytes.size()) bad("the bytes do not fit the type");
      for (size_t i = 0; i < bytes.size(); ++i) {
        const char pair[] = {digits[2 * i], digits[2 * i + 1], 0};
        char* end = nullptr;
        bytes[i] = static_cast<std::byte>(std::strtoul(pair, &end, 16));
        if (end != pair + 2) bad("the bytes are not hexadecimal");
      }
      return bytes;
    }
    const Json list = cursor.json();
    if (!list.is_array() || static_cast<int64_t>(list.size()) != element_count(shape)) {
      bad(fmt::format("expected a list of {} values", element_count(shape)));
    }
    const TensorView view{type, shape, bytes.data()};
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_number()) bad("a value is not a number");
      if (is_float(type.dtype)) {
        store_element(view, static_cast<int64_t>(i), list[i].get<double>());
      } else {
        store_index(view, static_cast<int64_t>(i), list[i].get<int64_t>());
      }
    }
    return bytes;
  }

  static void weight(Graph& graph, Cursor& cursor, bool inline_values) {
    const std::string name = cursor.value_name();
    cursor.expect(":");
    const ValueType type = cursor.type();
    if (!is_constant(type.shape)) bad(fmt::format("%{} has no fixed shape", name));
    const Shape shape = evaluate(type.shape, {});
    for (int64_t size : shape) {
      if (size < 0) bad(fmt::format("%{} has a negative size {}", name, size));
    }
    int id = kNoValue;
    if (inline_values) {
      cursor.expect("=");
      const bool small = evaluate({element_count(type.shape)}, {})[0] <= kInlineElements;
      if (type.element.is_block() || !small) bad(fmt::format("%{} is too large", name));
      auto owned = std::make_shared<std::vector<std::byte>>(values(cursor, type.element, shape));
      auto data = std::make_shared<TensorData>();
      *data = {name, type.element, shape, *owned, owned};
      id = graph.add_weight(name, {{std::move(data)}, -1});
    } else {
      id = graph.add_weight_type(name, type.element, shape);
    }
    if (cursor.accept("shard "))
      graph.at(id).weight.shard_axis = static_cast<int>(cursor.integer());
    check_new(graph, id, name);
  }

  static void node(Graph& graph, Cursor& cursor) {
    std::vector<std::string> names;
    do {
      names.push_back(cursor.value_name());
    } while (cursor.accept(","));
    cursor.expect("=");
    const std::string op = cursor.name();
    cursor.expect("(");
    std::vector<int> inputs;
    if (!cursor.accept(")")) {
      do {
        inputs.push_back(cursor.accept("-") ? kNoValue : find(graph, cursor.value_name()));
      } while (cursor.accept(","));
      cursor.expect(")");
    }
    Attrs attrs;
    if (cursor.peek() == '{') attrs = parse_attrs(cursor.json().dump());
    cursor.expect(":");
    std::vector<ValueType> types;
    do {
      types.push_back(cursor.type());
    } while (cursor.accept(","));
    if (types.size() != names.size()) bad("as many types as outputs are needed");
    graph.set_origin(cursor.accept("@") ? cursor.string() : "");
    const std::vector<int> ids = graph.emit_many(op, attrs, inputs, names.size());
    graph.set_origin("");
    if (ids.size() != names.size()) bad(fmt::format("{} gives {} outputs", op, ids.size()));
    // Through names that no text can hold, since a generated name may equal a sibling's own.
    for (size_t i = 0; i < ids.size(); ++i) graph.rename(ids[i], fmt::format("parsing.{}", i));
    for (size_t i = 0; i < ids.size(); ++i) {
      graph.rename(ids[i], names[i]);
      check_new(graph, ids[i], names[i]);
      if (!(graph.type(ids[i]) == types[i])) {
        bad(fmt::format("%{} is written as {}, {} gives {}", names[i], type_text(types[i]), op,
                        type_text(graph.type(ids[i]))));
      }
    }
  }

  std::string_view text_;
  std::string_view line_;
  size_t next_ = 0;
  int number_ = 0;
  bool finished_ = false;
};

}  // namespace

std::string graph_text(const Graph& graph) {
  std::string out;
  print(graph, "", out);
  return out;
}

std::unique_ptr<Graph> parse_graph(std::string_view text) { return Parser(text).run(); }

}  // namespace ingot
