#include "runtime/service_order.h"

#include <gtest/gtest.h>

#include <deque>

namespace ingot {
namespace {

constexpr int64_t kPrompt = ServiceOrder::kPromptToken;

class Sequences {
 public:
  Sequence& make(uint64_t tenant, int32_t priority = 0) {
    auto request = std::make_shared<Request>();
    request->tenant = tenant;
    request->priority = priority;
    Sequence& s = all_.emplace_back();
    s.request = request;
    s.arrival = all_.size();
    return s;
  }

 private:
  std::deque<Sequence> all_;
};

// Starts, charges and ends the first that waits; which tenant's it was.
uint64_t serve(ServiceOrder& order, int64_t units) {
  Sequence* s = order.first_waiting();
  if (s == nullptr) return 0;
  order.start(*s);
  order.charge(*s, units);
  order.remove(*s);
  return s->request->tenant;
}

TEST(ServiceOrder, OneTenantIsServedByPriorityAndArrival) {
  for (const bool fair : {true, false}) {
    ServiceOrder order(fair);
    Sequences make;
    Sequence &late = make.make(7, 1), &first = make.make(7), &second = make.make(7);
    for (Sequence* s : {&late, &second, &first}) order.arrive(*s);
    for (Sequence* s : {&first, &second, &late}) {
      EXPECT_EQ(order.first_waiting(), s);
      order.start(*s);
      order.charge(*s, 1000);
    }
    EXPECT_EQ(order.running_in_order(), (std::vector<Sequence*>{&first, &second, &late}));
    EXPECT_EQ(order.last_running(), &late);
    EXPECT_EQ(order.first(), &first);
    EXPECT_EQ(order.first_waiting(), nullptr);
    EXPECT_EQ(order.running(), 3u);
    order.preempt(first);
    EXPECT_TRUE(order.is_waiting(first) && !order.is_running(first));
    EXPECT_EQ(order.first_waiting(), &first);
    EXPECT_EQ(order.waiting(), 1u);
  }
}

TEST(ServiceOrder, AThousandOfOneDoNotDelayAFewOfAnother) {
  ServiceOrder order(true);
  Sequences make;
  for (int i = 0; i < 1000; ++i) order.arrive(make.make(1));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(serve(order, 10), 1u);
  for (int i = 0; i < 5; ++i) order.arrive(make.make(2));
  int of_two = 0, steps = 0;
  for (; of_two < 5 && steps < 1000; ++steps) of_two += serve(order, 10) == 2;
  EXPECT_LE(steps, 11);
}

TEST(ServiceOrder, ThoseAheadWaitAndAreTheFirstToBePreempted) {
  ServiceOrder order(true);
  Sequences make;
  Sequence &a = make.make(1), &b = make.make(1), &x = make.make(2);
  for (Sequence* s : {&a, &b, &x}) order.arrive(*s);
  order.start(a);
  order.charge(a, 5 * kPrompt);
  EXPECT_EQ(order.first_waiting(), &x);
  order.start(x);
  order.start(b);
  EXPECT_EQ(order.running_in_order(), (std::vector<Sequence*>{&x, &a, &b}));
  EXPECT_EQ(order.last_running(), &b);
  order.charge(x, 6 * kPrompt);
  EXPECT_EQ(order.last_running(), &x);
  EXPECT_TRUE(order.before(b, x) && order.before(a, b) && !order.before(x, a));
}

TEST(ServiceOrder, WhatWasLeftUnusedIsNoCredit) {
  ServiceOrder order(true);
  Sequences make;
  for (int i = 0; i < 4; ++i) order.arrive(make.make(1));
  Sequence& keeps = make.make(3);  // holds the count of the priority while others come and go
  order.arrive(keeps);
  order.start(keeps);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(serve(order, 100), 1u);
  for (int i = 0; i < 3; ++i) order.arrive(make.make(2));
  // Both stand at the same count, and tenant 1's came earlier.
  EXPECT_EQ(serve(order, 100), 1u);
  EXPECT_EQ(serve(order, 100), 2u);
  EXPECT_EQ(serve(order, 100), 1u);
  EXPECT_EQ(serve(order, 100), 2u);
  EXPECT_EQ(serve(order, 100), 2u);
  // Nobody waits now: a newcomer stands where the last one stood, not at nothing.
  Sequence& again = make.make(1);
  order.arrive(again);
  order.arrive(make.make(4));
  EXPECT_EQ(order.first_waiting(), &again);
}

TEST(ServiceOrder, ATenantOwesWhatItWasServed) {
  ServiceOrder order(true);
  Sequences make;
  Sequence& a = make.make(1);
  for (int i = 0; i < 2; ++i) order.arrive(make.make(2));
  order.arrive(a);
  order.start(a);
  order.charge(a, 50);
  order.remove(a);
  order.arrive(make.make(1));  // it left and came back at once
  EXPECT_EQ(serve(order, 49), 2u);
  EXPECT_EQ(serve(order, 49), 2u);
  EXPECT_EQ(serve(order, 49), 1u);
}

TEST(ServiceOrder, APlaceIsTakenFromWhoRunsMostAndWasServedNoLess) {
  ServiceOrder order(true);
  Sequences make;
  Sequence &a = make.make(1), &b = make.make(1), &x = make.make(2), &y = make.make(2);
  for (Sequence* s : {&a, &b}) {
    order.arrive(*s);
    order.start(*s);
  }
  order.arrive(x);
  EXPECT_EQ(order.last_of_most(x, 1), &b);
  EXPECT_EQ(order.last_of_most(x, 2), nullptr);  // it keeps so many
  order.charge(x, 1);
  EXPECT_EQ(order.last_of_most(x, 1), nullptr);  // or b would be first in line again
  order.charge(a, 1);
  EXPECT_EQ(order.last_of_most(x, 1), &b);
  order.start(x);
  order.arrive(y);
  EXPECT_EQ(order.last_of_most(y, 1), nullptr);  // x of its tenant runs
}

TEST(ServiceOrder, BeamsThatWaitForOthersArePassedOver) {
  ServiceOrder order(true);
  Sequences make;
  Sequence &beam = make.make(1), &x = make.make(2);
  beam.beam_ready = true;
  order.arrive(beam);
  EXPECT_EQ(order.first_waiting(), nullptr);
  EXPECT_EQ(order.first(), &beam);
  order.arrive(x);
  EXPECT_EQ(order.first_waiting(), &x);
}

TEST(ServiceOrder, ManyTenantsThatComeAndGoAreForgotten) {
  ServiceOrder order(true);
  Sequences make;
  Sequence& stays = make.make(0);
  order.arrive(stays);
  for (uint64_t tenant = 1; tenant < 5000; ++tenant) {
    Sequence& s = make.make(tenant);
    order.arrive(s);
    order.start(s);
    order.charge(s, 1);
    order.remove(s);
  }
  EXPECT_EQ(order.first_waiting(), &stays);
  EXPECT_EQ(order.waiting() + order.running(), 1u);
}

}  // namespace
}  // namespace ingot
