// What the CUDA kernels of few rows offer the tuner. No GPU is needed where they are built: nothing
// is launched.
#include <gtest/gtest.h>

#include <set>

#include "base/check.h"
#include "kernels/kernel_def.h"
#include "kernels/reference.h"

namespace ingot {
namespace {

bool built() { return find_kernel("cuda", "linear_gemv") != nullptr; }

bool gated(std::string_view op) { return op.ends_with("gated_linear"); }

KernelDesc layer(std::string_view op, int64_t rows, int64_t n, DType x, DType w, int64_t k = 4096) {
  const int64_t columns = gated(op) ? n / 2 : n;
  KernelDesc desc;
  desc.op = op;
  desc.inputs = {{.type = x, .shape = {rows, k}},
                 {.type = w, .shape = {n, k}, .constant = true},
                 {.present = false}};
  if (op == "linear_add") desc.inputs.push_back({.type = x, .shape = {rows, columns}});
  if (op.starts_with("rms_norm")) desc.inputs.push_back({.type = w, .shape = {k}});
  desc.outputs = {{.type = x, .shape = {rows, columns}}};
  desc.capability = 90;
  return desc;
}

constexpr const char* kOps[] = {"linear", "gated_linear", "linear_add", "rms_norm_linear",
                                "rms_norm_gated_linear"};

const KernelDef& gemv(std::string_view op) {
  const KernelDef* kernel = find_kernel("cuda", std::string(op) + "_gemv");
  CHECK_MSG(kernel && kernel->op == op, "{} has no such kernel", op);
  return *kernel;
}

// Calls f(kernel, descriptor) for layers of all sizes that the choice without measurements tells
// apart, and all pairs of types.
template <class F>
void for_each_layer(F&& f) {
  for (const char* op : kOps) {
    const KernelDef& kernel = gemv(op);
    for (const int64_t rows : {1, 2, 4, 8}) {
      for (const int64_t n : {2, 2046, 2048, 8192, 16384, 128256}) {
        for (const auto& [x, w] : {std::pair(DType::kFloat32, DType::kFloat32),
                                   std::pair(DType::kFloat32, DType::kFloat16),
                                   std::pair(DType::kBFloat16, DType::kBFloat16)}) {
          const KernelDesc desc = layer(op, rows, n, x, w);
          SCOPED_TRACE(desc.text());
          ASSERT_EQ(kernel.supports(desc), "");
          f(kernel, desc);
        }
      }
    }
  }
}

TEST(cuda_gemv, prepares_all_that_it_offers) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for_each_layer([](const KernelDef& kernel, const KernelDesc& desc) {
    const std::vector<std::string> tactics = kernel.tactics(desc);
    EXPECT_EQ(std::set<std::string>(tactics.begin(), tactics.end()).size(), tactics.size());
    for (const std::string& tactic : tactics) EXPECT_NO_THROW(kernel.prepare(desc, tactic));
    EXPECT_NO_THROW(kernel.prepare(desc, ""));
    try {
      kernel.prepare(desc, "out3_split1");
      ADD_FAILURE() << "it was prepared";
    } catch (const Error& error) {
      const std::string expected = std::string(kernel.name) + ": unknown tactic 'out3_split1'";
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  });
}

// Groups of more weight rows are compiled for one row alone, of eight for 16-bit weights alone.
TEST(cuda_gemv, offers_what_is_compiled) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for_each_layer([](const KernelDef& kernel, const KernelDesc& desc) {
    const bool one = desc.inputs[0].shape[0] == 1;
    const bool wide = desc.inputs[1].type == DType::kFloat32;
    std::set<std::string> groups;
    for (const std::string& tactic : kernel.tactics(desc)) groups.insert(tactic.substr(0, 4));
    const std::set<std::string> expected = !one   ? std::set<std::string>{"out2"}
                                           : wide ? std::set<std::string>{"out2", "out4"}
                                                  : std::set<std::string>{"out2", "out4", "out8"};
    EXPECT_EQ(groups, expected);
  });
}

// Eight warps that share a row of 576 elements would stand idle.
TEST(cuda_gemv, gives_a_short_k_to_fewer_warps) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  const auto first = [](int64_t k) {
    return gemv("linear").tactics(
        layer("linear", 1, 4096, DType::kBFloat16, DType::kBFloat16, k))[0];
  };
  EXPECT_EQ(first(4096), "out8_split8");
  EXPECT_EQ(first(576), "out2_split4");
}

