// A golden model in another layout that its architecture knows, with the same answers.
#pragma once

#include "loaders/safetensors.h"
#include "tests/models/golden_run.h"

namespace ingot {

// The golden's config and its tensors by name, as bytes of bfloat16; a test changes both.
class GoldenVariant {
 public:
  explicit GoldenVariant(const std::string& golden)
      : golden_(golden), source_(open_model_source(golden_path(golden))), config(source_.config) {
    for (const std::string& name : source_.weights->names()) {
      const WeightInfo& info = source_.weights->require(name);
      tensors[name] = {info.shape,
                       {reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size()}};
    }
  }
  // The golden's answers must come out, and the same weights from a checkpoint.
  void check() {
    const ScratchDirectory dir;
    std::vector<SafetensorsSpec> specs;
    for (const auto& [name, tensor] : tensors) {
      specs.push_back({name, DType::kBFloat16, tensor.first});
    }
    SafetensorsWriter writer(dir / "model.safetensors", specs, {});
    for (const SafetensorsSpec& spec : writer.tensors()) {
      writer.write(as_bytes(tensors.at(spec.name).second));
    }
    writer.commit();
    dir.write("config.json", config.dump());
    copy_answers(golden_, dir.path());
    check_run(dir.path(), {.dtype = DType::kFloat32});
    const ModelSource source = open_model_source(dir.path());
    convert_model(source, {}, dir / "checkpoint");
    expect_same_weights(source, open_model_source(dir / "checkpoint"));
  }
  int64_t layers() const { return config["num_hidden_layers"]; }

 private:
  std::string golden_;
  ModelSource source_;

 public:
  Json config;
  std::map<std::string, std::pair<Shape, std::string>> tensors;
};

}  // namespace ingot
