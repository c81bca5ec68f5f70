#include "tests/engine/small_engine.h"

namespace ingot {
namespace {

// The limits of a result allow 2^48 floats; what the branch gives is small.
TEST(control_memory, results_take_memory_when_they_are_there) {
  const auto device = make_cpu_device(1);
  EngineMaker outer;
  const SymShape shapes[] = {{Dim(2), Dim(3)}, {Dim(4), Dim(1)}};
  for (int branch : {0, 1}) {
    EngineMaker body("branch");
    const int a = body.input("a", DType::kFloat32, shapes[0]);
    const int b = body.input("b", DType::kFloat32, shapes[1]);
    const int x = branch == 0 ? a : b;
    body.output(body.step("add", {}, {x, x})[0], "r");
    outer.plan().subplans.push_back(body.plan());
  }
  const int condition = outer.input("condition", DType::kBool, {});
  const int a = outer.input("a", DType::kFloat32, shapes[0]);
  const int b = outer.input("b", DType::kFloat32, shapes[1]);
  const Attrs attrs = {
      {"then_graph", int64_t{0}}, {"else_graph", int64_t{1}}, {"prefix", std::string("if0")}};
  const auto out = outer.step("if", attrs, {condition, a, b}, 1, StepKind::kIf);
  outer.output(out[0], "y");
  const int64_t most = int64_t{1} << 24;
  Executor executor(outer.finish({{"if0_0_0", most}, {"if0_0_1", most}}), *device);
  std::vector<float> six = {1, 2, 3, 4, 5, 6}, four = {7, 8, 9, 10};
  executor.set_input("a", host_view(six, {2, 3}));
  executor.set_input("b", host_view(four, {4, 1}));
  for (uint8_t yes : {1, 0, 1}) {
    std::vector<uint8_t> flag = {yes};
    executor.set_input("condition", host_view(flag, {}));
    executor.run();
    const TensorView y = executor.output("y");
    EXPECT_EQ(y.shape, yes ? (Shape{2, 3}) : (Shape{4, 1}));
    EXPECT_EQ(floats_of(y).back(), yes ? 12.f : 20.f);
  }
}

}  // namespace
}  // namespace ingot
