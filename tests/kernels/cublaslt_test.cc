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

}  // namespace
}  // namespace ingot
