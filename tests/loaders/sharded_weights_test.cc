#include "loaders/sharded_weights.h"

#include "tests/loaders/torch_archive.h"

namespace ingot {
namespace {

constexpr const char* kShardA = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
constexpr const char* kShardB = R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";

TEST(ShardedWeightsTest, MergesShards) {
  ScratchDirectory dir;
  dir.write("1.safetensors", encode_safetensors(kShardA, 2));
  dir.write("2.safetensors", encode_safetensors(kShardB, 3));
  dir.write("model.safetensors.index.json",
            R"({"metadata":{"total_size":5,"x":[1,{"weight_map":{}}]},)"
            R"("weight_map":{"b":"2.safetensors","a":"1.safetensors"}})");
  auto weights = open_weights_directory(dir.path());
  EXPECT_EQ(weights->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(weights->require("b").bytes.size(), 3u);
  EXPECT_EQ(weights->files().size(), 2u);
}

TEST(ShardedWeightsTest, RefusesBadIndexes) {
  ScratchDirectory dir;
  dir.write("1.safetensors", encode_safetensors(kShardA, 2));
  dir.write("2.safetensors", encode_safetensors(kShardB, 3));
  auto refused = [&](std::string_view index, ErrorCode code,
                     const std::vector<std::string>& parts) {
    SCOPED_TRACE(index);
    const std::string path = dir.write("model.safetensors.index.json", index);
    std::vector<std::string> all = {path};
    all.insert(all.end(), parts.begin(), parts.end());
    expect_error([&] { open_weights_directory(dir.path()); }, code, all);
  };
  const auto corrupt = ErrorCode::kCorrupt;
  refused(R"({"weight_map":{"a":"3.safetensors"}})", ErrorCode::kNotFound,
          {"'3.safetensors'", "'a'", "missing"});
  refused(R"({"weight_map":{"z":"1.safetensors"}})", corrupt, {"'z'", "not in its shard"});
  refused(R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})", corrupt,
          {"'b'", "not in its shard '1.safetensors'"});
  refused(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})", corrupt,
          {"expected in shard", "found in"});
  for (const char* name : {"../1.safetensors", "/etc/passwd", "", "..", ".", "x/1.safetensors",
                           "x\\\\1.safetensors", "1.safetensors\\u0000"}) {
    refused(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name), corrupt,
            {"expected the name of a file in the same directory"});
  }
  refused("", corrupt, {"not valid JSON"});
  refused("[]", corrupt, {"expected an object, found a list"});
  refused("{}", corrupt, {"'weight_map' is missing"});
  refused(R"({"weight_map":[]})", corrupt, {"expected an object"});
  refused(R"({"weight_map":{}})", corrupt, {"empty"});
  refused(R"({"weight_map":{"a":1}})", corrupt, {"'a'", "found a number"});
  refused(R"({"weight_map":{"a":{}}})", corrupt, {"'a'", "found an object"});
  refused(R"({"weight_map":{"a":"1.safetensors","a":"1.safetensors"}})", corrupt,
          {"'a' appears twice"});
  refused("{\"x\":" + std::string(100000, '['), corrupt, {"nested deeper"});
}

TEST(ShardedWeightsTest, DirectoryWithoutWeights) {
  ScratchDirectory dir;
  expect_error([&] { open_weights_directory(dir.path()); }, ErrorCode::kNotFound,
               {dir.path(), "model.safetensors", "found 0"});
  dir.write("only.safetensors", encode_safetensors(kShardA, 2));
  EXPECT_TRUE(open_weights_directory(dir.path())->contains("a"));
}

TEST(ShardedWeightsTest, PytorchFilesWhereThereAreNoOthers) {
  ScratchDirectory dir;
  dir.write("pytorch_model.bin", torch_archive({{"a", {2}}}));
  EXPECT_EQ(open_weights_directory(dir.path())->names(), (std::vector<std::string>{"a"}));
  dir.write("1.bin", torch_archive({{"b", {2}}}));
  dir.write("2.bin", torch_archive({{"c", {3}}}));
  dir.write("pytorch_model.bin.index.json", R"({"weight_map":{"b":"1.bin","c":"2.bin"}})");
  EXPECT_EQ(open_weights_directory(dir.path())->names(), (std::vector<std::string>{"b", "c"}));
  dir.write("adapter_model.safetensors", encode_safetensors(kShardA, 2));  // of another model
  EXPECT_EQ(open_weights_directory(dir.path())->names(), (std::vector<std::string>{"b", "c"}));
  dir.write("weights.safetensors", encode_safetensors(kShardB, 3));
  EXPECT_EQ(open_weights_directory(dir.path())->require("b").type, DType::kUInt8);
  dir.write("more.safetensors", encode_safetensors(kShardB, 3));
  expect_error([&] { open_weights_directory(dir.path()); }, ErrorCode::kNotFound, {"found 2"});
  dir.write("model.safetensors", encode_safetensors(kShardA, 2));
  EXPECT_EQ(open_weights_directory(dir.path())->require("a").type, DType::kUInt8);
}

}  // namespace
}  // namespace ingot
