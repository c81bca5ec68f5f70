#include "server/route.h"

#include <gtest/gtest.h>

#include <set>

namespace ingot {
namespace {

TEST(Route, PathsAndMethods) {
  const RouteMatch chat = find_route("POST", "/v1/chat/completions");
  ASSERT_NE(chat.route, nullptr);
  EXPECT_EQ(chat.route->name, "chat_completions");
  EXPECT_TRUE(chat.method_fits);
  EXPECT_EQ(find_route("POST", "/chat/completions").route, chat.route);
  EXPECT_FALSE(find_route("GET", "/v1/chat/completions").method_fits);
  EXPECT_TRUE(find_route("HEAD", "/v1/models").method_fits);
  for (const char* path : {"/v1/chat/completions/", "//v1/chat/completions", "/V1/models", "/v1",
                           "/v1/", "", "*", "/v1/%6dodels", "/v1/./models", "/v2/models"}) {
    EXPECT_EQ(find_route("POST", path).route, nullptr) << path;
  }
}

TEST(Route, WithAndWithoutVersion) {
  for (const RouteDef* route : server_route_list()) {
    if (route->path == "/") continue;
    std::string path(route->path.substr(0, route->path.find('{')));
    if (path.size() < route->path.size()) path += "x";
    const bool versioned = path.starts_with("/v1/");
    const std::string other = versioned ? path.substr(3) : "/v1" + path;
    const std::string_view method = route->method == Method::kGet ? "GET" : "POST";
    EXPECT_EQ(find_route(method, path).route, route) << path;
    EXPECT_EQ(find_route(method, other).route, route) << other;
    EXPECT_EQ(find_route(method, "/v1" + (versioned ? path : other)).route, nullptr) << path;
  }
  EXPECT_EQ(find_route("GET", "/").route->name, "chat_page");
}

TEST(Route, Parameters) {
  EXPECT_EQ(find_route("GET", "/v1/models/a").parameter, "a");
  EXPECT_EQ(find_route("GET", "/v1/models/a/b%20c").parameter, "a/b c");
  EXPECT_EQ(find_route("GET", "/v1/models/").route, nullptr);
  EXPECT_EQ(find_route("GET", "/v1/models/%4").route, nullptr);
}

// Probes answer without a key, and so does the web page, which is where a person types the key: its
// files are the same for everybody, know nothing of the server's state and take no input. Every
// endpoint says what it is.
TEST(Route, TheList) {
  const std::set<std::string_view> open = {"livez", "readyz", "chat_page", "page_file"};
  for (const RouteDef* route : server_route_list()) {
    EXPECT_EQ(route->access.is_public(), open.contains(route->name)) << route->name;
    EXPECT_FALSE(route->help.empty()) << route->name;
    EXPECT_TRUE(route->path.starts_with('/')) << route->name;
    EXPECT_EQ(route->body != nullptr, route->method == Method::kPost) << route->name;
  }
}

void check_names(const std::vector<Field>& fields, const std::string& where) {
  std::set<std::string_view> names;
  for (const Field& field : fields) {
    EXPECT_TRUE(names.insert(field.name).second) << where << " has '" << field.name << "' twice";
    check_names(field.fields, fmt::format("{}.{}", where, field.name));
  }
}

TEST(Route, FieldsOfBodiesStandOnce) {
  for (const RouteDef* route : server_route_list()) {
    if (route->body != nullptr) check_names(route->body().fields, std::string(route->name));
  }
}

}  // namespace
}  // namespace ingot
