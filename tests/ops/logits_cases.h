// Cases of the operators of the sample plan, for the kernels of devices apart (the CPU runs the
// references).
#pragma once

#include <cmath>

#include "tests/ops/harness.h"

namespace ingot::test {

struct LogitsSize {
  int64_t rows, vocab;
};
inline std::vector<LogitsSize> logits_sizes() {
  return {{1, 1},      {7, 1},      {7, 33},     {64, 33},    {3, 8192},  {1, 32000}, {7, 32000},
          {64, 32000}, {1, 128256}, {7, 128256}, {2, 151936}, {64, 4100}, {3, 9001}};
}

// Rows of one kind each: "plain"; "ties" (few different values); "flat" (nearly all one value);
// "faulty" (with NaN, +infinity, and nothing finite among whole ones); "cut" (mostly -infinity).
inline std::vector<std::string> logits_kinds() {
  return {"plain", "ties", "flat", "faulty", "cut"};
}
inline CaseInput logits_input(const LogitsSize& size, const std::string& kind,
                              const Dim& rows = tokens()) {
  CaseInput in = {.type = DType::kFloat32, .shape = {rows, size.vocab}, .strided = true};
  in.scale = kind == "flat" ? 1e-3 : 3.0;
  if (kind == "ties") in.step = 0.5;
  if (kind == "flat") in.step = 1e-3;
  const double inf = INFINITY;
  if (kind == "faulty") {
    in.spots.push_back({0, size.vocab / 2, NAN});
    if (size.rows > 2) in.spots.push_back({2, size.vocab - 1, inf});
    if (size.rows > 3) in.spots.push_back({3, -1, -inf});
    if (size.rows > 5) in.spots.push_back({5, 0, NAN});
    if (size.rows > 6) in.spots.push_back({6, -1, NAN});
  }
  if (kind == "cut") {
    for (int64_t r = 0; r < size.rows; ++r) {
      in.spots.push_back({r, -1, -inf});
      for (int64_t i = 0; i < 40; ++i) {
        const double value = static_cast<double>((i * 7 + r) % 11) * 0.25;
        in.spots.push_back({r, (i * 6007 + r) % size.vocab, value});
      }
    }
  }
  return in;
}

inline CaseInput row_reals(std::vector<double> values, const Dim& rows = tokens()) {
  return {
      .type = DType::kFloat32, .shape = {rows}, .fill = Fill::kReals, .reals = std::move(values)};
}
inline CaseInput row_range(DType dtype, int64_t low, int64_t high, const Dim& rows = tokens()) {
  return {.type = dtype, .shape = {rows}, .fill = Fill::kRange, .low = low, .high = high};
}

// Every size with every kind; parameters(size) gives the inputs behind the logits.
template <class Parameters>
std::vector<OpCase> logits_cases(const std::string& op, const std::string& prefix, bool logits_out,
                                 Parameters parameters) {
  std::vector<OpCase> cases;
  for (const LogitsSize& size : logits_sizes()) {
    for (const std::string& kind : logits_kinds()) {
      if (size.rows * size.vocab > 1'500'000 && kind != "plain" && kind != "ties") continue;
      OpCase c = {.name = fmt::format("{}{}_{}x{}", prefix, kind, size.rows, size.vocab),
                  .op = op,
                  .inputs = {logits_input(size, kind)},
                  .symbols = {{"tokens", size.rows}},
                  .strided_outputs = logits_out};
      for (CaseInput& in : parameters(size)) c.inputs.push_back(std::move(in));
      cases.push_back(std::move(c));
    }
  }
  return cases;
}

// Operators with lists of ids, some outside the vocabulary, some twice; row 1 lists nothing.
// Offsets are not cut with the rows, so these run whole. `penalties`: the rows' parameters; empty:
// the operator has none and no prompt lengths.
inline std::vector<OpCase> id_list_cases(const std::string& op, std::vector<double> penalties) {
  std::vector<OpCase> cases;
  for (const LogitsSize& size : logits_sizes()) {
    for (const char* kind : {"plain", "cut", "faulty"}) {
      if (size.rows * size.vocab > 1'500'000 && kind != std::string("plain")) continue;
      constexpr int64_t kListed = 300;
      std::vector<int64_t> offsets = {0};
      for (int64_t r = 0; r < size.rows; ++r) {
        offsets.push_back(offsets.back() + (r == 1 ? 0 : kListed));
      }
      const Dim rows = size.rows;
      const int64_t near = std::min<int64_t>(size.vocab, 200) + 2;
      OpCase c = {.name = fmt::format("{}_{}x{}", kind, size.rows, size.vocab),
                  .op = op,
                  .inputs = {logits_input(size, kind, rows),
                             {.type = DType::kInt32,
                              .shape = {offsets.back()},
                              .fill = Fill::kRange,
                              .low = -2,
                              .high = size.rows % 2 == 0 ? size.vocab + 2 : near},
                             {.type = DType::kInt32,
                              .shape = {size.rows + 1},
                              .fill = Fill::kValues,
                              .values = offsets}},
                  .strided_outputs = true};
      if (!penalties.empty()) {
        c.inputs.push_back(row_range(DType::kInt32, 0, kListed + 10, rows));
        c.inputs.push_back(row_reals(penalties, rows));
      }
      cases.push_back(std::move(c));
    }
  }
  return cases;
}

}  // namespace ingot::test
