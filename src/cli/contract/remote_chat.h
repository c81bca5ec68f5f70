// An OpenAI server's model as a partner of `ingot chat`.
#pragma once

#include <memory>
#include <string>

#include "cli/contract/chat_terminal.h"
#include "server/http_client.h"

namespace ingot {

// The stream of one answer of /v1/chat/completions, as any server writes it. One thread.
class ChatStream {
 public:
  // `show` gets the text of the answer, `think` what a model writes before it where the server
  // tells them apart; both outlive this.
  ChatStream(ShowText show, ShowText think);
  ~ChatStream();
  // Error{kIo} for a frame that is none, or that tells an error; {kCorrupt} for an endless one.
  void take(std::string_view bytes);

  // Once there are no more bytes. Error{kIo}: what came is no whole answer, and why. A whole answer
  // in JSON, of servers that do not stream, counts too.
  void finish(std::string_view content_type);

  const std::string& text() const;
  const std::string& reason() const;  // finish_reason; "stop" where a server tells none
  int64_t tokens() const;             // by the server's usage, else one for each part
  double first_ms() const;            // from construction to the first part; 0 without one

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class RemoteChat final : public ChatPartner {
 public:
  // `body`: fields of the requests beside model and messages. `target` outlives this.
  RemoteChat(const HttpTarget& target, std::string model, Json body);
  ~RemoteChat() override;
  ChatAnswer answer(ChatHistory& history, ShowText show) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
