#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/json.h"

namespace ingot {
namespace {
ProgressStyle g_style = ProgressStyle::kNone;
constexpr int64_t kRedrawNs = 100'000'000;
constexpr int kBarWidth = 30;

std::string amount(int64_t value, const std::string& unit) {
  if (unit != "bytes") return fmt::format("{} {}", value, unit);
  return fmt::format("{:.1f} MB", static_cast<double>(value) * 1e-6);
}
}  // namespace

void set_progress_style(ProgressStyle style) {
  g_style = style == ProgressStyle::kBar && !::isatty(2) ? ProgressStyle::kNone : style;
}

Progress::Progress(std::string what, int64_t total, std::string_view unit)
    : what_(std::move(what)), total_(total), unit_(unit), started_ns_(SteadyClock().now_ns()) {}

Progress::~Progress() {
  if (drawn_at_ns_ != 0) draw(true);
}

void Progress::update(int64_t done) {
  done_ = done;
  if (g_style == ProgressStyle::kNone) return;
  const int64_t now = SteadyClock().now_ns();
  if (now - drawn_at_ns_ < kRedrawNs) return;
  drawn_at_ns_ = now;
  draw(false);
}

void Progress::draw(bool last) {
  if (g_style == ProgressStyle::kJson) {
    const Json line = {{"progress", what_}, {"done", done_}, {"total", total_}, {"unit", unit_}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
    return;
  }
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0)
                 : 0.0;
  const int filled = static_cast<int>(share * kBarWidth);
  const double seconds = static_cast<double>(SteadyClock().now_ns() - started_ns_) * 1e-9;
  std::fprintf(stderr, "\r%-24s [%s%s] %3.0f%% %s %.1fs%s", what_.c_str(),
               std::string(filled, '#').c_str(), std::string(kBarWidth - filled, '.').c_str(),
               share * 100, amount(done_, unit_).c_str(), seconds, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace ingot
