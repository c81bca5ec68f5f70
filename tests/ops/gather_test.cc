#include "base/error.h"
#include "tensor/device.h"
#include "tests/ops/harness.h"

namespace ingot::test {

std::vector<OpCase> gather_cases() {
  std::vector<OpCase> cases;
  for (const char* type : {"float32", "bfloat16", "int64"}) {
    for (int64_t n : {1, 13, 576}) {
      CaseInput x = {.type = parse_element_type(type), .shape = {11, n}};
      if (is_integer(x.type.dtype)) {
        x.fill = Fill::kRange;
        x.high = 1000;
      }
      cases.push_back({.name = fmt::format("{}_{}", type, n),
                       .op = "gather",
                       .attrs = {{"axis", int64_t{0}}},
                       .inputs = {x,
                                  {.type = DType::kInt64,
                                   .shape = {tokens()},
                                   .fill = Fill::kRange,
                                   .low = -11,
                                   .high = 11}},
                       .symbols = {{"tokens", 18}}});
    }
  }
  return cases;
}

INGOT_OP_TEST(gather);

// The kernel for rows and the reference say the same.
TEST(gather, refuses_indices_outside) {
  KernelDesc desc;
  desc.op = "gather";
  desc.attrs = {{"axis", int64_t{0}}};
  desc.inputs = {{.type = DType::kFloat32, .shape = {2, 3}}, {.type = DType::kInt64, .shape = {1}}};
  desc.outputs = {{.type = DType::kFloat32, .shape = {1, 3}}};
  std::vector<float> x(6), y(3);
  const auto device = make_cpu_device(2);
  const auto stream = device->make_stream();
  for (const char* name : {"gather_rows", "reference"}) {
    const KernelDef* kernel = find_kernel("cpu", name);
    ASSERT_NE(kernel, nullptr);
    const auto instance = kernel->prepare(desc, "");
    for (int64_t index : {2, -3}) {
      const TensorView inputs[] = {
          {DType::kFloat32, {2, 3}, reinterpret_cast<std::byte*>(x.data())},
          {DType::kInt64, {1}, reinterpret_cast<std::byte*>(&index)}};
      const TensorView outputs[] = {
          {DType::kFloat32, {1, 3}, reinterpret_cast<std::byte*>(y.data())}};
      ExecContext context{*device, *stream, device->team(), {}};
      try {
        instance->launch({inputs, outputs, {}}, context);
        ADD_FAILURE() << name << " accepted " << index;
      } catch (const Error& error) {
        EXPECT_NE(std::string_view(error.what()).find("expected index -2 to 1, found"),
                  std::string_view::npos)
            << error.what();
      }
    }
  }
}

}  // namespace ingot::test
