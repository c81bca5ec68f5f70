// Files of a real model's answers that are not such files: the error names the file and the place.
#include "capi/continuations.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace continuations_test {

std::string real_file() { return golden_path("real/smollm2-135m-instruct-q4_1.json"); }

TEST(Continuations, AreToldFromOtherCases) {
  EXPECT_TRUE(is_continuations_file(real_file()));
  EXPECT_FALSE(is_continuations_file(golden_path("llama-mha")));
  EXPECT_FALSE(is_continuations_file(golden_path("llama-mha/config.yaml")));
}

// What is said of the file with one case changed.
std::string fault(const std::function<void(Json&)>& change) {
  const ScratchDirectory folder;
  Json json = parse_json(read_file(real_file()), "test", real_file());
  change(json);
  const std::string path = folder / "answers.json";
  std::ofstream(path) << json.dump();
  const auto device = make_cpu_device(1);
  try {
    run_continuations(path, golden_path("llama-mha"), {}, *device);
    return "none";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("answers.json"));
    return error.what();
  }
}

TEST(Continuations, MalformedFilesAreNamed) {
  using testing::HasSubstr;
  EXPECT_THAT(fault([](Json& json) { json = Json::array(); }), HasSubstr("'cases'"));
  EXPECT_THAT(fault([](Json& json) { json["cases"] = Json::array(); }), HasSubstr("'cases'"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0] = 7; }), HasSubstr("expected an object"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0].erase("greedy"); }), HasSubstr("greedy"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][1]["greedy_gap"].erase(0); }),
              HasSubstr("case 'system'"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0]["input_ids"] = Json::array(); }),
              HasSubstr("found 0,"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0]["greedy"][0] = -1; }),
              HasSubstr("token ids, found -1"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0].erase("first_logprobs"); }),
              HasSubstr("first_logprobs"));
  EXPECT_THAT(fault([](Json& json) { json["cases"][0]["first_logprobs"]["x"] = 1; }),
              HasSubstr("'x'"));
}

// Another model's ids are outside this one's vocabulary: an error, not an answer.
TEST(Continuations, AnotherModelIsRefused) {
  const auto one_case = [](Json& json) { json["cases"] = Json::array({json["cases"][0]}); };
  EXPECT_THAT(fault(one_case),
              testing::AllOf(testing::HasSubstr("vocabulary"),
                             testing::Not(testing::HasSubstr("expected at most"))));
}

// A prompt of any length is refused before it costs anything.
TEST(Continuations, TooLongCasesAreRefusedFirst) {
  const auto long_case = [](Json& json) {
    json["cases"][0]["input_ids"] = std::vector<int>(1000000, 5);
  };
  EXPECT_THAT(fault(long_case), testing::HasSubstr("case 'capital': expected at most the model's"));
}

}  // namespace continuations_test
}  // namespace ingot
