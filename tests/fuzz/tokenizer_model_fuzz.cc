// links: text
// Loads the input as a tokenizer.model (SentencePiece or tiktoken) or a tekken.json, then encodes
// and decodes a fixed text. Only Error may come out.
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
      "Hello  world's 1234\n\n\t</s> <mask>\u00e9e\u0301\u4eba\uFF21\U0001F600 \u2581a\x01 ab "
      "abab ";
  try {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::string_view file = bytes.starts_with('{') ? "tekken.json" : "tokenizer.model";
    const auto tokenizer = Tokenizer::load(make_tokenizer_spec(bytes, file, {}), "fuzz");
    fuzz_parsed();
    const auto ids = tokenizer->encode(text);
    const TextRange user = {4, 30};
    for (const int32_t id : tokenizer->encode_mixed(text.substr(4, 26), {{{0, 26}}}, false)) {
      const bool unknown = id == tokenizer->unk_id();
      if (tokenizer->is_control(id) && !unknown) std::abort();
    }
    tokenizer->encode_mixed(text, {{user}}, true);
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
