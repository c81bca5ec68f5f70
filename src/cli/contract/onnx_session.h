// An ONNX model, compiled for the shapes of given inputs and ready to run: what exec, conformance
// and compare share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/contract/npy.h"
#include "engine/executor.h"
#include "loaders/onnx.h"

namespace ingot {

struct OnnxSessionOptions {
  bool reference = false;  // reference kernels only
  bool profile = false;
  double tune_seconds = 0;  // 0: heuristics, nothing is timed
};

class OnnxSession {
 public:
  // Builds the model for exactly these inputs, by the model's names. Inputs that the model uses as
  // shapes, axes or counts become constants: integer ones of at most 64 elements first, then small
  // ones of any type. Error as load_onnx, and kInvalidArgument naming a missing or misfitting
  // input.
  OnnxSession(const std::string& path, const std::map<std::string, HostTensor>& inputs,
              Device& device, const OnnxSessionOptions& options);

  void run() { executor_->run(); }
  const std::vector<std::string>& output_names() const { return model_.outputs; }
  TensorView output(size_t index) const { return executor_->output(index); }
  Executor& executor() { return *executor_; }
  const Graph& graph() const { return *model_.graph; }
  double load_ms() const { return load_ms_; }
  double build_ms() const { return build_ms_; }

 private:
  OnnxModel model_;
  std::unique_ptr<Executor> executor_;
  double load_ms_ = 0, build_ms_ = 0;
};

// .npy, .pb (a serialized TensorProto) or .bin (raw elements of the declared type; its one symbolic
// dimension, if any, is worked out from the size).
HostTensor read_tensor_file(const std::string& path, const ValueType& declared);

}  // namespace ingot
