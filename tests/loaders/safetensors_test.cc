#include "loaders/safetensors.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

std::string golden(const std::string& name) {
  return std::string(INGOT_TEST_DATA) + "/goldens/" + name;
}

TEST(SafetensorsTest, ReadsGolden) {
  auto weights = open_safetensors_directory(golden("llama-mha"));
  const WeightInfo& info = weights->require("lm_head.weight");
  EXPECT_EQ(info.shape, (Shape{512, 128}));
  EXPECT_EQ(info.type, ElementType(DType::kBFloat16));
  EXPECT_EQ(info.bytes.size(), 131072u);
}

}  // namespace
}  // namespace ingot
