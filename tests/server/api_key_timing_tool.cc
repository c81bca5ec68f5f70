// api_key_timing_tool [--calls N] [--seed S]: whether the time of a comparison of keys tells
// something of the keys (figure C8 of tests/server/reliability.py, which judges it).
// Each case has two classes of calls that must take equal time, in random order. It is measured for
// the server's ApiKeys and, as a control, for a comparison that ends as early as it can: there the
// classes differ, or the measurement sees nothing. Prints one JSON object.
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>

#include "base/json.h"
#include "server/api_keys.h"
#include "welch.h"

namespace ingot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostLetters = 128;
constexpr double kKept[] = {1.0, 0.99, 0.9, 0.5};

struct Text {
  size_t size = 0;
  std::array<char, kMostLetters> letters{};
  std::string_view view() const { return {letters.data(), size}; }
};

Text text_of(const std::string& letters) {
  Text out{.size = letters.size()};
  std::copy(letters.begin(), letters.end(), out.letters.begin());
  return out;
}

// What ApiKeys must not be like: looks at lengths first, then letter by letter, key by key.
class EarlyExit {
 public:
  explicit EarlyExit(const std::vector<std::string>& keys) : count_(keys.size()) {
    for (size_t i = 0; i < count_; ++i) keys_.at(i) = text_of(keys[i]);
  }
  std::optional<Hash128> tenant_of(std::string_view shown) const {
    for (size_t i = 0; i < count_; ++i) {
      if (equal(keys_[i].view(), shown)) return Hash128{1, 1};
    }
    return std::nullopt;
  }

 private:
  static bool equal(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  size_t count_;
  std::array<Text, ApiKeys::kRound> keys_;
};

// Keys of the server and the key that a caller shows, of each class.
struct Case {
  std::string name, says;
  std::array<std::vector<std::string>, 2> keys;
  std::array<std::string, 2> shown;
  std::array<bool, 2> known;
};

std::vector<Case> cases_of(std::mt19937_64& random) {
  constexpr size_t kLetters = 51;  // as "sk-" and 48 more
  const auto key = [&] {
    std::string out = "sk-";
    while (out.size() < kLetters) out += static_cast<char>('a' + random() % 26);
    return out;
  };
  const auto several = [&](size_t count) {
    std::vector<std::string> out;
    while (out.size() < count) out.push_back(key());
    return out;
  };
  const auto wrong_at = [](std::string text, size_t at) {
    text[at] = '#';
    return text;
  };
  const std::string own = key();
  const std::vector<std::string> list = several(ApiKeys::kRound);
  const std::string other = wrong_at(list[0], kLetters - 1);
  return {
      {"prefix",
       "all letters but the last are right, or the first is wrong",
       {{{own}, {own}}},
       {wrong_at(own, kLetters - 1), wrong_at(own, 0)},
       {false, false}},
      {"length",
       "the key is as long as what is shown, or longer",
       {{{own}, {own + key()}}},
       {wrong_at(own, kLetters - 1), wrong_at(own, kLetters - 1)},
       {false, false}},
      {"count",
       "there is one key, or there are as many as in one round",
       {{{list[0]}, list}},
       {other, other},
       {false, false}},
      {"place",
       "the first key of many is shown, or the last",
       {{list, list}},
       {list.front(), list.back()},
       {true, true}},
  };
}

// `calls` of them, after as many as warm caches and clock.
template <typename Keys>
std::vector<TimedCall> measure(const Case& one, int64_t calls, std::mt19937_64& random) {
  const std::array<Keys, 2> keys = {Keys(one.keys[0]), Keys(one.keys[1])};
  const std::array<Text, 2> shown = {text_of(one.shown[0]), text_of(one.shown[1])};
  // Both classes are copied to one place before the clock starts, so that no address tells them.
  Keys here(one.keys[1]);
  Text text;
  std::vector<TimedCall> out;
  out.reserve(static_cast<size_t>(calls));
  const int64_t warm_up = calls / 20 + 100;
  for (int64_t i = -warm_up; i < calls; ++i) {
    const auto of = static_cast<uint8_t>(random() >> 63);
    here = keys[of];
    text = shown[of];
    const auto begin = Clock::now();
    const bool known = here.tenant_of(text.view()).has_value();
    const auto end = Clock::now();
    if (known != one.known[of]) throw std::runtime_error(one.name + ": a wrong answer");
    const std::chrono::nanoseconds took = end - begin;
    if (i >= 0)
      out.push_back({static_cast<uint32_t>(std::min<int64_t>(took.count(), 1u << 31)), of});
  }
  return out;
}

Json report(const std::vector<TimedCall>& calls) {
  Json crops = Json::array();
  double worst = 0;
  for (const WelchCrop& crop : welch_crops(calls, kKept)) {
    crops.push_back({{"kept", crop.kept},
                     {"most_ns", crop.most_ns},
                     {"calls", {crop.classes[0].count, crop.classes[1].count}},
                     {"mean_ns", {crop.classes[0].mean, crop.classes[1].mean}},
                     {"t", crop.t}});
    if (std::isnan(crop.t) || std::abs(crop.t) > std::abs(worst)) worst = crop.t;
    if (std::isnan(worst)) break;  // too few calls
  }
  return {{"worst_t", worst}, {"crops", crops}};
}

// The CPU that all calls run on; -1: the system does not let us choose.
int pin() {
  const int cpu = sched_getcpu();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(std::max(cpu, 0)), &set);
  return cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) == 0 ? cpu : -1;
}

int64_t number(int argc, char** argv, const char* name, int64_t otherwise) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], name) == 0) return std::stoll(argv[i + 1]);
  }
  return otherwise;
}

int run(int argc, char** argv) {
  const int64_t calls = number(argc, argv, "--calls", 1'000'000);
  const int64_t seed = number(argc, argv, "--seed", 1);
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  Json out = {{"calls", calls}, {"seed", seed}, {"cpu", pin()}, {"cases", Json::array()}};
  for (const Case& one : cases_of(random)) {
    out["cases"].push_back({{"name", one.name},
                            {"classes", one.says},
                            {"ours", report(measure<ApiKeys>(one, calls, random))},
                            {"early_exit", report(measure<EarlyExit>(one, calls, random))}});
  }
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
