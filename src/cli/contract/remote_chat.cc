#include "cli/contract/remote_chat.h"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdio>
#include <exception>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/printable.h"
#include "cli/contract/interrupts.h"
#include "cli/contract/openai_server.h"
#include "runtime/text_assets.h"
#include "server/sse_parser.h"

namespace ingot {

namespace asio = boost::asio;

namespace remote_chat {

constexpr std::string_view kWhere = "cli/chat";
constexpr std::string_view kPath = "/v1/chat/completions";
constexpr size_t kMostWhole = size_t{16} << 20;  // bytes of an answer that is no stream
constexpr size_t kMostNames = 8;                 // of models, in a message

const Json* at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const std::string* text_at(const Json* object, const char* key) {
  const Json* found = object ? at(*object, key) : nullptr;
  return found && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool is_context_length(const std::string& body) {
  return body.find("context_length_exceeded") != body.npos ||  // OpenAI, Ingot
         body.find("exceed_context_size") != body.npos ||      // llama-server
         body.find("maximum context length") != body.npos;     // vLLM
}

}  // namespace remote_chat

class ChatStream::Impl {
 public:
  Impl(ShowText show, ShowText think) : show_(show), think_(think) {}

  void take(std::string_view bytes) {
    if (events_ == 0 && raw_.size() + bytes.size() <= remote_chat::kMostWhole) raw_ += bytes;
    parser_.feed(bytes, [this](const SseEvent& event) { on_event(event); });
  }

  void finish(std::string_view content_type) {
    if (events_ == 0) take_whole(content_type);
    if (done_ || !finish_reason.empty()) return;
    fail(ErrorCode::kIo, remote_chat::kWhere, "the server's stream ended before the answer did");
  }

  std::string answer_text;
  std::string finish_reason;
  int64_t part_count = 0;
  int64_t output_tokens = -1;
  double first_part_ms = 0;

 private:
  void on_event(const SseEvent& event) {
    ++events_;
    const std::string_view data = remote_chat::trimmed(event.data);
    if (done_ || data.empty()) return;
    if (data == "[DONE]") {
      done_ = true;
      return;
    }
    const Json frame = parsed(data);
    refuse_error(frame, event.type == "error", data);
    take_frame(frame, "delta");
  }

  // An answer in one piece, or a page of something else.
  void take_whole(std::string_view content_type) {
    const std::string_view data = remote_chat::trimmed(raw_);
    const bool json = data.starts_with('{');
    const Json whole = json ? parsed(data) : Json();
    if (json) refuse_error(whole, false, data);
    if (!remote_chat::at(whole, "choices")) {
      if (content_type.starts_with("text/event-stream")) return;  // ended before its first event
      fail(ErrorCode::kIo, remote_chat::kWhere,
           "expected an OpenAI server's event stream, found {}: {}",
           content_type.empty() ? "no content type" : content_type, error_message(data));
    }
    take_frame(whole, "message");
  }

  static Json parsed(std::string_view data) {
    try {
      return parse_json(data, remote_chat::kWhere, "the answer");
    } catch (const Error&) {
      fail(ErrorCode::kIo, remote_chat::kWhere,
           "expected JSON with a part of the answer, found: {}", error_message(data));
    }
  }

  static void refuse_error(const Json& frame, bool error_event, std::string_view data) {
    const std::string* object = remote_chat::text_at(&frame, "object");
    if (!error_event && !remote_chat::at(frame, "error") && !(object && *object == "error")) return;
    fail(ErrorCode::kIo, remote_chat::kWhere, "the server gave up the answer: {}",
         error_message(data));
  }

