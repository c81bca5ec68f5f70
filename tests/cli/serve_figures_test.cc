// Figures of a load, by hand; arrivals; datasets.
#include "cli/contract/serve_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "cli/contract/serve_prompts.h"

namespace ingot {
namespace serve_figures_test {

// Two that succeed, one that fails, one that Ctrl-C cut.
ServeResult four_requests() {
  ServeResult out;
  out.records.resize(4);
  out.records[0] = {.start = 0,
                    .end = 1.0,
                    .chunks = {0.5, 0.7, 1.0},
                    .input = 10,
                    .output = 3,
                    .sent = true,
                    .done = true};
  out.records[1] = {.start = 1,
                    .end = 1.5,
                    .chunks = {1.1},
                    .input = 20,
                    .output = 1,
                    .sent = true,
                    .done = true};
  out.records[2] = {.start = 0,
                    .end = 0.1,
                    .retries = 2,
                    .fault = "HTTP 429",
                    .message = "too many",
                    .sent = true,
                    .done = true};
  out.records[3] = {.start = 1.5, .sent = true};
  out.duration = 2;
  out.peak = 2;
  out.refused = 3;
  return out;
}

TEST(ServeFigures, ByHand) {
  const ServeGoals goals = {.ttft = 200};
  const ServeResult result = four_requests();
  const ServeSamples samples = serve_samples(result, true, goals);
  EXPECT_THAT(samples.ttft,
              testing::ElementsAre(testing::DoubleNear(500, 1e-6), testing::DoubleNear(100, 1e-6)));
  EXPECT_THAT(samples.tpot, testing::ElementsAre(testing::DoubleNear(250, 1e-6)));
  EXPECT_THAT(samples.itl,
              testing::ElementsAre(testing::DoubleNear(200, 1e-6), testing::DoubleNear(300, 1e-6)));
  const Json out = serve_figures(result, samples, goals);
  EXPECT_EQ(out["completed"], 2);
  EXPECT_EQ(out["failed"], 1);
  EXPECT_EQ(out["failures"].dump(), R"([{"reason":"HTTP 429","count":1,"example":"too many"}])");
  EXPECT_EQ(out["refused"], 3);
  EXPECT_EQ(out["retries"], 2);
  EXPECT_EQ(out["total_input_tokens"], 30);
  EXPECT_EQ(out["total_output_tokens"], 4);
  EXPECT_DOUBLE_EQ(out["request_throughput"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(out["output_throughput"].get<double>(), 2);
  EXPECT_DOUBLE_EQ(out["total_token_throughput"].get<double>(), 17);
  EXPECT_DOUBLE_EQ(out["request_goodput"].get<double>(), 0.5);
  EXPECT_NEAR(out["mean_ttft_ms"].get<double>(), 300, 1e-6);
  EXPECT_NEAR(out["p99_e2el_ms"].get<double>(), 1000, 1e-6);
}

TEST(ServeFigures, AnAnswerWithoutPartsIsHeardAtItsEnd) {
  ServeResult result = four_requests();
  for (ServeRecord& record : result.records) record.chunks.clear();
  EXPECT_EQ(serve_samples(result, true, {.ttft = 1}).good, 0);
  EXPECT_EQ(serve_samples(result, true, {.ttft = 600}).good, 1);
  EXPECT_EQ(serve_samples(result, true, {.ttft = 5000}).good, 2);
}

TEST(ServeFigures, WholeAnswersHaveNoFirstToken) {
  const ServeResult result = four_requests();
  const ServeSamples samples = serve_samples(result, false, {.ttft = 1, .e2e = 600});
  EXPECT_EQ(samples.good, 1);
  const Json out = serve_figures(result, samples, {});
  EXPECT_TRUE(out["mean_ttft_ms"].is_null());
  EXPECT_TRUE(out["request_goodput"].is_null()) << "without goals";
  EXPECT_NEAR(out["median_e2el_ms"].get<double>(), 500, 1e-6);
}

TEST(ServeFigures, TimelinesAddUp) {
  const ServeTimeline line = serve_timeline(four_requests(), 4);
  EXPECT_DOUBLE_EQ(line.width, 0.5);
  EXPECT_THAT(line.tokens, testing::ElementsAre(0, 2 / 0.5, 2 / 0.5, 0));
  EXPECT_THAT(line.in_flight, testing::ElementsAre(1, 1, 1, 1));
}

TEST(ServeFigures, ReportsStandAlone) {
  ServeResult result = four_requests();
  result.records[2].message = "<script>alert(1)</script>";
  const ServeSamples samples = serve_samples(result, true, {});
  Json figures = serve_figures(result, samples, {});
  figures["configuration"] = {{"url", "http://a"}};
  const std::string page = serve_report(figures, samples, serve_timeline(result, 4));
  EXPECT_EQ(page.find("<script"), page.npos);
  EXPECT_EQ(page.find("src="), page.npos);
  EXPECT_EQ(page.find("href="), page.npos);
  EXPECT_THAT(page, testing::HasSubstr("&lt;script&gt;"));
  size_t plots = 0;
  for (size_t at = page.find("<svg"); at != page.npos; at = page.find("<svg", at + 1)) ++plots;
  EXPECT_EQ(plots, 6U);
  const std::string empty = serve_report(figures, {}, serve_timeline({}, 4));
  EXPECT_EQ(empty.find("nan"), empty.npos);
}

TEST(ServeLoad, ArrivalsHaveTheirRate) {
  EXPECT_THAT(arrival_times(3, 0, false, 1), testing::ElementsAre(0, 0, 0));
  EXPECT_THAT(arrival_times(3, 4, true, 1), testing::ElementsAre(0, 0.25, 0.5));
  const std::vector<double> times = arrival_times(20001, 50, false, 1);
  double squares = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    ASSERT_GE(times[i], times[i - 1]);
    squares += std::pow((times[i] - times[i - 1]) * 50, 2);
  }
  EXPECT_NEAR(times.back(), 400, 12) << "a mean of 1/50 s";
  EXPECT_NEAR(squares / 20000, 2, 0.15) << "exponential: E[x^2] = 2";
  EXPECT_EQ(arrival_times(100, 50, false, 1), arrival_times(100, 50, false, 1));
  EXPECT_NE(arrival_times(100, 50, false, 1), arrival_times(100, 50, false, 2));
}

TEST(ServePrompts, WordsAndIds) {
  EXPECT_EQ(random_words(1, 2, 5), random_words(1, 2, 5));
  EXPECT_NE(random_words(1, 2, 5), random_words(1, 3, 5));
  const std::string words = random_words(1, 2, 5);
  EXPECT_EQ(std::count(words.begin(), words.end(), ' '), 4);
  const Json ids = random_ids(1, 2, 1000, 8);
  EXPECT_EQ(ids.size(), 1000U);
  for (const Json& id : ids) EXPECT_TRUE(id >= 3 && id < 8) << id;
}

TEST(ServePrompts, Datasets) {
  const std::string path = testing::TempDir() + "/serve_prompts.jsonl";
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return read_serve_dataset(path, 7);
  };
  const auto all = read(
      "{\"prompt\":\"a\",\"max_tokens\":3}\n\n{\"input_ids\":[1,2],\"output_tokens\":4}\r\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}\n"
      "{\"conversations\":[{\"from\":\"gpt\",\"value\":\"x\"},{\"from\":\"human\",\"value\":\"c\"}]"
      "}");
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(serve_body(all[0], false).dump(), R"({"prompt":"a","max_tokens":3})");
  EXPECT_EQ(serve_body(all[0], true).dump(),
            R"({"messages":[{"role":"user","content":"a"}],"max_tokens":3})");
  EXPECT_EQ(serve_body(all[1], false).dump(), R"({"prompt":[1,2],"max_tokens":4})");
  EXPECT_THROW(serve_body(all[1], true), Error);
  EXPECT_EQ(serve_body(all[2], true)["messages"][0]["content"], "b");
  EXPECT_THROW(serve_body(all[2], false), Error);
  EXPECT_EQ(serve_body(all[3], false).dump(), R"({"prompt":"c","max_tokens":7})");
  EXPECT_EQ(read(R"([{"prompt":"a"},{"prompt":"b"}])").size(), 2U);
  for (const char* wrong :
       {"", "[]", "1", "{}", "{\"prompt\":1}", "{\"prompt\":[]}", "{\"prompt\":[-1]}",
        "{\"prompt\":\"a\",\"max_tokens\":0}", "{\"messages\":[]}", "{\"conversations\":[]}",
        "{\"prompt\":\"a\"}\n{"}) {
    EXPECT_THROW(read(wrong), Error) << wrong;
  }
  try {
    read("{\"prompt\":\"a\"}\n\n{}");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("serve_prompts.jsonl:3"));
  }
}

}  // namespace serve_figures_test
}  // namespace ingot
