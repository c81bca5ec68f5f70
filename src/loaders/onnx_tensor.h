// TensorProto -> TensorData.
#pragma once

#include <memory>
#include <string>

#include "graph/graph.h"
#include "loaders/onnx_external.h"

namespace onnx {
class TensorProto;
}

namespace ingot {

// For messages: control characters escaped, long names cut.
std::string onnx_printable(std::string_view text);

// The tensor's bytes, viewed in place where the file holds them in our order (raw and external
// data; `owner` keeps `proto` alive), else converted. Error{kUnsupported} for element types without
// a scalar here, segments and unknown external_data keys; Error{kCorrupt} naming the tensor, the
// bytes needed and found when the data does not fit the shape.
std::shared_ptr<const TensorData> onnx_tensor(const onnx::TensorProto& proto,
                                              std::shared_ptr<const void> owner,
                                              OnnxExternalData& external);

}  // namespace ingot
