#include "kernels/cpu/vec_avx512.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& embedding_avx512_kernel() {
  static const KernelDef kernel = embedding_vec_kernel<embedding_avx512_kernel>("embedding_avx512");
  return kernel;
}

}  // namespace ingot::cpu
