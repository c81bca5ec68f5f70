// The smallest program that serves an engine: no graph, pass, importer or compiler is linked.
//
//   ingot_lean run ENGINE COUNT 1,2,3...   COUNT greedy token ids after each prompt, one line each;
//                                          all prompts are served together by the runtime
//   ingot_lean strip ENGINE OUTPUT         writes the engine without its device sections
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/text_session.h"

namespace ingot {
namespace {

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> out;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && *next != ',')) {
      fail(ErrorCode::kInvalidArgument, "lean", "prompt '{}': expected ids like 1,2,3", text);
    }
    out.push_back(id);
    at = next + 1;
  }
  if (out.empty()) fail(ErrorCode::kInvalidArgument, "lean", "the prompt is empty");
  return out;
}

// Greedy answers of `count` tokens, by request. One session serves all.
std::vector<std::vector<TokenId>> serve(const std::string& path,
                                        const std::vector<std::vector<TokenId>>& prompts,
                                        int32_t count) {
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  SessionOptions options;
  options.context = static_cast<int64_t>(longest) + count;
  options.sequences = static_cast<int64_t>(prompts.size());
  const auto device = make_cpu_device();
  TextSession session(load_engine(path), *device, options);
  Loop& loop = session.loop();
  std::vector<std::shared_ptr<Outbox>> boxes;
  for (const auto& prompt : prompts) {
    Request request;
    request.prompt = prompt;
    request.sampling.max_tokens = count;
    boxes.push_back(loop.submit(std::move(request)));
  }
  while (loop.step()) continue;
  std::vector<std::vector<TokenId>> out;
  for (const auto& box : boxes) {
    auto& tokens = out.emplace_back();
    FinishReason finish = FinishReason::kNone;
    while (const TokenEvent* event = box->poll()) {
      tokens.insert(tokens.end(), event->token_span().begin(), event->token_span().end());
      finish = event->finish;
    }
    if (finish != FinishReason::kLength) {
      fail(ErrorCode::kInternal, "lean", "request {} ended with '{}' after {} tokens",
           out.size() - 1, finish_reason_name(finish), tokens.size());
    }
  }
  return out;
}

int run(const std::vector<std::string>& args) {
  std::vector<std::vector<TokenId>> prompts;
  for (size_t i = 3; i < args.size(); ++i) prompts.push_back(parse_ids(args[i]));
  for (const auto& tokens : serve(args[1], prompts, parse_ids(args[2])[0])) {
    for (size_t i = 0; i < tokens.size(); ++i) std::printf(i ? ",%d" : "%d", tokens[i]);
    std::printf("\n");
  }
  return 0;
}

int strip(const std::string& path, const std::string& output) {
  Engine engine = *load_engine(path);
  engine.devices.clear();
  save_engine(engine, output);
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    if (args.size() >= 4 && args[0] == "run") return ingot::run(args);
    if (args.size() == 3 && args[0] == "strip") return ingot::strip(args[1], args[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot_lean: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: ingot_lean run ENGINE COUNT IDS... | strip ENGINE OUTPUT\n");
  return 2;
}
