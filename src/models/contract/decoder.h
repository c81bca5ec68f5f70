// Parts shared by decoder-only models that keep a paged KV cache.
#pragma once

#include <string>

#include "base/function_ref.h"
#include "models/contract/model_def.h"
#include "models/contract/weight_names.h"
#include "tensor/kv_page.h"

namespace ingot {

constexpr int64_t kPageTokens = kKvBlockTokens;

// The inputs every decoder graph has, as value ids. Symbols: tokens (packed, padding removed),
// batch (sequences in the step), max_blocks (columns of a block table), logit_rows, and for each
// cache group <group>_pages.
struct DecoderInputs {
  int token_ids;        // int32[tokens]
  int positions;        // int32[tokens]
  int token_rows;       // int32[tokens]: batch row of each token
  int query_offsets;    // int32[batch_plus_one]: first token of each row
  int context_lengths;  // int32[batch]: tokens in the cache after this step
  // int32[batch, max_blocks] by cache group: input "block_tables" for "kv", "block_tables.<group>"
  // for others.
  std::map<std::string, int> block_tables;
  int logit_rows;  // int32[logit_rows]: tokens whose logits are wanted
};

// Layers whose caches are allocated alike. A model that mixes full and sliding-window layers has a
// group of each kind.
struct CacheGroup {
  std::string name = "kv";
  int64_t window = 0;  // tokens; > 0: pages that all lie further back are freed
};

// The groups of a model whose layers have windows by their layer_types (config_read.h): "kv" for
// full ones, "window" for local ones, as far as there are such layers.
std::vector<CacheGroup> cache_groups(const Json& config, int64_t window);

// theta^(-2 i / rotary) of each of rotary / 2 pairs, in float32 as reference implementations have
// it, so that large angles round the same way.
std::vector<float> plain_frequencies(double theta, int64_t rotary);

// One decoder graph under construction: inputs, activations' type, weight look-up, and the parts
// that decoders are made of. A model puts them together in its own order, with graph().emit() for
// what is its alone.
class DecoderBuilder {
 public:
  // Every group must be used by a layer (CHECK in finish).
  DecoderBuilder(const WeightSource& weights, const BuildOptions& options, int64_t max_positions,
                 Graph& graph, std::vector<CacheGroup> groups = {CacheGroup{}});

  Graph& graph() { return graph_; }
  const DecoderInputs& inputs() const { return inputs_; }
  DType activation_type() const { return activation_; }
  DType kv_type() const { return kv_; }

  // Layer i begins: what follows is of "layer i". Gives "<hf>i.", which its weights' names begin
  // with.
  std::string at_layer(std::string_view hf, int64_t i);

  bool has(const std::string& name) const { return weights_.contains(name); }
  // The weight as a graph value; the same value on every call. shard_axis as in Weight.
  int weight(const std::string& name, int shard_axis = -1);
  // x * W^T (+ bias when the source has `name`.bias). dtype "" keeps the activations' type.
  int linear(int x, const std::string& name, int shard_axis, std::string dtype = {});
  // The weight counts as offset + weight, in float32.
  int rms_norm(int x, const std::string& weight_name, double epsilon, double offset = 0);
  // With a weight that was computed.
  int rms_norm(int x, int weight, double epsilon);
  // Of each head's columns, with one weight for all heads.
  int head_norm(int x, const std::string& weight_name, double epsilon, int64_t head_dim,
                double offset = 0);
  // With `name`.weight and `name`.bias where the source has them.
  int layer_norm(int x, const std::string& name, double epsilon);
  // Of each head's columns, each head with a weight of its own.
  int layer_norm_of_heads(int x, const std::vector<std::string>& weight_names, double epsilon);
  // x * factor, x + offset; the number is rounded to x's element type.
  int scale(int x, double factor);
  int shift(int x, double offset);
  // Limited to [-limit, limit].
  int clip(int x, double limit);
  // cap * tanh(x / cap).
  int softcap(int x, double cap);
  int embedding(const std::string& weight_name);
  // x and the rows of a table of learned positions.
  int add_positions(int x, const std::string& weight_name);
  // x and one row of a table.
  int add_row(int x, const std::string& weight_name, int64_t row);
  // A number for each token by its position, [tokens, 1] of the activations' type: by_position of
  // 0, 1, ... up to the last position.
  int position_factors(const std::vector<float>& by_position);
  // x times such numbers, each of its token's row.
  int scale_rows(int x, int factors);
  // branch + x.
  int residual(int branch, int x);

