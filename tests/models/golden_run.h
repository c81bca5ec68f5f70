// An architecture's golden case from end to end: logits and greedy tokens, from its directory and
// from a checkpoint made of it.
#pragma once

#include "capi/golden.h"
#include "loaders/safetensors.h"
#include "tensor/cpu_isa.h"
#include "tests/models/golden_models.h"

namespace ingot {

// Whether the case is there. Cases outside tests/data need not be on every machine: a test that
// misses one is skipped by name, which tools/unit_tests.py counts apart, and fails where
// DEV_INGOT_REQUIRE_GOLDENS is set, as .ci/run does beside the cases.
inline bool has_golden(const std::string& name) {
  if (is_golden_case(golden_path(name))) return true;
  const char* required = std::getenv("DEV_INGOT_REQUIRE_GOLDENS");
  const auto end = [&](const std::string& text) {
    if (required && *required) FAIL() << text;
    testing::Test::RecordProperty("missing_golden", name);
    GTEST_SKIP() << text;
  };
  end(
      fmt::format("golden case {} not found: it is neither in tests/data/goldens, nor in "
                  "$DEV_INGOT_GOLDENS, nor in ../shared/goldens",
                  name));
  return false;
}

inline void check_run(const std::string& directory, const GoldenOptions& options) {
  const auto device = make_cpu_device(2);
  const GoldenResult result = run_golden(directory, options, *device);
  const std::string_view type = dtype_name(options.dtype.value_or(DType::kFloat32));
  EXPECT_EQ(result.status, "pass") << directory << " " << type << ": " << result.reason;
  EXPECT_EQ(result.greedy_total > 0, result.continues);
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

// How a GGUF file keeps a model otherwise than by the names of its table.
struct GgufLayout {
  // The numbers of tensors that are kept otherwise, as float32; the rest keep their type and bytes.
  std::function<bool(const WeightName&)> changed = nullptr;
  std::function<std::vector<float>(const WeightName&, std::vector<float>)> change = nullptr;
  // Heads whose rows are interleaved, see interleaved(); 0: none.
  std::function<int64_t(const WeightName&)> heads = nullptr;
  std::function<void(GgufWriter&)> add = nullptr;  // more entries, whose bytes outlive the call
  bool older = false;                              // or_from_gguf's names, where there are some
};

inline std::string bytes_text(const WeightInfo& info) {
  return {reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size()};
}

// A GGUF file of the model: its config by the keys that have a GGUF name, and its tensors as the
// table says, the rows of weights that share a name one after the other, in the shape that the
// table has for GGUF.
inline void write_gguf_of(const ModelSource& source, const std::string& path,
                          const std::string& architecture, const GgufLayout& layout = {}) {
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
    } else if (value.is_array()) {
      writer.add_int32s(name, value.get<std::vector<int32_t>>());
    } else {
      writer.add_uint32(name, value.get<uint32_t>());
    }
  }
  const double part = config.value("partial_rotary_factor", 1.0);
  if (part != 1 && !layout.add) {
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
    const int64_t heads = layout.heads ? layout.heads(name) : 0;
    Tensor piece = {info->type, info->shape,
                    heads > 0 ? interleaved(*info, heads) : bytes_text(*info)};
    if (layout.changed && layout.changed(name)) {
      std::vector<float> numbers(static_cast<size_t>(info->elements()));
      load_row({info->type, {info->elements()}, const_cast<std::byte*>(info->bytes.data())}, 0, 0,
               info->elements(), numbers.data());
      numbers = layout.change(name, std::move(numbers));
      piece.type = DType::kFloat32;
      piece.bytes.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 4);
    }
    const bool older = layout.older && !name.or_from_gguf.empty();
    auto [it, fresh] = tensors.try_emplace(older ? name.or_from_gguf[0].stored : name.gguf, piece);
    if (!fresh) it->second.bytes += piece.bytes;
    if (!fresh) it->second.shape[0] += piece.shape[0];
    const Shape& whole = older ? name.or_from_gguf[0].shape : name.from_gguf.shape;
    if (whole.size() > 1 && element_count(whole) == element_count(it->second.shape)) {
      it->second.shape = whole;
    }
  }
  if (layout.add) layout.add(writer);
  for (const auto& [name, tensor] : tensors) {
    writer.add_tensor(name, tensor.type, tensor.shape, as_bytes(tensor.bytes));
  }
  writer.write(path);
}

// The same weights and config from such a file, where no weight changes its numbers.
inline void check_gguf_of(const std::string& golden, const std::string& architecture,
                          const GgufLayout& layout = {}) {
  if (!has_golden(golden)) return;
  const ScratchDirectory dir;
  const ModelSource source = open_model_source(golden_path(golden));
  write_gguf_of(source, dir / "model.gguf", architecture, layout);
  expect_same_weights(source, open_model_source(dir / "model.gguf"));
}

