// Flags of `ingot bench serve`, beside those that the modes share.
#pragma once

#include <string>
#include <vector>

#include "cli/contract/command.h"

namespace ingot {

struct ServeFlags {
  void declare(Flags& flags);
  static std::vector<std::string> names();
  void check() const;  // UsageError

  std::string url = "http://127.0.0.1:8000";
  std::string endpoint = "completions";
  std::string api_key;
  std::string report;
  double rate = 0;
  bool fixed_rate = false;
  bool ignore_eos = false;
  bool no_stream = false;
  int64_t vocab = 256;
  int64_t warmup = 0;
  int64_t retry = 0;
  double timeout = 600;
  double slo_ttft = 0, slo_tpot = 0, slo_e2e = 0;  // ms; 0: none
};

}  // namespace ingot
