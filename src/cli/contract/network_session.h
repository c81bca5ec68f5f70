// A network's engine, ready to run on given tensors: what exec and conformance share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capi/network.h"
#include "cli/contract/npy.h"
#include "engine/executor.h"

namespace ingot {

struct NetworkSessionOptions {
  bool reference = false;  // reference kernels only
  bool profile = false;
  double tune_seconds = 0;  // build_for_inputs; 0: heuristics, nothing is timed
};

// By the model's names for them.
using NamedTensors = std::map<std::string, HostTensor>;

// Builds an .onnx file as build_network() does, with a profile of exactly the inputs' shapes: every
// size is a constant. Only inputs whose contents shapes depend on become constants too; the log
// names them. Error as build_network(), and kInvalidArgument naming a missing or misfitting input.
std::shared_ptr<const Engine> build_for_inputs(const std::string& path, const NamedTensors& inputs,
                                               Device& device,
                                               const NetworkSessionOptions& options);

// One thread at a time. The device must outlive the session.
class NetworkSession {
 public:
  // `name` is for messages.
  NetworkSession(std::shared_ptr<const Engine> engine, const std::string& name, Device& device,
                 const NetworkSessionOptions& options);

  // All of them, before run(). Error{kInvalidArgument} names an input that is missing or of another
  // type or shape than the engine's profile allows. Inputs that are constants of the engine are
  // passed over.
  void set_inputs(const NamedTensors& inputs);
  // Errors name the network's file.
  void run();

  const NetworkSignature& signature() const { return signature_; }
  TensorView output(size_t index) const { return executor_->output(index); }
  Executor& executor() { return *executor_; }

 private:
  std::string name_;
  NetworkSignature signature_;
  std::unique_ptr<Executor> executor_;
};

// .npy, .pb (a serialized TensorProto) or .bin (raw elements of the declared type; its one symbolic
// dimension, if any, is worked out from the size).
HostTensor read_tensor_file(const std::string& path, const ValueType& declared);

}  // namespace ingot
