// What a tool's arguments are held to.
#pragma once

#include "base/json.h"

namespace ingot {

// `schema`, a tool's parameters, with "additionalProperties": false in its objects that name
// properties and say nothing of others: a function's caller has no place for arguments that it does
// not know, and models make them up. What fits the result fits the schema. A schema in which an
// object may be told of in two places ("allOf", "$ref" beside other keywords, …) stays as it is.
Json closed_parameters(const Json& schema);

}  // namespace ingot
