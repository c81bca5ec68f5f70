#include "kernels/reference.h"

#include <gtest/gtest.h>

#include "tensor/buffer.h"
#include "tests/contracts/fake_device.h"

namespace ingot {
namespace reference_test {

// The input's memory is nobody's: a look at it, or a copy of it, is a violation.
TEST(ReferenceKernel, OfAnOperatorOfShapesCopiesNoElements) {
  FakeDevice device;
  {
    const auto stream = device.make_stream();
    Buffer nowhere(device, 64), result(device, 2 * sizeof(int64_t));
    const std::byte* stale = nowhere.data();
    nowhere = Buffer();
    device.fill_zero(result.data(), result.size(), *stream);
    const OperandDesc in = {.type = DType::kFloat32, .shape = {4, 4}};
    const OperandDesc out = {.type = DType::kInt64, .shape = {2}};
    KernelDesc desc;
    desc.op = "shape";
    desc.inputs = {in};
    desc.outputs = {out};
    const std::vector<TensorView> inputs = {{in.type, in.shape, const_cast<std::byte*>(stale)}};
    const std::vector<TensorView> outputs = {{out.type, out.shape, result.data()}};
    ExecContext context{device, *stream};
    reference_kernel().prepare(desc, "")->launch({inputs, outputs, {}}, context);
    int64_t sizes[2] = {};
    device.copy_out(reinterpret_cast<std::byte*>(sizes), result.data(), sizeof sizes, *stream);
    stream->synchronize();
    EXPECT_EQ(sizes[0], 4);
    EXPECT_EQ(sizes[1], 4);
  }
  EXPECT_EQ(device.violations, std::vector<std::string>{});
}

}  // namespace reference_test
}  // namespace ingot
