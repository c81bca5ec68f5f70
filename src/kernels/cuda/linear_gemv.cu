// unit: large
#include "kernels/cuda/arch/gemv_rows.cuh"

namespace ingot::cuda {

std::unique_ptr<KernelInstance> plain_gemv_rows(const char* name, const KernelDesc& desc,
                                                std::string_view tactic) {
  return gemv_rows_instance<PlainUnit>(name, desc, tactic);
}

// Up to eight rows, weights of any activation type.
const KernelDef& linear_gemv_kernel() {
  static const KernelDef kernel = {.name = "linear_gemv",
                                   .op = "linear",
                                   .device = "cuda",
                                   .version = 2,
                                   .priority = 30,
                                   .supports = gemv_rows_supports,
                                   .tactics = gemv_rows_tactics,
                                   .prepare = [](const KernelDesc& desc, std::string_view tactic) {
                                     return plain_gemv_rows("linear_gemv", desc, tactic);
                                   }};
  return kernel;
}

}  // namespace ingot::cuda
