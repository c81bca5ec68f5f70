// Parts shared by decoder-only models that keep a paged KV cache.
#pragma once

#include <string>

#include "models/contract/model_def.h"
#include "tensor/kv_page.h"

namespace ingot {

constexpr int64_t kPageTokens = kKvBlockTokens;

// The inputs every decoder graph has, as value ids. Symbols: tokens (packed, padding removed),
// batch (sequences in the step), max_blocks (columns of the block table), logit_rows, kv_pages.
struct DecoderInputs {
  int token_ids;        // int32[tokens]
  int positions;        // int32[tokens]
  int token_rows;       // int32[tokens]: batch row of each token
  int query_offsets;    // int32[batch_plus_one]: first token of each row
  int context_lengths;  // int32[batch]: tokens in the cache after this step
  int block_tables;     // int32[batch, max_blocks]
  int logit_rows;       // int32[logit_rows]: tokens whose logits are wanted
};

// One decoder graph under construction: inputs, activations' type, weight look-up.
class DecoderBuilder {
 public:
  DecoderBuilder(const WeightSource& weights, const BuildOptions& options, int64_t max_positions,
                 Graph& graph);

  Graph& graph() { return graph_; }
  const DecoderInputs& inputs() const { return inputs_; }
  DType activation_type() const { return activation_; }
  DType kv_type() const { return kv_; }

  bool has(const std::string& name) const { return weights_.contains(name); }
  // The weight as a graph value; the same value on every call. shard_axis as in Weight.
  int weight(const std::string& name, int shard_axis = -1);
  // x * W^T (+ bias when the source has `name`.bias). dtype "" keeps the activations' type.
  int linear(int x, const std::string& name, int shard_axis, std::string dtype = {});
  int rms_norm(int x, const std::string& weight_name, double epsilon);
  int embedding(const std::string& weight_name);

  struct Attention {
    int64_t heads = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    int64_t window = 0;  // 0 = all keys
    double softcap = 0;
    double scale = 0;  // 0: 1 / sqrt(head_dim)
    int inv_freq = kNoValue;
    bool interleaved = false;
    double rope_scale = 1.0;
  };
  // Rotates q and k, appends k and v to layer `layer`'s cache, attends. The cache states are made
  // here; the final tokens become graph outputs in finish().
  int attention(int q, int k, int v, int64_t layer, const Attention& shape);

  // Inverse frequencies as a float32 constant: default, linear, llama3 (Llama 3.1's published
  // piecewise scaling), and the static parts of longrope and yarn are refused by name.
  int inverse_frequencies(const RopeConfig& rope, int64_t head_dim);

  // Final norm on the wanted rows, LM head in float32, graph outputs.
  void finish(int x, const std::string& norm, double epsilon, const std::string& head);

 private:
  const WeightSource& weights_;
  Graph& graph_;
  DType activation_;
  DType kv_;
  DecoderInputs inputs_{};
  std::map<std::string, int> values_;
  std::vector<int> state_tokens_;
};

}  // namespace ingot
