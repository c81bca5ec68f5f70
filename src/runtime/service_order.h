// Who is served before whom: by priority, within a priority by tenant, within a tenant by arrival
// and choice. The tenant that was served least comes first (a virtual token counter, after Sheng et
// al., "Fairness in Serving Large Language Models", OSDI 2024), so that a long queue of one delays
// another's request by no more than its share. Of one tenant alone the order is that of arrival.
// Engine thread alone; the same calls give the same order.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "runtime/request.h"

namespace ingot {

class ServiceOrder {
 public:
  // What a tenant is charged: a token that is drawn holds a row of a step, one of a prompt shares
  // a chunk's with many.
  static constexpr int64_t kPromptToken = 1, kOutputToken = 2;

  // False: all tenants count as one.
  explicit ServiceOrder(bool fair) : fair_(fair) {}

  // The first sequence of a request. A tenant that had nothing waiting goes on from where the
  // least served of those that wait stands: what it left unused earlier is no credit.
  void arrive(Sequence& s);
  // More sequences of a request. Each is in one of the three lists.
  void add_waiting(Sequence& s);
  void add_running(Sequence& s);
  void start(Sequence& s);    // from the waiting to the running
  void preempt(Sequence& s);  // and back
  void pause(Sequence& s);    // from either to those that nobody serves
  void resume(Sequence& s);   // from there to the waiting, as one that arrives
  void remove(const Sequence& s);
  // Of the sequence's tenant, in kPromptToken and kOutputToken. It is in one of the lists.
  void charge(const Sequence& s, int64_t units);

  size_t waiting() const { return waiting_; }
  size_t running() const { return running_; }
  size_t paused() const { return paused_; }
  bool is_running(const Sequence& s) const { return holds(s, &Line::running); }
  bool is_waiting(const Sequence& s) const { return holds(s, &Line::waiting); }
  bool is_paused(const Sequence& s) const { return holds(s, &Line::paused); }
  bool before(const Sequence& a, const Sequence& b) const { return place_of(a) < place_of(b); }

  // Null: there is none. Beams that wait for others of their request are passed over. Of tenants
  // that were served equally, the one that runs less comes first.
  Sequence* first_waiting() const;
  Sequence* last_running() const;
  // Whose place a sequence takes that waits while its tenant runs nothing: in its priority, of
  // tenants that were served no less and run more than `keeps`, the last of the one that runs most.
  // Null: there is none.
  Sequence* last_of_most(const Sequence& waiting, size_t keeps) const;
  // Any that waits or runs.
  Sequence* first() const;
  // In order. Valid until the next call.
  const std::vector<Sequence*>& running_in_order();

 private:
  struct Key {
    uint64_t arrival;
    int32_t choice;
    auto operator<=>(const Key&) const = default;
  };
  using List = std::map<Key, Sequence*>;
  struct Line {  // of one tenant in one priority
    List waiting, running, paused;
    int64_t served = 0;  // units
  };
  struct Priority {
    std::map<uint64_t, Line> lines;  // by tenant; one that has left keeps its count for a while
    int64_t sequences = 0;
    int64_t floor = 0;  // where newcomers stand when nobody waits
  };
  struct Place {
    int32_t priority;
    int64_t served;
    Key key;
    auto operator<=>(const Place&) const = default;
  };

  static Key key_of(const Sequence& s) { return {s.arrival, s.choice}; }
  uint64_t tenant_of(const Sequence& s) const { return fair_ ? s.request->tenant : 0; }
  Place place_of(const Sequence& s) const;
  const Line* find_line(const Sequence& s) const;
  Line& line_of(const Sequence& s);
  void catch_up(const Sequence& s);
  size_t& count_of(List Line::*list);
  bool holds(const Sequence& s, List Line::*list) const;
  void add(Sequence& s, List Line::*list);
  void take_out(const Sequence& s, List Line::*list);

  const bool fair_;
  std::map<int32_t, Priority> priorities_;  // those that have sequences
  size_t waiting_ = 0, running_ = 0, paused_ = 0;
  std::vector<Sequence*> in_order_;
};

}  // namespace ingot
