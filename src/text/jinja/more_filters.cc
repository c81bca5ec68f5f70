#include "text/jinja/more_filters.h"

#include <algorithm>

#include "text/jinja/format.h"
#include "text/utf8.h"

namespace ingot::jinja {
namespace {

int64_t count_argument(Host& host, const Arguments& args, size_t at, std::string_view name,
                       int64_t fallback, std::string_view who) {
  const Value v = args.get(at, name);
  const int64_t n = v.is_undefined() ? fallback : need_int(host, v, who);
  if (n < 0 || n > (1 << 20)) host.error(fmt::format("{}: a count of {}", who, n));
  return n;
}

}  // namespace

Value batch_filter(Host& host, const Value& in, const Arguments& args) {
  return lazily([&](Values& out) {
    const auto width = static_cast<size_t>(
        std::max<int64_t>(count_argument(host, args, 0, "linecount", 0, "batch"), 1));
    const Value fill = args.get(1, "fill_with");
    Values row;
    for (Value& item : members(host, in, "batch")) {
      row.push_back(std::move(item));
      if (row.size() == width) out.push_back(make_list(std::exchange(row, {})));
    }
    if (row.empty()) return;
    if (!fill.is_undefined() && !fill.is_none()) {
      host.charge_items(width);
      row.resize(width, fill);
    }
    out.push_back(make_list(std::move(row)));
  });
}

Value slice_filter(Host& host, const Value& in, const Arguments& args) {
  return lazily([&](Values& out) {
    const auto slices = static_cast<size_t>(count_argument(host, args, 0, "slices", 0, "slice"));
    const Value fill = args.get(1, "fill_with");
    const Values items = members(host, in, "slice");
    if (slices == 0) host.error("slice: 0 slices");
    host.charge_items(slices * 4);
    const size_t each = items.size() / slices, longer = items.size() % slices;
    for (size_t i = 0, at = 0; i < slices; ++i) {
      const size_t count = each + (i < longer ? 1 : 0);
      const auto from = items.begin() + static_cast<int64_t>(at);
      Values part(from, from + static_cast<int64_t>(count));
      if (!fill.is_undefined() && !fill.is_none() && i >= longer) part.push_back(fill);
      out.push_back(make_list(std::move(part)));
      at += count;
    }
  });
}

Value groupby_filter(Host& host, const Value& in, const Arguments& args) {
  const Value path = args.get(0, "attribute"), fallback = args.get(1, "default");
  const bool exact = args.get(2, "case_sensitive").truthy();
  Arguments map_by;
  map_by.keywords = {{"attribute", path}};
  if (!fallback.is_undefined()) map_by.keywords.emplace_back("default", fallback);
  const Values items = members(host, in, "groupby");
  const Values keys =
      members(host, find_filter("map")->apply(host, make_list(items), map_by), "groupby");
  std::vector<std::pair<Value, size_t>> order;
  for (size_t i = 0; i < keys.size(); ++i) {
    order.emplace_back(exact ? keys[i] : lowered(host, keys[i]), i);
  }
  host.charge_items(items.size() * 20);
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return compare(host, a.first, b.first) < 0;
  });
  Values out;
  for (size_t i = 0; i < order.size();) {
    const Value& first = keys[order[i].second];
    const size_t begin = i;
    Values group;
    for (; i < order.size() && equal(host, order[i].first, order[begin].first); ++i) {
      group.push_back(items[order[i].second]);
    }
    out.push_back(make_list({first, make_list(std::move(group))}, true));
  }
  return make_list(std::move(out));
}

Value center_filter(Host& host, const Value& in, const Arguments& args) {
  const Str text = to_str(in);
  host.charge_bytes(text.size());
  const int64_t width = count_argument(host, args, 0, "width", 80, "center");
  const auto size = static_cast<int64_t>(count_chars(text));
  if (size >= width) return text;
  const int64_t pad = width - size, left = pad / 2 + (pad & width & 1);
  Str out;
  out.append(std::string(static_cast<size_t>(left), ' '), false);
  out.append(text);
  out.append(std::string(static_cast<size_t>(pad - left), ' '), false);
  host.charge_bytes(out.size());
  return out;
}

Value forceescape_filter(Host& host, const Value& in, const Arguments&) {
  const Str text = to_str(in);
  host.charge_bytes(text.size() * 5);
  return escape_html(text);
}

Value escape_filter(Host& host, const Value& in, const Arguments& args) {
  if (in.str() != nullptr && in.str()->markup()) return in;
  return forceescape_filter(host, in, args);
}

Value safe_filter(Host& host, const Value& in, const Arguments&) {
  Str text = to_str(in);
  host.charge_bytes(text.size());
  text.set_markup(true);
  return text;
}

Value format_filter(Host& host, const Value& in, const Arguments& args) {
  if (!args.positional.empty() && !args.keywords.empty()) {
    host.error("format takes positional or named values, not both");
  }
  Pairs named;
  for (const auto& [name, value] : args.keywords) named.emplace_back(make_text(name), value);
  return format_percent(host, to_str(in), args.positional, make_dict(std::move(named)));
}

Value from_json_filter(Host& host, const Value& in, const Arguments&) {
  const Str& text = need_text(host, in, "from_json");
  host.charge_bytes(text.size() * 8);
  try {
    return from_json(parse_json(text.text(), "text/chat_template", "from_json"),
                     text.any_tainted());
  } catch (const Error& e) {
    host.error(e.what());
  }
}

Value truncate_filter(Host& host, const Value& in, const Arguments& args) {
  const Str text = to_str(in);
  host.charge_bytes(text.size());
  const int64_t most = count_argument(host, args, 0, "length", 255, "truncate");
  const bool cuts_words = args.get(1, "killwords").truthy();
  const Value tail = args.get(2, "end"), slack = args.get(3, "leeway");
  const Str end = tail.is_undefined() ? Str("...") : to_str(tail);
  const int64_t leeway =
      slack.is_undefined() || slack.is_none() ? 5 : need_int(host, slack, "truncate");
  const auto room = most - static_cast<int64_t>(count_chars(end));
  if (room < 0) host.error("truncate: a length below that of the end");
  if (in.list() != nullptr || in.dict() != nullptr) {
    if (static_cast<int64_t>(members(host, in, "truncate").size()) <= most + leeway) return in;
  }
  if (in.str() == nullptr && !in.is_undefined()) need_text(host, in, "truncate");
  if (static_cast<int64_t>(count_chars(text)) <= most + leeway) return text;
  Str out = *slice(host, text, int64_t{0}, room, None{}).str();
  if (!cuts_words) {
    if (const size_t space = out.text().rfind(' '); space != std::string::npos) {
      out = out.substr(0, space);
    }
  }
  out.append(end);
  return out;
}

Value wordcount_filter(Host& host, const Value& in, const Arguments&) {
  const Str text = to_str(in);
  host.charge_bytes(text.size());
  int64_t words = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text.text(), i);
    const bool word = is_unicode_letter(c.code) || is_unicode_number(c.code) || c.code == '_';
    words += word && !inside ? 1 : 0;
    inside = word;
    i += c.length;
  }
  return words;
}

}  // namespace ingot::jinja
