#include "runtime/service_order.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/check.h"

namespace ingot {
namespace {

// Tenants without sequences whose count is kept; one more that leaves is forgotten.
constexpr size_t kMostIdle = 1024;

}  // namespace

const ServiceOrder::Line* ServiceOrder::find_line(const Sequence& s) const {
  const auto priority = priorities_.find(s.request->priority);
  if (priority == priorities_.end()) return nullptr;
  const auto line = priority->second.lines.find(tenant_of(s));
  return line == priority->second.lines.end() ? nullptr : &line->second;
}

ServiceOrder::Line& ServiceOrder::line_of(const Sequence& s) {
  return priorities_[s.request->priority].lines[tenant_of(s)];
}

ServiceOrder::Place ServiceOrder::place_of(const Sequence& s) const {
  const Line* line = find_line(s);
  return {s.request->priority, line == nullptr ? 0 : line->served, key_of(s)};
}

bool ServiceOrder::holds(const Sequence& s, List Line::*list) const {
  const Line* line = find_line(s);
  if (line == nullptr) return false;
  const auto at = (line->*list).find(key_of(s));
  return at != (line->*list).end() && at->second == &s;
}

void ServiceOrder::add(Sequence& s, List Line::*list) {
  CHECK((line_of(s).*list).emplace(key_of(s), &s).second);
  ++priorities_.at(s.request->priority).sequences;
}

void ServiceOrder::take_out(const Sequence& s, List Line::*list) {
  const auto at = priorities_.find(s.request->priority);
  CHECK(at != priorities_.end());
  Priority& priority = at->second;
  Line& line = priority.lines.at(tenant_of(s));
  CHECK_EQ((line.*list).erase(key_of(s)), 1u);
  if (list == &Line::waiting && line.waiting.empty()) {
    priority.floor = std::max(priority.floor, line.served);
  }
  // Nobody of this priority is left to be fair to.
  if (--priority.sequences == 0) {
    priorities_.erase(at);
  } else if (line.waiting.empty() && line.running.empty() && line.paused.empty() &&
             priority.lines.size() > kMostIdle) {
    priority.lines.erase(tenant_of(s));
  }
}

void ServiceOrder::add_waiting(Sequence& s) {
  add(s, &Line::waiting);
  ++waiting_;
}

void ServiceOrder::add_running(Sequence& s) {
  add(s, &Line::running);
  ++running_;
}

// In before out: a priority without sequences forgets what its tenants were served.
void ServiceOrder::start(Sequence& s) {
  add_running(s);
  take_out(s, &Line::waiting);
  --waiting_;
}

void ServiceOrder::preempt(Sequence& s) {
  add_waiting(s);
  take_out(s, &Line::running);
  --running_;
}

size_t& ServiceOrder::count_of(List Line::*list) {
  return list == &Line::running ? running_ : list == &Line::waiting ? waiting_ : paused_;
}

void ServiceOrder::remove(const Sequence& s) {
  List Line::*const list = is_running(s)  ? &Line::running
                           : is_paused(s) ? &Line::paused
                                          : &Line::waiting;
  take_out(s, list);
  --count_of(list);
}

void ServiceOrder::pause(Sequence& s) {
  List Line::*const list = is_running(s) ? &Line::running : &Line::waiting;
  add(s, &Line::paused);
  ++paused_;
  take_out(s, list);
  --count_of(list);
}

void ServiceOrder::resume(Sequence& s) {
  catch_up(s);
  add_waiting(s);
  take_out(s, &Line::paused);
  --paused_;
}

void ServiceOrder::arrive(Sequence& s) {
  catch_up(s);
  add_waiting(s);
}

// Of its tenant, if nothing of that waits.
void ServiceOrder::catch_up(const Sequence& s) {
  Line& line = line_of(s);
  if (line.waiting.empty()) {
    const Priority& priority = priorities_.at(s.request->priority);
    std::optional<int64_t> least;
    for (const auto& [tenant, other] : priority.lines) {
      if (other.waiting.empty()) continue;
      least = std::min(least.value_or(other.served), other.served);
    }
    line.served = std::max(line.served, least.value_or(priority.floor));
  }
}

void ServiceOrder::charge(const Sequence& s, int64_t units) {
  priorities_.at(s.request->priority).lines.at(tenant_of(s)).served += units;
}

Sequence* ServiceOrder::first_waiting() const {
  for (const auto& [number, priority] : priorities_) {
    Sequence* best = nullptr;
    std::tuple<int64_t, size_t, Key> place;
    for (const auto& [tenant, line] : priority.lines) {
      const auto at = std::find_if(line.waiting.begin(), line.waiting.end(),
                                   [](const auto& one) { return !one.second->beam_ready; });
      if (at == line.waiting.end()) continue;
      const std::tuple own(line.served, line.running.size(), at->first);
      if (best != nullptr && place <= own) continue;
      best = at->second;
      place = own;
    }
    if (best != nullptr) return best;
  }
  return nullptr;
}

Sequence* ServiceOrder::last_running() const {
  for (auto it = priorities_.rbegin(); it != priorities_.rend(); ++it) {
    Sequence* last = nullptr;
    int64_t served = 0;
    for (const auto& [tenant, line] : it->second.lines) {
      if (line.running.empty()) continue;
      const auto& [key, s] = *line.running.rbegin();
      if (last == nullptr || line.served > served ||
          (line.served == served && key > key_of(*last))) {
        last = s;
        served = line.served;
      }
    }
    if (last != nullptr) return last;
  }
  return nullptr;
}

Sequence* ServiceOrder::last_of_most(const Sequence& waiting, size_t keeps) const {
  const Line* own = find_line(waiting);
  if (own == nullptr || !own->running.empty()) return nullptr;
  const List* most = nullptr;
  for (const auto& [tenant, line] : priorities_.at(waiting.request->priority).lines) {
    // One that was served less would be first in line again, and take its place back.
    if (line.running.size() <= keeps || line.served < own->served) continue;
    if (most == nullptr || line.running.size() > most->size()) most = &line.running;
  }
  return most == nullptr ? nullptr : most->rbegin()->second;
}

Sequence* ServiceOrder::first() const {
  Sequence* out = nullptr;
  for (const auto& [number, priority] : priorities_) {
    for (const auto& [tenant, line] : priority.lines) {
      for (const List* list : {&line.waiting, &line.running}) {
        if (list->empty()) continue;
        Sequence* s = list->begin()->second;
        if (out == nullptr || before(*s, *out)) out = s;
      }
    }
    if (out != nullptr) break;
  }
  return out;
}

const std::vector<Sequence*>& ServiceOrder::running_in_order() {
  in_order_.clear();
  for (const auto& [number, priority] : priorities_) {
    struct Ranked {
      int64_t served;
      Key key;
      Sequence* sequence;
    };
    std::vector<Ranked> ranked;
    const bool alone = priority.lines.size() == 1;
    for (const auto& [tenant, line] : priority.lines) {
      for (const auto& [key, s] : line.running) {
        if (alone) {
          in_order_.push_back(s);
        } else {
          ranked.push_back({line.served, key, s});
        }
      }
    }
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
      return a.served != b.served ? a.served < b.served : a.key < b.key;
    });
    for (const Ranked& one : ranked) in_order_.push_back(one.sequence);
  }
  return in_order_;
}

}  // namespace ingot
