// What a text model needs beside its weights, out of its engine: tokenizer, chat template, sampling
// defaults.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/generation_defaults.h"
#include "base/json.h"
#include "engine/engine.h"
#include "runtime/request.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ingot {

// Immutable once loaded; thread safe.
struct TextAssets {
  std::unique_ptr<const Tokenizer> tokenizer;         // null: the model brought none
  std::unique_ptr<const ChatTemplate> chat_template;  // null: none, or no tokenizer to use it with
  std::string template_source;                        // of chat_template
  GenerationDefaults generation;
  std::string name;          // of the source, for messages
  std::string no_tokenizer;  // why the tokenizer that the model brought is not here

  // Error{kUnsupported} naming the source when there is no tokenizer or template.
  const Tokenizer& require_tokenizer() const;
  const ChatTemplate& require_template() const;
  // Ids that end an answer: the model's, else the tokenizer's end token, else none.
  std::vector<int32_t> end_ids() const;
  // How the model wants to be sampled where a request says nothing else, with end_ids(). Hugging
  // Face's rule: greedy unless do_sample, and then at temperature 1 unless the model says more.
  SamplingParams sampling() const;
};

// Sampling defaults outside the ranges of the rules that read them, with which a request would be
// refused for what it did not say: Error{kCorrupt} naming `file`, key, expected and found.
void check_sampling_defaults(const GenerationDefaults& generation, std::string_view file);

// From an engine's extra sections. Error{kCorrupt} for sections that contradict their format,
// kUnsupported for an engine that is no language model's.
TextAssets engine_text_assets(const Engine& engine, const std::string& name);

struct ChatOptions {
  // More that the request gives to the template, by name: "tools", "documents", … As untrusted as
  // the messages.
  Json extra = Json::object();
  bool add_generation_prompt = true;  // the opening of the answer at the end
};

// `messages`, a list of {"role", "content", …}, as the template writes them. Error
// {kInvalidArgument} for invalid UTF-8 in a string of the messages or `extra`, and as render().
ChatSegments render_chat(const TextAssets& assets, const Json& messages,
                         const ChatOptions& options = {});

// Error{kInvalidArgument} naming `what` and the byte offset.
void check_utf8(std::string_view text, std::string_view what);

}  // namespace ingot
