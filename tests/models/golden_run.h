// An architecture's golden case from end to end: logits and greedy tokens, from its directory and
// from a checkpoint made of it.
#pragma once

#include "capi/golden.h"
#include "tensor/cpu_isa.h"
#include "tests/models/golden_models.h"

namespace ingot {

// Whether the case is there. Cases outside tests/data need not be on every machine, but where CI is
// set a missing one is a failure.
inline bool has_golden(const std::string& name) {
  if (is_golden_case(golden_path(name))) return true;
  const std::string missing = fmt::format(
      "golden case '{}' is neither in tests/data, nor in $INGOT_GOLDENS, nor in ../shared/goldens",
      name);
  if (std::getenv("CI")) ADD_FAILURE() << missing;
  std::printf("NOT CHECKED: %s\n", missing.c_str());
  return false;
}

inline void check_run(const std::string& directory, const GoldenOptions& options) {
  const auto device = make_cpu_device(2);
  const GoldenResult result = run_golden(directory, options, *device);
  const std::string_view type = dtype_name(options.dtype.value_or(DType::kFloat32));
  EXPECT_EQ(result.status, "pass") << directory << " " << type << ": " << result.reason;
  EXPECT_EQ(result.greedy_total > 0, !result.encodes);
  if (options.reference) {
    EXPECT_THAT(result.kernels, testing::ElementsAre("reference"));
  } else if (cpu_isa() >= CpuIsa::kAvx2) {
    EXPECT_THAT(result.kernels, testing::Not(testing::Contains("reference")));
  }
}

// The answers of `golden` beside another form of its model.
inline void copy_answers(const std::string& golden, const std::string& directory) {
  for (const char* file : {"/golden.json", "/golden.safetensors"}) {
    std::filesystem::copy_file(golden_path(golden) + file, directory + file);
  }
}

// float32 and bfloat16 kernels, float32 references, and a checkpoint that holds the same weights
// and config and gives the same answers.
inline void check_golden(const std::string& name) {
  if (!has_golden(name)) return;
  const std::string directory = golden_path(name);
  check_run(directory, {.dtype = DType::kFloat32});
  check_run(directory, {.dtype = DType::kBFloat16});
  check_run(directory, {.reference = true});
  const ScratchDirectory dir;
  const ModelSource source = open_model_source(directory);
  convert_model(source, {}, dir / "checkpoint");
  expect_same_weights(source, open_model_source(dir / "checkpoint"));
  copy_answers(name, dir / "checkpoint");
  check_run(dir / "checkpoint", {.dtype = DType::kFloat32});
}

// A GGUF file of the model: its config by the keys that have a GGUF name, and its tensors as the
// table says, the rows of weights that share a name one after the other. `change` gives the numbers
// of a tensor that GGUF keeps otherwise, as float32; others keep their type and bytes.
using ChangeForGguf = std::function<std::vector<float>(const WeightName&, std::vector<float>)>;
inline void write_gguf_of(const ModelSource& source, const std::string& path,
                          const std::string& architecture,
                          const std::function<bool(const WeightName&)>& changed = nullptr,
                          const ChangeForGguf& change = nullptr) {
  const ModelDef& model = find_model(source);
  const Json config = model_config(source, model);
  GgufWriter writer;
  writer.add_string("general.architecture", architecture);
  for (const ConfigKey& key : all_keys(model.keys)) {
    const Json value = config.value(std::string(key.name), Json());
    const std::string name = fmt::format("{}.{}", architecture, key.gguf);
    if (key.gguf.empty() || value.is_null()) continue;
    if (key.type == ConfigKey::Type::kFloat) {
      writer.add_float32(name, value.get<float>());
    } else if (key.type == ConfigKey::Type::kBool) {
      writer.add_bool(name, value.get<bool>());
    } else {
      writer.add_uint32(name, value.get<uint32_t>());
    }
  }
  if (const double part = config.value("partial_rotary_factor", 1.0); part != 1) {
    writer.add_uint32(
        architecture + ".rope.dimension_count",
        static_cast<uint32_t>(rotary_dim({.partial_rotary_factor = part}, config["head_dim"])));
  }
  const auto weights = canonical_weights(source, model, config);
  struct Tensor {
    ElementType type;
    Shape shape;
    std::string bytes;
  };
  std::map<std::string, Tensor> tensors;
  for (const WeightName& name : model.weights(config)) {
    const WeightInfo* info = weights->find(name.hf);
    if (!info) continue;
    Tensor piece = {info->type,
                    info->shape,
                    {reinterpret_cast<const char*>(info->bytes.data()), info->bytes.size()}};
    if (changed && changed(name)) {
      std::vector<float> numbers(static_cast<size_t>(info->elements()));
      load_row({info->type, {info->elements()}, const_cast<std::byte*>(info->bytes.data())}, 0, 0,
               info->elements(), numbers.data());
      numbers = change(name, std::move(numbers));
      piece.type = DType::kFloat32;
      piece.bytes.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 4);
    }
    auto [it, fresh] = tensors.try_emplace(name.gguf, piece);
    if (fresh) continue;
    it->second.shape[0] += piece.shape[0];
    it->second.bytes += piece.bytes;
  }
  for (const auto& [name, tensor] : tensors) {
    writer.add_tensor(name, tensor.type, tensor.shape, as_bytes(tensor.bytes));
  }
  writer.write(path);
}

// The same weights and config from such a file, where no weight changes its numbers.
inline void check_gguf_of(const std::string& golden, const std::string& architecture) {
  if (!has_golden(golden)) return;
  const ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path(golden));
  write_gguf_of(source, dir / "model.gguf", architecture);
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

}  // namespace ingot
