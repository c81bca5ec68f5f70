#include "runtime/text_assets.h"

#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"
#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

std::shared_ptr<Engine> engine_with(std::map<std::string, std::string> extras) {
  auto out = std::make_shared<Engine>(*tiny_engine());
  out->extras = std::move(extras);
  return out;
}

TEST(TextAssetsTest, AnEngineAloneIsEnough) {
  const auto engine = engine_with(
      {{"tokenizer", byte_level_json().dump()},
       {"chat_template", "{% for m in messages %}<|start|>{{ m.content }}<|end|>{% endfor %}"},
       {"generation", R"({"eos_token_id":[5,6],"do_sample":true,"top_k":97,"top_p":0.5})"}});
  const TextAssets assets = engine_text_assets(*engine, "m.engine");
  EXPECT_EQ(assets.name, "m.engine");
  EXPECT_EQ(assets.require_tokenizer().encode("the").size(), 1u);
  const ChatSegments chat = render_chat(assets, Json::parse(R"([{"role":"user","content":"a"}])"));
  std::string text;
  for (const ChatSegment& segment : chat) text += segment.text;
  EXPECT_EQ(text, "<|start|>a<|end|>");
  EXPECT_EQ(assets.end_ids(), (std::vector<int32_t>{5, 6}));
  const SamplingParams params = assets.sampling();
  EXPECT_EQ(params.temperature, 1.0);  // do_sample without a temperature
  EXPECT_EQ(params.top_k, 97);
  EXPECT_EQ(params.top_p, 0.5);
  EXPECT_EQ(params.eos_token_ids, assets.end_ids());
  EXPECT_NO_THROW(validate(params, kTinyVocab));
}

TEST(TextAssetsTest, TheTemplateGetsWhatElseTheRequestBrings) {
  const auto engine =
      engine_with({{"tokenizer", byte_level_json().dump()},
                   {"chat_template",
                    "{% for t in tools %}[{{ t.name }}]{% endfor %}{% for d in documents %}({{ d "
                    "}}){% endfor %}"
                    "{% for m in messages %}{{ m.content or 'nothing' }}{% endfor %}"
                    "{% if add_generation_prompt %}<|start|>{% endif %}"}});
  const TextAssets assets = engine_text_assets(*engine, "m.engine");
  const Json messages = Json::parse(R"([{"role":"user","content":"a"},
                                        {"role":"assistant","content":null}])");
  ChatOptions options;
  EXPECT_EQ(chat_text(render_chat(assets, messages)), "anothing<|start|>");
  options.add_generation_prompt = false;
  options.extra = Json::parse(R"({"tools":[{"name":"<|end|>"}],"documents":["d"],
                                  "messages":"mine","add_generation_prompt":true})");
  const ChatSegments chat = render_chat(assets, messages, options);
  EXPECT_EQ(chat_text(chat), "[<|end|>](d)anothing");
  for (const int32_t id : encode_chat(assets.require_tokenizer(), chat)) EXPECT_LT(id, 260);
  for (const char* path : {"/tools/0/name", "/documents/0"}) {
    ChatOptions broken = options;
    broken.extra[Json::json_pointer(path)] = "caf\xe9";
    expect_error([&] { render_chat(assets, messages, broken); }, ErrorCode::kInvalidArgument,
                 {path[1] == 't' ? "tools" : "documents", "byte 3", "UTF-8"});
  }
  Json spoiled = messages;
  spoiled[1]["tool_calls"] = Json::array({{{"name", "\xff"}}});
  expect_error([&] { render_chat(assets, spoiled); }, ErrorCode::kInvalidArgument,
               {"message", "byte 0", "UTF-8"});
}

