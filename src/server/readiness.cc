#include "server/readiness.h"

namespace ingot {

Task<> answer_readiness(Call& call) {
  call.model();  // throws what is missing
  const Json body = {{"status", "ok"}};
  co_await call.reply(200, body);
}

}  // namespace ingot
