// Fields that /v1/chat/completions and /v1/completions share: how to sample, when to stop, what to
// say beside the text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/call.h"
#include "server/schema.h"
#include "server/served_model.h"
#include "server/structured_outputs.h"

namespace ingot {

class ServerState;

// All of them, those refused and ignored included. `least_tokens`: of max_tokens.
std::vector<Field> generation_fields(double least_tokens);
// The field of a sampling rule's number, in the range that the APIs have.
Field sampling_field(std::string_view name);

// What they asked for. The prompt is the endpoint's.
struct GenerationWish {
  GenerateInput input;    // its n is how many are drawn
  int32_t choices = 1;    // of a prompt that are answered: the best, where more are drawn
  int32_t logprobs = -1;  // as SamplingParams', of the answer; set by the endpoint
  int32_t prompt_logprobs = -1;
  bool echo = false;  // set by the endpoint: the prompt before the answer
  int32_t priority = 0;
  std::string request_id;  // empty: the server makes one
  std::string cache_salt;
  bool stream = false;
  bool include_usage = false;     // one more chunk, at the end
  bool continuous_usage = false;  // in each chunk
  bool return_token_ids = false;
  bool skip_special_tokens = true;  // control tokens have no text
  bool include_stop = false;        // the stop string is part of the text
  int64_t truncate_prompt = 0;      // so many tokens of the prompt's end are left; 0: all
  // How the answers become text; `shown`: control tokens whose text counts.
  AnswerTextOptions text(const std::vector<int32_t>& shown = {}) const;
  std::optional<StructureWish> form;  // that the answers are held to
};

// Of a body that check_body() has passed. What the body leaves open is the model's; temperature is
// 1 where the model says nothing either. ApiError (400) for fields that do not go together.
GenerationWish read_generation(const Json& body, const ServedModel& model);

// Wishes for the form; its grammar is compiled by hold_requests(). ApiError (400) naming the fields
// that do not go with it.
void hold_to(StructureWish form, const Json& body, const ServedModel& model, GenerationWish& wish);

// Compiles the wish's form, if it has one that is not known yet, where that delays no other call,
// and holds the requests to it. ApiError (400) naming the form's field for what cannot be enforced.
Task<> hold_requests(Call& call, const ServedModel& model, const GenerationWish& wish,
                     std::span<Request> requests);

// The answer's id: what the request calls itself, or one that the server makes.
std::string answer_id(std::string_view prefix, const GenerationWish& wish, ServerState& server);

// The wish's request ready for the loop, for a `prompt` of `field`. ApiError (400) for what cannot
// be.
Request make_request(const GenerationWish& wish, std::vector<int32_t> prompt,
                     const ServedModel& model, const std::string& field);

}  // namespace ingot
