#include <gtest/gtest.h>

#include <bit>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "comm/comm.h"

namespace ingot {
namespace {

constexpr size_t kElements = 1000;

// Runs one thread a rank and gives every rank's result.
std::vector<std::vector<float>> reduce(int ranks) {
  auto comms = make_in_process_comms(ranks);
  std::vector<std::vector<float>> data(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      std::vector<float>& mine = data[static_cast<size_t>(rank)];
      for (size_t i = 0; i < kElements; ++i) {
        // Magnitudes far apart, so that another order of addition gives other bits.
        mine.push_back(static_cast<float>(random_normal(static_cast<uint64_t>(rank), i) *
                                          std::pow(10.0, rank * 3 - 4)));
      }
      const TensorView view{DType::kFloat32,
                            {static_cast<int64_t>(kElements)},
                            reinterpret_cast<std::byte*>(mine.data())};
      Comm& comm = *comms[static_cast<size_t>(rank)];
      EXPECT_EQ(comm.rank(), rank);
      EXPECT_EQ(comm.size(), ranks);
      comm.all_reduce_sum(view);
      comm.barrier();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return data;
}

TEST(InProcessTest, SumsHaveTheSameBitsOnEveryRankAndRun) {
  for (int ranks : {1, 2, 3, 5}) {
    const auto first = reduce(ranks);
    for (const auto& other : first) EXPECT_EQ(other, first[0]) << ranks;
    for (int run = 0; run < 5; ++run) EXPECT_EQ(reduce(ranks), first) << ranks;
  }
}

TEST(InProcessTest, SumsAreRight) {
  auto comms = make_in_process_comms(2);
  std::vector<float> a = {1, 2, 3}, b = {10, 20, 30};
  std::thread other([&] {
    comms[1]->all_reduce_sum({DType::kFloat32, {3}, reinterpret_cast<std::byte*>(b.data())});
  });
  comms[0]->all_reduce_sum({DType::kFloat32, {3}, reinterpret_cast<std::byte*>(a.data())});
  other.join();
  EXPECT_EQ(a, (std::vector<float>{11, 22, 33}));
  EXPECT_EQ(b, a);
}

TEST(InProcessTest, SixteenBitSumsAreMadeInFloat32) {
  auto comms = make_in_process_comms(3);
  std::vector<std::vector<uint16_t>> data(3);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < 3; ++rank) {
    // 256 + 1 + 1: rounding after each step would lose both ones.
    data[rank] = {f32_to_bf16(rank == 0 ? 256.f : 1.f)};
    threads.emplace_back([&, rank] {
      comms[rank]->all_reduce_sum(
          {DType::kBFloat16, {1}, reinterpret_cast<std::byte*>(data[rank].data())});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& values : data) EXPECT_EQ(bf16_to_f32(values[0]), 258.f);
}

TEST(InProcessTest, ARankThatLeavesFreesTheOthers) {
  auto comms = make_in_process_comms(3);
  int cancelled = 0;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        comms[rank]->barrier();
      } catch (const Error& error) {
        std::lock_guard lock(mutex);
        cancelled += error.code() == ErrorCode::kCancelled;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  comms[2].reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cancelled, 2);
  EXPECT_THROW(comms[0]->barrier(), Error) << "later calls fail at once";
}

}  // namespace
}  // namespace ingot
