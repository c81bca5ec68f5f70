// links: text
// Loads the input as a tokenizer.json or spec, then encodes and decodes a fixed text. Only Error
// may come out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "fuzz/parsed.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ingot;
  static const std::string text =
      "Hello  world's 1234\n\n\t<|end|> <tool>\u00e9e\u0301\u4eba\U0001F600 \u2581a\x01 ab abab";
  try {
    const auto tokenizer = Tokenizer::load(std::as_bytes(std::span(data, size)), "fuzz");
    fuzz_parsed();
    const auto ids = tokenizer->encode(text);
    const TextRange user = {4, 30};
    tokenizer->encode_mixed(text, {{user}}, true);
    tokenizer->encode(text, {.add_special = false, .parse_special = false});
    Detokenizer stream(*tokenizer);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    streamed += stream.flush();
    if (streamed != tokenizer->decode(ids)) std::abort();
    if (validate_utf8(streamed) != kUtf8Valid) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