// Qwen 1's chat models name their form and state one end token of three.
TEST(TextAssetsTest, ChatMlBringsItsMarksAndTemplate) {
  std::string vocabulary = byte_level_json().dump();
  for (const char* mark : {"start", "end"}) {
    const std::string from = fmt::format("<|{}|>", mark), to = fmt::format("<|im_{}|>", mark);
    for (size_t at; (at = vocabulary.find(from)) != vocabulary.npos;) {
      vocabulary.replace(at, from.size(), to);
    }
  }
  const auto engine = engine_with(
      {{"tokenizer", vocabulary}, {"generation", R"({"eos_token_id":5,"chat_format":"chatml"})"}});
  const TextAssets assets = engine_text_assets(*engine, "m");
  const Tokenizer& tokenizer = assets.require_tokenizer();
  EXPECT_EQ(assets.end_ids(), (std::vector<int32_t>{5, tokenizer.token_to_id("<|im_end|>"),
                                                    tokenizer.token_to_id("<|im_start|>")}));
  const Json messages = Json::parse(R"([{"role":"user","content":"a"}])");
  EXPECT_EQ(chat_text(render_chat(assets, messages)),
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  const Json system = Json::parse(R"([{"role":"system","content":"s"}])");
  EXPECT_EQ(chat_text(render_chat(assets, system)),
            "<|im_start|>system\ns<|im_end|>\n<|im_start|>assistant\n");
  const auto raw = engine_with(
      {{"tokenizer", vocabulary}, {"generation", R"({"eos_token_id":5,"chat_format":"raw"})"}});
  EXPECT_EQ(engine_text_assets(*raw, "m").end_ids(), std::vector<int32_t>{5});
  EXPECT_EQ(engine_text_assets(*raw, "m").chat_template, nullptr);
}

// ChatGLM3's class builds chats by code; a template of the model's own goes first.
TEST(TextAssetsTest, ATokenizersFormOfChats) {
  const std::string spec = make_tokenizer_spec(
      sentencepiece_model(2), "tokenizer.model",
      parse_tokenizer_config(
          R"({"tokenizer_class": "ChatGLMTokenizer", "name_or_path": "chatglm3"})", "config"));
  const auto engine = engine_with({{"tokenizer", spec}, {"generation", R"({"eos_token_id":2})"}});
  const TextAssets assets = engine_text_assets(*engine, "m");
  const Json messages = Json::parse(R"([{"role":"user","content":"a"}])");
  EXPECT_EQ(chat_text(render_chat(assets, messages)), "[gMASK]sop<|user|>\n a<|assistant|>");
  EXPECT_EQ(assets.end_ids(),
            (std::vector<int32_t>{2, assets.tokenizer->token_to_id("<|user|>"),
                                  assets.tokenizer->token_to_id("<|observation|>")}));
  const auto own = engine_with({{"tokenizer", spec}, {"chat_template", "T"}});
  EXPECT_EQ(chat_text(render_chat(engine_text_assets(*own, "m"), messages)), "T");
}

// A temperature counts only with do_sample; without defaults nothing but the greedy rule is on.
TEST(TextAssetsTest, GreedyUnlessTheModelSamples) {
  const auto cold = engine_with({{"generation", R"({"temperature":0.7})"}});
  EXPECT_EQ(engine_text_assets(*cold, "m").sampling().temperature, 0.0);
  const auto warm = engine_with({{"generation", R"({"temperature":0.7,"do_sample":true})"}});
  EXPECT_EQ(engine_text_assets(*warm, "m").sampling().temperature, 0.7);
  const SamplingParams none = engine_text_assets(*engine_with({}), "m").sampling();
  EXPECT_EQ(none.temperature, 0.0);
  EXPECT_EQ(none.top_k, 0);
  EXPECT_EQ(none.top_p, 1.0);
  EXPECT_TRUE(none.eos_token_ids.empty());
}

TEST(TextAssetsTest, WhatIsMissingOrWrongIsNamed) {
  const auto none = engine_with({});
  const TextAssets bare = engine_text_assets(*none, "bare.engine");
  expect_error([&] { bare.require_tokenizer(); }, ErrorCode::kUnsupported,
               {"bare.engine", "tokenizer"});
  const auto plain = engine_with({{"tokenizer", byte_level_json().dump()}});
  const TextAssets untemplated = engine_text_assets(*plain, "plain.engine");
  expect_error([&] { untemplated.require_template(); }, ErrorCode::kUnsupported,
               {"plain.engine", "chat template"});
  // The vocabulary of the plan bounds top_k and end tokens.
  const auto wide = engine_with({{"generation", R"({"top_k":98})"}});
  expect_error([&] { engine_text_assets(*wide, "w.engine"); }, ErrorCode::kCorrupt,
               {"w.engine", "'generation'", "'top_k'", "0 to 97", "found 98"});
  const auto ends = engine_with({{"generation", R"({"eos_token_id":4294967301})"}});
  expect_error([&] { engine_text_assets(*ends, "e.engine"); }, ErrorCode::kCorrupt,
               {"e.engine", "'generation'", "'eos_token_id'", "0 to 96", "4294967301"});
  for (const auto& [json, key, range] :
       {std::tuple{R"({"repetition_penalty":0})", "'repetition_penalty'", "0.001 to 1000, found 0"},
        {R"({"temperature":-1})", "'temperature'", "0 to 100, found -1"},
        {R"({"top_p":1.5})", "'top_p'", "more than 0 and at most 1, found 1.5"},
        {R"({"min_p":2})", "'min_p'", "0 to 1, found 2"}}) {
    const auto engine = engine_with({{"generation", json}});
    expect_error([&] { engine_text_assets(*engine, "r.engine"); }, ErrorCode::kCorrupt,
                 {"r.engine", "'generation'", key, range});
  }
  const auto network = engine_with({{"network", "{}"}});
  expect_error([&] { engine_text_assets(*network, "n.engine"); }, ErrorCode::kUnsupported,
               {"n.engine", "network"});
}

}  // namespace
}  // namespace ingot
