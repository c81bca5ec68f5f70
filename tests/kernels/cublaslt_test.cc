// cuBLASLt is opened when it is wanted: what stands in its way is told in one line.
#include <gtest/gtest.h>

#include "kernels/kernel_def.h"

#if __has_include(<cublasLt.h>)
#include "kernels/cuda/contract/cublaslt.h"
#endif

namespace ingot {
namespace {

TEST(CublasLt, WhatIsMissingIsNamed) {
#if __has_include(<cublasLt.h>)
  if (find_kernel("cuda", "linear_cublaslt") == nullptr) GTEST_SKIP() << "built without CUDA";
  const std::string none = cuda::open_cublaslt("libnone.so.13").missing;
  EXPECT_NE(none.find("cannot open libnone.so.13: "), std::string::npos) << none;
  // A library without its functions.
  const std::string other = cuda::open_cublaslt("libc.so.6").missing;
  EXPECT_EQ(other, "cannot use libc.so.6: it has no cublasLtCreate");
#else
  GTEST_SKIP() << "built without CUDA";
#endif
}

// A residual is the library's matrix C, which has y's type; a plain product of 16-bit rows may be
// float32.
TEST(CublasLt, SumsAreOfOneType) {
#if __has_include(<cublasLt.h>)
  const KernelDef* plain = find_kernel("cuda", "linear_cublaslt");
  const KernelDef* sum = find_kernel("cuda", "linear_add_cublaslt");
  if (!plain) GTEST_SKIP() << "built without CUDA";
  ASSERT_NE(sum, nullptr);
  const auto layer = [](DType x, DType y, DType residual, int64_t k = 8) {
    KernelDesc desc;
    desc.op = "linear_add";
    desc.inputs = {{.type = x, .shape = {3, k}},
                   {.type = x, .shape = {5, k}, .constant = true},
                   {.type = y, .shape = {5}, .constant = true},
                   {.type = residual, .shape = {3, 5}}};
    desc.outputs = {{.type = y, .shape = {3, 5}}};
    return desc;
  };
  const DType f32 = DType::kFloat32, bf16 = DType::kBFloat16;
  const std::string missing = cuda::cublaslt().missing;
  for (const DType type : {f32, bf16, DType::kFloat16}) {
    EXPECT_EQ(sum->supports(layer(type, type, type)), missing);
  }
  // Nothing has checked the shape of an input that the operator does not know.
  KernelDesc product = layer(bf16, f32, bf16);
  product.op = "linear";
  EXPECT_EQ(plain->supports(product), missing);
  product.inputs.pop_back();
  EXPECT_EQ(plain->supports(product), missing);
  EXPECT_EQ(sum->supports(layer(bf16, f32, f32)), "output is float32");
  EXPECT_EQ(sum->supports(layer(bf16, bf16, f32)), "residual is float32");
  EXPECT_EQ(sum->supports(layer(bf16, bf16, bf16, 12)), "K is not a multiple of 8");
  KernelDesc other_bias = layer(bf16, bf16, bf16);
  other_bias.inputs[2].type = f32;
  EXPECT_EQ(sum->supports(other_bias), "bias is float32");
  other_bias.inputs[2].present = false;
  EXPECT_EQ(sum->supports(other_bias), missing);
#else
  GTEST_SKIP() << "built without CUDA";
#endif
}

}  // namespace
}  // namespace ingot
