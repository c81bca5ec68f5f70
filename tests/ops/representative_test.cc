// What operators say a representative run brings: valid everywhere, and not all in one place.
#include <gtest/gtest.h>

#include <set>

#include "ops/contract/llm_args.h"

namespace ingot {
namespace {

IndexInputs representative_of(std::string_view op, const Attrs& attrs, std::vector<Shape> shapes) {
  const OpDef& def = get_op(op);
  return def.representative({attrs, shapes});
}

template <class T>
size_t distinct(const std::vector<T>& values) {
  return std::set<T>(values.begin(), values.end()).size();
}

TEST(RepresentativeTest, SpreadIndicesVisitTheWholeRange) {
  for (int64_t range : {1, 2, 3, 10, 255, 256, 49152}) {
    const auto all = spread_indices(range, range);
    EXPECT_EQ(distinct(all), static_cast<size_t>(range)) << range;
    EXPECT_GE(*std::min_element(all.begin(), all.end()), 0);
    EXPECT_LT(*std::max_element(all.begin(), all.end()), range);
  }
  const auto few = spread_indices(4, 49152);
  for (size_t i = 1; i < few.size(); ++i) EXPECT_GT(std::abs(few[i] - few[i - 1]), 1000);
  EXPECT_EQ(spread_indices(2, 0), (std::vector<int64_t>{0, 0}));
  EXPECT_TRUE(spread_indices(0, 5).empty());
}

TEST(RepresentativeTest, PackedTokensFillTheirContext) {
  // 10 tokens over 3 rows of 4 blocks with 32 positions each.
  const PackedTokens packed = representative_tokens(10, {3, 4}, {100, 2, 32, 64});
  EXPECT_EQ(packed.query_offsets, (std::vector<int64_t>{0, 10, 10, 10}));
  EXPECT_EQ(packed.context_lengths, (std::vector<int64_t>{128, 128, 128}));
  EXPECT_EQ(packed.token_rows, (std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(packed.positions,
            (std::vector<int64_t>{118, 119, 120, 121, 122, 123, 124, 125, 126, 127}));
  EXPECT_EQ(packed.block_tables.size(), 12u);
  EXPECT_EQ(distinct(packed.block_tables), 12u);
  // Fewer pages and positions than the step could name: still valid.
  const PackedTokens tight = representative_tokens(40, {1, 1}, {1, 2, 32, 64});
  EXPECT_EQ(tight.block_tables, (std::vector<int64_t>{0}));
  for (int64_t position : tight.positions) {
    EXPECT_GE(position, 0);
    EXPECT_LT(position, 32);
  }
}

TEST(RepresentativeTest, PackedTokensAreAStepOfServing) {
  const auto lengths = [](int64_t tokens, const Shape& tables) {
    const PackedTokens packed = representative_tokens(tokens, tables, {4096, 1, 32, 8});
    std::vector<int64_t> out;
    for (size_t i = 1; i < packed.query_offsets.size(); ++i) {
      out.push_back(packed.query_offsets[i] - packed.query_offsets[i - 1]);
    }
    return out;
  };
  EXPECT_EQ(lengths(4, {4, 2}), (std::vector<int64_t>{1, 1, 1, 1})) << "a decode step";
  EXPECT_EQ(lengths(2, {4, 2}), (std::vector<int64_t>{1, 1, 0, 0}));
  EXPECT_EQ(lengths(130, {5, 2}), (std::vector<int64_t>{64, 64, 1, 1, 0}))
      << "prompts of 64 positions, decodes beside them";
  EXPECT_EQ(lengths(5000, {3, 1024}), (std::vector<int64_t>{1666, 1667, 1667}))
      << "no chunk is longer than 2048";
  EXPECT_EQ(lengths(8192, {512, 256})[3], 2016);
  EXPECT_EQ(lengths(2048, {1, 256}), (std::vector<int64_t>{2048}));
}

TEST(RepresentativeTest, OperatorsWithIndices) {
  const Shape q = {8, 64}, cache = {64, 2, 32, 16}, vector = {8}, table = {2, 16};
  IndexInputs in = representative_of("paged_attention", {{"head_dim", int64_t{16}}},
                                     {q, cache, cache, vector, vector, {3}, {2}, table});
  EXPECT_EQ(in.at(3).back(), 511) << "the last position of the longest context";
  EXPECT_EQ(in.at(5), (std::vector<int64_t>{0, 8, 8}));
  EXPECT_EQ(in.at(6), (std::vector<int64_t>{512, 512}));
  EXPECT_EQ(distinct(in.at(7)), 32u);
  in = representative_of("rope_kv_append", {},
                         {q, {8, 32}, {8, 32}, cache, cache, vector, vector, table, {8}});
  std::set<std::pair<int64_t, int64_t>> slots;
  for (size_t t = 0; t < 8; ++t) slots.insert({in.at(6)[t], in.at(5)[t]});
  EXPECT_EQ(slots.size(), 8u) << "every token has a slot of its own";
  in = representative_of("kv_append", {}, {{8, 32}, {8, 32}, cache, cache, vector, vector, table});
  EXPECT_EQ(distinct(in.at(4)), 8u);
  EXPECT_EQ(in.at(6).size(), 32u);
  in = representative_of("embedding", {}, {{5}, {49152, 576}});
  EXPECT_EQ(distinct(in.at(0)), 5u);
  in = representative_of("gather", {{"axis", int64_t{-1}}}, {{3, 7}, {2, 2}});
  EXPECT_EQ(in.at(1), spread_indices(4, 7));
}

}  // namespace
}  // namespace ingot
