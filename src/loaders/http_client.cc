#include "loaders/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <memory>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "loaders/http_client";
constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaders = 200;
constexpr long kConnectSeconds = 10;
constexpr long kStallSeconds = 30;

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};
template <typename T>
using CurlPtr = std::unique_ptr<T, CurlDeleter>;

void init_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) fail(ErrorCode::kIo, kWhere, "libcurl does not start");
}

CurlPtr<CURLU> parse_url(const std::string& text) {
  init_once();
  CurlPtr<CURLU> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    fail(ErrorCode::kCorrupt, kWhere, "'{}' is not an http or https address", text.substr(0, 200));
  }
  return url;
}

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* out = nullptr;
  if (curl_url_get(url, part, &out, flags) != CURLUE_OK) return "";
  const CurlPtr<char> owner(out);
  return out;
}

// A positive number of seconds from the environment, else the fallback.
long seconds_from(const char* name, long fallback) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return fallback;
  long value = 0;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value <= 0 || value > 86400) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: expected seconds, found '{}'", name, view);
  }
  return value;
}

std::string certificate_file() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != 0) return value;
  }
  return "";
}

// What the callbacks of one exchange share. An exception cannot cross libcurl, so it waits here.
struct Exchange {
  CURL* curl;
  HttpResponse response;
  HttpSink* sink;
  std::exception_ptr error;
};

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // of a proxy's answer or "100 Continue" before the real one
    exchange.response.headers.clear();
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  if (exchange.response.headers.size() >= kMaxHeaders) return 0;
  std::string name(line.substr(0, colon));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) {
    value.remove_prefix(1);
  }
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) {
    value.remove_suffix(1);
  }
  exchange.response.headers[name] = value;
  return line.size();
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  try {
    if (exchange.response.status == 0) {
      curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &exchange.response.status);
    }
    const bool redirect = exchange.response.status / 100 == 3;
    if (!redirect) {
      (*exchange.sink)(exchange.response, std::as_bytes(std::span(data, size * count)));
    }
    return size * count;
  } catch (...) {
    exchange.error = std::current_exception();
    return 0;
  }
}

void set_options(CURL* curl, const HttpRequest& request, const std::string& url,
                 Exchange& exchange) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "ingot/" INGOT_VERSION);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                   seconds_from("INGOT_HTTP_CONNECT_TIMEOUT", kConnectSeconds));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   seconds_from("HF_HUB_DOWNLOAD_TIMEOUT", kStallSeconds));
  const std::string certificates = certificate_file();
  if (!certificates.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, certificates.c_str());
  if (request.head) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (request.range_from > 0) {
    curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(request.range_from) + "-").c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
}

// One request to one address, no redirect followed.
HttpResponse exchange_once(const HttpRequest& request, const std::string& url, bool with_token,
                           HttpSink sink) {
  const CurlPtr<CURL> curl(curl_easy_init());
  if (!curl) fail(ErrorCode::kOutOfMemory, kWhere, "libcurl has no memory");
  Exchange exchange{.curl = curl.get(), .response = {}, .sink = &sink, .error = nullptr};
  exchange.response.url = url;
  set_options(curl.get(), request, url, exchange);
  CurlPtr<curl_slist> headers;
  const auto add_header = [&](const std::string& line) {
    if (line.find_first_of("\r\n") != std::string::npos) {
      fail(ErrorCode::kInvalidArgument, kWhere, "a header or token holds a line break");
    }
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) fail(ErrorCode::kOutOfMemory, kWhere, "libcurl has no memory");
    static_cast<void>(headers.release());  // the list now belongs to `longer`
    headers.reset(longer);
  };
  for (const std::string& line : request.headers) add_header(line);
  if (with_token && !request.token.empty()) add_header("Authorization: Bearer " + request.token);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason);
  const CURLcode code = curl_easy_perform(curl.get());
  if (exchange.error) std::rethrow_exception(exchange.error);
  if (code != CURLE_OK) {
    fail(ErrorCode::kIo, kWhere, "{} {}: {}", request.head ? "HEAD" : "GET", display_url(url),
         *reason != 0 ? reason : curl_easy_strerror(code));
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &exchange.response.status);
  return std::move(exchange.response);
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

std::string_view HttpResponse::header(std::string_view lower_case_name) const {
  const auto it = headers.find(lower_case_name);
  return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

HttpResponse http_request(const HttpRequest& request, HttpSink sink) {
  std::string url = resolve_url(request.url, "");
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    HttpResponse response = exchange_once(request, url, same_origin(url, request.url), sink);
    const bool moved = is_redirect(response.status) && !response.header("location").empty();
    if (!moved || !request.follow_redirects) return response;
    const std::string next = resolve_url(url, std::string(response.header("location")));
    if (url.starts_with("https:") && !next.starts_with("https:")) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: redirected from https to {}", display_url(url),
           display_url(next));
    }
    url = next;
  }
  fail(ErrorCode::kCorrupt, kWhere, "{}: more than {} redirects", display_url(request.url),
       kMaxRedirects);
}

HttpText http_get_text(const HttpRequest& request, size_t limit) {
  HttpText out;
  out.response = http_request(request, [&](const HttpResponse&, std::span<const std::byte> bytes) {
    if (out.body.size() + bytes.size() > limit) {
      fail(ErrorCode::kCorrupt, kWhere, "GET {}: expected at most {} bytes",
           display_url(request.url), limit);
    }
    out.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return out;
}

std::string resolve_url(const std::string& base, const std::string& reference) {
  const CurlPtr<CURLU> url = parse_url(base);
  if (!reference.empty() &&
      curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), CURLU_URLENCODE) != CURLUE_OK) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: redirected to '{}', which is not an address",
         display_url(base), reference.substr(0, 200));
  }
  const std::string scheme = url_part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected an http or https address, found '{}:'",
         display_url(base), scheme);
  }
  return url_part(url.get(), CURLUPART_URL);
}

bool same_origin(const std::string& a, const std::string& b) {
  const CurlPtr<CURLU> left = parse_url(a);
  const CurlPtr<CURLU> right = parse_url(b);
  const auto equal = [&](CURLUPart part) {
    return url_part(left.get(), part, CURLU_DEFAULT_PORT) ==
           url_part(right.get(), part, CURLU_DEFAULT_PORT);
  };
  return equal(CURLUPART_SCHEME) && equal(CURLUPART_HOST) && equal(CURLUPART_PORT);
}

std::string display_url(const std::string& url) {
  init_once();
  const CurlPtr<CURLU> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return "(not an address)";
  }
  for (CURLUPart part : {CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_USER, CURLUPART_PASSWORD}) {
    curl_url_set(parsed.get(), part, nullptr, 0);
  }
  return url_part(parsed.get(), CURLUPART_URL);
}

std::string escape_url_path(std::string_view path) {
  std::string out;
  for (char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

}  // namespace ingot
