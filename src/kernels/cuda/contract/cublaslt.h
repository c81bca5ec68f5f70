// cuBLASLt, opened when it is first wanted, so that a machine without it still starts.
#pragma once

#include <cublasLt.h>

#include <string>
#include <string_view>

namespace ingot::cuda {

// The functions we use, under their own names without the prefix.
struct CublasLt {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
  decltype(&cublasLtGetVersion) version = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) algo_check = nullptr;
  std::string missing;  // why it cannot be used; empty when it can
};

// Of the library of that name, which stays open. Thread safe.
CublasLt open_cublaslt(const char* name);
// Opened once a process; never closed. Where it is missing, one line in the log says so. Thread
// safe.
const CublasLt& cublaslt();
// The handle of the current device, made on first use and kept. Error{kInternal}. Thread safe.
cublasLtHandle_t cublaslt_handle();
// "cuBLASLt 130100"; "cuBLASLt" where it cannot be used.
std::string cublaslt_version();
// Error{kInternal} naming the call when it failed.
void cublaslt_check(cublasStatus_t status, std::string_view call);

}  // namespace ingot::cuda
