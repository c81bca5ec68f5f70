// Quantized block formats: how a run of elements is stored. Each format is one header in
// tensor/formats/ named after itself; the file name registers it (cmake/rooms.cmake).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ingot {

// Blocks run along the last dimension, which must be a multiple of block_elements. decode and
// encode handle `blocks` whole blocks; source and destination must not overlap. Decoding is exact
// as the format's definition says: float32 arithmetic in the written order.
struct BlockFormat {
  std::string_view name;  // "q4_1"
  int block_elements;     // elements in one block
  int block_bytes;        // bytes of one block
  // Number of the type in a GGUF file's tensor table, nullopt if the file format has none.
  std::optional<uint32_t> gguf_type;
  void (*decode)(const std::byte* src, int64_t blocks, float* dst);
  // Plain round-to-nearest quantization, good enough for tests and RTN; nullptr if there is none
  // (where encoding is a search): self-tests then take random_blocks().
  void (*encode)(const float* src, int64_t blocks, std::byte* dst) = nullptr;
  // Largest error of one element that encode makes, as a share of the largest magnitude in its
  // block, the rounding of float16 fields apart. 0 without encode.
  double error_bound = 0;
};

// Generated from tensor/formats/*.h.
const std::vector<const BlockFormat*>& tensor_format_list();

// nullptr when unknown. Formats added with register_block_format are found too.
const BlockFormat* find_block_format(std::string_view name);
const BlockFormat* find_gguf_format(uint32_t gguf_type);
// Adds a format for the life of the process (plugins, tests). Error{kInvalidArgument} when another
// format has the name. `format` must have static lifetime. Thread safe.
void register_block_format(const BlockFormat& format);

// Blocks of random bytes, each drawn again until all that it decodes to is below 2^16 in size: what
// stands in for encoded numbers where a format has no encoder.
void random_blocks(const BlockFormat& format, uint64_t seed, int64_t blocks, std::byte* dst);

}  // namespace ingot
