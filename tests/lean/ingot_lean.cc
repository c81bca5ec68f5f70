// The smallest program that serves an engine: no graph, pass, importer or compiler is linked.
//
//   ingot_lean run ENGINE 1,2,3 COUNT   prints COUNT greedy token ids after the prompt
//   ingot_lean strip ENGINE OUTPUT      writes the engine without its device sections
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/executor.h"

namespace ingot {
namespace {

constexpr int64_t kPage = 32;  // tokens of a KV page

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> out;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && *next != ',')) {
      fail(ErrorCode::kInvalidArgument, "lean", "prompt '{}': expected ids like 1,2,3", text);
    }
    out.push_back(id);
    at = next + 1;
  }
  if (out.empty()) fail(ErrorCode::kInvalidArgument, "lean", "the prompt is empty");
  return out;
}

class Decoder {
 public:
  Decoder(const std::string& path, int64_t tokens)
      : blocks_((tokens + kPage - 1) / kPage),
        device_(make_cpu_device()),
        executor_(load_engine(path), *device_, options(tokens, blocks_)) {}

  // The greedy token after `ids`, which follow what was fed before.
  int32_t step(std::vector<int32_t> ids) {
    const auto count = static_cast<int32_t>(ids.size());
    std::vector<int32_t> positions(ids.size());
    std::iota(positions.begin(), positions.end(), position_);
    set("token_ids", {count}, std::move(ids));
    set("positions", {count}, std::move(positions));
    set("token_rows", {count}, std::vector<int32_t>(static_cast<size_t>(count), 0));
    set("query_offsets", {2}, {0, count});
    set("context_lengths", {1}, {position_ + count});
    set("logit_rows", {1}, {count - 1});
    std::vector<int32_t> table(static_cast<size_t>(blocks_));
    std::iota(table.begin(), table.end(), 0);
    set("block_tables", {1, blocks_}, std::move(table));
    executor_.run();
    position_ += count;
    const TensorView logits = executor_.output("logits");
    std::vector<float> row(static_cast<size_t>(logits.columns()));
    load_row(logits, 0, 0, logits.columns(), row.data());
    return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }

 private:
  static ExecutorOptions options(int64_t tokens, int64_t blocks) {
    ExecutorOptions out;
    out.limits = {{"tokens", tokens},
                  {"batch", 1},
                  {"logit_rows", 1},
                  {"max_blocks", blocks},
                  {"kv_pages", blocks}};
    return out;
  }
  void set(std::string_view name, Shape shape, std::vector<int32_t> values) {
    executor_.set_input(
        name, {DType::kInt32, std::move(shape), reinterpret_cast<std::byte*>(values.data())});
  }

  int64_t blocks_;
  std::unique_ptr<Device> device_;
  Executor executor_;
  int32_t position_ = 0;
};

int run(const std::string& path, const std::string& prompt, const std::string& count_text) {
  const std::vector<int32_t> ids = parse_ids(prompt);
  const int32_t count = parse_ids(count_text)[0];
  Decoder decoder(path, static_cast<int64_t>(ids.size()) + count);
  int32_t token = decoder.step(ids);
  for (int32_t i = 0; i < count; ++i) {
    std::printf(i ? ",%d" : "%d", token);
    if (i + 1 < count) token = decoder.step({token});
  }
  std::printf("\n");
  return 0;
}

int strip(const std::string& path, const std::string& output) {
  Engine engine = *load_engine(path);
  engine.devices.clear();
  save_engine(engine, output);
  return 0;
}

}  // namespace
}  // namespace ingot

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    if (args.size() == 4 && args[0] == "run") return ingot::run(args[1], args[2], args[3]);
    if (args.size() == 3 && args[0] == "strip") return ingot::strip(args[1], args[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot_lean: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: ingot_lean run ENGINE IDS COUNT | strip ENGINE OUTPUT\n");
  return 2;
}
