#include "graph/verify.h"

#include <set>
#include <unordered_map>
#include <vector>

namespace ingot {
namespace {

class Verifier {
 public:
  Verifier(const Graph& graph, std::string_view after) : graph_(graph), after_(after) {}

  void run() {
    for (int id = 0; id < graph_.value_count(); ++id) {
      if (graph_.at(id).kind != Value::Kind::kNode) defined_.insert(id);
    }
    for (const Node& node : graph_.nodes()) check_node(node);
    for (int output : graph_.outputs()) {
      if (!defined_.count(output)) bad("return", "an output is not defined by any node");
    }
    for (int token : last_written_) {
      if (!graph_.is_output(token)) {
        bad(graph_.at(token).name, "the last token of a written state is not a graph output");
      }
    }
    check_uses();
  }

 private:
  [[noreturn]] void bad(std::string_view where, std::string_view rule) {
    fail(ErrorCode::kInternal, "graph/verify", "graph '{}' after {}: {}: {}", graph_.name(), after_,
         where, rule);
  }

  void check_node(const Node& node) {
    const OpDef* def = find_op(node.op);
    const std::string label = node.op + (node.origin.empty() ? "" : " (" + node.origin + ")");
    if (!def) bad(label, "unknown operator");
    for (int input : node.inputs) {
      if (input == kNoValue) continue;
      if (!defined_.count(input)) {
        bad(label, fmt::format("input %{} is used before it is defined", graph_.at(input).name));
      }
      if (graph_.type(input).state && written_.count(input)) {
        bad(label,
            fmt::format("state token %{} is used after it was written", graph_.at(input).name));
      }
    }
    check_types(node, label);
    for (const Effects::Alias& alias : def->effects.aliases) {
      const int token = node.inputs[static_cast<size_t>(alias.input)];
      if (!graph_.type(token).state) continue;
      written_.insert(token);
      last_written_.erase(token);
      last_written_.insert(node.outputs[static_cast<size_t>(alias.output)]);
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = graph_.at(node.outputs[i]);
      if (value.producer != &node || value.output_index != static_cast<int>(i)) {
        bad(label, fmt::format("output %{} names another producer", value.name));
      }
      defined_.insert(node.outputs[i]);
    }
  }

  // The graph's lists of uses against what the nodes read: nothing more, nothing less.
  void check_uses() {
    std::unordered_map<const Node*, std::vector<bool>> listed;
    size_t reads = 0;
    for (const Node& node : graph_.nodes()) {
      listed[&node].resize(node.inputs.size());
      for (int input : node.inputs) reads += input != kNoValue ? 1 : 0;
    }
    size_t uses = 0;
    for (int id = 0; id < graph_.value_count(); ++id) {
      for (const Use& use : graph_.uses(id)) {
        const auto it = listed.find(use.node);
        if (it == listed.end()) bad(graph_.at(id).name, "a listed reader is gone");
        const bool reads_it = use.slot < it->second.size() && use.node->inputs[use.slot] == id;
        if (!reads_it || it->second[use.slot]) {
          bad(graph_.at(id).name, fmt::format("is listed as input {} of {}, which does not read it "
                                              "there (inputs change by set_input only)",
                                              use.slot, use.node->op));
        }
        it->second[use.slot] = true;
        ++uses;
      }
    }
    if (uses != reads) {
      bad("uses", fmt::format("{} inputs read a value, {} are listed", reads, uses));
    }
  }

  void check_types(const Node& node, const std::string& label) {
    std::vector<const ValueType*> types;
    for (int input : node.inputs)
      types.push_back(input == kNoValue ? nullptr : &graph_.type(input));
    const InferArgs args{node.op,
                         types,
                         node.attrs,
                         [&](size_t i) -> const TensorView* {
                           const int id = i < node.inputs.size() ? node.inputs[i] : kNoValue;
                           return id == kNoValue ? nullptr : graph_.constant(id);
                         },
                         node.outputs.size(),
                         [&](int64_t index) {
                           std::vector<ValueType> out;
                           const Graph& sub = graph_.subgraph(index);
                           for (int value : sub.outputs()) out.push_back(sub.type(value));
                           return out;
                         }};
    const std::vector<ValueType> inferred = get_op(node.op).infer(args);
    if (inferred.size() != node.outputs.size()) {
      bad(label,
          fmt::format("has {} outputs, infer() gives {}", node.outputs.size(), inferred.size()));
    }
    for (size_t i = 0; i < inferred.size(); ++i) {
      const ValueType& found = graph_.type(node.outputs[i]);
      if (!(found == inferred[i])) {
        bad(label, fmt::format("output {} is {}, infer() gives {}", i, type_text(found),
                               type_text(inferred[i])));
      }
    }
  }

  const Graph& graph_;
  std::string_view after_;
  std::set<int> defined_;
  std::set<int> written_;       // state tokens that a later token replaces
  std::set<int> last_written_;  // newest token of each written state
};

}  // namespace

void verify(const Graph& graph, std::string_view after) {
  Verifier(graph, after).run();
  for (size_t i = 0; i < graph.subgraph_count(); ++i) {
    verify(graph.subgraph(static_cast<int64_t>(i)), after);
  }
}

}  // namespace ingot
