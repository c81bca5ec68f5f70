// Cases of an operator, and the checks that every kernel of that operator must pass on them. One
// list a file, in tests/ops/<op>_test.cc; tests, benchmarks and the support report read the same
// list.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels/kernel_def.h"

namespace ingot::test {

enum class Fill {
  kNormal,        // floats: standard normal times `scale`
  kValues,        // integers: `values`
  kRange,         // integers: uniform in [low, high)
  kQueryOffsets,  // offsets of each batch row's tokens, from the input named by `low` (token rows)
};

struct CaseInput {
  ElementType type;
  SymShape shape;
  Fill fill = Fill::kNormal;
  std::vector<int64_t> values = {};
  int64_t low = 0;
  int64_t high = 0;
  double scale = 1.0;
  bool constant = false;
  bool state = false;
  bool absent = false;
  bool strided = false;  // also run as a column range of a wider matrix
  int segments = 1;      // also run with the rows in so many separate pieces
  // Caches [page][head][slot][dim]: slots from here on hold NaN in every page; < 0: none.
  int64_t poison_from = -1;
};

struct OpCase {
  std::string name;  // unique in the list; letters, digits and underscores
  std::string op;
  Attrs attrs;
  std::vector<CaseInput> inputs;
  SymbolValues symbols;
  size_t outputs = 1;
  bool strided_outputs = false;
  // Set where the operator rounds to a coarser type inside: its tolerance is used.
  std::optional<DType> rounds_to = std::nullopt;
};

// Rows along "tokens" are what a batch is made of: inputs with this leading dimension are cut when
// the invariance of a kernel is checked.
Dim tokens();
Dim batch();

// Runs every kernel of the case's operator that supports it, with every tactic and layout, on 1, 2
// and 4 threads, packed, strided and in segments, and compares with the reference; kernels that
// claim `invariant` must give equal bits for all tactics, thread counts and row subsets. At least
// one kernel beside the reference adapter must run, unless the CPU has no vector instructions or
// `reference_only` is set.
void check_case(const OpCase& op_case, bool reference_only = false);

// Largest allowed error of one output element: relative to the element, plus relative to the root
// mean square of the output. One table for all kernels.
struct Tolerance {
  double relative;
  double of_rms;
};
Tolerance tolerance(DType dtype);

// Makes gtest print the case's name.
inline void PrintTo(const OpCase& c, std::ostream* out) { *out << c.name; }
inline std::string case_name(const ::testing::TestParamInfo<OpCase>& info) {
  return info.param.name;
}

}  // namespace ingot::test

// INGOT_OP_TEST(linear): one test a case of linear_cases().
#define INGOT_OP_TEST(op)                                                                    \
  class op##_op : public ::testing::TestWithParam<::ingot::test::OpCase> {};                 \
  TEST_P(op##_op, kernels_match_reference) { ::ingot::test::check_case(GetParam()); }        \
  INSTANTIATE_TEST_SUITE_P(cases, op##_op, ::testing::ValuesIn(::ingot::test::op##_cases()), \
                           ::ingot::test::case_name)
