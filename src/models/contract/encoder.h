// The encoder beside a decoder whose tokens attend to what it made (speech): its inputs, and the
// parts that are not a decoder's. All else comes from the DecoderBuilder.
#pragma once

#include <string>
#include <vector>

#include "models/contract/decoder.h"

namespace ingot {

// Inputs beside the decoder's, as value ids. Symbols: frames, rows of the encoder in this step, 0
// where it does not run; cross_blocks and cross_pages, of the group "cross". The frames of a step
// are whole sequences, one at most, since convolutions do not see where one ends.
struct EncoderInputs {
  int features;         // float32[frames * feature rows, columns]: what was heard, in order
  int frame_positions;  // int32[frames]
  int frame_rows;       // int32[frames]: batch row of each
  int frame_offsets;    // int32[batch + 1]: first frame of each row
  int context_lengths;  // "context_lengths.cross", int32[batch]: frames kept of each row
  int block_tables;     // "block_tables.cross", int32[batch, cross_blocks]
};

class EncoderBuilder {
 public:
  struct Sizes {
    int64_t max_frames = 0;
    int64_t feature_rows = 1;  // of a frame
    int64_t feature_columns = 0;
    int64_t decoder_layers = 0;
  };
  // `attention` of encoder and cross attention alike: heads and head_dim count. The decoder builder
  // must outlive this.
  EncoderBuilder(DecoderBuilder& decoder, const Sizes& sizes,
                 const DecoderBuilder::Attention& attention);

  const EncoderInputs& inputs() const { return inputs_; }
  // The features in the activations' type.
  int features();
  // A convolution over rows: `name`.weight is [out, columns * kernel] (ops/unfold_rows.cc).
  int conv(int x, const std::string& name, int64_t kernel, int64_t stride);
  // x and the rows of a table of learned positions.
  int add_positions(int x, const std::string& weight_name);
  // Of frames among themselves. Keys and values pass through the pages of the first decoder layer,
  // which are written anew by cross_attention().
  int self_attention(int x, const std::string& projections);
  // The encoder's end: graph output "encoder_hidden", float32.
  void finish(int hidden);
  // Of tokens over the frames of their row. `k` and `v` are of this step's frames and are kept for
  // the steps that follow. Once a layer, in order.
  int cross_attention(int q, int k, int v, int64_t layer);

 private:
  DecoderBuilder& decoder_;
  DecoderBuilder::Attention attention_;
  EncoderInputs inputs_{};
  DecoderBuilder::PackedRows frames_{}, tokens_{};
  std::vector<DecoderBuilder::Cache> caches_;  // by decoder layer
};

}  // namespace ingot
