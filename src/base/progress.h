// Progress of long work: a bar on a terminal, JSON lines with --progress json, or nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

enum class ProgressStyle { kNone, kBar, kJson };

// Process wide; set by the command line. kBar draws only where standard error is a terminal.
void set_progress_style(ProgressStyle style);

// One piece of work with a known total. Draws at most ten times a second, and once at the end.
// JSON lines on standard error: {"progress": "<what>", "done": n, "total": n, "unit": "bytes"}.
// Not thread safe.
class Progress {
 public:
  Progress(std::string what, int64_t total, std::string_view unit);
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
};

}  // namespace ingot
