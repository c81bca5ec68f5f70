#include "server/request_head.h"

#include <algorithm>
#include <cctype>

#include "server/api_error.h"

namespace ingot {
namespace {

ApiError malformed(std::string message) {
  return plain_error(400, "the request's head: " + std::move(message));
}

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != kOthers.npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The next line, without its CRLF.
std::string_view next_line(std::string_view& text) {
  const size_t end = text.find("\r\n");
  if (end == text.npos) throw malformed("expected lines that end with CR LF");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      throw malformed(fmt::format("a control character (0x{:02x}) in a line", byte));
    }
  }
  return line;
}

void read_target(std::string_view target, RequestHead& head) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t slash = target.find('/');
    target = slash == target.npos ? "/" : target.substr(slash);
  }
  const bool star = head.method == "OPTIONS" && target == "*";
  if (!target.starts_with('/') && !star) {
    throw malformed("expected a target that starts with '/'");
  }
  if (target.find('#') != target.npos) throw malformed("a '#' in the target");
  const size_t query = target.find('?');
  head.path = target.substr(0, query);
  if (query != target.npos) head.query = target.substr(query + 1);
}

void read_request_line(std::string_view line, RequestHead& head) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last || line.find(' ', first + 1) != last) {
    throw malformed("expected 'METHOD target HTTP/1.1' as the first line");
  }
  head.method = line.substr(0, first);
  if (!is_token(head.method)) throw malformed("a character in the method that may not be there");
  const std::string_view version = line.substr(last + 1);
  if (version == "HTTP/1.0") {
    head.minor_version = 0;
  } else if (version != "HTTP/1.1") {
    if (version.starts_with("HTTP/") && version.size() == 8) {
      throw plain_error(505, "expected HTTP/1.1 or HTTP/1.0");
    }
    throw malformed("expected 'METHOD target HTTP/1.1' as the first line");
  }
  read_target(line.substr(first + 1, last - first - 1), head);
}

void read_length(std::string_view value, RequestHead& head) {
  if (head.content_length >= 0) throw malformed("Content-Length is given twice");
  constexpr size_t kMostDigits = 15;
  const bool digits =
      !value.empty() && value.size() <= kMostDigits &&
      std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= '0' && c <= '9'; });
  if (!digits) throw malformed("Content-Length: expected a number of bytes");
  head.content_length = std::stoll(std::string(value));
}

void read_framing(RequestHead& head) {
  int hosts = 0, codings = 0;
  for (const auto& [name, value] : head.headers) {
    hosts += name == "host" ? 1 : 0;
    if (name == "content-length") read_length(value, head);
    if (name != "transfer-encoding") continue;
    if (++codings > 1) throw malformed("Transfer-Encoding is given twice");
    if (lower(value) != "chunked") {
      throw plain_error(501, "Transfer-Encoding: expected chunked, or none");
    }
    head.chunked = true;
  }
  if (head.chunked && head.content_length >= 0) {
    throw malformed("both Content-Length and Transfer-Encoding");
  }
  if (head.chunked && head.minor_version == 0) {
    throw malformed("Transfer-Encoding in a request of HTTP/1.0");
  }
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1)) {
    throw malformed(fmt::format("expected one Host, found {}", hosts));
  }
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view RequestHead::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

bool RequestHead::keep_alive() const {
  const std::string wish = lower(header("connection"));
  if (minor_version == 0) return wish == "keep-alive";
  return wish.find("close") == wish.npos;
}

RequestHead parse_request_head(std::string_view text, int64_t max_headers) {
  RequestHead head;
  read_request_line(next_line(text), head);
  while (true) {
    const std::string_view line = next_line(text);
    if (line.empty()) break;
    if (line.front() == ' ' || line.front() == '\t') throw malformed("a folded header line");
    const size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) {
      throw malformed("expected 'Name: value' in each line");
    }
    if (static_cast<int64_t>(head.headers.size()) == max_headers) {
      throw plain_error(431, fmt::format("expected at most {} headers", max_headers));
    }
    head.headers.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  read_framing(head);
  return head;
}

}  // namespace ingot
