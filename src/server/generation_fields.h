// Fields that /v1/chat/completions and /v1/completions share: how to sample, when to stop, what to
// say beside the text.
#pragma once

#include <string>
#include <vector>

#include "server/schema.h"
#include "server/served_model.h"

namespace ingot {

// All of them, those refused and ignored included.
std::vector<Field> generation_fields();

// What they asked for. The prompt is the endpoint's.
struct GenerationWish {
  GenerateInput input;
  int32_t priority = 0;
  std::string cache_salt;
  bool stream = false;
  bool include_usage = false;     // one more chunk, at the end
  bool continuous_usage = false;  // in each chunk
  bool return_token_ids = false;
};

// Of a body that check_body() has passed. What the body leaves open is the model's; temperature is
// 1 where the model says nothing either. ApiError (400) for fields that do not go together.
GenerationWish read_generation(const Json& body, const ServedModel& model);

// The wish's requests ready for the loop, one for `prompt`.
Request make_request(const GenerationWish& wish, std::vector<int32_t> prompt,
                     const ServedModel& model);

}  // namespace ingot
