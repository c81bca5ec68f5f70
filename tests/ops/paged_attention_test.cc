#include <cmath>

#include "base/error.h"
#include "tests/ops/paged_cases.h"

namespace ingot::test {

struct AttentionShape {
  std::string name;
  int64_t group, kv_heads, dim;
  std::string type = "float32";
  std::string cache = "float32";
  Attrs more = {};
  std::vector<PagedSequence> sequences = {{0, 37}, {31, 1}, {32, 1}, {70, 3}};
};

std::vector<OpCase> paged_attention_cases() {
  std::vector<AttentionShape> shapes;
  for (int64_t group : {1, 3, 4, 7, 8}) {
    for (int64_t dim : {64, 80, 96, 128, 256}) {
      const bool odd = (group + dim / 16) % 2 == 1;
      shapes.push_back({fmt::format("group{}_dim{}", group, dim), group, 2, dim,
                        odd ? "bfloat16" : "float32", odd ? "bfloat16" : "float32"});
    }
  }
  shapes.push_back({"smollm", 3, 3, 64, "bfloat16", "bfloat16", {}, {{0, 100}, {200, 1}}});
  shapes.push_back({"smollm_f32", 3, 3, 64, "float32", "float32", {}, {{0, 100}, {200, 1}}});
  shapes.push_back({"llama8b_decode", 4, 8, 128, "bfloat16", "bfloat16", {}, {{300, 1}, {9, 1}}});
  shapes.push_back({"odd_dim", 2, 1, 37});
  shapes.push_back({"f32_queries_bf16_cache", 2, 1, 64, "float32", "bfloat16"});
  shapes.push_back({"f16", 2, 1, 64, "float16", "float16"});
  for (int64_t window : {1, 5, 32, 33, 64}) {
    shapes.push_back(
        {fmt::format("window{}", window), 3, 1, 64, "float32", "float32", {{"window", window}}});
  }
  shapes.push_back({"softcap", 2, 1, 64, "float32", "float32", {{"softcap", 2.0}}});
  shapes.push_back({"softcap_large", 2, 1, 64, "float32", "float32", {{"softcap", 50.0}}});
  shapes.push_back({"bidirectional", 2, 2, 64, "float32", "float32", {{"causal", false}}});

  std::vector<OpCase> cases;
  for (const AttentionShape& s : shapes) {
    const PagedBatch batch(s.sequences);
    const CaseInput cache = batch.cache(parse_element_type(s.cache), s.kv_heads, s.dim);
    OpCase c = {.name = s.name,
                .op = "paged_attention",
                .attrs = {{"head_dim", s.dim}, {"scale", 1.0 / std::sqrt(double(s.dim))}},
                .inputs = {{.type = parse_element_type(s.type),
                            .shape = {tokens(), s.group * s.kv_heads * s.dim},
                            .strided = true},
                           cache,
                           cache,
                           batch.positions(),
                           batch.token_rows(),
                           PagedBatch::query_offsets(4),
                           batch.context_lengths(),
                           batch.block_tables()},
                .symbols = batch.symbols(),
                .strided_outputs = true};
    for (const auto& [name, value] : s.more) c.attrs[name] = value;
    cases.push_back(std::move(c));
  }
  // Queries of one row see no key at all: zeros.
  OpCase none = cases.back();
  none.name = "without_keys";
  for (size_t i = 0; i < none.inputs[6].values.size(); i += 2) none.inputs[6].values[i] = 0;
  cases.push_back(std::move(none));
  return cases;
}

// The keys after a token's own position, and the unused rest of its last page, must not matter:
// they hold NaN here.
TEST(paged_attention, ignores_what_lies_past_the_context) {
  const PagedBatch batch({{0, 9}});
  OpCase c = paged_attention_cases()[0];
  c.inputs[0].shape = {tokens(), 2 * 64};
  c.inputs[1] = c.inputs[2] = batch.cache(DType::kFloat32, 2, 64);
  c.inputs[1].poison_from = c.inputs[2].poison_from = 9;
  c.inputs[3] = batch.positions();
  c.inputs[4] = batch.token_rows();
  c.inputs[6] = batch.context_lengths();
  c.inputs[7] = batch.block_tables();
  c.symbols = batch.symbols();
  check_case(c);
}

INGOT_OP_TEST(paged_attention);

// An engine file may name any operands: each is left out, or of another type or length, in turn.
void expect_operands_checked(std::string_view op, const Attrs& attrs,
                             const std::vector<ValueType>& types, size_t outputs,
                             const std::vector<size_t>& indices) {
  const auto accepted = [&](const std::vector<ValueType>& given, size_t absent, size_t count) {
    std::vector<const ValueType*> pointers;
    for (size_t i = 0; i < count; ++i) pointers.push_back(i == absent ? nullptr : &given[i]);
    const auto no_constant = [](size_t) -> const TensorView* { return nullptr; };
    try {
      get_op(op).infer({op, pointers, attrs, no_constant, outputs});
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return false;
    }
  };
  const size_t all = types.size();
  EXPECT_TRUE(accepted(types, all, all)) << op;
  for (size_t i : indices) {
    EXPECT_FALSE(accepted(types, i, all)) << op << " without input " << i;
    EXPECT_FALSE(accepted(types, all, i)) << op << " with " << i << " inputs";
    auto wrong = types;
    wrong[i].element = DType::kInt64;
    EXPECT_FALSE(accepted(wrong, all, all)) << op << " input " << i << " int64";
    wrong = types;
    wrong[i].shape.push_back(1);
    EXPECT_FALSE(accepted(wrong, all, all)) << op << " input " << i << " of another rank";
  }
}

TEST(paged_attention, checks_every_index_operand) {
  const ValueType q = {DType::kFloat32, {tokens(), 8}}, kv = {DType::kFloat32, {tokens(), 4}};
  const ValueType cache = {DType::kFloat32, {Dim::symbol("pages"), 1, 32, 4}, true};
  const ValueType per_token = {DType::kInt32, {tokens()}};
  const ValueType offsets = {DType::kInt32, {batch() + 1}}, lengths = {DType::kInt32, {batch()}};
  const ValueType table = {DType::kInt32, {batch(), Dim::symbol("blocks")}};
  const ValueType frequencies = {DType::kFloat32, {2}};
  const Attrs attrs = {{"head_dim", int64_t{4}}};
  expect_operands_checked("paged_attention", attrs,
                          {q, cache, cache, per_token, per_token, offsets, lengths, table}, 1,
                          {3, 4, 5, 6, 7});
  expect_operands_checked("kv_append", {}, {kv, kv, cache, cache, per_token, per_token, table}, 2,
                          {4, 5, 6});
  expect_operands_checked("rope_kv_append", attrs,
                          {q, kv, kv, cache, cache, per_token, per_token, table, frequencies}, 3,
                          {5, 6, 7});
}

}  // namespace ingot::test
