// One operator of the sample plan on small hand-made rows, through its plain reference.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/contract/op_def.h"

namespace ingot::test {

// Input tensors by value; views are made when the op runs.
struct LogitsCase {
  struct Input {
    DType dtype;
    Shape shape;
    std::vector<float> floats;
    std::vector<int32_t> ints;
    std::vector<int64_t> longs;
  };
  std::vector<Input> inputs;

  LogitsCase& logits(Shape shape, std::vector<float> values) {
    inputs.push_back({DType::kFloat32, std::move(shape), std::move(values), {}, {}});
    return *this;
  }
  LogitsCase& floats(std::vector<float> values) {
    const auto n = static_cast<int64_t>(values.size());
    return logits({n}, std::move(values));
  }
  LogitsCase& ints(std::vector<int32_t> values) {
    const auto n = static_cast<int64_t>(values.size());
    inputs.push_back({DType::kInt32, {n}, {}, std::move(values), {}});
    return *this;
  }
  LogitsCase& longs(std::vector<int64_t> values) {
    const auto n = static_cast<int64_t>(values.size());
    inputs.push_back({DType::kInt64, {n}, {}, {}, std::move(values)});
    return *this;
  }

  // Infers the outputs' types, allocates them and runs the reference. Returns their bytes.
  std::vector<std::vector<std::byte>> run(std::string_view op, Attrs attrs, size_t outputs = 1) {
    const OpDef& def = get_op(op);
    std::vector<ValueType> types;
    std::vector<TensorView> views;
    for (Input& in : inputs) {
      types.push_back({in.dtype, sym_shape(in.shape)});
      auto* data = in.dtype == DType::kFloat32 ? static_cast<void*>(in.floats.data())
                   : in.dtype == DType::kInt32 ? static_cast<void*>(in.ints.data())
                                               : static_cast<void*>(in.longs.data());
      views.push_back({in.dtype, in.shape, static_cast<std::byte*>(data)});
    }
    std::vector<const ValueType*> pointers;
    for (const ValueType& t : types) pointers.push_back(&t);
    const InferArgs infer{op, pointers, attrs, [](size_t) { return nullptr; }, outputs};
    std::vector<std::vector<std::byte>> bytes;
    std::vector<TensorView> out;
    for (const ValueType& t : def.infer(infer)) {
      const Shape shape = evaluate(t.shape, {});
      bytes.emplace_back(static_cast<size_t>(t.element.bytes(element_count(shape))) + 8);
      out.push_back({t.element, shape, bytes.back().data()});
    }
    def.reference({views, out, attrs});
    return bytes;
  }

  std::vector<float> run_logits(std::string_view op) {
    const auto bytes = run(op, {});
    const auto* data = reinterpret_cast<const float*>(bytes[0].data());
    return {data, data + inputs[0].floats.size()};
  }
};

constexpr float kOff = -INFINITY;

}  // namespace ingot::test
