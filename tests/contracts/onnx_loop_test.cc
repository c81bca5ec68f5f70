// Probe: an ONNX Loop, from a protobuf written here to results: a carried value, a captured one, a
// scan output whose length is known only afterwards, and an exit that depends on data.
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "engine/executor.h"
#include "loaders/onnx.h"

namespace ingot {
namespace {

// Protobuf wire format: a varint, and a field of each of the two kinds that ONNX needs here.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}
std::string number(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}
std::string bytes(int field, const std::string& value) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}

constexpr uint64_t kFloat = 1, kInt64 = 7, kBool = 9;  // TensorProto.DataType

// ValueInfoProto; dims < 0 stand for an unnamed dimension.
std::string value_info(const std::string& name, uint64_t type, const std::vector<int>& dims) {
  std::string shape;
  for (int d : dims) shape += bytes(1, d < 0 ? "" : number(1, static_cast<uint64_t>(d)));
  return bytes(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, shape)));
}

std::string node(const std::string& op, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::string& attribute = "") {
  std::string out;
  for (const std::string& input : inputs) out += bytes(1, input);
  for (const std::string& output : outputs) out += bytes(2, output);
  out += bytes(3, op + "_" + outputs[0]) + bytes(4, op);
  return attribute.empty() ? out : out + bytes(5, attribute);
}

// sum = start; repeat `trips` times while sum < limit: sum += step, and collect sum.
std::string model() {
  const std::string body =
      bytes(1, node("Add", {"sum_in", "step"}, {"sum_out"})) +
      bytes(1, node("Less", {"sum_out", "limit"}, {"below"})) +
      bytes(1, node("Identity", {"sum_out"}, {"seen"})) + bytes(2, "body") +
      bytes(11, value_info("i", kInt64, {})) + bytes(11, value_info("go_in", kBool, {})) +
      bytes(11, value_info("sum_in", kFloat, {1})) + bytes(12, value_info("below", kBool, {1})) +
      bytes(12, value_info("sum_out", kFloat, {1})) + bytes(12, value_info("seen", kFloat, {1}));
  const std::string attribute = bytes(1, "body") + number(20, 5) + bytes(6, body);
  const std::string graph =
      bytes(1, node("Loop", {"trips", "", "start"}, {"final", "scan"}, attribute)) +
      bytes(2, "loop") + bytes(11, value_info("trips", kInt64, {})) +
      bytes(11, value_info("start", kFloat, {1})) + bytes(11, value_info("step", kFloat, {1})) +
      bytes(11, value_info("limit", kFloat, {1})) + bytes(12, value_info("final", kFloat, {1})) +
      bytes(12, value_info("scan", kFloat, {-1, 1}));
  return number(1, 8) + bytes(7, graph) + bytes(8, bytes(1, "") + number(2, 17));
}

class Loop {
 public:
  Loop() {
    const std::string text = model();
    OnnxModel onnx = parse_onnx(std::as_bytes(std::span(text.data(), text.size())), "loop.onnx");
    EXPECT_EQ(onnx.outputs, (std::vector<std::string>{"final", "scan"}));
    executor_ =
        std::make_unique<Executor>(compile(*onnx.graph, {.passes = {.verify = true}}), *device_);
  }
  void run(int64_t trips, float start, float step, float limit) {
    executor_->set_input("trips", {DType::kInt64, {}, reinterpret_cast<std::byte*>(&trips)});
    set("start", start);
    set("step", step);
    set("limit", limit);
    executor_->run();
  }
  std::vector<float> output(size_t index, Shape shape) {
    const TensorView view = executor_->output(index);
    EXPECT_EQ(view.shape, shape);
    return {view.as<float>(), view.as<float>() + view.elements()};
  }

 private:
  void set(std::string_view name, float value) {
    executor_->set_input(name, {DType::kFloat32, {1}, reinterpret_cast<std::byte*>(&value)});
  }
  std::unique_ptr<Device> device_ = make_cpu_device(2);
  std::unique_ptr<Executor> executor_;
};

TEST(OnnxLoop, CarriesScansAndLeavesEarly) {
  Loop loop;
  loop.run(4, 1, 2, 100);
  EXPECT_EQ(loop.output(0, {1}), std::vector<float>{9});
  EXPECT_EQ(loop.output(1, {4, 1}), (std::vector<float>{3, 5, 7, 9}));
  loop.run(7, 1, 2, 100);  // longer than before
  EXPECT_EQ(loop.output(0, {1}), std::vector<float>{15});
  EXPECT_EQ(loop.output(1, {7, 1}), (std::vector<float>{3, 5, 7, 9, 11, 13, 15}));
  loop.run(7, 1, 2, 6);  // the condition ends it after the sum has passed the limit
  EXPECT_EQ(loop.output(0, {1}), std::vector<float>{7});
  EXPECT_EQ(loop.output(1, {3, 1}), (std::vector<float>{3, 5, 7}));
  loop.run(0, 5, 2, 100);  // not at all: carried values pass through, scans are empty
  EXPECT_EQ(loop.output(0, {1}), std::vector<float>{5});
  EXPECT_EQ(loop.output(1, {0, 1}), std::vector<float>{});
}

}  // namespace
}  // namespace ingot
