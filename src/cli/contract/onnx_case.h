// ONNX backend test cases: a folder with model.onnx and test_data_set_<n>/{input,output}_<i>.pb.
#pragma once

#include <string>
#include <vector>

#include "tensor/device.h"

namespace ingot {

struct OnnxCaseResult {
  std::string name;
  std::string status;  // "pass", "fail" or "unsupported"
  std::string reason;
  bool measured = false;  // outputs were compared: the errors below say something
  double max_error = 0;   // largest error over the expected output's standard deviation
  double rms_error = 0;   // likewise
  std::vector<std::string> kernels;
};

bool is_onnx_case(const std::string& folder);

// Runs every data set of the case. Passing means equal names, types and shapes, and every element
// within atol + rtol * |expected| (case.json's, else 1e-7 and 1e-3; 16-bit floats get the width of
// their type on top). Errors of the model or its files are the result, not thrown.
OnnxCaseResult run_onnx_case(const std::string& folder, bool reference, Device& device);

}  // namespace ingot
