// The figures of a load, under the names of vLLM's `bench serve`, as JSON, a table and a page.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "cli/contract/serve_load.h"

namespace ingot {

// ms; 0: no bound.
struct ServeGoals {
  double ttft = 0, tpot = 0, e2e = 0;
  bool any() const { return ttft > 0 || tpot > 0 || e2e > 0; }
};

// Milliseconds, of requests that succeeded.
struct ServeSamples {
  std::vector<double> ttft;  // to the first part of the answer
  std::vector<double> tpot;  // (end - first) / (output - 1), of answers of two tokens or more
  std::vector<double> itl;   // between parts
  std::vector<double> e2e;
  int64_t good = 0;  // requests within all goals
};
// `stream`: parts were seen as they came; else e2e alone is known.
ServeSamples serve_samples(const ServeResult& result, bool stream, const ServeGoals& goals);

// What happened in equal parts of the run.
struct ServeTimeline {
  double width = 0;               // seconds of a part
  std::vector<double> tokens;     // that came in it, a second
  std::vector<double> in_flight;  // requests at its middle
};
ServeTimeline serve_timeline(const ServeResult& result, size_t parts);

Json serve_figures(const ServeResult& result, const ServeSamples& samples, const ServeGoals& goals);
void print_serve_figures(const Json& figures, std::FILE* file);
// One file that needs no other: the figures and plots of the samples.
std::string serve_report(const Json& figures, const ServeSamples& samples,
                         const ServeTimeline& timeline);

}  // namespace ingot
