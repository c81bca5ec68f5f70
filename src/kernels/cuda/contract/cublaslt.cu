// unit: large
#include <dlfcn.h>

#include <map>
#include <mutex>

#include "kernels/cuda/contract/check.h"
#include "kernels/cuda/contract/cublaslt.h"
// check.h comes first: it prepares fmt.

#include "base/log.h"

namespace ingot::cuda {
namespace {

constexpr const char* kLibrary = "libcublasLt.so.13";

template <class F>
void bind_function(void* library, const char* name, F& function, std::string& missing) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (!function && missing.empty()) missing = std::string("it has no ") + name;
}

}  // namespace

CublasLt open_cublaslt(const char* name) {
  CublasLt t;
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* why = dlerror();
    t.missing = std::string("cannot open ") + name + ": " + (why ? why : "unknown reason");
    return t;
  }
  bind_function(library, "cublasLtCreate", t.create, t.missing);
  bind_function(library, "cublasLtGetStatusString", t.status_string, t.missing);
  bind_function(library, "cublasLtGetVersion", t.version, t.missing);
  bind_function(library, "cublasLtMatmul", t.matmul, t.missing);
  bind_function(library, "cublasLtMatmulDescCreate", t.desc_create, t.missing);
  bind_function(library, "cublasLtMatmulDescDestroy", t.desc_destroy, t.missing);
  bind_function(library, "cublasLtMatmulDescSetAttribute", t.desc_set, t.missing);
  bind_function(library, "cublasLtMatrixLayoutCreate", t.layout_create, t.missing);
  bind_function(library, "cublasLtMatrixLayoutDestroy", t.layout_destroy, t.missing);
  bind_function(library, "cublasLtMatmulPreferenceCreate", t.preference_create, t.missing);
  bind_function(library, "cublasLtMatmulPreferenceDestroy", t.preference_destroy, t.missing);
  bind_function(library, "cublasLtMatmulPreferenceSetAttribute", t.preference_set, t.missing);
  bind_function(library, "cublasLtMatmulAlgoGetHeuristic", t.heuristic, t.missing);
  bind_function(library, "cublasLtMatmulAlgoCheck", t.algo_check, t.missing);
  if (!t.missing.empty()) t.missing = std::string("cannot use ") + name + ": " + t.missing;
  return t;
}

const CublasLt& cublaslt() {
  static const CublasLt table = [] {
    CublasLt t = open_cublaslt(kLibrary);
    if (!t.missing.empty()) {
      spdlog::warn(
          "cuBLASLt: {}; products of many rows run on far slower kernels. It comes with "
          "the CUDA toolkit; LD_LIBRARY_PATH may name its folder",
          t.missing);
    }
    return t;
  }();
  return table;
}

std::string cublaslt_version() {
  if (!cublaslt().missing.empty()) return "cuBLASLt";
  return "cuBLASLt " + std::to_string(cublaslt().version());
}

void cublaslt_check(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  fail(memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal, "kernels/cuda", "cuBLASLt: {}: {}",
       call, cublaslt().status_string(status));
}

cublasLtHandle_t cublaslt_handle() {
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;  // by device; guarded by mutex
  if (!cublaslt().missing.empty()) {
    fail(ErrorCode::kInternal, "kernels/cuda", "{}", cublaslt().missing);
  }
  int device = 0;
  cuda_check(cudaGetDevice(&device), "cublaslt_handle");
  std::lock_guard lock(mutex);
  const auto it = handles.try_emplace(device, nullptr).first;
  if (!it->second) cublaslt_check(cublaslt().create(&it->second), "cublasLtCreate");
  return it->second;
}

}  // namespace ingot::cuda
