#include "server/call.h"
#include "server/page_files.h"

namespace ingot {
namespace route_chat_page {

Task<> handle(Call& call) {
  add_page_headers(call);
  const PageFile* page = find_page_file("index.html");
  co_await call.reply_text(200, page_file_type(page->name), page->text);
}

}  // namespace route_chat_page

const RouteDef& chat_page_route() {
  using namespace route_chat_page;
  static const RouteDef def = {.name = "chat_page",
                               .method = Method::kGet,
                               .path = "/",
                               .access = Access::anybody(),
                               .help = "a web page to talk with the model",
                               .handle = handle,
                               .while_loading = true,
                               .content = "text/html"};
  return def;
}

}  // namespace ingot
