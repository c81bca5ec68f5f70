#include "models/contract/encoder.h"

#include "base/check.h"

namespace ingot {

EncoderBuilder::EncoderBuilder(DecoderBuilder& decoder, const Sizes& sizes,
                               const DecoderBuilder::Attention& attention)
    : decoder_(decoder), attention_(attention) {
  attention_.causal = false;
  Graph& graph = decoder.graph();
  const Dim frames = Dim::symbol("frames"), batch = Dim::symbol("batch");
  inputs_.features = graph.add_input(
      "features", {DType::kFloat32, {frames * Dim(sizes.feature_rows), sizes.feature_columns}});
  const auto numbers = [&](std::string_view name, SymShape shape) {
    return graph.add_input(name, {DType::kInt32, std::move(shape)});
  };
  inputs_.frame_positions = numbers("frame_positions", {frames});
  inputs_.frame_rows = numbers("frame_rows", {frames});
  inputs_.frame_offsets = numbers("frame_offsets", {batch + 1});
  inputs_.context_lengths = numbers("context_lengths.cross", {batch});
  inputs_.block_tables = numbers("block_tables.cross", {batch, Dim::symbol("cross_blocks")});
  frames_ = {inputs_.frame_positions, inputs_.frame_rows, inputs_.frame_offsets,
             inputs_.context_lengths, inputs_.block_tables};
  const DecoderInputs& in = decoder.inputs();
  tokens_ = {in.positions, in.token_rows, in.query_offsets, inputs_.context_lengths,
             inputs_.block_tables};
  for (int64_t layer = 0; layer < sizes.decoder_layers; ++layer) {
    const auto cache = [&](std::string_view which) {
      return graph.add_state(
          fmt::format("{}_cache.cross.{}", which, layer), decoder.kv_type(),
          {Dim::symbol("cross_pages"), attention.kv_heads, kPageTokens, attention.head_dim},
          {"cross", StateKind::kCross});
    };
    const int k = cache("k");
    caches_.push_back({k, cache("v")});
  }
  const int64_t blocks = (sizes.max_frames + kPageTokens - 1) / kPageTokens;
  for (const auto& [symbol, limit] :
       {std::pair("frames", sizes.max_frames), {"cross_blocks", blocks}, {"cross_pages", blocks}}) {
    graph.limits()[symbol] = limit;
  }
}

int EncoderBuilder::features() {
  const DType type = decoder_.activation_type();
  if (type == DType::kFloat32) return inputs_.features;
  return decoder_.graph().emit("cast", {{"to", std::string(dtype_name(type))}}, {inputs_.features});
}

int EncoderBuilder::conv(int x, const std::string& name, int64_t kernel, int64_t stride) {
  x = decoder_.graph().emit("unfold_rows", {{"kernel", kernel}, {"stride", stride}}, {x});
  return decoder_.linear(x, name, 0);
}

int EncoderBuilder::add_positions(int x, const std::string& weight_name) {
  const int rows = decoder_.graph().emit(
      "embedding", {{"dtype", std::string(dtype_name(decoder_.activation_type()))}},
      {inputs_.frame_positions, decoder_.weight(weight_name)});
  return decoder_.graph().emit("add", {}, {x, rows});
}

int EncoderBuilder::self_attention(int x, const std::string& projections) {
  const int q = decoder_.linear(x, projections + "q_proj", 0);
  const int k = decoder_.linear(x, projections + "k_proj", 0);
  const int v = decoder_.linear(x, projections + "v_proj", 0);
  caches_[0] = decoder_.append(k, v, caches_[0], frames_);
  return decoder_.attend(q, caches_[0], frames_, attention_);
}

void EncoderBuilder::finish(int hidden) {
  Graph& graph = decoder_.graph();
  const int out = graph.emit("cast", {{"to", std::string("float32")}}, {hidden});
  graph.rename(out, "encoder_hidden");
  graph.add_output(out);
}

int EncoderBuilder::cross_attention(int q, int k, int v, int64_t layer) {
  DecoderBuilder::Cache& cache = caches_.at(static_cast<size_t>(layer));
  cache = decoder_.append(k, v, cache, frames_);
  decoder_.keep(cache);
  return decoder_.attend(q, cache, tokens_, attention_);
}

}  // namespace ingot
