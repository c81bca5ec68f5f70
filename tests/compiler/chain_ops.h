// Operators of tests, after a layer's: o, norm, up, act one behind the other. Fused ones overlap:
// A runs [chain_a, chain_norm] for o and norm, G [chain_g] for up and act, AG [chain_a, chain_ag]
// for all four. What a kernel takes is the test's, also by which kernel ran before it.
#pragma once

#include "ops/contract/fusion.h"
#include "tests/compiler/virtual_time.h"
#include "tests/engine/small_engine.h"

namespace ingot {

enum ChainOp { kO, kNorm, kUp, kAct, kA, kG, kAG, kChainOps };
inline constexpr std::string_view kChainNames[] = {"chain_o", "chain_norm", "chain_up", "chain_act",
                                                   "chain_a", "chain_g",    "chain_ag"};

struct ChainRun {
  std::string op;    // its kernel, of the same name
  float weight = 0;  // its first number
};
struct ChainWorld {
  int asked = 0;  // kernels whether they support a descriptor
  std::map<std::string, double> microseconds;
  std::map<std::pair<std::string, std::string>, double> behind;  // more, by (before, op)
  std::pair<std::string, std::string> throws;                    // (before, op); "" any
  bool steady = false;                                           // the second kernels may run
  bool fell = false;                                             // it threw
  std::vector<ChainRun> ran;
};
inline ChainWorld& chain_world() {
  static ChainWorld world;
  return world;
}

template <int op>
void chain_compute(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  const float w = inputs.size() > 1 ? inputs[1].as<float>()[0] : 0;
  for (int64_t i = 0; i < outputs[0].elements(); ++i) {
    float v = inputs[0].as<float>()[i];
    if (op == kNorm || op == kAG) v += 1;
    if (op == kO || op == kA || op == kUp || op == kG || op == kAG) v += w;
    if (op == kAct || op == kG || op == kAG) v *= 2;
    outputs[0].as<float>()[i] = v;
  }
}

// The steps that end at `last`, each the only reader of the one before; none if they are others.
inline std::vector<size_t> chain_steps(const StepSource& steps, size_t last,
                                       std::vector<std::string_view> ops) {
  std::vector<size_t> out = {last};
  for (size_t i = ops.size(); i-- > 0;) {
    const StepSource::Step step = steps.step(out.front());
    if (step.op != ops[i]) return {};
    if (i == 0) return out;
    const auto before = steps.producer(step.inputs[0]);
    if (!before || steps.readers(step.inputs[0]) != 1) return {};
    out.insert(out.begin(), *before);
  }
  return {};
}

template <int op>
std::optional<FusionMatch> chain_match(const StepSource& steps, size_t last) {
  std::vector<std::string_view> ops = {"chain_o", "chain_norm", "chain_up", "chain_act"};
  if (op == kA) ops.resize(2);
  if (op == kG) ops.erase(ops.begin(), ops.begin() + 2);
  const std::vector<size_t> found = chain_steps(steps, last, ops);
  if (found.empty()) return {};
  const StepSource::Step first = steps.step(found[0]);
  const int in = first.inputs[0], w = first.inputs[1], out = steps.step(last).outputs[0];
  const int after = first.outputs[0];
  if (op == kG) return FusionMatch{{{"chain_g", {}, {in, w}, {out}}}, found};
  FusionMatch match{{{"chain_a", {}, {in, w}, {after}}}, found};
  if (op == kA) {
    match.steps.push_back({"chain_norm", {}, {after}, {out}});
  } else {
    match.steps.push_back({"chain_ag", {}, {after, steps.step(found[2]).inputs[1]}, {out}});
  }
  return match;
}

// The second kernels, of the names ..._steady, are invariant.
template <int op, bool steady>
const KernelDef& chain_kernel() {
  static const std::string name = std::string(kChainNames[op]) + (steady ? "_steady" : "");
  static const KernelDef kernel = {
      .name = name,
      .op = kChainNames[op],
      .device = "cpu",
      .invariant = steady,
      .supports = [](const KernelDesc&) -> std::string {
        ++chain_world().asked;
        return steady && !chain_world().steady ? "not in this test" : "";
      },
      .prepare =
          [](const KernelDesc&, std::string_view) {
            return make_instance([](const LaunchArgs& args, ExecContext&) {
              ChainWorld& world = chain_world();
              const std::string before = world.ran.empty() ? "" : world.ran.back().op;
              const float w = args.inputs.size() > 1 ? args.inputs[1].as<float>()[0] : 0;
              world.ran.push_back({name, w});
              if (world.throws.second == name &&
                  (world.throws.first.empty() || world.throws.first == before)) {
                world.fell = true;
                fail(ErrorCode::kInternal, "test", "chain kernel fell over");
              }
              VirtualTimeCpu::spend(world.microseconds[name]);
              const auto more = world.behind.find({before, name});
              if (more != world.behind.end()) VirtualTimeCpu::spend(more->second);
              chain_compute<op>(args.inputs, args.outputs);
            });
          }};
  return kernel;
}

template <int op>
void register_chain_op() {
  static const OpDef def = {
      .name = kChainNames[op],
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .reference = [](const OpArgs& args) { chain_compute<op>(args.inputs, args.outputs); },
      .match = op >= kA ? chain_match<op> : nullptr};
  register_op(def);
  register_kernel(chain_kernel<op, false>());
  register_kernel(chain_kernel<op, true>());
}

// Once a process.
inline void register_chain_ops() {
  register_chain_op<kO>();
  register_chain_op<kNorm>();
  register_chain_op<kUp>();
  register_chain_op<kAct>();
  register_chain_op<kA>();
  register_chain_op<kG>();
  register_chain_op<kAG>();
}

// Layers of the four steps with weights of their own; `tails` more pairs of o and norm behind them.
inline std::shared_ptr<Engine> chain_engine(int layers, int tails = 0, const Dim& rows = 2) {
  EngineMaker maker;
  int x = maker.input("x", DType::kFloat32, {rows, 4});
  for (int i = 0; i < layers + tails; ++i) {
    x = maker.step("chain_o", {}, {x, maker.weight("o" + std::to_string(i), {4})})[0];
    x = maker.step("chain_norm", {}, {x})[0];
    if (i >= layers) continue;
    x = maker.step("chain_up", {}, {x, maker.weight("up" + std::to_string(i), {4})})[0];
    x = maker.step("chain_act", {}, {x})[0];
  }
  maker.output(x, "y");
  return maker.finish({});
}

}  // namespace ingot
