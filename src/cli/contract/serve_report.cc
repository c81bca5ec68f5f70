// The page of `ingot bench serve --report`: inline SVG, no script, nothing from elsewhere.
#include <algorithm>
#include <cmath>

#include "cli/contract/serve_figures.h"

namespace ingot {
namespace {

constexpr double kWidth = 560, kHeight = 220;  // of a plot with its labels
constexpr double kLeft = 56, kRight = 12, kTop = 12, kBottom = 28;
constexpr int kTicks = 4;

constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ingot bench serve</title>
<style>
:root { color-scheme: light dark; --line: #0b6bcb; --faint: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
figure { margin: 0; } svg { max-width: 100%; height: auto; }
svg text { font-size: 11px; fill: currentColor; }
table { border-collapse: collapse; } td, th { padding: .1rem .9rem .1rem 0; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { :root { --line: #6db3ff; } }
</style></head><body>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string short_number(double value) {
  if (value == 0) return "0";
  if (std::abs(value) >= 1e6) return fmt::format("{:.3g}M", value * 1e-6);
  if (std::abs(value) >= 1e4) return fmt::format("{:.3g}k", value * 1e-3);
  return fmt::format("{:.3g}", value);
}

struct Point {
  double x = 0, y = 0;
};

// `points` in rising x; both axes begin at 0.
std::string plot(const std::string& title, const std::string& x_name,
                 const std::vector<Point>& points) {
  double most_x = 1e-9, most_y = 1e-9;
  for (const Point& point : points) {
    most_x = std::max(most_x, point.x);
    most_y = std::max(most_y, point.y);
  }
  const auto at_x = [&](double x) { return kLeft + x / most_x * (kWidth - kLeft - kRight); };
  const auto at_y = [&](double y) {
    return kHeight - kBottom - y / most_y * (kHeight - kTop - kBottom);
  };
  std::string out = fmt::format(
      "<figure><h2>{}</h2><svg viewBox=\"0 0 {} {}\" width=\"{}\" role=\"img\" "
      "aria-label=\"{}\">\n",
      escaped(title), kWidth, kHeight, kWidth, escaped(title));
  for (int i = 0; i <= kTicks; ++i) {
    const double part = static_cast<double>(i) / kTicks;
    const double y = at_y(part * most_y);
    out += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"var(--faint)\"/>"
        "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>"
        "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}{}</text>\n",
        kLeft, kWidth - kRight, y, y, kLeft - 6, y + 4, short_number(part * most_y),
        at_x(part * most_x) - (i == kTicks ? 14 : 0), kHeight - 8, short_number(part * most_x),
        i == kTicks ? " " + x_name : "");
  }
  out += "<polyline fill=\"none\" stroke=\"var(--line)\" stroke-width=\"1.8\" points=\"";
  for (const Point& point : points) {
    out += fmt::format("{:.1f},{:.1f} ", at_x(point.x), at_y(point.y));
  }
  return out + "\"/></svg></figure>\n";
}

// The part of the values (per cent) that are no larger, at up to 200 of them. The last per cent is
// left out where there is enough of it: one straggler would press all others to the axis.
std::string distribution(const std::string& title, std::vector<double> values) {
  if (values.empty()) return "";
  std::sort(values.begin(), values.end());
  constexpr size_t kPoints = 200;
  const size_t shown = values.size() < 100 ? values.size() : values.size() * 99 / 100;
  std::vector<Point> points;
  const size_t count = std::min(kPoints, shown);
  for (size_t i = 1; i <= count; ++i) {
    const size_t rank = shown * i / count;
    points.push_back(
        {values[rank - 1], 100 * static_cast<double>(rank) / static_cast<double>(values.size())});
  }
  return plot(title + ", % of them within", "ms", points);
}

std::string over_time(const std::string& title, const std::vector<double>& values, double width) {
  std::vector<Point> points;
  for (size_t i = 0; i < values.size(); ++i) {
    points.push_back({(static_cast<double>(i) + 0.5) * width, values[i]});
  }
  return plot(title, "s", points);
}

std::string table(const std::string& title, const Json& object) {
  std::string out = "<h2>" + title + "</h2><table>\n";
  for (const auto& [key, value] : object.items()) {
    if (value.is_structured()) continue;
    const std::string text = value.is_string()         ? value.get<std::string>()
                             : value.is_number_float() ? fmt::format("{:.2f}", value.get<double>())
                                                       : value.dump();
    out +=
        fmt::format("<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", escaped(key), escaped(text));
  }
  return out + "</table>\n";
}

std::string failures(const Json& list) {
  if (list.empty()) return "";
  std::string out = "<h2>Failures</h2><table>\n";
  for (const Json& one : list) {
    out += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                       escaped(one["reason"].get<std::string>()), one["count"].dump(),
                       escaped(one["example"].get<std::string>()));
  }
  return out + "</table>\n";
}

}  // namespace

std::string serve_report(const Json& figures, const ServeSamples& samples,
                         const ServeTimeline& timeline) {
  std::string out(kHead);
  out += "<h1>ingot bench serve</h1>\n<div class=\"plots\">\n";
  out += distribution("Time to first token", samples.ttft);
  out += distribution("Between parts of an answer", samples.itl);
  out += distribution("Time per output token", samples.tpot);
  out += distribution("Whole request", samples.e2e);
  out += over_time("Output tokens a second", timeline.tokens, timeline.width);
  out += over_time("Requests in flight", timeline.in_flight, timeline.width);
  out += "</div>\n";
  out += failures(figures["failures"]);
  out += table("Figures", figures);
  out += table("Configuration", figures["configuration"]);
  return out + "</body></html>\n";
}

}  // namespace ingot
