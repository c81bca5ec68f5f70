// Cases of an operator, and the checks that every kernel of that operator must pass on them. One
// list a file, in tests/ops/<op>_test.cc; every device's kernels run it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/kernel_def.h"

namespace ingot::test {

enum class Fill {
  kNormal,        // floats: standard normal times `scale`
  kValues,        // integers: `values`
  kRange,         // integers: uniform in [low, high)
  kQueryOffsets,  // offsets of each batch row's tokens, from the input named by `low` (token rows)
  kReals,         // floats: `reals`, over and over
};

// A float set after the fill: one element of a row, or with column -1 the whole row.
struct Spot {
  int64_t row;
  int64_t column;
  double value;
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
  std::vector<double> reals = {};
  double step = 0;  // kNormal: values are rounded to its multiples, so that many are equal
  std::vector<Spot> spots = {};
};

// Largest allowed error of one output element: relative to the element, plus relative to the root
// mean square of the output. One table for all kernels, but for those that a case names.
struct Tolerance {
  double relative;
  double of_rms;
};
Tolerance tolerance(DType dtype);

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
  // In place of the table's, where what the operator rounds inside may fall to either side.
  std::optional<Tolerance> allowed = std::nullopt;
  // By kernel name: kernels of a library that round more inside than ours, with what that costs.
  std::map<std::string, Tolerance, std::less<>> kernel_tolerance = {};
  bool reference_on_gpu = false;  // no kernel there supports it, though the operator has some
};

// Marks the cases of these names.
inline void by_reference_on_gpu(std::vector<OpCase>& cases, const std::set<std::string>& names) {
  for (OpCase& c : cases) c.reference_on_gpu |= names.count(c.name) > 0;
}

// Rows along "tokens" are what a batch is made of: inputs with this leading dimension are cut when
// the invariance of a kernel is checked.
Dim tokens();
Dim batch();

// Runs every kernel of the case's operator that supports it, with every tactic and layout, on 1, 2
// and 4 threads, packed, strided and in segments, and compares with the reference; kernels that
// claim `invariant` must give equal bits for all tactics, thread counts and row subsets. At least
// one kernel beside the reference adapter must run, unless the CPU has no vector instructions.
// Kernels whose names contain the environment's DEV_INGOT_LEAVE_OUT are not run (a library's, under
// a tool that is slow on them); a case that has no others is skipped.
void check_case(const OpCase& op_case);

// The same on the first GPU of this machine. Of an operator that has kernels there one must run,
// unless the case says otherwise; then, and of others, it is the reference adapter. Skips the test
// where there is no GPU.
void check_case_on_gpu(const OpCase& op_case);

// Registers the tests <op>.<case> and <op>.gpu_<case>. Runtime registration compiles several times
// faster than gtest's parametrised templates, and there are a hundred such files.
// `on_cpu` false: the gpu ones alone, of operators that the CPU runs by their reference.
bool register_cases(const char* op, const std::vector<OpCase>& cases, bool on_cpu = true);

}  // namespace ingot::test

// INGOT_OP_TEST(linear): tests of each of linear_cases().
#define INGOT_OP_TEST(op)                                 \
  [[maybe_unused]] const bool op##_cases_are_registered = \
      ::ingot::test::register_cases(#op, ::ingot::test::op##_cases())
#define INGOT_GPU_OP_TEST(op)                             \
  [[maybe_unused]] const bool op##_cases_are_registered = \
      ::ingot::test::register_cases(#op, ::ingot::test::op##_cases(), false)
