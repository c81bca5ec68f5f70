#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

#include "base/clock.h"
#include "base/json_line.h"
#include "base/printable.h"

namespace ingot {
namespace {
ProgressStyle g_style = ProgressStyle::kNone;
constexpr int64_t kRedrawNs = 100'000'000;
constexpr int64_t kSlowNs = 500'000'000;
constexpr int kBarWidth = 30;

std::mutex g_newest_mutex;
std::optional<ProgressState> g_newest;

void note_progress(const std::string& what, int64_t done, int64_t total, const std::string& unit) {
  const std::lock_guard lock(g_newest_mutex);
  if (!g_newest) g_newest.emplace();
  g_newest->what = what;
  g_newest->done = done;
  g_newest->total = total;
  g_newest->unit = unit;
}

std::string amount(int64_t value, const std::string& unit) {
  if (unit != "bytes") return fmt::format("{} {}", value, unit);
  return fmt::format("{:.1f} MB", static_cast<double>(value) * 1e-6);
}
}  // namespace

void set_progress_style(ProgressStyle style) {
  g_style = style == ProgressStyle::kBar && !::isatty(2) ? ProgressStyle::kNone : style;
}

double ProgressState::share() const {
  if (total <= 0) return 0;
  return std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
}

std::optional<ProgressState> newest_progress() {
  const std::lock_guard lock(g_newest_mutex);
  return g_newest;
}

Progress::Progress(std::string what, int64_t total, std::string_view unit, ProgressShow show)
    : what_(std::move(what)),
      total_(total),
      unit_(unit),
      started_ns_(SteadyClock().now_ns()),
      show_(show) {
  note_progress(what_, done_, total_, unit_);
}

Progress::~Progress() {
  if (drawn_at_ns_ != 0) draw(true);
}

void Progress::update(int64_t done) {
  done_ = done;
  note_progress(what_, done_, total_, unit_);
  if (g_style == ProgressStyle::kNone) return;
  const int64_t now = SteadyClock().now_ns();
  if (now - drawn_at_ns_ < kRedrawNs) return;
  if (show_ == ProgressShow::kIfSlow && now - started_ns_ < kSlowNs) return;
  drawn_at_ns_ = now;
  draw(false);
}

void Progress::draw(bool last) {
  if (g_style == ProgressStyle::kJson) {
    const Json line = {{"progress", what_}, {"done", done_}, {"total", total_}, {"unit", unit_}};
    std::fprintf(stderr, "%s\n", json_line(line).c_str());
    return;
  }
  const double share = ProgressState{what_, done_, total_, unit_}.share();
  const int filled = static_cast<int>(share * kBarWidth);
  const double seconds = static_cast<double>(SteadyClock().now_ns() - started_ns_) * 1e-9;
  std::fprintf(stderr, "\r%-24s [%s%s] %3.0f%% %s %.1fs%s", printable(what_).c_str(),
               std::string(filled, '#').c_str(), std::string(kBarWidth - filled, '.').c_str(),
               share * 100, amount(done_, unit_).c_str(), seconds, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace ingot
