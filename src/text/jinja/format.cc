// Python's "{:>5}".format(...) and "%5s" % ...; what user text becomes stays user text.
#include "text/jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/utf8.h"

namespace ingot::jinja {
namespace {

constexpr int kMaxWidth = 10'000;  // of a field, and the most digits

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =, or 0: by the value's type
  char sign = '-';
  bool alternative = false;
  bool thousands = false;
  int width = 0;
  int precision = -1;
  char type = 0;
};

int read_number(Host& host, std::string_view text, size_t& i) {
  int n = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    n = n * 10 + (text[i] - '0');
    if (n > kMaxWidth) host.error(fmt::format("format: a field wider than {}", kMaxWidth));
  }
  return n;
}

Spec read_spec(Host& host, std::string_view text) {
  Spec spec;
  size_t i = 0;
  const auto is_align = [&](size_t at) {
    return at < text.size() && std::string_view("<>^=").find(text[at]) != std::string_view::npos;
  };
  if (const size_t first = text.empty() ? 0 : decode_utf8(text, 0).length; is_align(first)) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    i = first + 1;
  } else if (is_align(0)) {
    spec.align = text[i++];
  }
  const auto flag = [&](char c) { return i < text.size() && text[i] == c && ++i > 0; };
  if (i < text.size() && (text[i] == '+' || text[i] == '-' || text[i] == ' '))
    spec.sign = text[i++];
  spec.alternative = flag('#');
  if (flag('0') && spec.align == 0) {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = read_number(host, text, i);
  spec.thousands = flag(',');
  if (flag('.')) spec.precision = read_number(host, text, i);
  if (i < text.size()) spec.type = text[i++];
  if (i != text.size()) host.error(fmt::format("format: '{}' is not a format", text));
  return spec;
}

std::string with_commas(const std::string& digits) {
  const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

// The digits of |value|.
std::string digits_of(Host& host, const Value& value, const Spec& spec) {
  const bool integer = value.is_integral();
  const auto bad = [&]() {
    host.error(
        fmt::format("format: type '{}' for a value of type {}", spec.type, value.type_name()));
  };
  if (integer && std::string_view("\0dxXob", 6).find(spec.type) != std::string_view::npos) {
    const int64_t i = value.as_int();
    const uint64_t u = i < 0 ? ~static_cast<uint64_t>(i) + 1 : static_cast<uint64_t>(i);
    if (spec.precision >= 0) bad();
    switch (spec.type) {
      case 'x':
        return fmt::format("{}{:x}", spec.alternative ? "0x" : "", u);
      case 'X':
        return fmt::format("{}{:X}", spec.alternative ? "0X" : "", u);
      case 'o':
        return fmt::format("{}{:o}", spec.alternative ? "0o" : "", u);
      case 'b':
        return fmt::format("{}{:b}", spec.alternative ? "0b" : "", u);
      default:
        return fmt::format("{}", u);
    }
  }
  const double d = std::abs(value.as_double());
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", d, precision);
    case 'e':
      return fmt::format("{:.{}e}", d, precision);
    case 'E':
      return fmt::format("{:.{}E}", d, precision);
    case 'g':
      return fmt::format("{:.{}g}", d, precision);
    case 'G':
      return fmt::format("{:.{}G}", d, precision);
    case '%':
      return fmt::format("{:.{}f}%", d * 100, precision);
    case '\0':
      if (spec.precision < 0) return to_str(Value(d)).text();
      return fmt::format("{:.{}g}", d, precision);
    default:
      bad();
  }
  return {};
}

Str padded(const Spec& spec, std::string_view sign, const Str& body, char usual) {
  const size_t width = static_cast<size_t>(spec.width), size = count_chars(body) + sign.size();
  const size_t pad = size < width ? width - size : 0;
  const char align = spec.align == 0 ? usual : spec.align;
  const size_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  Str out;
  if (align == '=') out.append(sign, false);
  for (size_t i = 0; i < left; ++i) out.append(spec.fill, false);
  if (align != '=') out.append(sign, false);
  out.append(body);
  for (size_t i = left; i < pad; ++i) out.append(spec.fill, false);
  return out;
}

