// Reads an architecture's config in Hugging Face's terms. Every value that is read is checked and
// put under its name into the config that parse_config gives; so what is not read is not kept.
// Errors name the file, the key, what was expected and found: kCorrupt for values that no model
// could have, kUnsupported for those that this one does not compute.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/refusal.h"
#include "loaders/model_source.h"

namespace ingot {

// What a reader throws for a value. model_config() reads on without it, to tell all faults at once.
class ConfigRefusal : public RefusedError {
 public:
  // In place of the refused value and those that depend on it: null, none.
  struct StandIn {
    Json values = Json::object();
    bool same_weights = false;  // the model's table of weights does not depend on them
  };
  ConfigRefusal(ErrorCode code, Refusal refusal, StandIn instead);
  const StandIn& instead() const { return instead_; }

 private:
  StandIn instead_;
};

class ConfigReader {
 public:
  static constexpr int64_t kMaxSize = int64_t{1} << 31;

  // `raw` as parse_config gets it. Token ids are taken over at once.
  ConfigReader(const ModelSource& source, Json raw);

  const ModelSource& source() const { return source_; }
  const std::string& file() const { return file_; }
  // What was read so far.
  const Json& config() const { return config_; }

  // `raw` has a value for the key, which is not null.
  bool has(std::string_view key) const;
  // The value, or where there is none the fallback; it is not kept. T as json_get's.
  template <typename T>
  T stated(std::string_view key, T fallback) const {
    try {
      return json_get<T>(raw_, key, std::move(fallback), "models", file_);
    } catch (const RefusedError& error) {
      reject(error, {{{key, nullptr}}});
    }
  }
  // Older or other names of `key`, used where `raw` has no value under it.
  void also_called(std::string_view key, std::initializer_list<std::string_view> names);
  // Where `raw` has no value.
  void use_default(std::string_view key, Json value);
  // In place of any value: a fact that the source states otherwise.
  void override_with(std::string_view key, Json value);

  // 1 to limit; the first kind must be there.
  int64_t size(std::string_view key, int64_t limit = kMaxSize);
  int64_t size_or(std::string_view key, int64_t fallback, int64_t limit = kMaxSize);
  // 0 to limit: windows.
  int64_t count_or(std::string_view key, int64_t fallback, int64_t limit = kMaxSize);
  // Above 0 and below 1.
  double epsilon(std::string_view key, double fallback);
  // Above 0 and finite; zero_or(): or 0, for none.
  double positive(std::string_view key, double fallback);
  double zero_or(std::string_view key, double fallback);
  bool flag(std::string_view key, bool fallback);
  // A list of integers from `low` to `high`, as long as a model may have layers; empty where there
  // is none.
  std::vector<int64_t> numbers(std::string_view key, int64_t low, int64_t high);
  // Layers that are named: sorted, each once. Needs num_hidden_layers.
  std::vector<int64_t> layer_set(std::string_view key);
  // One of `known`, else kUnsupported.
  std::string choice(std::string_view key, std::string_view fallback,
                     std::initializer_list<std::string_view> known);
  // A plain activation under its name here ("relu", "gelu", "gelu_tanh", "silu"), whatever Hugging
  // Face calls it.
  std::string activation(std::string_view key, std::string_view fallback);

  // vocab_size, hidden_size, num_hidden_layers, max_position_embeddings. A checkpoint that states
  // no limit of positions has Hugging Face's, 2048.
  void decoder_sizes();
  struct Heads {
    int64_t heads, kv_heads, head_dim;
  };
  // num_attention_heads, num_key_value_heads (default: as many), head_dim (default: hidden_size by
  // heads, which must divide it): kv_heads divide heads, head_dim is even and at most 4096. Needs
  // hidden_size.
  Heads heads();

  struct RopeKinds {
    std::vector<std::string_view> types = {"default", "linear", "llama3"};
    bool partial = false;  // a part of each head may be rotated
  };
  // rope_theta, rope_scaling and partial_rotary_factor, from either style of keys and from GGUF's;
  // they read_rope_config() back. Positions of "dynamic" and yarn go to as many as they scale to,
  // and original_max_position_embeddings is then the trained length. Needs head_dim and
  // max_position_embeddings.
  RopeConfig rope(const RopeKinds& kinds);
  RopeConfig rope() { return rope(RopeKinds()); }

  // Window of attention in tokens, 0 for none: sliding_window. Hugging Face's is null then.
  int64_t sliding_window();
  // The same of models that switch it on. Hugging Face's counts only with use_sliding_window, and
  // is 4096 where the key is absent; GGUF does not state it; a checkpoint states it where it
  // counts.
  int64_t switched_window();
  // Which layers have the window that was read: none without one, else local_layers().
  std::vector<bool> window_layers(FunctionRef<bool(int64_t layer)> pattern);
  // The same where those from max_window_layers (28) on have it, unless layer_types says more.
  std::vector<bool> upper_window_layers();
  // Which layers have windows, by layer_types ("sliding_attention", "full_attention"), else by
  // `pattern`. Needs num_hidden_layers.
  std::vector<bool> local_layers(FunctionRef<bool(int64_t layer)> pattern);

  // kCorrupt where experts of all layers, by the key's number, are more than any model has: each
  // takes memory before its tensors are looked for. Needs num_hidden_layers.
  void experts_fit(std::string_view key) const;

  // kUnsupported where the source is a GGUF file: llama.cpp does not say how one keeps the model.
  void refuse_gguf() const;
  // ConfigRefusal{kUnsupported} and {kCorrupt}.
  [[noreturn]] void refuse(std::string_view key, std::string_view expected,
                           std::string_view found) const;
  [[noreturn]] void corrupt(std::string_view key, std::string_view expected,
                            std::string_view found) const;

 private:
  using StandIn = ConfigRefusal::StandIn;
  [[noreturn]] void reject(ErrorCode code, Refusal refusal, StandIn instead) const;
  [[noreturn]] void reject(const RefusedError& error, StandIn instead) const;
  [[noreturn]] void corrupt(std::string_view key, std::string_view expected, std::string_view found,
                            StandIn instead) const;
  StandIn size_instead(std::string_view key) const;
  void add_gguf_rotation(bool partial);
  double longrope_scale(const RopeConfig& rope) const;
  void add_long_rotation(const RopeConfig& rope, int64_t pairs);
  void check_layer_type(const std::string& type) const;
  void add_yarn(const RopeConfig& rope);
  void add_dynamic(RopeConfig& rope, int64_t rotated);

  const ModelSource& source_;
  std::string file_;
  Json raw_;
  Json config_ = Json::object();
  std::vector<std::pair<std::string, std::string>>
      aliases_;  // a key, the name that it was found by
};

// The entries of config["layer_types"] that local_layers() wrote.
bool is_local_layer(const Json& config, int64_t layer);

}  // namespace ingot
