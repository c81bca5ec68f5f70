// ONNX Attention and RotaryEmbedding in primitive operators.
#pragma once

#include "ops/contract/op_def.h"

namespace ingot::ops {

std::vector<int> import_attention(const OnnxNode& node, OpEmitter& emitter);
// With constant tables that hold cos and sin of position * inverse frequency it is one rope.
std::vector<int> import_rotary_embedding(const OnnxNode& node, OpEmitter& emitter);

}  // namespace ingot::ops
