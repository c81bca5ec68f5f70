#include "loaders/torch_file.h"

#include <list>

#include "tests/loaders/torch_archive.h"

namespace ingot {
namespace {

using testing::ElementsAre;

// An archive of one pickle and one storage "0" of six floats.
std::string archive(const std::string& value, const std::string& floats = counted_floats(6)) {
  StoredZip zip;
  zip.add("model/data.pkl", whole_pickle(value));
  zip.add("model/data/0", floats);
  return zip.take();
}
TorchTensor tensor(std::vector<int64_t> shape, std::vector<int64_t> strides = {}) {
  return {"w", std::move(shape), std::move(strides), "FloatStorage", 0, "0"};
}

// Memory where floats may lie at any address.
class TorchFileTest : public testing::Test {
 protected:
  std::shared_ptr<const WeightTable> open(const std::string& bytes) {
    kept_.push_back(bytes);
    return parse_torch_file(as_bytes(kept_.back()), "file.bin");
  }
  static std::vector<float> values(const WeightTable& table, const std::string& name) {
    const WeightInfo& info = table.require(name);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(info.bytes.data()) % 4, 0u);
    std::vector<float> out(static_cast<size_t>(info.elements()));
    EXPECT_EQ(info.bytes.size(), out.size() * 4);
    std::memcpy(out.data(), info.bytes.data(), out.size() * 4);
    return out;
  }
  void refused(const std::string& bytes, ErrorCode code, std::vector<std::string> parts) {
    parts.push_back("file.bin");
    expect_error([&] { open(bytes); }, code, parts);
  }
  void refused_value(const std::string& value, const std::string& part,
                     ErrorCode code = ErrorCode::kCorrupt) {
    refused(archive(value), code, {part});
  }
  std::list<std::string> kept_;
};

TEST_F(TorchFileTest, TensorsOfADictionary) {
  const auto table = open(torch_archive({{"a", {2, 3}}, {"b.c", {4}}, {"d", {}}, {"e", {0, 3}}}));
  EXPECT_EQ(table->names(), (std::vector<std::string>{"a", "b.c", "d", "e"}));
  EXPECT_EQ(table->require("a").shape, (Shape{2, 3}));
  EXPECT_THAT(values(*table, "a"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(table->require("d").shape, Shape{});
  EXPECT_EQ(table->require("e").elements(), 0);
}

TEST_F(TorchFileTest, PartsAndTransposedOnes) {
  TorchTensor part = tensor({2});
  part.offset = 3;
  EXPECT_THAT(values(*open(archive(pickled_dict({{"w", pickled_tensor(part)}}))), "w"),
              ElementsAre(3, 4));
  const std::string turned = pickled_tensor(tensor({3, 2}, {1, 3}));
  EXPECT_THAT(values(*open(archive(pickled_dict({{"w", turned}}))), "w"),
              ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST_F(TorchFileTest, WhatStandsAroundTheTensors) {
  const std::string w = pickled_tensor(tensor({6}));
  const std::string parameter = "ctorch._utils\n_rebuild_parameter\n(" + w +
                                "\x88"
                                "ccollections\nOrderedDict\n)RtR";
  // An OrderedDict with a state of its own, beside a count and a name.
  const std::string ordered = "ccollections\nOrderedDict\n)Rq\x05(" + pickled_text("w") +
                              parameter + "u}" + pickled_text("_metadata") + "}sb";
  const auto table = open(archive(
      pickled_dict({{"epoch", "K\x07"}, {"state_dict", ordered}, {"note", pickled_text("x")}})));
  EXPECT_EQ(table->names(), (std::vector<std::string>{"w"}));
  EXPECT_THAT(values(*table, "w"), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST_F(TorchFileTest, NothingIsRun) {
  const auto unsupported = ErrorCode::kUnsupported;
  const std::string system = "cposix\nsystem\n(" + pickled_text("true") + "tR";
  refused_value(pickled_dict({{"w", system}}), "a call of 'posix system', which is not run",
                unsupported);
  refused_value(system, "expected a dictionary of tensors, found a call of 'posix system'");
  const std::string object = "(i__main__\nC\n";
  refused_value(pickled_dict({{"w", object}}), "opcode 0x69", unsupported);
}

TEST_F(TorchFileTest, TensorsThatDoNotFit) {
  const auto one = [](const TorchTensor& t) { return pickled_dict({{"w", pickled_tensor(t)}}); };
  refused_value(one(tensor({7})), "[7] from element 0 needs more than the 6 elements");
  refused_value(one(tensor({2, 3}, {4, 1})), "needs more than the 6 elements");
  refused_value(one(tensor({2, 3}, {1})), "2 sizes and 1 strides");
  refused_value(one(tensor({2147483647, 2147483647}, {0, 0})), "'w'");
  refused_value(one(tensor({1000000}, {0})), "needs more than the 6 elements");
  refused_value(one(tensor({-1})), "sizes: expected an integer of 0 or more, found -1");
  TorchTensor far = tensor({1});
  far.offset = 6;
  refused_value(one(far), "from element 6");
  TorchTensor other = tensor({1});
  other.key = "1";
  refused_value(one(other), "model/data/1, are missing");
  other = tensor({1});
  other.type = "ComplexFloatStorage";
  refused_value(one(other), "found 'torch ComplexFloatStorage'", ErrorCode::kUnsupported);
  refused_value(one(tensor({6})).insert(1, pickled_text("w") + pickled_tensor(tensor({2})) + "s"),
                "tensor 'w': is there twice");
}

// Small files that would ask for gigabytes.
TEST_F(TorchFileTest, SharedPartsDoNotMultiply) {
  const std::string text = pickled_text(std::string(300, 'm'));
  refused_value("}" + text + "q\x01h\x01h\x01\x93s", "a global's name: expected at most 256 bytes");
  refused_value(pickled_dict({{std::string(1025, 'n'), pickled_tensor(tensor({6}))}}),
                "a tensor's name: expected at most 1024 bytes, found 1025");
  refused_value(pickled_dict({{"w", pickled_tensor(tensor(std::vector<int64_t>(9, 1)))}}),
                "sizes: expected at most 8 dimensions, found 9");
  std::vector<std::pair<std::string, std::string>> views;
  for (int i = 0; i < 1000; ++i) {
    TorchTensor t = tensor({30, 20}, {1, 30});
    views.emplace_back(fmt::format("w{}", i), pickled_tensor(t));
  }
  refused(archive(pickled_dict(views), counted_floats(600)), ErrorCode::kCorrupt,
          {"not stored in order"});
}

TEST_F(TorchFileTest, OtherFiles) {
  refused("", ErrorCode::kCorrupt, {"expected a ZIP archive, found 0 bytes"});
  refused(whole_pickle("J" + little_endian(1, 4)), ErrorCode::kUnsupported, {"a bare pickle"});
  StoredZip none;
  none.add("readme", "x");
  refused(none.take(), ErrorCode::kCorrupt, {"data.pkl, found 1 files"});
  StoredZip big;
  big.add("m/data.pkl", whole_pickle("}"));
  big.add("m/byteorder", "big");
  refused(big.take(), ErrorCode::kUnsupported, {"little-endian"});
}

TEST_F(TorchFileTest, EveryCutIsRefused) {
  const std::string whole = torch_archive({{"a", {2}}, {"b", {3}}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(open(whole.substr(0, size)), Error) << size;
    kept_.clear();
  }
}

}  // namespace
}  // namespace ingot
