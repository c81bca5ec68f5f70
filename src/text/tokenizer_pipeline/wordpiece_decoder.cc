#include "text/tokenizer_pipeline/wordpiece_decoder.h"

namespace ingot {
namespace {

// In this order, as the reference implementation has it.
constexpr std::pair<std::string_view, std::string_view> kCleanups[] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

}  // namespace

DecodeStep make_wordpiece_decoder(std::string prefix, bool cleanup) {
  return {.apply =
              [prefix = std::move(prefix), cleanup](std::string text, TokenPlace place) {
                if (place != TokenPlace::kFirst) {
                  text = text.starts_with(prefix) ? text.substr(prefix.size()) : " " + text;
                }
                if (!cleanup) return text;
                for (const auto& [from, to] : kCleanups) text = replace_all(text, from, to);
                return text;
              },
          .first_differs = true,
          .for_control = true};
}

}  // namespace ingot
