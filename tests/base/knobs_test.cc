#include "base/knobs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"

namespace ingot {
namespace {

// Puts the environment back as it was.
class KnobsTest : public testing::Test {
 protected:
  void SetUp() override { ::unsetenv("INGOT_THREADS"); }
  void TearDown() override { ::unsetenv("INGOT_THREADS"); }
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
  for (const char* bad : {"", "x", "3x", " 3", "99999999999999999999", "0x3"}) {
    ::setenv("INGOT_THREADS", bad, 1);
    try {
      knob_int("threads");
      ADD_FAILURE() << "accepted '" << bad << "'";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(e.what()).find("INGOT_THREADS"), std::string::npos);
    }
  }
}

TEST_F(KnobsTest, Booleans) {
  for (const char* yes : {"1", "true", "on", "yes"}) {
    set_knob("threads", yes);
    EXPECT_TRUE(knob_bool("threads")) << yes;
  }
  for (const char* no : {"0", "false", "off", "no", ""}) {
    set_knob("threads", no);
    EXPECT_FALSE(knob_bool("threads")) << no;
  }
  set_knob("threads", "maybe");
  EXPECT_THROW(knob_bool("threads"), Error);
}

TEST_F(KnobsTest, TableIsWellFormed) {
  std::set<std::string_view> names;
  for (const Knob& knob : all_knobs()) {
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name;
    EXPECT_FALSE(knob.help.empty()) << knob.name;
    EXPECT_EQ(knob.help.find('\n'), std::string_view::npos);
  }
}

TEST(KnobsDeathTest, AnUnknownNameIsOurFault) {
  EXPECT_DEATH(knob_text("no_such_knob"), "no knob named 'no_such_knob'");
}

}  // namespace
}  // namespace ingot
