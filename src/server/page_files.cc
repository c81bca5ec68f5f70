#include "server/page_files.h"

#include "server/call.h"

namespace ingot {

const PageFile* find_page_file(std::string_view name) {
  for (const PageFile& file : page_files()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

std::string_view page_file_type(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

void add_page_headers(Call& call) {
  call.more_headers.emplace_back(
      "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
      "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'");
  call.more_headers.emplace_back("X-Frame-Options: DENY");
  call.more_headers.emplace_back("Referrer-Policy: no-referrer");
  call.more_headers.emplace_back("Cross-Origin-Opener-Policy: same-origin");
  call.more_headers.emplace_back("Cross-Origin-Resource-Policy: same-origin");
}

}  // namespace ingot