Str format_value(Host& host, const Value& value, const Spec& spec) {
  if (value.is_number() && (!value.is_bool() || spec.type != 0)) {
    const bool negative = value.is_float() ? std::signbit(value.as_double()) : value.as_int() < 0;
    std::string digits = digits_of(host, value, spec);
    if (spec.thousands) digits = with_commas(digits);
    const std::string_view sign = negative           ? "-"
                                  : spec.sign == '+' ? "+"
                                  : spec.sign == ' ' ? " "
                                                     : "";
    return padded(spec, sign, Str(std::move(digits)), '>');
  }
  Str text = to_str(value);
  if ((spec.type != 0 && spec.type != 's') || spec.align == '=' || spec.thousands) {
    host.error(
        fmt::format("format: a format of numbers for a value of type {}", value.type_name()));
  }
  if (spec.precision >= 0) {
    text = *slice(host, text, None{}, int64_t{spec.precision}, None{}).str();
  }
  return padded(spec, "", text, '<');
}

// One template "{...}" being filled in.
class Filler {
 public:
  Filler(Host& host, const Str& text, const Arguments& args)
      : host_(host), text_(text), s_(text.text()), args_(args) {}

  Str run() {
    Str out;
    for (size_t i = 0; i < s_.size();) {
      const size_t brace = std::min(s_.find_first_of("{}", i), s_.size());
      out.append(text_.substr(i, brace));
      if (brace == s_.size()) break;
      if (brace + 1 < s_.size() && s_[brace + 1] == s_[brace]) {
        out.append(text_.substr(brace, brace + 1));
        i = brace + 2;
        continue;
      }
      if (s_[brace] == '}') host_.error("format: a single '}'");
      i = field(brace + 1, out);
      host_.charge_bytes(out.size() / 64 + 64);
      if (out.size() > kMaxPrinted) host_.error("a formatted text is too long");
    }
    host_.charge_bytes(out.size());
    return out;
  }

 private:
  // What stands between the brackets that begins at `i`; returns the place behind the bracket.
  size_t field(size_t i, Str& out) {
    const size_t end = s_.find('}', i);
    if (end == std::string::npos) host_.error("format: a '{' without its '}'");
    std::string_view body = std::string_view(s_).substr(i, end - i);
    if (body.find('{') != std::string_view::npos) host_.unsupported("a field inside a field");
    const size_t colon = std::min(body.find(':'), body.size());
    const Spec spec = read_spec(host_, colon < body.size() ? body.substr(colon + 1) : "");
    body = body.substr(0, colon);
    char conversion = 0;
    if (const size_t mark = body.find('!'); mark != std::string_view::npos) {
      if (body.size() != mark + 2 || (body.back() != 's' && body.back() != 'r')) {
        host_.error("format: expected !s or !r");
      }
      conversion = body.back();
      body = body.substr(0, mark);
    }
    Value value = look_up(body);
    if (conversion != 0) value = conversion == 'r' ? to_repr(value) : to_str(value);
    out.append(format_value(host_, value, spec));
    return end + 1;
  }

  // "", "0", "name", and behind them ".attribute" and "[index]".
  Value look_up(std::string_view path) {
    const size_t stop = std::min(path.find_first_of(".["), path.size());
    const std::string_view name = path.substr(0, stop);
    Value value;
    size_t index = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool numbered = !name.empty() && parsed.ec == std::errc();
    if (name.empty() || numbered) {
      if (numbered ? counts_ : numbers_) host_.error("format: '{}' and '{0}' in one text");
      (numbered ? numbers_ : counts_) = true;
    }
    if (name.empty()) {
      index = next_++;
    } else if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) {
      value = args_.get(SIZE_MAX, name);
      if (value.is_undefined()) host_.error(fmt::format("format: no value named '{}'", name));
      return follow(std::move(value), path.substr(stop));
    }
    if (index >= args_.positional.size()) {
      host_.error(fmt::format("format: value {} of {}", index, args_.positional.size()));
    }
    return follow(args_.positional[index], path.substr(stop));
  }

  Value follow(Value value, std::string_view path) {
    while (!path.empty()) {
      const bool bracket = path[0] == '[';
      const size_t end =
          bracket ? path.find(']') : std::min(path.find_first_of(".[", 1), path.size());
      if (end == std::string_view::npos) host_.error("format: a '[' without its ']'");
      const std::string_view key = path.substr(1, end - 1);
      int64_t index = 0;
      const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
      const bool number = parsed.ec == std::errc() && parsed.ptr == key.data() + key.size();
      value = bracket && number ? subscript(host_, value, index)
              : bracket         ? subscript(host_, value, make_text(key))
                                : attribute(value, key);
      path = path.substr(end + (bracket ? 1 : 0));
    }
    return value;
  }

  Host& host_;
  const Str& text_;
  const std::string& s_;
  const Arguments& args_;
  size_t next_ = 0;
  bool counts_ = false, numbers_ = false;  // fields are {}, or {0}
};

