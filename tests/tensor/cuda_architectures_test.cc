#include "tensor/devices/cuda_architectures.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(cuda_architectures, code_of_the_same_major_number_goes_before_ptx) {
  const char* full = "80, 86-real, 89-real, 90a-real, 100-real, 120-real";
  for (auto [gpu, version] : {std::pair{80, 80},
                              {86, 86},
                              {87, 86},
                              {89, 89},
                              {90, 90},
                              {100, 100},
                              {103, 100},
                              {110, 80},
                              {120, 120},
                              {121, 120},
                              {75, 0}}) {
    EXPECT_EQ(code_version(full, gpu), version) << gpu;
  }
  EXPECT_EQ(code_version("90-virtual", 100), 90);
  EXPECT_EQ(code_version("80-real", 90), 0);
  EXPECT_EQ(code_version("native", 89), 89);
}

// Code for 90a runs on no other GPU, nor does its PTX.
TEST(cuda_architectures, specific_code_runs_on_one_gpu) {
  EXPECT_EQ(code_version("90a", 90), 90);
  EXPECT_EQ(code_version("90a", 100), 0);
  EXPECT_EQ(code_version("80, 90a", 100), 80);
  EXPECT_EQ(code_version("90a", 89), 0);
}

TEST(cuda_architectures, entries_are_found_by_their_whole_name) {
  EXPECT_TRUE(names_architecture("80, 90a-real", "90a"));
  EXPECT_TRUE(names_architecture("90a", "90a"));
  EXPECT_FALSE(names_architecture("80, 90", "90a"));
  EXPECT_FALSE(names_architecture("90a", "90"));
  EXPECT_FALSE(names_architecture("90a-virtual", "90a"));
  EXPECT_FALSE(names_architecture("", "90a"));
}

}  // namespace
}  // namespace ingot
