#include "server/api_error.h"
#include "server/call.h"
#include "server/page_files.h"

namespace ingot {
namespace route_page_file {

// "HASH/chat.js". An address never means another text, so browsers may keep it.
Task<> handle(Call& call) {
  const std::string_view wanted = call.request().parameter;
  const size_t slash = wanted.find('/');
  const PageFile* file = slash == wanted.npos ? nullptr : find_page_file(wanted.substr(slash + 1));
  if (file == nullptr || wanted.substr(0, slash) != page_hash()) {
    throw not_found("the page has no such file");
  }
  add_page_headers(call);
  call.cache_control = "public, max-age=31536000, immutable";
  co_await call.reply_text(200, page_file_type(file->name), file->text);
}

}  // namespace route_page_file

const RouteDef& page_file_route() {
  using namespace route_page_file;
  static const RouteDef def = {.name = "page_file",
                               .method = Method::kGet,
                               .path = "/page/{file}",
                               .access = Access::anybody(),
                               .help = "scripts, styles and pictures of the web page",
                               .handle = handle,
                               .while_loading = true,
                               .content = "*/*"};
  return def;
}

}  // namespace ingot
