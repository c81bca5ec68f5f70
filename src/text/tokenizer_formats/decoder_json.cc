// The decoders of tokenizer.json.
#include <algorithm>

#include "text/tokenizer_formats/pipeline_json.h"
#include "text/tokenizer_formats/tokenizer_json.h"
#include "text/tokenizer_pipeline/wordpiece_decoder.h"
#include "text/utf8.h"

namespace ingot {
namespace {

// Steps before Fuse see one token, those behind it the whole text; of the latter one is known.
bool is_fused(const TokenizerParts& parts) { return parts.decoder.fused; }

void refuse_behind_fuse(const Json& node, const TokenizerParts& parts) {
  if (!is_fused(parts)) return;
  refuse_component("decoder", text_field(node, "type", parts) + " behind Fuse", parts);
}

void read_metaspace_decoder(const Json& node, TokenizerParts& parts) {
  refuse_behind_fuse(node, parts);
  const std::string marker = marker_field(node, parts);
  if (scheme_field(node, parts) == PrependScheme::kNever) {
    return parts.decoder.add_replacement(marker, " ");
  }
  parts.decoder.steps.push_back({.apply =
                                     [marker](const std::string& text, TokenPlace place) {
                                       return replace_all(text, marker,
                                                          place == TokenPlace::kFirst ? "" : " ");
                                     },
                                 .first_differs = true});
}

void read_replace_decoder(const Json& node, TokenizerParts& parts) {
  refuse_behind_fuse(node, parts);
  const std::string content = text_field(node, "content", parts);
  const std::shared_ptr<const Pattern> pattern = pattern_field(node, parts);
  parts.decoder.steps.push_back({.apply = [pattern, content](std::string text, TokenPlace) {
    std::string out;
    size_t done = 0;
    pattern->for_each(text, [&](size_t begin, size_t end) {
      out.append(text, done, begin - done).append(content);
      done = end;
    });
    return out.append(text, done);
  }});
}

// Up to `start` times `content` at the front of a token, and `stop` times at its end.
std::string strip(std::string_view text, std::string_view content, int64_t start, int64_t stop) {
  for (int64_t i = 0; i < start && text.starts_with(content); ++i) {
    text.remove_prefix(content.size());
  }
  for (int64_t i = 0; i < stop && text.ends_with(content); ++i) text.remove_suffix(content.size());
  return std::string(text);
}

void read_strip_decoder(const Json& node, TokenizerParts& parts) {
  const std::string content = text_field(node, "content", "", parts);
  const int64_t start = number_field(node, "start", 0, parts);
  const int64_t stop = number_field(node, "stop", 0, parts);
  if (content.empty() || start < 0 || stop < 0) refuse_component("decoder", node.dump(), parts);
  if (!is_fused(parts)) {
    parts.decoder.steps.push_back(
        {.apply = [content, start, stop](const std::string& text, TokenPlace) {
          return strip(text, content, start, stop);
        }});
    return;
  }
  if (content != " " || stop != 0) refuse_component("decoder behind Fuse", node.dump(), parts);
  parts.decoder.drop_spaces = static_cast<int>(std::min<int64_t>(start, 1024));
}

void read_word_piece(const Json& node, TokenizerParts& parts) {
  refuse_behind_fuse(node, parts);
  parts.decoder.steps.push_back(make_wordpiece_decoder(text_field(node, "prefix", "##", parts),
                                                       flag_field(node, "cleanup", true, parts)));
}

void read_bpe(const Json& node, TokenizerParts& parts) {
  refuse_behind_fuse(node, parts);
  const std::string suffix = text_field(node, "suffix", "</w>", parts);
  if (suffix.empty()) refuse_component("decoder", node.dump(), parts);
  parts.decoder.steps.push_back({.apply =
                                     [suffix](const std::string& text, TokenPlace place) {
                                       return replace_all(text, suffix,
                                                          place == TokenPlace::kLast ? "" : " ");
                                     },
                                 .last_differs = true,
                                 .for_control = true});
}

constexpr ComponentRow kDecoders[] = {
    {"BPEDecoder", read_bpe},
    {"ByteFallback", [](const Json&, TokenizerParts& p) { p.decoder.byte_fallback = true; }},
    {"ByteLevel", [](const Json&, TokenizerParts& p) { p.decoder.byte_level = true; }},
    {"Fuse", [](const Json&, TokenizerParts& p) { p.decoder.fused = true; }},
    {"Metaspace", read_metaspace_decoder},
    {"Replace", read_replace_decoder},
    {"Strip", read_strip_decoder},
    {"WordPiece", read_word_piece},
};

// Without a decoder the tokens of a text are joined by spaces.
void join_by_spaces(TokenizerParts& parts) {
  parts.decoder.steps.push_back({.apply =
                                     [](std::string text, TokenPlace place) {
                                       return place == TokenPlace::kFirst ? text
                                                                          : " " + std::move(text);
                                     },
                                 .first_differs = true,
                                 .for_control = true});
}

}  // namespace

void parse_decoder(const Json& node, TokenizerParts& parts) {
  if (node.is_null()) return join_by_spaces(parts);
  read_component(node, "decoder", "decoders", kDecoders, parts);
}

}  // namespace ingot
