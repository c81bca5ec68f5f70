// Golden files with a wrong tensor: the reason is in the result, nothing is read past an end.
#include <gtest/gtest.h>

#include <filesystem>

#include "capi/golden.h"
#include "loaders/safetensors.h"
#include "tests/loaders/test_files.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

struct ChangedTensor {
  std::string name;
  DType dtype;
  int64_t count;
};

// A case with one tensor of golden.safetensors replaced by zeros; what it says.
std::string verdict(const ChangedTensor& change, const std::string& name = "llama-mha") {
  ScratchDirectory dir;
  for (const char* file : {"config.json", "model.safetensors", "golden.json"}) {
    std::filesystem::copy_file(golden_path(name) + "/" + file, dir / file);
  }
  const auto source = SafetensorsFile::open(golden_path(name) + "/golden.safetensors");
  std::vector<SafetensorsSpec> specs;
  for (const std::string& tensor : source->names()) {
    const WeightInfo& info = source->require(tensor);
    const bool changed = info.name == change.name;
    specs.push_back({info.name, changed ? change.dtype : info.type.dtype,
                     changed ? Shape{change.count} : info.shape});
  }
  SafetensorsWriter writer(dir / "golden.safetensors", specs, {});
  for (const SafetensorsSpec& spec : writer.tensors()) {
    const WeightInfo& info = source->require(spec.name);
    const std::vector<std::byte> zeros(spec.bytes());
    writer.write(spec.name == change.name ? std::span<const std::byte>(zeros) : info.bytes);
  }
  writer.commit();
  const auto device = make_cpu_device(1);
  const GoldenResult result = run_golden(dir.path(), {}, *device);
  return result.status + ": " + result.reason;
}

TEST(GoldenFaultsTest, MalformedTensorsAreNamed) {
  const auto expect = [](const ChangedTensor& change, const std::string& part) {
    const std::string found = verdict(change);
    EXPECT_EQ(found.rfind("fail: ", 0), 0u) << found;
    EXPECT_NE(found.find(part), std::string::npos) << found;
  };
  expect({"greedy_gap.0", DType::kFloat32, 1}, "greedy_gap.0 1 gaps");
  expect({"input_ids.0", DType::kInt32, 0}, "input_ids.0 is empty");
  expect({"input_ids.0", DType::kFloat32, 4}, "'input_ids.0': expected integers, found float32");
  expect({"logits.0", DType::kInt32, 4}, "'logits.0': expected floats, found int32");
}

TEST(GoldenFaultsTest, OfSpeechToo) {
  if (!has_golden("whisper")) return;
  const auto expect = [](const ChangedTensor& change, const std::string& part) {
    const std::string found = verdict(change, "whisper");
    EXPECT_EQ(found.rfind("fail: ", 0), 0u) << found;
    EXPECT_NE(found.find(part), std::string::npos) << found;
  };
  expect({"input_features", DType::kFloat32, 160}, "input_features: expected examples of 80");
  expect({"decoder_input_ids", DType::kInt32, 0}, "with tokens, found");
  expect({"encoder_hidden", DType::kFloat32, 4}, "encoder_hidden has 2 values");
  expect({"logits", DType::kFloat32, 4}, "logits has 2 values, the model gives");
}

TEST(GoldenFaultsTest, ADeviceThatRanReferencesAloneHasShownNothing) {
  class Other final : public Device {
   public:
    std::string_view kind() const override { return "other"; }
    std::string identity() const override { return "other:1"; }
    bool host_visible() const override { return false; }
    std::byte* allocate(size_t) override { return nullptr; }
    void release(std::byte*, size_t) noexcept override {}
    void copy_in(std::byte*, const std::byte*, size_t, Stream&) override {}
    void copy_out(std::byte*, const std::byte*, size_t, Stream&) override {}
    std::unique_ptr<Stream> make_stream() override { return nullptr; }
  };
  const Other other;
  EXPECT_TRUE(only_references_ran({"reference"}, other));
  EXPECT_FALSE(only_references_ran({"linear", "reference"}, other));
  EXPECT_FALSE(only_references_ran({}, other)) << "everything was a constant";
  EXPECT_FALSE(only_references_ran({"reference"}, *make_cpu_device(1)));
}

}  // namespace
}  // namespace ingot