  // "relu", "gelu", "gelu_tanh", "silu".
  int activation(int x, const std::string& name);
  // proj(activation(fc(x))).
  int mlp(int x, const std::string& fc, const std::string& activation, const std::string& proj);
  // down(activation(gate(x)) * up(x)).
  int gated_mlp(int x, const std::string& gate, const std::string& up,
                const std::string& activation, const std::string& down);
  // The same through <projections>gate_proj, up_proj and down_proj.
  int gated_mlp(int x, const std::string& projections, const std::string& activation);

  // Of one layer; layers of a model may differ in all of it.
  struct Attention {
    std::string group = "kv";
    int64_t heads = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    int64_t window = 0;  // 0 = all keys; a windowed group asks for 1 to its own
    double softcap = 0;
    double scale = 0;  // 0: 1 / sqrt(head_dim)
    int inv_freq = kNoValue;
    bool interleaved = false;
    double rope_scale = 1.0;
    int query_factors = kNoValue;  // position_factors() of the rotated queries
    int slopes = kNoValue;         // float32[heads]: linear biases, see ops/paged_attention.cc
    bool causal = true;            // false: tokens see all of their sequence (encoders)
  };
  // num_attention_heads, num_key_value_heads and head_dim; all else as above.
  static Attention attention_of(const Json& config);
  // Rotates q and k, appends k and v to layer `layer`'s cache, attends. The cache states are made
  // here, in the named group; the final tokens become graph outputs in finish().
  int attention(int q, int k, int v, int64_t layer, const Attention& shape);
  // The same of x through the linear layers that WeightNames::qkv makes of tensor `qkv`.
  int fused_attention(int x, const std::string& qkv, int64_t layer, const Attention& shape);
  // The same through <projections>q_proj, k_proj and v_proj.
  int self_attention(int x, const std::string& projections, int64_t layer, const Attention& shape);

  // What attention is made of, for layers whose rows are not tokens or whose keys are another
  // model's (encoder.h). Packed rows, and the cache pages of the sequences that they belong to:
  // inputs of the graph.
  struct PackedRows {
    int positions, rows, offsets, context_lengths, block_tables;
  };
  // States of keys and values, as their last tokens.
  struct Cache {
    int k, v;
  };
  Cache append(int k, int v, const Cache& cache, const PackedRows& to);
  int attend(int q, const Cache& cache, const PackedRows& rows, const Attention& shape);
  // Makes last tokens graph outputs, in finish().
  void keep(const Cache& cache);

  // Slopes of linear biases, float32[heads] (ops/paged_attention.cc has the rule): 2^(-max_bias (h
  // + 1) / n), times `factor`.
  int alibi_slopes(int64_t heads, double max_bias = 8, double factor = 1);