// Without measurements a streamed layer is the first choice for several rows and not for one.
TEST(cuda_gemv, goes_before_streamed_layers_for_one_row) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  for (const char* op : {"linear", "gated_linear", "linear_add"}) {
    const KernelDef* streamed = find_kernel("cuda", std::string(op) + "_stream");
    ASSERT_TRUE(streamed) << op;
    const auto rank = [](const KernelDef& kernel, const KernelDesc& desc) {
      return kernel.rank ? kernel.rank(desc) : kernel.priority;
    };
    for (const int64_t rows : {1, 2, 8}) {
      const KernelDesc desc = layer(op, rows, 4096, DType::kBFloat16, DType::kBFloat16);
      EXPECT_EQ(rank(*streamed, desc) > rank(gemv(op), desc), rows > 1) << op << " " << rows;
    }
  }
}

TEST(cuda_gemv, says_what_it_cannot_run) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  const auto reason = [](std::string_view op, auto&& change) {
    KernelDesc desc = layer(op, 4, 64, DType::kBFloat16, DType::kBFloat16, 32);
    change(desc);
    return gemv(op).supports(desc);
  };
  for (const char* op : kOps) {
    SCOPED_TRACE(op);
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[0].shape[0] = 9; }), "9 rows; at most 8");
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[1].constant = false; }),
              "weight is computed");
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[0].shape[1] = 20; }),
              "K is not a multiple of 8");
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[1].type = DType::kFloat16; }),
              "input is bfloat16, weight is float16");
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[1].type = parse_element_type("q8_0"); }),
              "weight is q8_0");
    EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[2] = {.type = DType::kInt32}; }),
              "bias is int32");
    if (gated(op)) {
      EXPECT_EQ(reason(op, [](KernelDesc& d) { d.attrs["activation"] = std::string("tanh"); }),
                "activation tanh");
    }
    if (std::string_view(op).starts_with("rms_norm")) {
      EXPECT_EQ(reason(op, [](KernelDesc& d) { d.inputs[3].type = DType::kInt32; }),
                "the norm's weight is int32");
    }
  }
  EXPECT_EQ(reason("linear_add", [](KernelDesc& d) { d.inputs[3].type = DType::kInt32; }),
            "residual is int32");
}

// A norm's weight and a residual may be of other types than x, and computed. Attributes change no
// tactics.
TEST(cuda_gemv, runs_operands_and_attributes_of_its_operator) {
  if (!built()) GTEST_SKIP() << "built without CUDA";
  const auto runs = [](std::string_view op, const Attrs& attrs, DType fourth) {
    KernelDesc desc = layer(op, 4, 64, DType::kBFloat16, DType::kBFloat16, 32);
    const std::vector<std::string> plain = gemv(op).tactics(desc);
    desc.attrs = attrs;
    desc.inputs[3].type = fourth;
    EXPECT_EQ(gemv(op).supports(desc), "") << desc.text();
    EXPECT_EQ(gemv(op).tactics(desc), plain);
    for (const std::string& tactic : plain) EXPECT_NO_THROW(gemv(op).prepare(desc, tactic));
  };
  for (const DType fourth : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    runs("linear_add", {}, fourth);
    runs("linear_add", {{"hold_next", true}}, fourth);
    const Attrs norm = {{"epsilon", 1e-6}, {"weight_offset", 1.0}};
    runs("rms_norm_linear", norm, fourth);
    for (const char* activation : {"silu", "relu", "gelu", "gelu_tanh"}) {
      Attrs attrs = norm;
      attrs["activation"] = std::string(activation);
      runs("rms_norm_gated_linear", attrs, fourth);
    }
  }
}

}  // namespace
}  // namespace ingot
