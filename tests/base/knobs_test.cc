#include "base/knobs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

// Starts and ends with the defaults.
class KnobsTest : public testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : {"INGOT_THREADS", "INGOT_OVERLAP", "INGOT_LOG"}) ::unsetenv(name);
  }
};

TEST_F(KnobsTest, EnvironmentBeatsTheDefault) {
  EXPECT_EQ(knob_int("threads"), 0);
  ::setenv("INGOT_THREADS", "3", 1);
  EXPECT_EQ(knob_int("threads"), 3);
  set_knob("threads", "5");
  EXPECT_EQ(knob_int("threads"), 5);
  EXPECT_EQ(knob_text("threads"), "5");
}

TEST_F(KnobsTest, BadValuesNameTheVariable) {
  for (const char* bad : {"", "x", "3x", " 3", "99999999999999999999", "0x3", "-1", "1025"}) {
    ::setenv("INGOT_THREADS", bad, 1);
    try {
      knob_int("threads");
      ADD_FAILURE() << "accepted '" << bad << "'";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      const std::string expected =
          fmt::format("INGOT_THREADS: expected 0 to 1024, found '{}'", bad);
      EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
    }
  }
}

TEST_F(KnobsTest, Booleans) {
  for (const char* yes : {"1", "true", "on", "yes"}) {
    set_knob("overlap", yes);
    EXPECT_TRUE(knob_bool("overlap")) << yes;
  }
  for (const char* no : {"0", "false", "off", "no", ""}) {
    set_knob("overlap", no);
    EXPECT_FALSE(knob_bool("overlap")) << no;
  }
  set_knob("overlap", "maybe");
  EXPECT_THROW(knob_bool("overlap"), Error);
}

std::string message_of(const Knob& knob, std::string_view source, std::string_view value) {
  try {
    check_knob(knob, source, value);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    return e.what();
  }
  return "";
}

// A flag that mirrors a knob and the environment variable differ in nothing but their names.
TEST_F(KnobsTest, OneMessageWhereverTheValueComesFrom) {
  const Knob& threads = find_knob("threads");
  const std::string flag = message_of(threads, "--threads", "1025");
  EXPECT_NE(flag.find("--threads: expected 0 to 1024, found '1025'"), std::string::npos) << flag;
  ::setenv("INGOT_THREADS", "1025", 1);
  try {
    check_knobs();
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    std::string variable = e.what();
    const size_t at = variable.find("INGOT_THREADS");
    ASSERT_NE(at, std::string::npos) << variable;
    EXPECT_EQ(variable.replace(at, 13, "--threads"), flag);
  }
  ::unsetenv("INGOT_THREADS");
  check_knobs();
  for (const char* good : {"0", "1", "1024"}) EXPECT_EQ(message_of(threads, "", good), "");
}

TEST_F(KnobsTest, Choices) {
  for (const char* good : {"trace", "warn", "off"}) {
    set_knob("log", good);
    EXPECT_EQ(knob_text("log"), good);
  }
  for (const char* bad : {"", "warn ", "trace debug", "tra", "x"}) {
    set_knob("log", bad);
    EXPECT_THROW(knob_text("log"), Error) << bad;
    EXPECT_THROW(check_knobs(), Error) << bad;
  }
}

TEST_F(KnobsTest, TableIsWellFormed) {
  std::set<std::string_view> names;
  for (const Knob& knob : all_knobs()) {
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name;
    EXPECT_FALSE(knob.help.empty()) << knob.name;
    EXPECT_EQ(knob.help.find('\n'), std::string_view::npos);
    EXPECT_EQ(message_of(knob, knob.name, knob.fallback), "") << "the default may be had";
    EXPECT_EQ(knob.kind == KnobKind::kNumber, knob.least < knob.most) << knob.name;
    EXPECT_EQ(knob.kind == KnobKind::kChoice, !knob.choices.empty()) << knob.name;
  }
}

TEST(KnobsDeathTest, AnUnknownNameIsOurFault) {
  EXPECT_DEATH(knob_text("no_such_knob"), "no knob named 'no_such_knob'");
  EXPECT_DEATH(knob_bool("threads"), "kind");
}

}  // namespace
}  // namespace ingot