  // `body`: the name of what holds the text of a choice.
  void take_frame(const Json& frame, const char* body) {
    if (const Json* usage = remote_chat::at(frame, "usage")) {
      const Json* count = remote_chat::at(*usage, "completion_tokens");
      if (count && count->is_number_integer()) output_tokens = count->get<int64_t>();
    }
    const Json* choices = remote_chat::at(frame, "choices");
    if (!choices || !choices->is_array() || choices->empty()) return;
    const Json& choice = (*choices)[0];
    const Json* part = remote_chat::at(choice, body);
    for (const char* key : {"reasoning_content", "reasoning"}) {
      const std::string* thought = remote_chat::text_at(part, key);
      if (!thought || thought->empty()) continue;
      count_part();
      thinking_ = true;
      think_(*thought);
      break;
    }
    for (const char* key : {"content", "refusal"}) {
      const std::string* text = remote_chat::text_at(part, key);
      if (!text || text->empty()) continue;
      count_part();
      if (std::exchange(thinking_, false)) think_("\n");
      answer_text += *text;
      show_(*text);
    }
    if (const std::string* reason = remote_chat::text_at(&choice, "finish_reason")) {
      finish_reason = *reason;
    }
  }

  void count_part() {
    if (part_count++ == 0) first_part_ms = watch_.ms();
  }

  ShowText show_, think_;
  Stopwatch watch_;
  SseParser parser_;
  std::string raw_;  // until the first event
  int64_t events_ = 0;
  bool done_ = false;
  bool thinking_ = false;
};

ChatStream::ChatStream(ShowText show, ShowText think)
    : impl_(std::make_unique<Impl>(show, think)) {}
ChatStream::~ChatStream() = default;
void ChatStream::take(std::string_view bytes) { impl_->take(bytes); }
void ChatStream::finish(std::string_view content_type) { impl_->finish(content_type); }
const std::string& ChatStream::text() const { return impl_->answer_text; }
const std::string& ChatStream::reason() const {
  static const std::string stop = "stop";
  return impl_->finish_reason.empty() ? stop : impl_->finish_reason;
}
int64_t ChatStream::tokens() const {
  return impl_->output_tokens >= 0 ? impl_->output_tokens : impl_->part_count;
}
double ChatStream::first_ms() const { return impl_->first_part_ms; }

class RemoteChat::Impl {
 public:
  Impl(const HttpTarget& target, std::string model, Json body)
      : target_(target),
        model_(std::move(model)),
        body_(std::move(body)),
        client_(io_, target),
        interrupt_(io_) {
    body_["stream"] = true;
    body_["stream_options"] = {{"include_usage", true}};
  }

  ChatAnswer answer(ChatHistory& history, ShowText show) {
    while (true) {
      const auto think = [](std::string_view text) {
        const std::string shown = without_controls(text);
        std::fwrite(shown.data(), 1, shown.size(), stderr);
      };
      ChatStream stream(show, think);
      const Stopwatch watch;
      const ClientAnswer answer = call(history, stream);
      const bool stopped = answer.fault == ClientFault::kStopped && interrupted.load();
      if (!stopped && answer.fault == ClientFault::kNone && answer.status != 200) {
        if (adapted(answer, history)) continue;
        fail_status(answer);
      }
      if (!stopped && answer.fault != ClientFault::kNone) {
        // A server may cut the connection behind a whole answer.
        if (answer.status != 200)
          fail_call(target_, remote_chat::kPath, answer, remote_chat::kWhere);
        if (answer.fault != ClientFault::kDisconnected) {
          fail(ErrorCode::kIo, remote_chat::kWhere, "in the middle of the answer: {} ({})",
               client_fault_name(answer.fault), answer.message);
        }
      }
      if (!stopped) stream.finish(answer.header("content-type"));
      const std::string reason = stopped ? "cancelled" : stream.reason();
      ChatAnswer out = {
          .text = stream.text(),
          .finish = reason,
          .tokens = stream.tokens(),
          .first_ms = stream.first_ms(),
          .decode_ms = watch.ms() - stream.first_ms(),
          .json = {
              {"text", stream.text()}, {"finish_reason", reason}, {"tokens", stream.tokens()}}};
      return out;
    }
  }

