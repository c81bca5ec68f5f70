// An ONNX file of tens of thousands of nodes imports in time that grows with its nodes, not with
// their square. The file is written here, field by field of onnx.proto.
#include <gtest/gtest.h>

#include "base/error.h"
#include "loaders/onnx.h"
#include "tests/base/growth.h"

namespace ingot {
namespace onnx_large_test {

// The little of protobuf's wire format that the file needs.
class Message {
 public:
  Message& number(uint32_t field, uint64_t value) {
    varint(uint64_t{field} << 3);
    varint(value);
    return *this;
  }
  Message& text(uint32_t field, std::string_view bytes) {
    varint(uint64_t{field} << 3 | 2);
    varint(bytes.size());
    bytes_ += bytes;
    return *this;
  }
  Message& message(uint32_t field, const Message& inner) { return text(field, inner.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

constexpr uint64_t kFloat = 1, kBool = 9;            // TensorProto.DataType
constexpr uint64_t kTensorKind = 4, kGraphKind = 5;  // AttributeProto.AttributeType

inline Message tensor(const std::string& name, uint64_t type, std::string_view bytes) {
  return Message().number(2, type).text(8, name).text(9, bytes);
}

// Every node has the same name, as exporters that name none by themselves may write.
inline Message node(const std::string& op, const std::vector<std::string>& inputs,
                    const std::string& output) {
  Message out;
  for (const std::string& input : inputs) out.text(1, input);
  return out.text(2, output).text(3, "n").text(4, op);
}

inline Message declared(const std::string& name) {
  const Message dim = Message().number(1, 1);
  const Message type = Message().number(1, kFloat).message(2, Message().message(1, dim));
  return Message().text(1, name).message(2, Message().message(1, type));
}

// x_(i+1) = x_i + a Constant; every fourth step goes through the known branch of an If first.
inline std::string large_model(int steps) {
  Message graph;
  graph.text(2, "large").message(5, tensor("yes", kBool, std::string_view("\1", 1)));
  std::string x = "x";
  for (int i = 0; i < steps; ++i) {
    const std::string at = std::to_string(i);
    if (i % 4 == 0) {
      // All branches use one name for their result.
      const Message body = Message()
                               .message(1, node("Neg", {x}, "inner"))
                               .text(2, "b")
                               .message(12, declared("inner"));
      Message branch = node("If", {"yes"}, "if" + at);
      for (const char* name : {"then_branch", "else_branch"}) {
        branch.message(5, Message().text(1, name).number(20, kGraphKind).message(6, body));
      }
      graph.message(1, branch);
      x = "if" + at;
    }
    const Message value = tensor("", kFloat, std::string_view("\0\0\x80\x3f", 4));
    Message constant = node("Constant", {}, "c" + at);
    constant.message(5, Message().text(1, "value").number(20, kTensorKind).message(5, value));
    graph.message(1, constant).message(1, node("Add", {x, "c" + at}, "x" + at));
    x = "x" + at;
  }
  graph.message(11, declared("x")).message(12, declared(x));
  return Message().number(1, 8).message(7, graph).message(8, Message().number(2, 17)).bytes();
}

// CPU seconds of importing large_model(steps).
double import(int64_t steps) {
  const std::string bytes = large_model(static_cast<int>(steps));
  OnnxModel model;
  const double seconds = cpu_seconds([&] {
    model = parse_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())), "large.onnx", {});
  });
  EXPECT_EQ(model.graph->nodes().size(), static_cast<size_t>(steps + steps / 4));
  EXPECT_EQ(model.graph->subgraph_count(), 0u);
  EXPECT_NE(model.graph->find("n." + std::to_string(steps - 1)), kNoValue);
  return seconds;
}

// A copy of all names per branch, or a search for a free name per constant from the first one on,
// would be quadratic.
TEST(OnnxLarge, ImportsInLinearTime) { EXPECT_LT(growth_from(320, import), kMostGrowth); }

// What an inlined branch defines is not seen behind it.
TEST(OnnxLarge, NamesOfAnInlinedBranchEndWithIt) {
  Message graph;
  graph.text(2, "g").message(5, tensor("yes", kBool, std::string_view("\1", 1)));
  const Message body =
      Message().message(1, node("Neg", {"x"}, "inner")).text(2, "b").message(12, declared("inner"));
  Message branch = node("If", {"yes"}, "y");
  branch.message(5, Message().text(1, "then_branch").number(20, kGraphKind).message(6, body));
  graph.message(1, branch).message(1, node("Neg", {"inner"}, "z"));
  graph.message(11, declared("x")).message(12, declared("z"));
  const std::string bytes =
      Message().number(1, 8).message(7, graph).message(8, Message().number(2, 17)).bytes();
  try {
    parse_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())), "branch.onnx", {});
    FAIL() << "the branch's own value was found behind it";
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("'inner' is not defined before it"),
              std::string_view::npos)
        << error.what();
  }
}

}  // namespace onnx_large_test
}  // namespace ingot
