// The formats of strings that are enforced: expressions all of whose texts have the format. Some
// leave out texts that have it too: years before 1000, addresses in brackets, long names.
#include <array>
#include <string_view>
#include <utility>

#include "text/grammar/schema_check.h"

namespace ingot {
namespace {

#define INGOT_DATE                                                                             \
  "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|" \
  "[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|[1-9][0-9](?:0[48]|[2468][048]|[13579][26])-02-29)"
#define INGOT_TIME                                                                                \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-" \
  "5]"                                                                                            \
  "[0-9])"
#define INGOT_N "[0-9]{1,6}"
#define INGOT_LABEL "[a-zA-Z0-9]{1,20}(?:-[a-zA-Z0-9]{1,20})?"
#define INGOT_HOST INGOT_LABEL "(?:\\." INGOT_LABEL "){0,4}"
#define INGOT_ATOM "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
#define INGOT_OCTET "(?:[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
#define INGOT_H "[0-9a-fA-F]{1,4}"
#define INGOT_URI_CHAR "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define INGOT_URI                                                                         \
  "[a-zA-Z][a-zA-Z0-9+.-]{0,15}://" INGOT_HOST "(?::[1-9][0-9]{0,3})?(?:/" INGOT_URI_CHAR \
  "*)*(?:\\?" INGOT_URI_CHAR "*)?(?:#" INGOT_URI_CHAR "*)?"

constexpr auto kFormats = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"date", INGOT_DATE},
    {"time", INGOT_TIME},
    {"date-time", INGOT_DATE "T" INGOT_TIME},
    {"duration", "P(?:" INGOT_N "W|(?:" INGOT_N "Y(?:" INGOT_N "M(?:" INGOT_N "D)?)?|" INGOT_N
                 "M(?:" INGOT_N "D)?|" INGOT_N "D)(?:T(?:" INGOT_N "H(?:" INGOT_N "M(?:" INGOT_N
                 "S)?)?|" INGOT_N "M(?:" INGOT_N "S)?|" INGOT_N "S))?|T(?:" INGOT_N "H(?:" INGOT_N
                 "M(?:" INGOT_N "S)?)?|" INGOT_N "M(?:" INGOT_N "S)?|" INGOT_N "S))"},
    {"uuid", "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"},
    {"ipv4", "(?:" INGOT_OCTET "\\.){3}" INGOT_OCTET},
    {"ipv6",
     "(?:" INGOT_H ":){7}" INGOT_H "|::(?:" INGOT_H "(?::" INGOT_H "){0,5})?|" INGOT_H
     "::(?:" INGOT_H "(?::" INGOT_H "){0,4})?|(?:" INGOT_H ":){1}" INGOT_H "::(?:" INGOT_H
     "(?::" INGOT_H "){0,3})?|(?:" INGOT_H ":){2}" INGOT_H "::(?:" INGOT_H "(?::" INGOT_H
     "){0,2})?|(?:" INGOT_H ":){3}" INGOT_H "::(?:" INGOT_H "(?::" INGOT_H "){0,1})?|(?:" INGOT_H
     ":){4}" INGOT_H "::(?:" INGOT_H ")?|(?:" INGOT_H ":){5}" INGOT_H "::"},
    {"hostname", INGOT_HOST},
    {"email", INGOT_ATOM "(?:\\." INGOT_ATOM "){0,2}@" INGOT_HOST},
    {"uri", INGOT_URI},
    {"uri-reference", INGOT_URI},
    {"iri", INGOT_URI},
    {"iri-reference", INGOT_URI},
    {"json-pointer", "(?:/(?:[^/~]|~[01])*)*"},
});

#undef INGOT_DATE
#undef INGOT_TIME
#undef INGOT_N
#undef INGOT_LABEL
#undef INGOT_HOST
#undef INGOT_ATOM
#undef INGOT_OCTET
#undef INGOT_H
#undef INGOT_URI_CHAR
#undef INGOT_URI

}  // namespace

std::string_view format_expression(std::string_view format) {
  for (const auto& [name, expression] : kFormats) {
    if (name == format) return expression;
  }
  return "";
}

}  // namespace ingot
