#include "ops/shared/elementwise.h"

namespace ingot::ops {

void require_types(const InferArgs& args, size_t index, Types types) {
  switch (types) {
    case Types::kFloat:
      return require_float(args, index);
    case Types::kNumeric:
      return require_numeric(args, index);
    case Types::kInteger:
      return require_integer(args, index);
    case Types::kBool:
      return require_bool(args, index);
    case Types::kAny:
      return require_scalar_type(args, index);
  }
}

}  // namespace ingot::ops