  // One weight [experts, rows, columns] of the experts' matrices [rows, columns], or of stacks of
  // them, in the order of the names. shard_axis as in Weight, of the three: 1 for rows, 2 for
  // columns.
  int experts(const std::vector<std::string>& names, int shard_axis = -1);
  // Of one layer: see ops/moe_route.cc and ops/moe_ffn.cc.
  struct Mixture {
    int64_t k = 0;  // experts a token
    std::string scoring = "softmax";
    bool normalise = true;
    double scale = 1;
    int bias = kNoValue;
    std::string activation = "silu";
    int gate = kNoValue;  // stacks of experts; without `up` gate holds both
    int up = kNoValue;
    int down = kNoValue;
  };
  // Routes by the router's logits [tokens, experts], float32 for the choice to be the trained one,
  // and adds the experts' feed-forward layers up.
  int mixture(int x, int logits, const Mixture& shape);
  // The same with experts by name: `router` (a linear layer) and, of expert e, the matrices named
  // by `name_of`; "gate", "up" and "down" are asked for. The inner size is what ranks share.
  using ExpertName = FunctionRef<std::string(int64_t expert, std::string_view which)>;
  int moe(int x, const std::string& router, int64_t experts, ExpertName name_of, Mixture shape);
  // The same of the layer whose names begin with `layer`, as WeightNames::experts() named them; the
  // router's name is without it.
  int moe(int x, const std::string& layer, const std::string& router,
          const WeightNames::Experts& experts, Mixture shape);

  // Inverse frequencies in float32: default, linear, llama3 (Llama 3.1's published piecewise
  // scaling), yarn, dynamic (see dynamic_frequencies() in decoder.cc), longrope (divisors for
  // sequences up to original_max_position, others for longer ones, if the graph is for such). Where
  // `divisors` are given, each frequency is divided by its own: Error{kCorrupt} unless they are
  // positive numbers, as many.
  int inverse_frequencies(const RopeConfig& rope, int64_t head_dim,
                          const std::vector<float>& divisors = {});
  // Inverse frequencies by a sequence's length: sets[i] for those up to lengths[i], the last set
  // for longer ones. The length is that of the prompt, or what prompt and answer can reach, or goes
  // by token: then there is one, n, and sets[i] is for n + i, up to the last position
  // (runtime/rotations.h). [tokens, pairs]; all calls of a graph agree in lengths and measure
  // (CHECK).
  enum class LengthOf { kPrompt, kSequence, kToken };
  int frequencies_by_length(const std::vector<std::vector<float>>& sets,
                            const std::vector<int64_t>& lengths, LengthOf measure);
  // What longrope and yarn multiply cosine and sine by, else 1: Attention::rope_scale.
  double rope_scale(const RopeConfig& rope) const;
  // The elements of a weight, for numbers that the graph is made with; none without it.
  std::vector<float> numbers(const std::string& name) const;

  // Final norm on the wanted rows, then (for embeddings, BuildOptions::embeds) "hidden" as in
  // finish_encoder(), else the LM head in float32 (with "<name>.bias" beside "<name>.weight",
  // where the source has it), graph outputs.
  void finish(int x, const std::string& norm, double epsilon, const std::string& head);
  // The same with a layer norm: its name is without ".weight".
  void finish_layer_norm(int x, const std::string& norm, double epsilon, const std::string& head);
  // The same with a norm of the model's own, and `logits` between the LM head and the output.
  using Stage = FunctionRef<int(int)>;  // a value to the value that takes its place
  void finish(int x, Stage norm, const std::string& head, Stage logits);
  void finish(int x, Stage norm, const std::string& head);
  // An encoder's end: the wanted rows as "hidden", float32, and what `pooled` makes of the rows
  // that it gets, float32 too, as "pooled".
  void finish_encoder(int x);
  void finish_encoder(int x, Stage pooled);

 private:
  int dynamic_frequencies(const RopeConfig& rope, int64_t rotary);
  void add_hidden(int rows);
  void add_state_outputs();
  std::shared_ptr<TensorData> tensor(const std::string& name);

  const WeightSource& weights_;
  Graph& graph_;
  DType activation_;
  DType kv_;
  bool embeds_;
  int64_t max_positions_;
  int64_t longest_;           // sequence
  int rotations_ = kNoValue;  // the input of frequencies_by_length()
  std::vector<CacheGroup> groups_;
  DecoderInputs inputs_{};
  std::map<std::string, int> values_;
  std::vector<int> state_tokens_;
};

}  // namespace ingot
