#include "kernels/cpu/contract/onednn.h"

#include <dlfcn.h>
#include <dnnl.h>

namespace ingot::cpu {

void one_thread_onednn() {
  thread_local bool done = false;
  if (done) return;
  done = true;
  if (void* set = dlsym(RTLD_DEFAULT, "omp_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set)(1);
  }
}

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch);
}

}  // namespace ingot::cpu
