// The form that an answer is held to: "response_format" as OpenAI has it, "structured_outputs" as
// vLLM, "json_schema" and "grammar" as llama-server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/request.h"
#include "server/schema.h"
#include "text/grammar.h"

namespace ingot {

std::vector<Field> structure_fields();

struct StructureWish {
  std::string field;  // that asks for it, as "response_format.json_schema.schema"
  GrammarSource source;
  std::vector<int32_t> marks = {};        // control tokens that stand for their spelling
  std::vector<StructureWish> parts = {};  // of which the source is made: one may be at fault
};

// Of a body that check_body() has passed; nothing where the answer is free. ApiError (400) for a
// form that is none, that is not built, and for two of them.
std::optional<StructureWish> read_structure(const Json& body);

// ApiError (400) naming what does not go with an answer that `field` holds to a form: other masks,
// beams, answers that must not end.
void check_goes_with_structure(const Json& body, const SamplingParams& sampling,
                               std::string_view field);

}  // namespace ingot
