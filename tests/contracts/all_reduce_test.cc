// Probe: a collective. An all-reduce op and its kernel on ExecContext.comm; two executors in two
// threads run a tensor-parallel pair of linear layers over shards of the same weights.
#include <gtest/gtest.h>

#include <exception>
#include <thread>

#include "base/random.h"
#include "comm/comm.h"
#include "compiler/compile.h"
#include "engine/executor.h"

namespace ingot {
namespace {

const OpDef& all_reduce_op() {
  static const OpDef op = {
      .name = "probe_all_reduce",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .effects = {.collective = true},
      // Alone in the world, the sum over ranks is the input.
      .reference =
          [](const OpArgs& args) {
            std::copy_n(args.inputs[0].data, args.inputs[0].bytes(), args.outputs[0].data);
          }};
  return op;
}

const KernelDef& all_reduce_kernel() {
  static const KernelDef kernel = {
      .name = "probe_all_reduce_comm",
      .op = "probe_all_reduce",
      .device = "cpu",
      .capturable = false,
      .prepare = [](const KernelDesc&, std::string_view) {
        return make_instance([](const LaunchArgs& args, ExecContext& context) {
          std::copy_n(args.inputs[0].data, args.inputs[0].bytes(), args.outputs[0].data);
          if (context.comm) context.comm->all_reduce_sum(args.outputs[0]);
        });
      }};
  return kernel;
}

constexpr int64_t kIn = 24, kHidden = 32, kOut = 12, kTokens = 3;

std::vector<float> values(int64_t count, uint64_t seed) {
  std::vector<float> out;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i) {
    out.push_back(static_cast<float>(2 * random_unit(seed, i) - 1));
  }
  return out;
}

// y = all_reduce(linear(linear(x, up), down)): `up` is cut by rows, in place, as a view of the
// canonical bytes; `down` by columns, which a rank copies for itself.
std::shared_ptr<Engine> build(const std::vector<float>& up, const std::vector<float>& down,
                              int64_t rank, int64_t ranks) {
  const int64_t hidden = kHidden / ranks;
  auto rows = std::make_shared<TensorData>();
  rows->name = "up";
  rows->type = DType::kFloat32;
  rows->shape = {hidden, kIn};
  rows->bytes = std::as_bytes(
      std::span(up).subspan(static_cast<size_t>(rank * hidden * kIn), size_t(hidden * kIn)));
  std::vector<float> columns;
  for (int64_t n = 0; n < kOut; ++n) {
    const auto from = down.begin() + n * kHidden + rank * hidden;
    columns.insert(columns.end(), from, from + hidden);
  }
  Graph graph;
  const int x = graph.add_input("x", {DType::kFloat32, {Dim::symbol("tokens"), kIn}});
  const int h = graph.emit("linear", {}, {x, graph.add_weight("up", {{rows}, 0})});
  const int w =
      graph.add_constant(DType::kFloat32, {kOut, hidden}, std::as_bytes(std::span(columns)));
  const int partial = graph.emit("linear", {}, {h, w});
  const int y = graph.emit("probe_all_reduce", {}, {partial});
  graph.emit("probe_all_reduce", {}, {partial});  // equal and unread: still a meeting of ranks
  graph.add_output(y);
  graph.rename(y, "y");
  graph.limits()["tokens"] = kTokens;
  return compile(graph, {.passes = {.verify = true}});
}

std::vector<float> run(std::shared_ptr<const Engine> engine, Comm* comm) {
  const auto device = make_cpu_device(1);
  Executor executor(std::move(engine), *device, {.comm = comm});
  std::vector<float> x = values(kTokens * kIn, 3);
  executor.set_input("x",
                     {DType::kFloat32, {kTokens, kIn}, reinterpret_cast<std::byte*>(x.data())});
  std::vector<float> out(kTokens * kOut);
  for (int repeat = 0; repeat < 3; ++repeat) {
    executor.run();
    const auto* y = executor.output("y").as<float>();
    out.assign(y, y + kTokens * kOut);
  }
  return out;
}

TEST(AllReduce, TwoRanksEqualOne) {
  register_op(all_reduce_op());
  register_kernel(all_reduce_kernel());
  const std::vector<float> up = values(kHidden * kIn, 1), down = values(kOut * kHidden, 2);
  const std::vector<float> whole = run(build(up, down, 0, 1), nullptr);

  auto comms = make_in_process_comms(2);
  std::vector<std::vector<float>> found(2);
  std::vector<std::thread> ranks;
  std::exception_ptr failures[2];
  for (size_t rank = 0; rank < 2; ++rank) {
    const auto engine = build(up, down, static_cast<int64_t>(rank), 2);
    int meetings = 0;
    for (const PlanStep& step : engine->plan.steps) meetings += step.op == "probe_all_reduce";
    EXPECT_EQ(meetings, 2);  // neither dropped nor merged
    EXPECT_EQ(engine->tensors[0].data(),
              std::as_bytes(std::span(up)).data() + rank * up.size() * sizeof(float) / 2);
    ranks.emplace_back([&, rank, engine] {
      try {
        found[rank] = run(engine, comms[rank].get());
      } catch (...) {
        failures[rank] = std::current_exception();
        comms[rank].reset();  // the other rank must not wait for ever
      }
    });
  }
  for (std::thread& thread : ranks) thread.join();
  for (const std::exception_ptr& failure : failures) ASSERT_EQ(failure, nullptr);
  EXPECT_EQ(found[0], found[1]);  // the same bits on every rank
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(found[0][i], whole[i], 1e-5) << i;
  // A rank alone has half of the sum: the meeting did something.
  const std::vector<float> half = run(build(up, down, 0, 2), nullptr);
  EXPECT_GT(std::abs(half[0] - whole[0]), 1e-3);
}

}  // namespace
}  // namespace ingot
