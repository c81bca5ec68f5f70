#include "tensor/device.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

ErrorCode code_of(std::string_view name) {
  try {
    describe_device(name);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << name << " was described";
  return ErrorCode::kInternal;
}

TEST(Device, EachListedOneIsDescribedUnderItsName) {
  for (const DeviceDef* def : tensor_device_list()) {
    for (const DeviceInfo& info : def->list()) {
      EXPECT_EQ(describe_device(info.name).model, info.model);
      EXPECT_EQ(describe_device(info.name).detail, info.detail);
      EXPECT_EQ(open_device(info.name)->kind(), def->kind);
    }
  }
  EXPECT_EQ(describe_device("cpu:0").model, describe_device("cpu").model);
  EXPECT_FALSE(describe_device("cpu").model.empty());
}

TEST(Device, NamesOfNoneAreErrors) {
  EXPECT_EQ(code_of("cpu:7"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of("cpu:x"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of("cpu:"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of("abacus"), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace ingot
