#include "kernels/cpu/vec_avx2.h"
// The vector header comes first.
#include "kernels/cpu/rows_body.h"

namespace ingot::cpu {

const KernelDef& embedding_avx2_kernel() {
  static const KernelDef kernel = embedding_vec_kernel<embedding_avx2_kernel>("embedding_avx2");
  return kernel;
}

}  // namespace ingot::cpu
