// The built artefact: a portable plan, canonical weights, and what a text model needs beside them.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/container.h"
#include "engine/plan.h"

namespace ingot {

// A tuned choice for one kernel descriptor on one device.
struct KernelChoice {
  std::string kernel;
  int version = 0;
  std::string tactic;
  double microseconds = 0;  // 0: taken over from a smaller bucket, not measured
  std::string library;      // KernelDef::library_text() when it was measured
  bool operator==(const KernelChoice&) const = default;
};

// Choices for one device, keyed by KernelDesc::text(), which holds layouts and the bucket. Used
// only where Device::identity() equals `device` and the versions of kernels and their libraries
// match; otherwise the binder chooses by heuristics.
struct DeviceSection {
  std::string device;
  std::map<std::string, KernelChoice> choices;
};

// Immutable after it is built or loaded; shared by executors (shared_ptr: several executors of one
// process view the same mapped weights).
struct Engine {
  Plan plan;
  // Bytes of plan.tensors, in the same order: views into `owners`. Empty for random ones.
  std::vector<std::span<const std::byte>> tensors;
  std::vector<std::shared_ptr<const void>> owners;
  std::vector<DeviceSection> devices;
  // Named extra sections: "tokenizer", "chat_template", "generation" (JSON), "source" (identity of
  // the model it was built from), "report" (JSON), "network" (JSON, capi/network.h).
  std::map<std::string, std::string> extras;
  // Set when loaded from a file.
  std::shared_ptr<const Container> container;

  const std::string* extra(std::string_view name) const {
    auto it = extras.find(std::string(name));
    return it == extras.end() ? nullptr : &it->second;
  }
};

// Writes the container. Weights that form one value are adjacent, so that merged weights map as one
// piece. Errors: Error{kIo}; no file is left on failure.
void save_engine(const Engine& engine, const std::string& path);

// Maps and checks a container. Error{kCorrupt, kUnsupported, kIo, kNotFound}.
std::shared_ptr<const Engine> load_engine(const std::string& path);

}  // namespace ingot
