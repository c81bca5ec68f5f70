// Golden cases: a tiny model with reference outputs, checked by the table of tolerances.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capi/model_loader.h"

namespace ingot {

struct GoldenOptions {
  std::optional<DType> dtype;  // arithmetic to judge by; default float32
  // Arithmetic that really runs, where it is not `dtype`: shows that the rules tell them apart.
  std::optional<DType> arithmetic;
  bool reference = false;  // reference kernels only
};

struct GoldenResult {
  std::string name;
  std::string status;  // "pass", "fail", "unsupported"
  std::string reason;
  bool measured = false;  // outputs were compared: the errors below say something
  bool continues = true;  // greedy tokens follow: neither an encoder nor speech
  double max_error = 0;   // divided by the reference's standard deviation
  double rms_error = 0;
  int64_t greedy_match = 0;  // tokens equal to the reference's
  int64_t greedy_total = 0;
  std::vector<std::string> kernels;  // distinct kernels that ran
};

// True when the folder holds golden.json.
bool is_golden_case(const std::string& directory);

// True when a device of its own has run nothing but the host's references: such a run says nothing
// about the device, and fails unless references were asked for.
bool only_references_ran(const std::vector<std::string>& kernels, const Device& device);
constexpr const char* kOnlyReferences = "only reference kernels ran";

// Logits of every prompt and 16 greedy tokens with the reference's tokens fed in; of encoders the
// hidden states of every token, and what is pooled of them where the case has that; of speech the
// encoder's hidden states, and the logits of the reference's tokens. A different
// token passes only where the reference's own gap is below twice the largest tolerated error.
// Tolerances (max, rms of error / std): float32 1e-4; float16 5e-2, 5e-3; bfloat16 0.5, 3e-2, and
// at least 1e-3 rms, since less means that no bfloat16 kernel ran. Never throws for a faulty model:
// the reason is in the result.
GoldenResult run_golden(const std::string& directory, const GoldenOptions& options, Device& device);

}  // namespace ingot
