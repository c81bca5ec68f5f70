#include "kernels/cpu/contract/onednn.h"

#include <dlfcn.h>

namespace ingot::cpu {

void one_thread_onednn() {
  thread_local bool done = false;
  if (done) return;
  done = true;
  if (void* set = dlsym(RTLD_DEFAULT, "omp_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set)(1);
  }
}

}  // namespace ingot::cpu
