// Sends requests to an OpenAI server at given moments and writes down when tokens came. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/http_client.h"

namespace ingot {

struct ServeLoadOptions {
  std::string path;  // of the endpoint
  bool stream = true;
  int64_t concurrency = 0;       // most requests at once; 0: no limit
  int64_t retry = 0;             // of a request that was refused
  std::vector<double> arrivals;  // seconds from the start, ascending, one a request
};

// Times in seconds from the start of the run.
struct ServeRecord {
  double start = 0;
  double end = 0;
  std::vector<double> chunks;  // when parts of the answer came
  int64_t input = 0;           // by the server's usage; 0 where it tells none
  int64_t output = 0;          // the same, else one for each chunk
  int64_t retries = 0;
  std::string fault;    // why it failed, in few words
  std::string message;  // what was said about it
  bool sent = false;
  bool done = false;
  bool succeeded() const { return done && fault.empty(); }
};

struct ServeResult {
  std::vector<ServeRecord> records;
  double duration = 0;
  int64_t peak = 0;     // requests at once
  int64_t refused = 0;  // answers 429 and 503, those that were tried again too
  bool interrupted = false;
};

// Arrivals at `rate` a second, in equal distances or exponential ones; all 0 where it is 0.
std::vector<double> arrival_times(int64_t count, double rate, bool fixed, int64_t seed);
// One request for each body. `what` names the progress. Ends early at Ctrl-C once
// catch_interrupts() was called: requests that run are then neither done nor failed.
ServeResult run_load(const HttpTarget& target, const std::vector<std::string>& bodies,
                     const ServeLoadOptions& options, const std::string& what);

}  // namespace ingot
