#include "runtime/session_memory.h"

#include "base/error.h"
#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace session_memory_test {

SessionOptions options(int64_t sequences, int64_t context) {
  SessionOptions out;
  out.reference = true;
  out.sequences = sequences;
  out.context = context;
  return out;
}

TEST(SessionMemory, IsWhatTheSessionTakes) {
  const auto engine = tiny_engine();
  const auto device = make_cpu_device(1);
  const SessionMemory memory = session_memory(*engine, options(3, 40), *device);
  EXPECT_EQ(memory.rows, 3);
  EXPECT_EQ(memory.context, 40);
  EXPECT_EQ(memory.weights, 2 * kTinyVocab * kTinyDim * 4);
  EXPECT_EQ(memory.weights_new, 0) << "the host reads them where they are";
  EXPECT_EQ(memory.kv_token, 2 * kTinyDim * 4);
  EXPECT_EQ(memory.kv_tokens, 3 * 64) << "whole pages";
  EXPECT_EQ(memory.kv, memory.kv_tokens * memory.kv_token);
  EXPECT_GT(memory.free, 0);
  EXPECT_EQ(memory.graphs, 0);
  TextSession session(engine, *device, options(3, 40));
  const Executor::MemoryUse use = session.executor().memory();
  EXPECT_EQ(memory.kv, use.states);
  EXPECT_GE(memory.activations, use.arena);
}

TEST(SessionMemory, RandomWeightsTakeMemoryAnywhere) {
  auto engine = std::make_shared<Engine>(*tiny_engine());
  engine->plan.tensors[0].random = RandomFill{1, 0.5f, 0};
  const auto device = make_cpu_device(1);
  const SessionMemory memory = session_memory(*engine, options(1, 40), *device);
  EXPECT_EQ(memory.weights_new, kTinyVocab * kTinyDim * 4);
}

TEST(SessionMemory, WhatDoesNotFitIsRefusedWithTheArithmetic) {
  SessionMemory memory;
  memory.device = "cuda";
  memory.weights_new = int64_t{10} << 30;
  memory.kv_token = 1 << 17;
  memory.kv_tokens = 1 << 15;
  memory.kv = memory.kv_token * memory.kv_tokens;
  memory.activations = int64_t{1} << 30;
  check_session_fits(memory);  // free memory is not known
  memory.free = int64_t{15} << 30;
  check_session_fits(memory);
  EXPECT_EQ(memory.room_for_kv(), int64_t{4} << 30);
  memory.free -= 1;
  expect_error([&] { check_session_fits(memory); }, ErrorCode::kOutOfMemory,
               {"cuda", "weights 10.00 GiB", "KV cache 4.00 GiB", "32768 tokens", "= 15.00 GiB",
                "but 15.00 GiB are free"});
  memory.free = int64_t{9} << 30;
  expect_error([&] { check_session_fits(memory); }, ErrorCode::kOutOfMemory,
               {"the weights alone do not fit", "9.00 GiB are free", "a smaller type"});
  EXPECT_THROW(check_session_fits(memory), WeightsTooLarge);  // no smaller session helps
  EXPECT_EQ(memory.room_for_kv(), 0);
}

}  // namespace session_memory_test
}  // namespace ingot
