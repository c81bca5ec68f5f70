// Kernels are chosen by the largest sizes of a bucket; what a run brings may be smaller, may
// broadcast where the largest sizes are equal, and may exceed a size that nobody limits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/reference.h"
#include "tensor/buffer.h"

namespace ingot {
namespace {

struct HostOperand {
  HostOperand(ElementType type, Shape shape) : view{type, std::move(shape)} {
    memory.resize(static_cast<size_t>(std::max<int64_t>(view.bytes(), 1)));
    view.data = memory.data();
  }
  void fill(double start) {
    for (int64_t i = 0; i < view.elements(); ++i) {
      store_element(view, i, start + static_cast<double>(i % 7) * 0.25);
    }
  }
  TensorView view;
  std::vector<std::byte> memory;
};

KernelDesc described(std::string op, ElementType type, const std::vector<Shape>& inputs,
                     const Shape& output) {
  KernelDesc desc;
  desc.op = std::move(op);
  for (const Shape& shape : inputs) desc.inputs.push_back({.type = type, .shape = shape});
  desc.outputs = {{.type = type, .shape = output}};
  return desc;
}

constexpr std::byte kGuard{0x5a};

void launch_guarded(KernelInstance& instance, const std::vector<TensorView>& inputs,
                    const TensorView& output, Device& device) {
  const auto stream = device.make_stream();
  const size_t bytes = instance.workspace_bytes();
  Buffer workspace(device, bytes + 65536);
  std::fill_n(workspace.data(), workspace.size(), kGuard);
  ExecContext context{device, *stream, device.team(), {workspace.data(), bytes}};
  const std::vector<TensorView> outputs = {output};
  instance.launch({inputs, outputs, {}}, context);
  for (size_t i = bytes; i < workspace.size(); ++i) {
    ASSERT_EQ(workspace.data()[i], kGuard) << "wrote " << i - bytes << " bytes past the workspace";
  }
}

void expect_reference(const KernelDesc& desc, const std::vector<HostOperand*>& operands,
                      const Shape& shape) {
  const auto device = make_cpu_device(2);
  std::vector<TensorView> inputs;
  for (const HostOperand* operand : operands) inputs.push_back(operand->view);
  HostOperand expected(desc.outputs[0].type, shape), found(desc.outputs[0].type, shape);
  run_reference(desc.op, desc.attrs, inputs, std::vector<TensorView>{expected.view});
  for (const KernelDef* kernel : kernels_for("cpu", desc.op)) {
    if (kernel->supports && !kernel->supports(desc).empty()) continue;
    for (const std::string& tactic :
         kernel->tactics ? kernel->tactics(desc) : std::vector<std::string>{""}) {
      SCOPED_TRACE(std::string(kernel->name) + " " + tactic);
      found.fill(99);
      launch_guarded(*kernel->prepare(desc, tactic), inputs, found.view, *device);
      for (int64_t i = 0; i < found.view.elements(); ++i) {
        const double want = load_element(expected.view, i);
        ASSERT_NEAR(load_element(found.view, i), want, 1e-2 * (1 + std::fabs(want))) << i;
      }
    }
  }
}

TEST(run_sizes, operands_that_are_equal_at_most_broadcast_in_a_run) {
  const std::vector<std::array<Shape, 3>> runs = {{Shape{1, 4}, Shape{8, 4}, Shape{8, 4}},
                                                  {Shape{8, 4}, Shape{1, 4}, Shape{8, 4}},
                                                  {Shape{8, 4}, Shape{8, 1}, Shape{8, 4}},
                                                  {Shape{8, 1}, Shape{1, 4}, Shape{8, 4}},
                                                  {Shape{8, 4}, Shape{1, 1}, Shape{8, 4}}};
  for (const char* op : {"add", "mul", "sub", "div"}) {
    for (DType type : {DType::kFloat32, DType::kBFloat16}) {
      const KernelDesc desc = described(op, type, {{8, 4}, {8, 4}}, {8, 4});
      for (const auto& [a, b, y] : runs) {
        SCOPED_TRACE(std::string(op) + " " + shape_text(a) + " " + shape_text(b));
        HostOperand left(type, a), right(type, b);
        left.fill(1);
        right.fill(2);
        expect_reference(desc, {&left, &right}, y);
      }
    }
  }
}

// Control flow tells sizes that no limit bounds; the descriptor then says 1.
TEST(run_sizes, linear_takes_more_rows_than_the_descriptor_said) {
  for (DType type : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    KernelDesc desc = described("linear", type, {{1, 70}, {24, 70}}, {1, 24});
    desc.inputs[1].constant = true;
    HostOperand x(type, {37, 70}), w(type, {24, 70});
    x.fill(-1);
    w.fill(-0.5);
    expect_reference(desc, {&x, &w}, {37, 24});
  }
}

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(run_sizes, sizes_that_do_not_broadcast_are_errors) {
  const auto device = make_cpu_device(1);
  HostOperand a(DType::kFloat32, {3, 4}), b(DType::kFloat32, {2, 4}), y(DType::kFloat32, {3, 4});
  for (const char* op : {"add", "mul", "sub", "div"}) {
    const KernelDesc desc = described(op, DType::kFloat32, {{8, 4}, {8, 4}}, {8, 4});
    for (const KernelDef* kernel : kernels_for("cpu", op)) {
      if (kernel->supports && !kernel->supports(desc).empty()) continue;
      const auto instance = kernel->prepare(desc, "");
      EXPECT_EQ(code_of([&] {
                  launch_guarded(*instance, {a.view, b.view}, y.view, *device);
                }),
                ErrorCode::kInvalidArgument)
          << kernel->name;
    }
  }
}

TEST(run_sizes, sizes_that_only_a_run_tells_are_checked_by_references) {
  HostOperand a(DType::kFloat32, {2, 3}), b(DType::kFloat32, {4, 5}), y(DType::kFloat32, {2, 5});
  const std::vector<TensorView> product = {a.view, b.view};
  EXPECT_EQ(code_of([&] { run_reference("matmul", {}, product, std::vector<TensorView>{y.view}); }),
            ErrorCode::kInvalidArgument);
  HostOperand x(DType::kFloat32, {3}), values(DType::kFloat32, {5}), indices(DType::kInt64, {5});
  EXPECT_EQ(code_of([&] {
              run_reference("top_k", {{"k", int64_t{5}}}, std::vector<TensorView>{x.view},
                            std::vector<TensorView>{values.view, indices.view});
            }),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ingot
