// A line-by-line driver of the text room for the parity scripts. Each input line is one JSON value,
// each output line one JSON object.
//   text_tool tokenize SOURCE [--special|--plain]   "text"    -> {"ids": [..]}
//   text_tool detokenize SOURCE             {"ids": [..]}     -> {"text": "..", "streamed": ".."}
//   text_tool time SOURCE                   ["text", ..]      -> {"ids": [[..], ..], "seconds": ..}
//   text_tool chat SOURCE                   {"template", "messages", ..} -> {"text", "ids"}
// SOURCE is a tokenizer.json, a JSON dump of a VocabSource (NAME.vocab.json), or a file of another
// format, whose tokenizer_config.json and what adds to it may lie beside it. --plain: control
// tokens stay text.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/clock.h"
#include "base/json.h"
#include "text/chat_template.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"

namespace ingot {
namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorCode::kNotFound, "tests/text_tool", "{}: cannot be read", path);
  std::stringstream buffer;
  buffer << in.rdbuf();
  return buffer.str();
}

std::unique_ptr<const Tokenizer> load_source(const std::string& path) {
  const std::string bytes = read_all(path);
  if (reads_tokenizer_file(path)) {
    const std::filesystem::path parsed = path;
    const std::string config = read_tokenizer_config(parsed.parent_path());
    return Tokenizer::load(
        make_tokenizer_spec(bytes, parsed.filename().string(),
                            config.empty() ? TokenizerConfig()
                                           : parse_tokenizer_config(config, "the config's files")),
        path);
  }
  const bool dump = path.ends_with(".vocab.json");
  if (!dump) return Tokenizer::load(bytes, path);
  const Json j = parse_json(bytes, "tests/text_tool", path);
  VocabSource v;
  v.model = j.at("model");
  v.pre = j.at("pre");
  v.tokens = j.at("tokens").get<std::vector<std::string>>();
  v.types = j.at("types").get<std::vector<uint8_t>>();
  v.scores = j.value("scores", std::vector<float>());
  v.merges = j.value("merges", std::vector<std::string>());
  v.bos_id = j.value("bos_id", -1);
  v.eos_id = j.value("eos_id", -1);
  v.unk_id = j.value("unk_id", -1);
  v.cls_id = j.value("cls_id", -1);
  v.sep_id = j.value("sep_id", -1);
  if (j.contains("remove_extra_spaces"))
    v.remove_extra_spaces = j["remove_extra_spaces"].get<bool>();
  for (const int byte : j.value("charsmap", std::vector<int>())) {
    v.charsmap += static_cast<char>(byte);
  }
  if (j.contains("add_bos")) v.add_bos = j["add_bos"].get<bool>();
  if (j.contains("add_space_prefix")) v.add_space_prefix = j["add_space_prefix"].get<bool>();
  return Tokenizer::load(make_tokenizer_spec(v), path);
}

Json answer(const Tokenizer& tokenizer, const std::string& command, const EncodeOptions& options,
            const Json& in) {
  if (command == "tokenize") {
    return {{"ids", tokenizer.encode(in.get<std::string>(), options)}};
  }
  if (command == "time") {
    const auto texts = in.get<std::vector<std::string>>();
    std::vector<std::vector<int32_t>> ids;
    const Stopwatch watch;
    for (const std::string& text : texts) ids.push_back(tokenizer.encode(text, options));
    const double seconds = watch.ms() * 1e-3;
    return {{"ids", std::move(ids)}, {"seconds", seconds}};
  }
  if (command == "detokenize") {
    const auto ids = in.at("ids").get<std::vector<int32_t>>();
    const bool skip = in.value("skip_special", true);
    Detokenizer stream(tokenizer, {.skip_special = skip});
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    streamed += stream.flush();
    return {{"text", tokenizer.decode(ids, skip)}, {"streamed", streamed}};
  }
  ChatInput input;
  input.messages = in.at("messages");
  input.add_generation_prompt = in.value("add_generation_prompt", true);
  input.bos_token = in.value("bos_token", "");
  input.eos_token = in.value("eos_token", "");
  input.extra = in.value("extra", Json::object());
  input.now_unix_s = in.value("now", int64_t{-1});
  // Neighbours often share theirs.
  static std::string source;
  static std::unique_ptr<const ChatTemplate> chat;
  if (auto next = in.at("template").get<std::string>(); !chat || next != source) {
    chat.reset();
    chat = ChatTemplate::parse(next, "template");
    source = std::move(next);
  }
  const ChatSegments segments = chat->render(input);
  return {{"text", chat_text(segments)}, {"ids", encode_chat(tokenizer, segments)}};
}

int run(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr,
               "usage: text_tool tokenize|detokenize|time|chat SOURCE [--special|--plain]\n");
    return 2;
  }
  const auto tokenizer = load_source(argv[2]);
  const std::string_view flag = argc > 3 ? argv[3] : "";
  const EncodeOptions options = {.add_special = flag == "--special",
                                 .parse_special = flag != "--plain"};
  std::string line;
  while (std::getline(std::cin, line)) {
    Json out;
    try {
      out = answer(*tokenizer, argv[1], options, parse_json(line, "tests/text_tool", "stdin"));
    } catch (const Error& e) {
      out = {{"error", e.what()}};
    }
    std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
