// A server on a free port whose model is the oracle: its tokens are bytes, drawn by a hash of all
// tokens before them as they are read back from KV pages.
#pragma once

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <string>
#include <thread>

#include "base/log.h"
#include "runtime/oracle_model.h"
#include "server/http_server.h"
#include "text/tokenizer_pipeline/byte_alphabet.h"

namespace ingot {

// Bytes 0 to 255, then <|im_start|> 256 and <|im_end|> 257.
inline std::string byte_tokenizer_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocab[spell_bytes(std::string(1, static_cast<char>(byte)))] = byte;
  }
  Json added = Json::array();
  for (const auto& [id, text] : {std::pair{256, "<|im_start|>"}, std::pair{257, "<|im_end|>"}}) {
    vocab[text] = id;
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  return Json{{"added_tokens", added},
              {"pre_tokenizer", bytes},
              {"decoder", {{"type", "ByteLevel"}}},
              {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}}
      .dump();
}

// A template that knows no tools, and writes a system message of its own where there is none.
constexpr std::string_view kPlainTemplate =
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>"
    "\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// Messages between marks; with tools, the form of Hermes. Else as `chat_template` writes them.
inline TextAssets oracle_assets(std::string_view chat_template = {}) {
  TextAssets out;
  out.name = "oracle";
  out.tokenizer = Tokenizer::load(byte_tokenizer_json(), "oracle");
  out.template_source =
      "{% if tools %}<tool_call>{{ tools | tojson }}{% endif %}"
      "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>"
      "\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  if (!chat_template.empty()) out.template_source = chat_template;
  out.chat_template = ChatTemplate::parse(out.template_source, "oracle");
  out.generation.eos_ids = {257};
  return out;
}

struct OracleServerOptions {
  ServerOptions server;
  LoopOptions loop;
  int64_t rows = 16;
  int64_t context = 1024;
  int64_t pages = 512;
  int port = 0;               // 0: one that is free
  std::string chat_template;  // empty: oracle_assets()' own
};

template <typename Model>
class ModelServer {
 public:
  explicit ModelServer(OracleServerOptions options = {})
      : assets_(oracle_assets(options.chat_template)),
        model_(limits(options)),
        loop_(model_, options.loop, clock_) {
    spdlog::set_level(spdlog::level::warn);
    options.server.port = options.port;
    server_ = std::make_unique<HttpServer>(options.server);
    served_ = {.name = "oracle",
               .aliases = {"org/oracle"},
               .created = 1,
               .assets = &assets_,
               .loop = &loop_,
               .context = options.context,
               .grammars = std::make_shared<ModelGrammars>(assets_, 258)};
    server_->state().set_model(&served_);
    engine_ = std::thread([this] { loop_.run(); });
    server_->start();
  }
  ~ModelServer() {
    loop_.stop();
    engine_.join();
  }
  int port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  Loop& loop() { return loop_; }
  Model& model() { return model_; }
  const ServedModel& served() const { return served_; }

 private:
  static ModelLimits limits(const OracleServerOptions& options) {
    ModelLimits out;
    out.vocab_size = 258;
    out.max_seq_len = options.context;
    out.max_batch_rows = options.rows;
    out.max_batch_tokens = std::max<int64_t>(512, 4 * options.rows);
    KvGroup pages;
    pages.name = "kv";
    pages.num_pages = options.pages;
    out.state_groups = {pages};
    return out;
  }

  SteadyClock clock_;
  TextAssets assets_;
  Model model_;
  Loop loop_;
  ServedModel served_;
  std::unique_ptr<HttpServer> server_;
  std::thread engine_;
};

using OracleServer = ModelServer<OracleModel>;

using HttpAnswer = boost::beast::http::response<boost::beast::http::string_body>;

// One connection of a client; blocking.
class HttpClient {
 public:
  explicit HttpClient(int port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"),
                     static_cast<boost::asio::ip::port_type>(port)});
  }
  void send(std::string_view bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes)); }
  // `head`: the answer to HEAD has no body.
  HttpAnswer read(bool head = false) {
    boost::beast::http::response_parser<boost::beast::http::string_body> parser;
    parser.body_limit(64 << 20);
    parser.skip(head);
    boost::beast::http::read(socket_, buffer_, parser);
    return parser.release();
  }
  HttpAnswer call(std::string_view method, std::string_view path, std::string_view body = {},
                  std::string_view headers = {}) {
    std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: test\r\n{}", method, path, headers);
    if (!body.empty()) {
      out += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    }
    send(out + "\r\n" + std::string(body));
    return read(method == "HEAD");
  }
  // Bytes as they come, until `text` is among them or the connection ends.
  std::string until(std::string_view text) {
    std::string out;
    boost::system::error_code error;
    while (out.find(text) == out.npos && !error) {
      char some[4096];
      out.append(some, socket_.read_some(boost::asio::buffer(some), error));
    }
    return out;
  }
  // Whether the server has closed the connection.
  bool closed() {
    char byte = 0;
    boost::system::error_code error;
    socket_.read_some(boost::asio::buffer(&byte, 1), error);
    return static_cast<bool>(error);
  }
  void reset() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace ingot
