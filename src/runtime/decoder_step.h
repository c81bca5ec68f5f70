// The forward plan of a decoder seen from outside: what it is, and the inputs of its steps.
//
// Inputs, all int32: token_ids, positions, token_rows [tokens] (packed, padding removed; the batch
// row of each token); query_offsets [batch + 1], first token of each row; context_lengths [batch],
// positions in the cache after this step; logit_rows, the packed tokens whose logits are wanted;
// and block tables [batch, columns], the page of each block of positions of a row. A state group
// takes its pages from the table "block_tables.<group>", or from "block_tables" where the plan has
// no such input: groups of one table share page numbers. Where the rotation depends on a sequence's
// length, rotations [tokens] too (runtime/rotations.h). Output: `logits`, float32 [logit_rows,
// vocab]; of an encoder, whose tokens see the whole sequence and so come in one step, `hidden`,
// float32 [logit_rows, columns].
//
// A decoder that attends to what an encoder heard has these inputs beside: features, float32
// [frames * feature rows, columns]; frame_positions, frame_rows [frames] and frame_offsets [batch +
// 1] as for tokens; context_lengths.<group>, frames kept of each row after this step; and
// block_tables.<group>, of its state group of kind "cross". `frames` may be 0, and so may `tokens`.
// Output `encoder_hidden`: float32 [frames, columns].
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "runtime/kv_blocks.h"
#include "runtime/rotations.h"

namespace ingot {

// One numbering of pages.
struct PageTable {
  std::string name;   // of its state groups, joined by '+'
  std::string input;  // the plan's block table
  // kPaged (kCross of an encoder), or kWindowed where all groups are: then pages older than the
  // last `window` positions are read by nothing.
  KvKind kind = KvKind::kWindowed;
  int64_t window = 0;
  std::set<std::string> pages_symbols;  // that count its pages
  std::string columns_symbol;           // that counts its blocks of a row
  std::vector<std::string> states;
};

struct EncoderHalf {
  PageTable table;  // of what it leaves behind
  std::string lengths_input;
  int64_t max_frames = 0;
  int64_t feature_rows = 0;  // of a frame
  int64_t feature_columns = 0;
  int64_t columns = 0;  // of encoder_hidden
};

struct DecoderPlan {
  std::string name;
  bool encodes = false;  // gives hidden states, in one step a sequence
  int64_t vocab_size = 0;
  int64_t columns = 0;      // of the output
  int64_t page_tokens = 0;  // positions of a page, the same in all groups
  int64_t max_seq_len = 0;  // most positions of a sequence, by default
  int64_t trained_len = 0;  // that the model knows, which no limit can raise; 0: not said
  Rotations rotations;
  std::vector<PageTable> tables;
  std::optional<EncoderHalf> encoder;
};

// Whether a plan claims to be as above: it takes token_ids and positions, has state groups and
// gives logits or hidden states. A network's plan has no state, whatever its names.
bool is_decoder_plan(const Plan& plan);

// Error{kUnsupported} naming the plan and the input, output or state group that is not as above:
// a fixed group, a state without a group, pages of several sizes, attention that looks back further
// than its windowed group keeps; and, for callers that feed tokens alone, an encoder beside the
// decoder.
enum class EncoderUse { kRefused, kFed };
DecoderPlan read_decoder_plan(const Plan& plan, EncoderUse encoder = EncoderUse::kRefused);

// Sizes of the largest step, and of the pools.
struct DecoderSizes {
  int64_t tokens = 0;
  int64_t rows = 0;
  int64_t seq_len = 0;
  int64_t logit_rows = 0;
  std::vector<int64_t> pages;  // by table
  int64_t frames = 0;          // of a step
  int64_t cross_pages = 0;
};
// Sets the plan's symbols in the limits of an executor.
void set_decoder_limits(const DecoderPlan& plan, const DecoderSizes& sizes, SymbolValues& limits);

// Assembles the inputs of one step after another, in reused memory. One thread at a time.
class DecoderStep {
 public:
  explicit DecoderStep(const DecoderPlan& plan);

  // A new step, whose tables have `columns` columns.
  void begin(int64_t columns);
  // A row of the batch: tokens at positions first_position, first_position + 1, ... of a sequence
  // with that set of rotations.
  void add_row(std::span<const int32_t> tokens, int64_t first_position, int32_t rotation = 0);
  // The pages of the row added last in table `table`, at most `columns`; each row and table once,
  // in order. kNoPage where nothing is read.
  void add_pages(size_t table, std::span<const PageId> pages);
  // What the encoder has of the row added last, each row once where there is an encoder: features
  // of new frames, row by row (empty: none; one row of a step alone has some), how many frames are
  // kept after the step, and their pages.
  void add_frames(std::span<const float> features, int64_t kept, std::span<const PageId> pages);
  // Packed index of a token; logits come in the order of these calls. A step that wants none gets
  // those of the first token, since kernels want a row; one without tokens gets none.
  void want_logits(int32_t token) { logit_rows_.push_back(token); }

  int32_t tokens() const { return static_cast<int32_t>(token_ids_.size()); }
  // Hands everything to the executor; the token ids to input "ids" of `feed` where there is one,
  // which makes those that the executor reads. Errors as Executor::set_input.
  void set(Executor& executor, Executor* feed = nullptr);

 private:
  std::vector<std::string> table_inputs_;
  int64_t columns_ = 0;
  std::vector<int32_t> token_ids_, positions_, token_rows_, query_offsets_, context_lengths_,
      logit_rows_, rotations_;
  Rotations sets_;
  std::vector<std::vector<int32_t>> tables_;  // row-major
  struct Frames {
    int64_t columns = 0;  // of the block table
    std::vector<float> features;
    std::vector<int32_t> positions, rows, offsets, kept, table;
  };
  void set_frames(Executor& executor);
  std::optional<EncoderHalf> encoder_;
  Frames frames_;
};

}  // namespace ingot
