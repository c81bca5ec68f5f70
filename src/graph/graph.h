// The intermediate representation: what importers and models build and passes rewrite.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ops/contract/op_def.h"
#include "tensor/element_type.h"
#include "tensor/random_fill.h"

namespace ingot {

// One canonical tensor as its file holds it: row-major, never rewritten. Borrowed bytes; `owner`
// (shared: many weights and graphs view one mapped file) keeps them alive. Without bytes where its
// values follow from a seed (`random`).
struct TensorData {
  std::string name;
  ElementType type;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::optional<RandomFill> random{};
};

// A weight is a list of pieces along axis 0 (merged QKV has three). The shard axis says how tensor
// parallelism may cut it: 0 by rows, 1 by columns, -1 not at all.
struct Weight {
  std::vector<std::shared_ptr<const TensorData>> segments;
  int shard_axis = -1;
};

enum class StateKind { kPaged, kWindowed, kFixed, kCross };
std::string_view state_kind_name(StateKind kind);

// Memory that lives across steps. States of one group are allocated alike by the scheduler.
struct StateDecl {
  std::string group;  // "kv"
  StateKind kind = StateKind::kPaged;
  int64_t window = 0;  // tokens, for kWindowed
};

struct Node;

struct Value {
  enum class Kind { kInput, kState, kWeight, kNode };
  Kind kind = Kind::kNode;
  std::string name;  // unique in its graph, [A-Za-z0-9_.:/-]+
  ValueType type;
  Node* producer = nullptr;  // kNode
  int output_index = 0;      // kNode: which output of the producer
  Weight weight;             // kWeight
  StateDecl state;           // kState
};

struct Node {
  std::string op;
  Attrs attrs;
  std::vector<int> inputs;  // value ids, kNoValue where left out; changed by Graph::set_input only
  std::vector<int> outputs;
  std::string origin;  // where it came from ("layer 3", an ONNX node's name), for messages
};

// One place that reads a value.
struct Use {
  Node* node;
  size_t slot;  // node->inputs[slot] is the value
};

// Nodes stand in program order, which is a topological order and also the order of state accesses.
// Values are never removed, only unused. The graph keeps a list of uses per value, so that
// rewriting one value costs as much as it has readers, whatever the size of the graph. Not thread
// safe.
class Graph final : public OpEmitter {
 public:
  using NodeList = std::list<Node>;

  explicit Graph(std::string name = "main") : name_(std::move(name)) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  int add_input(std::string_view name, ValueType type);
  int add_state(std::string_view name, ElementType element, SymShape shape, StateDecl decl);
  // The shape is taken from the segments: rows add up, the rest must agree (CHECK).
  int add_weight(std::string_view name, Weight weight);
  int add_constant(ElementType type, Shape shape, std::span<const std::byte> data) override;
  // Declares a weight without bytes (graphs parsed from text).
  int add_weight_type(std::string_view name, ElementType element, Shape shape);

  // OpEmitter: nodes go before the insertion point (the end unless set). infer() errors name
  // origin.
  std::vector<int> emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                             size_t outputs) override;
  const ValueType& type(int value) const override { return at(value).type; }
  // Bytes of a weight value in one piece with data; nullptr otherwise.
  const TensorView* constant(int value) const override;
  void set_origin(std::string origin) { origin_ = std::move(origin); }
  void set_insertion_point(NodeList::iterator before) { insertion_ = before; }
  void clear_insertion_point() { insertion_ = nodes_.end(); }

  void add_output(int value);
  void set_outputs(std::vector<int> values);
  void rename(int value, std::string_view name);

  const Value& at(int value) const;
  Value& at(int value);
  int value_count() const { return static_cast<int>(values_.size()); }
  int find(std::string_view name) const;  // kNoValue if absent
  NodeList& nodes() { return nodes_; }
  const NodeList& nodes() const { return nodes_; }
  const std::vector<int>& inputs() const { return inputs_; }
  const std::vector<int>& states() const { return states_; }
  const std::vector<int>& outputs() const { return outputs_; }

  // Places that read `value`, in the order in which they began to.
  const std::list<Use>& uses(int value) const;
  // Nodes that read `value`, each once, in the order of uses().
  std::vector<Node*> consumers(int value) const;
  // The one node that reads `value` (in any number of places); nullptr for none or several.
  Node* sole_consumer(int value) const;
  bool is_output(int value) const { return output_slots_.count(value) > 0; }
  // Makes the node read `value` (kNoValue: nothing) at an input that it has (CHECK).
  void set_input(Node& node, size_t slot, int value);
  void replace_uses(int old_value, int new_value);  // in nodes and graph outputs
  // replace_uses, and `new_value` takes the name: a rewrite keeps the names of graph outputs.
  void supersede(int old_value, int new_value);
  // The node's outputs must be unused (CHECK in the verifier, not here). They lose their producer.
  NodeList::iterator erase(NodeList::iterator node);
  NodeList::iterator position(const Node* node);  // CHECK: a node of this graph
  // Runs infer again over all nodes after a rewrite that changed types.
  void infer_types();

  int add_subgraph(std::unique_ptr<Graph> graph);
  Graph& subgraph(int64_t index) { return *subgraphs_.at(static_cast<size_t>(index)); }
  const Graph& subgraph(int64_t index) const { return *subgraphs_.at(static_cast<size_t>(index)); }
  size_t subgraph_count() const { return subgraphs_.size(); }

  // Free-form facts that travel into the engine ("architecture", "max_position_embeddings", ...).
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // Holds whatever the weights' bytes view (a mapped file) for as long as the graph lives.
  void keep_alive(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }
  const std::vector<std::shared_ptr<const void>>& owners() const { return owners_; }
  // Default upper bounds of symbols ("tokens" -> 2048), the limits an engine is built for.
  SymbolValues& limits() { return limits_; }
  const SymbolValues& limits() const { return limits_; }

 private:
  // Where a node stands, and its entry in the list of uses of each input (none for kNoValue).
  struct Links {
    NodeList::iterator position;
    std::vector<std::list<Use>::iterator> uses;
  };

  int add_value(Value value);
  // The free name nearest to `name`: itself, else with the smallest suffix ".1", ".2", ... not
  // taken.
  std::string free_name(std::string_view name);
  void release_name(const std::string& name);
  void link(NodeList::iterator node);
  std::vector<ValueType> infer(std::string_view op, const Attrs& attrs,
                               const std::vector<int>& inputs, size_t outputs) const;

  std::string name_;
  std::string origin_;
  std::vector<std::unique_ptr<Value>> values_;
  std::map<std::string, int, std::less<>> names_;
  // By base name: every suffix below this one is taken. Without it, n values of one name cost n².
  std::unordered_map<std::string, int> suffixes_;
  NodeList nodes_;
  std::unordered_map<const Node*, Links> links_;
  std::vector<std::list<Use>> uses_;                           // by value
  std::unordered_map<int, std::vector<size_t>> output_slots_;  // value -> its places in outputs_
  NodeList::iterator insertion_ = nodes_.end();
  std::vector<int> inputs_;
  std::vector<int> states_;
  std::vector<int> outputs_;
  std::vector<std::unique_ptr<Graph>> subgraphs_;
  std::map<std::string, std::string> metadata_;
  SymbolValues limits_;
  std::vector<std::shared_ptr<const void>> owners_;
  // Views handed out by constant(), kept stable.
  mutable std::map<int, std::unique_ptr<TensorView>> constant_views_;
};

}  // namespace ingot
