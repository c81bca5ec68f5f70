#include "server/page_files.h"

#include <gtest/gtest.h>

#include "tests/server/oracle_server.h"

namespace ingot {
namespace {

TEST(PageFiles, EachIsServedUnderItsHash) {
  OracleServerOptions options;
  options.server.api_keys = {"one"};
  OracleServer server(options);
  HttpClient client(server.port());
  ASSERT_GE(page_files().size(), 5U);
  for (const PageFile& file : page_files()) {
    const std::string path = fmt::format("/page/{}/{}", page_hash(), file.name);
    const HttpAnswer answer = client.call("GET", path);
    EXPECT_EQ(answer.result_int(), 200U) << path;
    EXPECT_EQ(answer.body(), file.text) << path;
    EXPECT_EQ(std::string(answer["Content-Type"]), page_file_type(file.name)) << path;
    EXPECT_NE(page_file_type(file.name), "application/octet-stream") << path;
    EXPECT_EQ(std::string(answer["Cache-Control"]), "public, max-age=31536000, immutable");
    EXPECT_TRUE(answer["Content-Security-Policy"].starts_with("default-src 'none'")) << path;
    EXPECT_EQ(std::string(answer["X-Content-Type-Options"]), "nosniff") << path;
    EXPECT_EQ(client.call("GET", path + "x").result_int(), 404U);
    EXPECT_EQ(client.call("GET", fmt::format("/page/{}x/{}", page_hash(), file.name)).result_int(),
              404U);
  }
}

// What the page refers to is there, and models' text is never parsed as markup.
TEST(PageFiles, ReferToEachOther) {
  const std::string_view page = find_page_file("index.html")->text;
  const std::string prefix = fmt::format("page/{}/", page_hash());
  int references = 0;
  for (size_t at = page.find(prefix); at != page.npos; at = page.find(prefix, at + 1)) {
    const size_t begin = at + prefix.size();
    const std::string_view name = page.substr(begin, page.find('"', begin) - begin);
    EXPECT_NE(find_page_file(name), nullptr) << name;
    ++references;
  }
  EXPECT_GE(references, 4);
  for (const PageFile& file : page_files()) {
    for (const char* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                             "eval(", "DOMParser", "setHTMLUnsafe"}) {
      EXPECT_EQ(file.text.find(word), file.text.npos) << file.name << ": " << word;
    }
  }
  EXPECT_EQ(find_page_file("nothing.js"), nullptr);
}

}  // namespace
}  // namespace ingot
