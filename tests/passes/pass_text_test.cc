// Behaviour of passes as text: every tests/passes/<pass>*.txt holds cases
//
//   == what it shows
//   passes: merge_linears dead_code
//   graph main ...
//   -- becomes            (or "-- unchanged", and no second graph)
//   graph main ...
//
// With DEV_INGOT_UPDATE_GOLDEN=1 in the environment the graphs after "-- becomes" are written anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/file.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/pipeline.h"

namespace ingot {
namespace {

const OpDef& random_like() {
  static const OpDef op = {
      .name = "test_random_like",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .effects = {.random = true},
      .reference = [](const OpArgs&) {}};
  return op;
}

const OpDef& all_reduce() {
  static const OpDef op = {
      .name = "test_all_reduce",
      .infer = [](const InferArgs& args) -> std::vector<ValueType> { return {args.input(0)}; },
      .effects = {.collective = true},
      .reference = [](const OpArgs&) {}};
  return op;
}

struct PassCase {
  std::string file;
  std::string name;
  std::vector<std::string> passes;
  std::string before;
  bool unchanged = false;
  std::string after;
};

std::string pass_folder() { return std::string(INGOT_TEST_DATA) + "/../passes"; }

std::vector<PassCase> read_cases(const std::string& path) {
  std::vector<PassCase> cases;
  std::istringstream lines(read_file(path));
  std::string* graph = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("== ")) {
      cases.push_back({std::filesystem::path(path).stem(), line.substr(3), {}, {}, false, {}});
      graph = &cases.back().before;
    } else if (line.starts_with("passes: ")) {
      std::istringstream names(line.substr(8));
      for (std::string name; names >> name;) cases.back().passes.push_back(name);
    } else if (line == "-- unchanged") {
      cases.back().unchanged = true;
      graph = nullptr;
    } else if (line == "-- becomes") {
      graph = &cases.back().after;
    } else if (!line.empty() && line[0] != '#') {
      if (!graph) throw std::runtime_error(path + ": stray line: " + line);
      *graph += line + "\n";
    }
  }
  return cases;
}

std::string apply(const PassCase& c) {
  auto graph = parse_graph(c.before);
  verify(*graph, "parse");
  for (const std::string& pass : c.passes) run_pass(*graph, pass);
  const std::string once = graph_text(*graph);
  // A pass must be idempotent, and its result must survive its own text.
  for (const std::string& pass : c.passes) EXPECT_EQ(run_pass(*graph, pass), 0) << pass;
  EXPECT_EQ(graph_text(*graph), once);
  EXPECT_EQ(graph_text(*parse_graph(once)), once);
  return once;
}

void update(const std::string& path) {
  std::string out;
  std::istringstream lines(read_file(path));
  const std::vector<PassCase> cases = read_cases(path);
  size_t next = 0;
  bool replaced = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("== ")) {
      ++next;
      replaced = false;
      if (next > 1) out += "\n";
    }
    if (replaced || line.empty()) continue;
    out += line + "\n";
    if (line != "-- becomes") continue;
    out += apply(cases[next - 1]);
    replaced = true;
  }
  std::ofstream(path) << out;
}

TEST(PassTextTest, EveryCaseGivesTheWrittenGraph) {
  register_op(random_like());
  register_op(all_reduce());
  std::map<std::string, int> counts;
  for (const auto& entry : std::filesystem::directory_iterator(pass_folder())) {
    if (entry.path().extension() != ".txt") continue;
    if (std::getenv("DEV_INGOT_UPDATE_GOLDEN")) update(entry.path());
    for (const PassCase& c : read_cases(entry.path())) {
      SCOPED_TRACE(c.file + ": " + c.name);
      ++counts[c.file];
      const std::string found = apply(c);
      EXPECT_EQ(found, c.unchanged ? c.before : c.after);
      if (!c.unchanged) {
        EXPECT_NE(found, c.before) << "nothing changed";
      }
    }
  }
  for (const PassDef* pass : passes_pass_list()) {
    int count = 0;
    for (const auto& [file, n] : counts) count += file.starts_with(pass->name) ? n : 0;
    EXPECT_GE(count, 2) << pass->name << " has too few cases in tests/passes/";
  }
}

TEST(PassTextTest, PipelineRunsInOrderAndHonoursDisabled) {
  const char* text =
      "graph main\n"
      "  input %x : float32[tokens, 4]\n"
      "  weight %w : float32[4]\n"
      "  %a = add(%x, %x) : float32[tokens, 4]\n"
      "  %dead = rms_norm(%x, %w) : float32[tokens, 4]\n"
      "  return %a\n";
  auto graph = parse_graph(text);
  const auto reports = run_pipeline(*graph, {{"dead_code"}, true});
  for (const PassReport& report : reports) EXPECT_NE(report.name, "dead_code");
  EXPECT_EQ(graph_text(*graph), text);
  auto other = parse_graph(text);
  int dead = 0;
  for (const PassReport& report : run_pipeline(*other, {{}, true})) {
    if (report.name == "dead_code") dead += report.changes;
  }
  EXPECT_EQ(dead, 1);
  std::set<std::string> ran;
  for (const PassReport& report : reports) ran.insert(report.name);
  for (const PassDef* pass : passes_pass_list()) {
    EXPECT_EQ(ran.count(std::string(pass->name)), pass->name == "dead_code" ? 0u : 1u)
        << pass->name << " has no place in pipeline.cc's order, or is disabled and ran";
  }
  EXPECT_EQ(other->nodes().size(), 1u);
  EXPECT_THROW(run_pipeline(*other, {{"dead_cod"}, true}), Error);
  EXPECT_THROW(run_pass(*other, "no_such_pass"), Error);
  EXPECT_EQ(parse_pass_names(",dead_code,merge_linears,"),
            (std::vector<std::string>{"dead_code", "merge_linears"}));
  EXPECT_THROW(parse_pass_names("dead_code,no_such_pass"), Error);
}

}  // namespace
}  // namespace ingot
