// Progress of long work: a bar on a terminal, JSON lines with --progress json, or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

enum class ProgressStyle { kNone, kBar, kJson };

// Process wide; set by the command line. kBar draws only where standard error is a terminal.
void set_progress_style(ProgressStyle style);

// What short work is not worth a line for: drawn only once it has taken half a second.
enum class ProgressShow { kAlways, kIfSlow };

// One piece of work with a known total. Draws at most ten times a second, and once at the end.
// JSON lines on standard error: {"progress": "<what>", "done": n, "total": n, "unit": "bytes"}.
// Not thread safe.
class Progress {
 public:
  Progress(std::string what, int64_t total, std::string_view unit,
           ProgressShow show = ProgressShow::kAlways);
  ~Progress();
  void update(int64_t done);
  void add(int64_t amount) { update(done_ + amount); }

 private:
  void draw(bool last);
  std::string what_;
  int64_t total_;
  std::string unit_;
  int64_t done_ = 0;
  int64_t drawn_at_ns_ = 0;
  int64_t started_ns_ = 0;
  ProgressShow show_;
};

struct ProgressState {
  std::string what;
  int64_t done = 0;
  int64_t total = 0;  // 0: unknown
  std::string unit;
  // Of the total, 0 to 1; 0 where that is unknown.
  double share() const;
};

// The work of this process that was last worked on, over or not; none before the first. Any thread.
std::optional<ProgressState> newest_progress();

}  // namespace ingot