// The same of models whose norms llama.cpp keeps with one added: float32 in the file, so that
// weights are equal to rounding.
inline void check_gguf_with_norms_of(const ModelSource& source, const std::string& architecture,
                                     GgufLayout layout = {}) {
  layout.changed = [](const WeightName& name) { return name.shape.size() == 1; };
  layout.change = [](const WeightName&, std::vector<float> numbers) {
    for (float& x : numbers) x += 1;
    return numbers;
  };
  const ScratchDirectory dir;
  write_gguf_of(source, dir / "model.gguf", architecture, layout);
  const ModelSource gguf = open_model_source(dir / "model.gguf");
  const ModelDef& model = find_model(source);
  expect_same_config(model_config(source, model), model_config(gguf, find_model(gguf)));
  const auto ours = canonical_weights(source, model, model_config(source, model));
  const auto theirs = canonical_weights(gguf, model, model_config(gguf, model));
  EXPECT_EQ(theirs->names(), ours->names());
  for (const std::string& name : ours->names()) {
    const WeightInfo &a = ours->require(name), &b = theirs->require(name, a.shape);
    const int64_t n = a.elements();
    std::vector<float> left(static_cast<size_t>(n)), right(left);
    load_row({a.type, {n}, const_cast<std::byte*>(a.bytes.data())}, 0, 0, n, left.data());
    load_row({b.type, {n}, const_cast<std::byte*>(b.bytes.data())}, 0, 0, n, right.data());
    for (size_t i = 0; i < left.size(); ++i) ASSERT_NEAR(left[i], right[i], 1e-7) << name;
  }
}

inline void check_gguf_with_norms_of(const std::string& golden, const std::string& architecture) {
  if (!has_golden(golden)) return;
  check_gguf_with_norms_of(open_model_source(golden_path(golden)), architecture);
}

// A golden's model to be written in another layout of Hugging Face's: its config, and its tensors
// by name, as bytes of bfloat16.
class HfVariant {
 public:
  explicit HfVariant(std::string golden)
      : golden_(std::move(golden)),
        source_(open_model_source(golden_path(golden_))),
        config(source_.config) {
    for (const std::string& name : source_.weights->names()) {
      const WeightInfo& info = source_.weights->require(name);
      EXPECT_TRUE(info.type == ElementType(DType::kBFloat16)) << name;
      tensors[name] = {info.shape, bytes_text(info)};
    }
  }
  void rename(const std::string& from, const std::string& to) {
    ASSERT_TRUE(tensors.contains(from)) << from;
    tensors[to] = tensors.extract(from).mapped();
  }
  // Replaces each whole name that begins with `from`.
  void rename_all(const std::string& from, const std::string& to) {
    auto old = std::move(tensors);
    tensors.clear();
    for (auto& [name, tensor] : old) {
      tensors[name.starts_with(from) ? to + name.substr(from.size()) : name] = std::move(tensor);
    }
  }
  // Every tensor becomes float32, so that changed numbers are not rounded.
  void widen() {
    for (auto& [name, tensor] : tensors) {
      const int64_t n = element_count(tensor.first);
      std::vector<float> numbers(static_cast<size_t>(n));
      load_row({dtype_, {n}, reinterpret_cast<std::byte*>(tensor.second.data())}, 0, 0, n,
               numbers.data());
      tensor.second.assign(reinterpret_cast<const char*>(numbers.data()), numbers.size() * 4);
    }
    dtype_ = DType::kFloat32;
    config["torch_dtype"] = "float32";
  }
  // Of the tensors whose names end so, once they are float32.
  void map(std::string_view end, const std::function<float(float)>& f) {
    ASSERT_EQ(dtype_, DType::kFloat32);
    int found = 0;
    for (auto& [name, tensor] : tensors) {
      if (!name.ends_with(end)) continue;
      ++found;
      auto* numbers = reinterpret_cast<float*>(tensor.second.data());
      for (size_t i = 0; i < tensor.second.size() / 4; ++i) numbers[i] = f(numbers[i]);
    }
    ASSERT_GT(found, 0) << end;
  }
  void write(const ScratchDirectory& dir) const {
    std::vector<SafetensorsSpec> specs;
    for (const auto& [name, tensor] : tensors) specs.push_back({name, dtype_, tensor.first});
    SafetensorsWriter writer(dir / "model.safetensors", specs, {});
    for (const SafetensorsSpec& spec : writer.tensors()) {
      writer.write(as_bytes(tensors.at(spec.name).second));
    }
    writer.commit();
    dir.write("config.json", config.dump());
  }
  // The golden's answers must come out, of it and of a checkpoint made of it.
  void check() const {
    const ScratchDirectory dir;
    write(dir);
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
  DType dtype_ = DType::kBFloat16;

 public:
  Json config;
  std::map<std::string, std::pair<Shape, std::string>> tensors;
};

}  // namespace ingot