 private:
  // A connection that the server closed in this moment is tried anew, once.
  ClientAnswer call(const ChatHistory& history, ChatStream& stream) {
    Json body = {{"model", model_}, {"messages", history.messages()}};
    body.update(body_);
    const ClientRequest request = {"POST", std::string(remote_chat::kPath), body.dump()};
    const bool kept = std::exchange(called_, true);
    ClientAnswer answer = call(request, stream);
    const bool lost = answer.fault == ClientFault::kDisconnected && answer.status == 0;
    if (kept && lost) answer = call(request, stream);
    return answer;
  }

  ClientAnswer call(const ClientRequest& request, ChatStream& stream) {
    const OnBytes on_bytes = [&stream](std::string_view bytes) {
      stream.take(bytes);
      return true;
    };
    ClientAnswer out;
    std::exception_ptr thrown;
    io_.restart();
    interrupt_.assign(::dup(interrupt_pipe()));
    watch_interrupts();
    asio::co_spawn(io_, client_.call(request, on_bytes),
                   [&](const std::exception_ptr& error, ClientAnswer answer) {
                     thrown = error;
                     out = std::move(answer);
                     interrupt_.close();
                   });
    io_.run();
    if (thrown) std::rethrow_exception(thrown);
    return out;
  }

  void watch_interrupts() {
    interrupt_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](const boost::system::error_code& error) {
                            if (error) return;
                            char bytes[64];
                            while (::read(interrupt_pipe(), bytes, sizeof bytes) > 0) continue;
                            // Bytes may be left of an interrupt that ended an answer before.
                            if (interrupted.load()) return client_.stop();
                            watch_interrupts();
                          });
  }

  // Whether another request, less or otherwise asked, may be taken: servers differ.
  bool adapted(const ClientAnswer& answer, ChatHistory& history) {
    if (answer.status != 400 && answer.status != 422) return false;
    const auto says = [&](const char* word) { return answer.body.find(word) != std::string::npos; };
    if (body_.contains("stream_options") && says("stream_options")) {
      body_.erase("stream_options");
      return true;
    }
    if (body_.contains("max_tokens") && says("max_completion_tokens")) {
      body_["max_completion_tokens"] = body_["max_tokens"];
      body_.erase("max_tokens");
      return true;
    }
    return remote_chat::is_context_length(answer.body) && history.forget_oldest();
  }

  [[noreturn]] void fail_status(const ClientAnswer& answer) const {
    std::string names;
    if (answer.status == 404 && Json::accept(answer.body)) {
      try {
        const auto models = server_models(target_, remote_chat::kWhere);
        for (size_t i = 0; i < std::min(models.size(), remote_chat::kMostNames); ++i) {
          names += (i ? ", " : "") + models[i];
        }
      } catch (const Error&) {  // what was refused is told anyway
      }
    }
    if (names.empty()) fail_call(target_, remote_chat::kPath, answer, remote_chat::kWhere);
    fail(ErrorCode::kIo, remote_chat::kWhere, "{}{}: 404: {}; --model takes one of: {}",
         url_text(target_.url()), remote_chat::kPath, error_message(answer.body), names);
  }

  const HttpTarget& target_;
  const std::string model_;
  Json body_;
  asio::io_context io_{1};
  ClientConnection client_;
  asio::posix::stream_descriptor interrupt_;
  bool called_ = false;
};

RemoteChat::RemoteChat(const HttpTarget& target, std::string model, Json body)
    : impl_(std::make_unique<Impl>(target, std::move(model), std::move(body))) {}
RemoteChat::~RemoteChat() = default;
ChatAnswer RemoteChat::answer(ChatHistory& history, ShowText show) {
  check_utf8(history.messages().back()["content"].get_ref<const std::string&>(), "question");
  return impl_->answer(history, show);
}

}  // namespace ingot
