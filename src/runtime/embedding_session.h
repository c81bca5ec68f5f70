// An embedding model ready to run: texts to ids, ids to vectors, by the rules that the model
// states.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedding_rules.h"
#include "engine/executor.h"
#include "runtime/decoder_step.h"
#include "runtime/embedding_model.h"
#include "runtime/session_memory.h"
#include "text/tokenizer.h"

namespace ingot {

// Whether an engine gives hidden states, whatever it says of pooling.
bool is_embedding_engine(const Engine& engine);

// Out of an engine's sections. Error{kUnsupported} naming `name`: an engine that gives logits or is
// a network's, a model whose way to vectors is not computed here; {kCorrupt} for a faulty section.
EmbeddingRules engine_embedding_rules(const Engine& engine, const std::string& name);

struct EmbeddingOptions {
  bool reference = false;   // reference kernels only
  int64_t context = 0;      // most tokens of a text; 0: what the model allows, at most 8192
  int64_t sequences = 8;    // of a step
  int64_t step_tokens = 0;  // most tokens of a step, at least the context; 0: what the engine says
};

// Of a session of these options, before any of it is taken. Errors as EmbeddingSession's.
SessionMemory embedding_memory(const Engine& engine, const EmbeddingRules& rules,
                               const EmbeddingOptions& options, const Device& device);

class EmbeddingSession final : public EmbeddingModel {
 public:
  // `device` outlives this. Error{kUnsupported} as read_decoder_plan() and for an engine that gives
  // logits, {kOutOfMemory} as check_session_fits() before anything is taken.
  EmbeddingSession(std::shared_ptr<const Engine> engine, const EmbeddingRules& rules,
                   Device& device, const EmbeddingOptions& options);

  const EmbeddingLimits& limits() const override { return limits_; }
  // Pooled and, by the rules, of length 1; a vector of zeros stays one. Errors of the device.
  std::vector<std::vector<float>> embed(
      std::span<const std::span<const int32_t>> sequences) override;

  Executor& executor() { return *executor_; }

 private:
  void add(std::span<const int32_t> tokens, PageId& next_page);
  std::vector<float> pool(const TensorView& hidden, int64_t first, int64_t count) const;

  DecoderPlan decoder_;
  EmbeddingRules rules_;
  EmbeddingLimits limits_;
  DecoderStep inputs_;
  std::vector<PageId> pages_;
  std::unique_ptr<Executor> executor_;
  std::vector<std::byte> host_;
};

// To length 1; a vector of zeros, and one that is not finite, stays as it is.
void normalize(std::vector<float>& vector);

struct EmbeddingText {
  bool add_special = true;
  // Texts of more tokens keep so many, those that the tokenizer adds at the end among them; 0: they
  // stay as they are.
  int64_t truncate = 0;
};

// The ids of a text behind the rules' prompt. Errors as Tokenizer::encode().
std::vector<int32_t> embedding_ids(const Tokenizer& tokenizer, const EmbeddingRules& rules,
                                   std::string_view text, const EmbeddingText& options = {});

// Error{kInvalidArgument} naming an id that the model has no row for.
void check_embedding_ids(std::span<const int32_t> ids, const EmbeddingLimits& limits);

}  // namespace ingot
