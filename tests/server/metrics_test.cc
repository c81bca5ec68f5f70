#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot {
namespace {

using testing::HasSubstr;
using testing::Not;

LoopStats some_stats() {
  LoopStats out;
  out.running = 2;
  out.prompt_tokens = 100;
  out.output_tokens = 30;
  out.prefix_hit_tokens = 64;
  out.pages = {{"kv", 10, 4, 1, 5}};
  for (const int64_t tokens : {1, 1, 9, 20000}) out.count_step(tokens);
  return out;
}

TEST(Metrics, CountersFollowTheLoop) {
  Metrics metrics(false);
  LoopStats stats = some_stats();
  metrics.text(&stats, "m", {});
  stats.output_tokens = 45;
  const std::string text =
      metrics.text(&stats, "m", {.connections = 3, .calls = 1, .compiling = 2});
  EXPECT_THAT(text, HasSubstr("ingot_generation_tokens_total{model_name=\"m\"} 45\n"));
  EXPECT_THAT(text, HasSubstr("ingot_num_requests_running{model_name=\"m\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("ingot_kv_cache_usage_perc{model_name=\"m\"} 0.4"));
  EXPECT_THAT(text, HasSubstr("ingot_connections{model_name=\"m\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("ingot_num_requests_compiling{model_name=\"m\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("vllm:")));
}

// vLLM counts who waits for a grammar among those that wait.
TEST(Metrics, FormsWait) {
  Metrics metrics(true);
  LoopStats stats = some_stats();
  stats.waiting = 5;
  const std::string text = metrics.text(&stats, "m", {.compiling = 3});
  EXPECT_THAT(text, HasSubstr("ingot_num_requests_waiting{model_name=\"m\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("vllm:num_requests_waiting{model_name=\"m\"} 8\n"));
}

TEST(Metrics, NamesOfVllm) {
  Metrics metrics(true);
  metrics.request_finished({"stop", 10, 3, 0.2, 0.05, {{0.5, 4.0, 16.0}}});
  metrics.request_finished({"overloaded", 10, 0, 0.2, 0});
  metrics.request_asked(4, 300);
  metrics.first_token(0.07);
  metrics.next_token(0.02);
  const LoopStats stats = some_stats();
  const std::string text = metrics.text(&stats, "m", {});
  for (const char* line :
       {"vllm:num_requests_running{model_name=\"m\"} 2",
        "vllm:num_requests_waiting{",
        "vllm:kv_cache_usage_perc{",
        "vllm:prompt_tokens_total{model_name=\"m\"} 100",
        "vllm:generation_tokens_total{model_name=\"m\"} 30",
        "vllm:num_preemptions_total{",
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\"} 1",
        "vllm:prefix_cache_queries_total{",
        "vllm:prefix_cache_hits_total{model_name=\"m\"} 64",
        "vllm:time_to_first_token_seconds_bucket{model_name=\"m\",le=\"0.08\"} 1",
        "vllm:inter_token_latency_seconds_sum{",
        "vllm:request_time_per_output_token_seconds_sum{",
        "vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 2",
        "vllm:request_prompt_tokens_sum{model_name=\"m\"} 20",
        "vllm:request_generation_tokens_sum{model_name=\"m\"} 3",
        "vllm:request_queue_time_seconds_count{model_name=\"m\"} 1",
        "vllm:request_queue_time_seconds_sum{model_name=\"m\"} 0.5",
        "vllm:request_prefill_time_seconds_sum{model_name=\"m\"} 4\n",
        "vllm:request_decode_time_seconds_sum{model_name=\"m\"} 16\n",
        "vllm:request_inference_time_seconds_sum{model_name=\"m\"} 20\n",
        "vllm:request_params_n_sum{model_name=\"m\"} 4\n",
        "vllm:request_params_max_tokens_sum{model_name=\"m\"} 300\n",
        "vllm:iteration_tokens_total_count{model_name=\"m\"} 4\n",
        "vllm:iteration_tokens_total_sum{model_name=\"m\"} 20011\n",
        "vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"1\"} 2\n",
        "vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"16384\"} 3\n",
        "vllm:cache_config_info{block_size=\"32\",num_gpu_blocks=\"10\",model_name=\"m\"} 1\n",
        "ingot_cache_config_info{block_size=\"32\",group=\"kv\",num_blocks=\"10\",model_name=\"m\"}"
        " 1",
        "ingot_iteration_tokens_total_sum{model_name=\"m\"} 20011\n",
        "ingot_num_requests_running{"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("vllm:connections")));
  EXPECT_EQ(metrics.text(&stats, "m", {}), text);  // what was counted is not counted again
}

TEST(Metrics, WithoutAModel) {
  Metrics metrics(false);
  EXPECT_THAT(metrics.text(nullptr, "", {}), HasSubstr("ingot_calls"));
}

}  // namespace
}  // namespace ingot
