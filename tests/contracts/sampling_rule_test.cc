// Probe: a sampling rule from outside, with a number of its own. It lowers to an operator that is
// registered here, stands in the sample plan in its order, changes what its rows draw and leaves
// the other rows alone. Requests, the server's fields and the flags of `run` and `chat` know its
// number.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "cli/contract/generation_flags.h"
#include "runtime/sample_plan.h"
#include "server/api_error.h"
#include "server/generation_fields.h"
#include "tensor/device.h"

namespace ingot {
namespace {

constexpr int64_t kVocab = 12;

// (logits[samples, vocab], on[samples]): odd ids of rows with on != 0 become -infinity.
const OpDef& even_op() {
  static const OpDef op = {
      .name = "probe_logits_even",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference =
          [](const OpArgs& args) {
            for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
              const bool on = args.inputs[1].as<float>()[r] != 0;
              for (int64_t id = 0; id < args.inputs[0].columns(); ++id) {
                const float logit = args.inputs[0].row_as<float>(r)[id];
                args.outputs[0].row_as<float>(r)[id] = on && id % 2 ? -INFINITY : logit;
              }
            }
          }};
  return op;
}

const SamplerParam kEven = {
    .name = "probe_even", .max = 1, .help = "1 = even ids alone", .whole = true};

const SamplerRule& even_rule() {
  static const SamplerRule rule = {
      .name = "probe_even",
      .order = 250,  // a mask: behind the penalties, before temperature
      .active = [](const SamplingParams& p) { return kEven.get(p) != 0; },
      .lower =
          [](SampleBuilder& b) {
            const int on = b.row_param("probe_even", DType::kFloat32,
                                       [](const SamplingParams& p) { return kEven.get(p); });
            b.set_logits(b.step("probe_logits_even", {}, {b.logits(), on})[0]);
          },
      .params = {kEven}};
  return rule;
}

// Takes the flags' places in memory.
class NamedFlags : public Flags {
 public:
  void argument(std::string, std::string*, std::string, bool, bool*) override {}
  void arguments(std::string, std::vector<std::string>*, std::string) override {}
  void flag(std::string, std::string*, std::string, bool*) override {}
  void flag(std::string name, int64_t* value, std::string, bool* given) override {
    numbers[name] = {value, given};
  }
  void flag(std::string, double*, std::string, bool*) override {}
  void flag(std::string, bool*, std::string) override {}
  void flag(std::string, std::vector<std::string>*, std::string) override {}
  void text(std::string, std::string*, std::string) override {}
  void also(const std::string&, const std::vector<std::string>&) override {}
  void other(const OtherFlag&) override {}
  void given(std::vector<std::string>*) override {}
  void config_file() override {}
  std::map<std::string, std::pair<int64_t*, bool*>> numbers;
};

void add_even_rule() {
  static const bool once = (register_op(even_op()), register_rule(even_rule()), true);
  EXPECT_TRUE(once);
}

TEST(SamplingRule, ItsNumberIsKnownToRequestsEndpointsAndCommands) {
  add_even_rule();
  SamplingParams params;
  kEven.set(params, 1);
  EXPECT_NO_THROW(validate(params, 100));
  kEven.set(params, 2);
  EXPECT_THROW(validate(params, 100), Error);

  const Schema schema = {"Probe", generation_fields(1)};
  EXPECT_NO_THROW(check_body(Json{{"probe_even", 1}}, schema));
  EXPECT_THROW(check_body(Json{{"probe_even", 2}}, schema), ApiError);

  SamplingFlags sampling;
  NamedFlags flags;
  sampling.declare(flags);
  const auto [value, given] = flags.numbers.at("probe-even");
  EXPECT_EQ(sampling.params({}).others.count("probe_even"), 0u);
  *value = 1;
  *given = true;
  EXPECT_NO_THROW(sampling.check());
  EXPECT_EQ(kEven.get(sampling.params({})), 1);
  EXPECT_EQ(sampling.openai_fields(), (Json{{"probe_even", 1}}));
  *value = 2;
  EXPECT_THROW(sampling.check(), UsageError);
}

TEST(SamplingRule, ChangesWhatIsDrawnForItsRows) {
  add_even_rule();
  EXPECT_THROW(register_rule(even_rule()), Error);  // the name is taken

  const auto device = make_cpu_device(1);
  Sampler sampler(*device, kVocab, {.max_tokens = 16, .max_rows = 8});
  std::vector<float> logits;
  for (int row = 0; row < 2; ++row) {
    for (int id = 0; id < kVocab; ++id) logits.push_back(id == 7 ? 9 : id == 4 ? 8 : 0.1f * id);
  }
  const TensorView view{DType::kFloat32, {2, kVocab}, reinterpret_cast<std::byte*>(logits.data())};
  SamplingParams even, plain;
  kEven.set(even, 1);
  const std::vector<TokenId> history = {1};
  const std::vector<SampleRow> rows = {{&even, 0, 1, history, 0}, {&plain, 0, 1, history, 1}};

  std::vector<Sampler::Drawn> drawn;
  sampler.run(view, rows, drawn);
  ASSERT_EQ(drawn.size(), 2u);
  EXPECT_EQ(drawn[0].token, 4);  // the best even id
  EXPECT_EQ(drawn[1].token, 7);  // the best id

  // At any temperature, many draws: never an odd id.
  even.temperature = 50;
  for (TokenId t = 0; t < 40; ++t) {
    const std::vector<TokenId> longer(static_cast<size_t>(t % 10 + 1), t % kVocab);
    sampler.run(view, std::vector<SampleRow>{{&even, t, 1, longer, 0}}, drawn);
    EXPECT_EQ(drawn[0].token % 2, 0);
  }

  // In the plan between penalties and temperature, and only where a row asks for it.
  even.repetition_penalty = 1.1;
  const std::string text = sampler.plan_text_for(rows);
  EXPECT_LT(text.find("logits_repetition_penalty("), text.find("probe_logits_even("));
  EXPECT_LT(text.find("probe_logits_even("), text.find("logits_temperature("));
  EXPECT_NE(text.find("logits_temperature("), std::string::npos);
  EXPECT_EQ(sampler.plan_text_for(std::span(rows).last(1)).find("probe_logits_even"),
            std::string::npos);
}

}  // namespace
}  // namespace ingot