// The flags, width and precision behind a '%'.
Spec read_percent_spec(Host& host, const std::string& s, size_t& i) {
  Spec spec;
  for (bool more = true; more && i < s.size(); i += more ? 1 : 0) {
    if (s[i] == '-') {
      spec.align = '<';
    } else if (s[i] == '0') {
      if (spec.align == 0) spec.align = '=', spec.fill = "0";
    } else if (s[i] == '+' || s[i] == ' ') {
      spec.sign = s[i];
    } else if (s[i] == '#') {
      spec.alternative = true;
    } else {
      more = false;
    }
  }
  spec.width = read_number(host, s, i);
  if (i < s.size() && s[i] == '.') spec.precision = read_number(host, s, ++i);
  if (i >= s.size()) host.error("'%': a format without its type");
  spec.type = s[i++];
  return spec;
}

Str percent_value(Host& host, const Value& value, Spec spec) {
  if (spec.type == 's' || spec.type == 'r') {
    if (spec.align == '=') spec.align = 0, spec.fill = " ";
    if (spec.align == 0) spec.align = '>';
    Str text = spec.type == 'r' ? to_repr(value) : to_str(value);
    spec.type = 's';
    return format_value(host, text, spec);
  }
  if (!value.is_number()) {
    host.error(fmt::format("'%{}' of a value of type {}", spec.type, value.type_name()));
  }
  if (spec.align == '<' && spec.fill == "0") spec.fill = " ";
  if (spec.type != 'd' && spec.type != 'i' && spec.type != 'u') {
    return format_value(host, value, spec);
  }
  spec.type = 'd';
  if (spec.precision >= 0) host.unsupported("'%' of an integer with a precision");
  if (!value.is_float()) return format_value(host, value.as_int(), spec);
  if (!(std::abs(value.as_double()) < 9.2e18)) host.error("a number does not fit an integer");
  return format_value(host, static_cast<int64_t>(value.as_double()), spec);
}

}  // namespace

Str format_braces(Host& host, const Str& text, const Arguments& args) {
  return Filler(host, text, args).run();
}

Str format_percent(Host& host, const Str& text, const Values& values, const Value& named) {
  const std::string& s = text.text();
  Str out;
  size_t used = 0;
  bool by_name = false;
  for (size_t i = 0; i < s.size();) {
    const size_t mark = std::min(s.find('%', i), s.size());
    out.append(text.substr(i, mark));
    if (mark == s.size()) break;
    i = mark + 1;
    Value value;
    bool given = false;
    if (i < s.size() && s[i] == '(') {
      const size_t end = s.find(')', i);
      if (end == std::string::npos) host.error("'%': a '(' without its ')'");
      value = subscript(host, named, text.substr(i + 1, end));
      if (value.is_undefined()) {
        host.error(fmt::format("'%': no value named '{}'", s.substr(i + 1, end - i - 1)));
      }
      by_name = given = true;
      i = end + 1;
    }
    const Spec spec = read_percent_spec(host, s, i);
    if (spec.type == '%') {
      out.append("%", text.tainted(i - 1));
      continue;
    }
    if (!given) {
      if (used >= values.size()) host.error("'%': fewer values than the format names");
      value = values[used++];
    }
    out.append(percent_value(host, value, spec));
    host.charge_bytes(out.size() / 64 + 64);
    if (out.size() > kMaxPrinted) host.error("a formatted text is too long");
  }
  if (used < values.size() && !by_name && named.dict() == nullptr) {
    host.error("'%': more values than the format names");
  }
  host.charge_bytes(out.size());
  return out;
}

}  // namespace ingot::jinja
