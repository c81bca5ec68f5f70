// Writes a model's table of weights: the names of each tensor in a Hugging Face file, in a GGUF
// file and in a checkpoint side by side. Names are without the ".weight" and ".bias" at their ends.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "models/contract/model_def.h"

namespace ingot {

// The name with each part that it holds replaced, where a file calls it otherwise.
std::string renamed(std::string name,
                    std::initializer_list<std::pair<std::string_view, std::string_view>> parts);

// Tensors that files of most models hold beside the table's: frequencies that the config implies,
// and, where the head is the embedding, a head too.
std::vector<std::string_view> usual_ignored();

// What build() multiplies the last rows by: the head, or the embedding where the two are one.
// Names as above.
std::string head_weight(const Json& config, std::string_view embedding,
                        std::string_view head = "lm_head");

struct TensorNames {
  std::string hf, gguf, checkpoint;
};

// Where files keep a weight in another layout; from_hf.stored is a name of the kind above.
struct StoredAs {
  WeightTransform from_gguf = {};
  WeightTransform from_hf = {};
  bool optional = false;
  std::string or_from_hf = {};  // another name in Hugging Face files, for the same layout
};

class WeightNames {
 public:
  // Put in front of all names that follow: of a layer.
  void at(TensorNames prefix) { prefix_ = std::move(prefix); }
  // "<hf>i.", "blk.i.", "transformer.layers.i.".
  void at_layer(std::string_view hf, int64_t i);

  // <name>.weight [rows, columns], and of the other kinds.
  void matrix(const TensorNames& names, int64_t rows, int64_t columns, const StoredAs& as = {});
  // <name>.bias [rows].
  void bias(const TensorNames& names, int64_t rows, const StoredAs& as = {});
  // Both.
  void linear(const TensorNames& names, int64_t rows, int64_t columns, bool with_bias);
  // The same where Hugging Face keeps the matrix as [columns, rows] (GPT-2's Conv1D).
  void transposed_linear(const TensorNames& names, int64_t rows, int64_t columns, bool with_bias);
  // <name>.weight [size], which may be stored otherwise, and, of layer norms, <name>.bias.
  void norm(const TensorNames& names, int64_t size, bool with_bias, const StoredAs& as = {});
  // The head, "output" and "lm_head" elsewhere, unless it is the embedding (head_weight): by
  // tie_word_embeddings, vocab_size and hidden_size.
  void head(const Json& config, const std::string& hf = "lm_head", const StoredAs& as = {});
  // Learned positions: "transformer.position_embedding". Hugging Face's table may have `offset`
  // rows before the first position.
  void positions(const std::string& hf, const std::string& gguf, int64_t count, int64_t columns,
                 int64_t offset = 0);

  // GGUF's "rope_freqs": what the frequencies of the rotation are divided by, where a file has it
  // (Llama 3.1); <name>.weight for build(), kept as it is in any dtype.
  void rotary_divisors(const std::string& name, int64_t count);

  // Query, key and value in one tensor of the file: the weights <hf>.q, .k and .v for build(), one
  // "attention.qkv" in checkpoints. GGUF keeps them one after the other.
  enum class Fused {
    kStacked,     // one after the other
    kTransposed,  // so, as [in, out]
    kByKvHead,    // for each KV head its queries, its key, its value
  };
  struct Qkv {
    int64_t heads, kv_heads, head_dim, columns;
    bool with_bias = false;
    Fused fused = Fused::kStacked;
  };
  void qkv(const std::string& hf, const std::string& gguf, const Qkv& shape);
  // The same of tensors <hf>q_proj, <hf>k_proj and <hf>v_proj, by these names for build(). GGUF has
  // three of them too, or one after the other in "attn_qkv".
  void qkv_apart(const std::string& hf, const Qkv& shape);
  // Gate and up projection in one tensor, the gate first: the weights <hf>.gate and .up, "mlp.fc"
  // and "mlp.gate" in checkpoints, where fc is the gated half.
  void gate_up(const std::string& hf, const std::string& gguf, int64_t inner, int64_t columns,
               bool with_bias = false);

  // <hf>gate_proj, <hf>up_proj and <hf>down_proj, in checkpoints as gate_up().
  void gated_mlp(const std::string& hf, int64_t inner, int64_t columns, bool with_bias = false);

  // Gate, up and down projections of a layer's experts, each a weight [rows, columns] of its own:
  // <hf><e>.<gate>.weight and so on; "mlp.fc", "mlp.gate" and "mlp.proj" in checkpoints, one expert
  // after the other. Files may also keep them as stacks: Hugging Face as `hf_stack`gate_up_proj (a
  // gate's rows before its up's) and `hf_stack`down_proj, GGUF as "ffn_gate_exps" and so on or
  // "ffn_gate_up_exps", older ones as "ffn_gate.<e>".
  struct Experts {
    std::string hf = "mlp.experts.";
    std::string gate = "gate_proj", up = "up_proj", down = "down_proj";
    std::string hf_stack = "mlp.experts.";
    int64_t count, inner, columns;
  };
  void experts(const Experts& shape);

  std::vector<WeightName> take() { return std::move(out_); }

 private:
  void add(const TensorNames& names, std::string_view end, Shape shape, const StoredAs& as);
  // Rows [first, first + count) of every `group`, one after the other from gguf_first on in GGUF.
  struct Part {
    const char* name;
    int64_t first, count, group, gguf_first;
  };
  struct ExpertPart;
  void expert(const Experts& shape, int64_t e, const ExpertPart& part);
  void matrix_part(const TensorNames& names, const Part& p, const Shape& whole, bool transposed);
  void bias_part(const TensorNames& names, const Part& p, int64_t rows);

  TensorNames prefix_;
  std::vector<WeightName> out_;
};

}  // namespace ingot
