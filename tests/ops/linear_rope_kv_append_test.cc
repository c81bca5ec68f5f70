#include <cmath>

#include "tests/ops/paged_cases.h"
#include "tests/ops/reference_case.h"

namespace ingot::test {

// heads of q, heads of k and of v, their size, rotated columns of a head, columns of x
struct ProjectionShape {
  std::string name;
  int64_t heads, kv_heads, dim, rotary, k;
  std::string type = "bfloat16";
  std::string cache = "";   // x's
  std::string weight = "";  // x's
  bool bias = false, interleaved = false, by_token = false;
  int segments = 1;
  double scale = 1;
};

OpCase projection_case(const ProjectionShape& s, const PagedBatch& batch) {
  const ElementType x = parse_element_type(s.type);
  const ElementType cache = parse_element_type(s.cache.empty() ? s.type : s.cache);
  const int64_t q = s.heads * s.dim, kv = s.kv_heads * s.dim;
  const CaseInput state = batch.cache(cache, s.kv_heads, s.dim);
  CaseInput bias = {.type = x, .shape = {q + 2 * kv}, .constant = true, .absent = !s.bias};
  OpCase c = {
      .name = s.name,
      .op = "linear_rope_kv_append",
      .attrs = {{"head_dim", s.dim},
                {"interleaved", s.interleaved},
                {"scale", s.scale},
                {"widths", std::vector<int64_t>{q, kv, kv}}},
      .inputs = {{.type = x, .shape = {tokens(), s.k}, .strided = true},
                 {.type = parse_element_type(s.weight.empty() ? s.type : s.weight),
                  .shape = {q + 2 * kv, s.k},
                  .scale = 1 / std::sqrt(static_cast<double>(s.k)),
                  .constant = true,
                  .segments = s.segments},
                 bias,
                 state,
                 state,
                 batch.positions(),
                 batch.token_rows(),
                 batch.block_tables(),
                 {.type = DType::kFloat32,
                  .shape = s.by_token ? SymShape{tokens(), s.rotary / 2} : SymShape{s.rotary / 2},
                  .scale = 0.3,
                  .constant = !s.by_token}},
      .symbols = batch.symbols(),
      .outputs = 3,
      .strided_outputs = true,
      .rounds_to = x.dtype == DType::kFloat32 ? std::optional<DType>() : x.dtype};
  // A product whose sum was added up in another order may round to the other neighbour, up to 2 r
  // of it away (r: half the distance of 1 from the next number). Where two columns turn together
  // that is up to 2 r (|a| + |b|) of either, which may be next to nothing itself: with both within
  // five deviations, 20 r of y's root mean square on top of the table.
  if (x != DType::kFloat32) {
    const double r = x == DType::kBFloat16 ? 0x1p-8 : 0x1p-11;
    const Tolerance table = tolerance(x.dtype);
    c.allowed = Tolerance{table.relative, table.of_rms + 20 * r};
  }
  return c;
}

std::vector<OpCase> linear_rope_kv_append_cases() {
  const PagedBatch one({{70, 1}}), two({{31, 1}, {32, 1}}), three({{5, 1}, {64, 1}, {0, 1}});
  const PagedBatch chunk({{0, 3}, {90, 1}, {30, 4}});  // eight tokens, over the ends of pages
  std::vector<OpCase> cases;
  for (const char* type : {"bfloat16", "float16", "float32"}) {
    const auto add = [&](const char* name, const PagedBatch& batch, ProjectionShape s) {
      s.name = fmt::format("{}_rows{}_{}", name, batch.token_count(), type);
      s.type = type;
      cases.push_back(projection_case(s, batch));
    };
    for (const PagedBatch* batch : {&one, &two, &three, &chunk}) {
      add("llama", *batch, {"", 8, 2, 128, 128, 1024});
      add("small", *batch, {.heads = 9, .kv_heads = 3, .dim = 64, .rotary = 64, .k = 576});
      // Part of a head turns; the last columns fill no group; a bias; pieces that end within heads.
      add("part", *batch,
          {.heads = 3,
           .kv_heads = 1,
           .dim = 80,
           .rotary = 32,
           .k = 1056,
           .bias = true,
           .segments = 3});
    }
    for (const PagedBatch* batch : {&one, &chunk}) {
      add("interleaved", *batch,
          {.heads = 4,
           .kv_heads = 4,
           .dim = 32,
           .rotary = 24,
           .k = 96,
           .interleaved = true,
           .scale = 1.25});
      add("by_token", *batch,
          {.heads = 2,
           .kv_heads = 1,
           .dim = 64,
           .rotary = 64,
           .k = 64,
           .by_token = true,
           .segments = 2});
      add("cache", *batch,
          {.heads = 2,
           .kv_heads = 2,
           .dim = 64,
           .rotary = 64,
           .k = 40,
           .cache = std::string(type) == "float32" ? "bfloat16" : "float32"});
      add("long", *batch, {.heads = 2, .kv_heads = 1, .dim = 64, .rotary = 64, .k = 4104});
    }
  }
  cases.push_back(projection_case({"float32_bfloat16", 4, 1, 64, 64, 136, "float32", "float32",
                                   "bfloat16", true, false, false, 2},
                                  three));
  cases.push_back(projection_case({"llama8b", 32, 8, 128, 128, 4096}, one));
  return cases;
}

INGOT_GPU_OP_TEST(linear_rope_kv_append);

// One head of two columns, q = (1, 0) and k = (0, 1) of x = 1, turned by a right angle: position 1,
// frequency pi / 2. v = (2, 3) stays.
struct RightAngle {
  Attrs attrs = {{"head_dim", int64_t{2}}, {"widths", std::vector<int64_t>{2, 2, 2}}};
  Operand cache = state_of(floats({1, 1, 2, 2}, {9, 9, 9, 9}));
  std::vector<Operand> inputs = {floats({1, 1}, {1}),
                                 floats({6, 1}, {1, 0, 0, 1, 2, 3}),
                                 absent(),
                                 cache,
                                 cache,
                                 typed(DType::kInt32, {1}, {1}),
                                 typed(DType::kInt32, {1}, {0}),
                                 typed(DType::kInt32, {1, 1}, {0}),
                                 floats({1}, {1.57079632679})};
};

TEST(linear_rope_kv_append, is_its_definition) {
  RightAngle c;
  const auto gives = [&](std::vector<double> q, std::vector<double> k, std::vector<double> v) {
    check_reference("linear_rope_kv_append", c.attrs, c.inputs,
                    {floats({1, 2}, std::move(q)), state_of(floats({1, 1, 2, 2}, std::move(k))),
                     state_of(floats({1, 1, 2, 2}, std::move(v)))});
  };
  gives({0, 1}, {9, 9, -1, 0}, {9, 9, 2, 3});
  c.inputs[2] = floats({6}, {1, 0, 0, 0, 0, 5});
  gives({0, 2}, {9, 9, -1, 0}, {9, 9, 2, 8});
  c.attrs["scale"] = 2.0;
  gives({0, 4}, {9, 9, -2, 0}, {9, 9, 2, 8});
}

TEST(linear_rope_kv_append, refuses_what_does_not_fit) {
  RightAngle c;
  const auto refused = [&](std::string_view part, std::vector<int64_t> widths) {
    c.attrs["widths"] = std::move(widths);
    check_refused("linear_rope_kv_append", c.attrs, c.inputs, part);
  };
  refused("widths of q, k and v", {});
  refused("widths of q, k and v", {2, 4});
  refused("widths of q, k and v", {2, 4, 0});
  refused("have 8 columns together", {4, 2, 2});
  refused("do not belong together", {2, 1, 3});
  c.inputs[1] = floats({6, 2}, std::vector<double>(12));
  refused("does not fit input", {2, 2, 2});
  c.inputs[3].state = false;
  c.inputs[1] = floats({6, 1}, std::vector<double>(6));
  refused("expected a state", {2, 2, 2});
}

}  // namespace ingot::test
