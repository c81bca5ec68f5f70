// Sizes that meet at run time only: a step that they do not fit ends the run with an error, on
// every kernel, before anything is read or written.
#include "engine/step_sizes.h"

#include "tests/engine/small_engine.h"

namespace ingot {
namespace step_sizes {

const Dim kA = Dim::symbol("a"), kB = Dim::symbol("b");

struct Operand {
  DType dtype;
  SymShape shape;
  Shape fed;
};

struct Case {
  std::string op;
  Attrs attrs;
  std::vector<Operand> inputs;
  std::vector<std::string> parts;  // of the message
  size_t outputs = 1;
};

std::vector<Case> faults() {
  const DType f = DType::kFloat32, i = DType::kInt64;
  return {
      {"concat", {{"axis", int64_t{1}}}, {{f, {kA, 2}, {2, 2}}, {f, {kB, 2}, {5, 2}}}, {"[5, 2]"}},
      {"add", {}, {{f, {kA, kB}, {2, 3}}, {f, {4}, {4}}}, {"[2, 3]", "[4]"}},
      {"add", {}, {{f, {kA}, {2}}, {f, {kB}, {3}}}, {"[2]", "[3]"}},
      {"mul", {}, {{f, {8, kA}, {8, 2}}, {f, {8, kB}, {8, 3}}}, {"[8, 2]", "[8, 3]"}},
      {"reshape",
       {{"shape", std::vector<std::string>{"floor(3*a, 4)", "4"}}},
       {{f, {kA, 3}, {3, 3}}},
       {"9", "8"}},
      {"expand", {{"shape", std::vector<std::string>{"a", "4"}}}, {{f, {kA, kB}, {2, 3}}}, {"4"}},
      {"slice",
       {{"axes", std::vector<int64_t>{0}},
        {"starts", std::vector<int64_t>{-5}},
        {"ends", std::vector<std::string>{"1099511627776"}},
        {"steps", std::vector<int64_t>{1}}},
       {{f, {kA}, {3}}},
       {"expected [3]", "found [5]"}},
      {"slice",
       {{"axes", std::vector<int64_t>{0}},
        {"starts", std::vector<int64_t>{0}},
        {"ends", std::vector<std::string>{"b"}},
        {"steps", std::vector<int64_t>{1}}},
       {{f, {kA, kB}, {2, 7}}},
       {"expected [2, 7]", "found [7, 7]"}},
      {"matmul", {}, {{f, {2, kA}, {2, 3}}, {f, {kB, 2}, {4, 2}}}, {"[2, 3]", "[4, 2]"}},
      {"top_k",
       {{"k", int64_t{5}}, {"axis", int64_t{0}}, {"largest", int64_t{1}}},
       {{f, {kA}, {3}}},
       {"k is 5", "3"},
       2},
      {"gather_nd",
       {{"batch_dims", int64_t{1}}},
       {{f, {kA, 3}, {2, 3}}, {i, {kB, 1}, {5, 1}}},
       {"[2, 3]", "[5, 1]"}},
      {"scatter_nd",
       {{"reduction", std::string("none")}},
       {{f, {8, 2}, {8, 2}}, {i, {kA, 1}, {4, 1}}, {f, {kB, 2}, {1, 2}}},
       {"[4, 2]", "[1, 2]"}},
  };
}

// Runs the case's operator on inputs that are all zero.
void run_case(const Case& c, Device& device, bool reference) {
  EngineMaker maker;
  std::vector<int> inputs;
  std::vector<std::vector<std::byte>> memory;
  for (const Operand& input : c.inputs) {
    inputs.push_back(maker.input(fmt::format("x{}", inputs.size()), input.dtype, input.shape));
    memory.emplace_back(static_cast<size_t>(element_count(input.fed)) *
                        static_cast<size_t>(dtype_size(input.dtype)));
  }
  const std::vector<int> results = maker.step(c.op, c.attrs, inputs, c.outputs);
  for (size_t i = 0; i < results.size(); ++i) maker.output(results[i], fmt::format("y{}", i));
  ExecutorOptions options;
  options.selection.reference = reference;
  Executor executor(maker.finish({}), device, options);
  for (size_t i = 0; i < inputs.size(); ++i) {
    executor.set_input(fmt::format("x{}", i),
                       {c.inputs[i].dtype, c.inputs[i].fed, memory[i].data()});
  }
  executor.run();
}

TEST(StepSizesTest, DisagreementsAreErrors) {
  const auto device = make_cpu_device(1);
  for (const Case& c : faults()) {
    for (bool reference : {false, true}) {
      SCOPED_TRACE(fmt::format("{} of {} inputs, reference {}", c.op, c.inputs.size(), reference));
      std::vector<std::string> parts = c.parts;
      parts.push_back("'" + c.op + "'");
      parts.push_back("ops/" + c.op);
      expect_error([&] { run_case(c, *device, reference); }, ErrorCode::kInvalidArgument, parts);
    }
  }
}

// Only what can go wrong is looked at again when a plan runs.
TEST(StepSizesTest, TiedSizesNeedNoCheck) {
  EngineMaker maker;
  const DType f = DType::kFloat32;
  const int x = maker.input("x", f, {kA, 8}), z = maker.input("z", f, {kA, 8}),
            other = maker.input("other", f, {kB, 8}), w = maker.weight("w", {8, 8});
  maker.step("linear", {}, {x, w});
  maker.step("add", {}, {x, z});
  maker.step("concat", {{"axis", int64_t{0}}}, {x, other});
  maker.step("reshape", {{"shape", std::vector<std::string>{"8*a"}}}, {x});
  const size_t tied = maker.plan().steps.size();
  maker.step("add", {}, {x, other});
  maker.step("concat", {{"axis", int64_t{1}}}, {x, other});
  const Plan& plan = maker.plan();
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    EXPECT_EQ(sizes_may_disagree(plan, plan.steps[s]), s >= tied) << s;
  }
}

}  // namespace step_sizes
}  // namespace ingot
