// unit: large
#include "kernels/cuda/contract/cublaslt_linear.h"
// check.h, in the one above, comes first.

#include <charconv>
#include <cstdio>

#include "kernels/cuda/contract/cublaslt.h"
#include "kernels/cuda/contract/views.h"

namespace ingot::cuda::cublaslt_linear {
namespace {

constexpr size_t kWorkspace = size_t{32} << 20;
constexpr int kCandidates = 8;
constexpr size_t kResidual = 3;  // input of linear_add

cudaDataType_t data_type(const ElementType& type) {
  if (type == DType::kBFloat16) return CUDA_R_16BF;
  if (type == DType::kFloat16) return CUDA_R_16F;
  return CUDA_R_32F;
}

// Largest power of two up to 256 that divides the address and the row step.
uint32_t alignment(const void* data, int64_t row_bytes) {
  const auto bits = reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(row_bytes) | 256;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

struct DescDelete {
  void operator()(cublasLtMatmulDesc_t p) const { cublaslt().desc_destroy(p); }
};
struct LayoutDelete {
  void operator()(cublasLtMatrixLayout_t p) const { cublaslt().layout_destroy(p); }
};
struct PreferenceDelete {
  void operator()(cublasLtMatmulPreference_t p) const { cublaslt().preference_destroy(p); }
};
using Desc = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>, DescDelete>;
using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>, LayoutDelete>;
using Preference =
    std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, PreferenceDelete>;

// What a plan depends on. cuBLASLt counts columns first: it sees w^T (K x N, transposed), x^T
// (K x M), y^T (N x M), and the residual as y. Without one, C stands for y.
struct Problem {
  int64_t m, n, k;
  int64_t x_step, w_step, y_step, c_step;  // elements
  uint32_t x_align, w_align, y_align, c_align;
  auto operator<=>(const Problem&) const = default;
};

// The library's objects for one problem; only the bias pointer changes between launches.
struct Plan {
  Desc desc;
  Layout w, x, y, c;
  cublasLtMatmulAlgo_t algo;
};

// What all problems of a descriptor share.
struct Form {
  cudaDataType_t in, out;
  bool bias, residual;
  explicit Form(const KernelDesc& desc)
      : in(data_type(desc.inputs[0].type)),
        out(data_type(desc.outputs[0].type)),
        bias(desc.inputs.size() > 2 && desc.inputs[2].present),
        residual(desc.op == "linear_add") {}
};

template <class T>
void set(const Desc& desc, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  cublaslt_check(cublaslt().desc_set(desc.get(), attribute, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute");
}

Layout layout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t step) {
  cublasLtMatrixLayout_t raw = nullptr;
  cublaslt_check(cublaslt().layout_create(&raw, type, static_cast<uint64_t>(rows),
                                          static_cast<uint64_t>(columns), step),
                 "cublasLtMatrixLayoutCreate");
  return Layout(raw);
}

// All but the algorithm.
Plan describe(const Form& form, const Problem& p) {
  Plan plan;
  cublasLtMatmulDesc_t raw = nullptr;
  cublaslt_check(cublaslt().desc_create(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
  plan.desc.reset(raw);
  set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  if (form.bias) {
    set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, form.out);
  }
  plan.w = layout(form.in, p.k, p.n, p.w_step);
  plan.x = layout(form.in, p.k, p.m, p.x_step);
  plan.y = layout(form.out, p.n, p.m, p.y_step);
  plan.c = layout(form.out, p.n, p.m, p.c_step);
  return plan;
}

// nvcc 13.0 aborts on a container of the library's unnamed struct.
struct Offer {
  cublasLtMatmulAlgo_t algo;
};

// The library's algorithms for a problem, its favourite first; may be empty.
std::vector<Offer> heuristics(const Problem& p, const Plan& plan) {
  cublasLtMatmulPreference_t raw = nullptr;
  cublaslt_check(cublaslt().preference_create(&raw), "cublasLtMatmulPreferenceCreate");
  const Preference preference(raw);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    cublaslt_check(cublaslt().preference_set(raw, attribute, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // Split sums are added in float32, never in a 16-bit output.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.w_align);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.x_align);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.c_align);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.y_align);
  cublasLtMatmulHeuristicResult_t results[kCandidates] = {};
  int count = 0;
  const cublasStatus_t status =
      cublaslt().heuristic(cublaslt_handle(), plan.desc.get(), plan.w.get(), plan.x.get(),
                           plan.c.get(), plan.y.get(), raw, kCandidates, results, &count);
  std::vector<Offer> out;
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return out;
  cublaslt_check(status, "cublasLtMatmulAlgoGetHeuristic");
  for (int i = 0; i < count; ++i) {
    if (results[i].state == CUBLAS_STATUS_SUCCESS) out.push_back({results[i].algo});
  }
  return out;
}

cublasLtMatmulAlgo_t favourite(const Problem& p, const Plan& plan) {
  const auto offered = heuristics(p, plan);
  if (offered.empty()) {
    fail(ErrorCode::kUnsupported, "kernels/cuda", "cuBLASLt has no algorithm for {} x {} x {}", p.m,
         p.n, p.k);
  }
  return offered[0].algo;
}

// "algo2:42-1f-0": its place among those offered, then the algorithm itself as the library's opaque
// words in hexadecimal, zeros at the end left out. It can be rebuilt without asking again; the
// words hold for one version of the library, which KernelDef::library tells apart.
constexpr size_t kWords = sizeof(cublasLtMatmulAlgo_t::data) / sizeof(uint64_t);

std::string tactic_name(size_t index, const cublasLtMatmulAlgo_t& algo) {
  size_t words = kWords;
  while (words > 1 && algo.data[words - 1] == 0) --words;
  std::string name = "algo" + std::to_string(index);
  for (size_t i = 0; i < words; ++i) {
    char text[20];
    std::snprintf(text, sizeof text, "%c%llx", i == 0 ? ':' : '-',
                  static_cast<unsigned long long>(algo.data[i]));
    name += text;
  }
  return name;
}

// False where the name holds no algorithm (the empty tactic).
bool parse_tactic(std::string_view tactic, cublasLtMatmulAlgo_t& algo) {
  algo = {};
  const size_t colon = tactic.find(':');
  if (colon == std::string_view::npos) return false;
  tactic.remove_prefix(colon + 1);
  for (size_t i = 0; i < kWords; ++i) {
    uint64_t word = 0;
    const std::from_chars_result read =
        std::from_chars(tactic.data(), tactic.data() + tactic.size(), word, 16);
    if (read.ec != std::errc()) return false;
    algo.data[i] = word;
    tactic.remove_prefix(static_cast<size_t>(read.ptr - tactic.data()));
    if (tactic.empty()) return true;
    if (tactic[0] != '-') return false;
    tactic.remove_prefix(1);
  }
  return false;
}

class CublasLtLinear final : public KernelInstance {
 public:
  CublasLtLinear(const KernelDesc& desc, std::string_view tactic)
      : form_(desc), tuned_(parse_tactic(tactic, algo_)) {}
  size_t workspace_bytes() const override { return kWorkspace; }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    const TensorView& x = args.inputs[0];
    const TensorView& y = args.outputs[0];
    if (x.rows() == 0) return;
    const TensorView& c = form_.residual ? args.inputs[kResidual] : y;
    for_each_segment(args, 1, [&](const TensorView& w, int64_t first) {
      std::byte* y_data = y.data + y.type.bytes(first);
      const std::byte* c_data = c.data + c.type.bytes(first);
      const Problem problem = {x.rows(),
                               w.shape[0],
                               x.columns(),
                               row_elements(x),
                               row_elements(w),
                               row_elements(y),
                               row_elements(c),
                               alignment(x.data, x.row_bytes()),
                               alignment(w.data, w.row_bytes()),
                               alignment(y_data, y.row_bytes()),
                               alignment(c_data, c.row_bytes())};
      Plan& plan = plan_for(problem);
      if (form_.bias) {
        const void* bias = args.inputs[2].data + y.type.bytes(first);
        set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
      }
      const float alpha = 1, beta = form_.residual ? 1 : 0;
      auto multiply = [&] {
        return cublaslt().matmul(cublaslt_handle(), plan.desc.get(), &alpha, w.data, plan.w.get(),
                                 x.data, plan.x.get(), &beta, c_data, plan.c.get(), y_data,
                                 plan.y.get(), &plan.algo, context.workspace.data(),
                                 context.workspace.size(), cuda_stream(context.stream));
      };
      cublasStatus_t status = multiply();
      if (status == CUBLAS_STATUS_NOT_SUPPORTED) {  // the check of an algorithm sees no addresses
        plan.algo = favourite(problem, plan);
        status = multiply();
      }
      cublaslt_check(status, "cublasLtMatmul");
    });
  }

 private:
  // Made on the first launch of a problem; later launches only look it up.
  Plan& plan_for(const Problem& problem) {
    const auto found = plans_.find(problem);
    if (found != plans_.end()) return found->second;
    Plan plan = describe(form_, problem);
    plan.algo = choose(problem, plan);
    return plans_.emplace(problem, std::move(plan)).first->second;
  }

  // The tactic's algorithm where the library says that it works for these rows, columns and
  // addresses, else the library's favourite.
  cublasLtMatmulAlgo_t choose(const Problem& problem, const Plan& plan) const {
    if (!tuned_) return favourite(problem, plan);
    cublasLtMatmulHeuristicResult_t result = {};
    const cublasStatus_t status =
        cublaslt().algo_check(cublaslt_handle(), plan.desc.get(), plan.w.get(), plan.x.get(),
                              plan.c.get(), plan.y.get(), &algo_, &result);
    const bool works = status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= kWorkspace;
    return works ? algo_ : favourite(problem, plan);
  }

  Form form_;
  cublasLtMatmulAlgo_t algo_ = {};
  bool tuned_;  // algo_ is set
  std::map<Problem, Plan> plans_;
};

}  // namespace

std::string supports(const KernelDesc& desc) {
  const ElementType& x = desc.inputs[0].type;
  const ElementType& w = desc.inputs[1].type;
  const ElementType& y = desc.outputs[0].type;
  const Form form(desc);
  if (!is_activation(x) || !(x == w)) return "input is " + x.name() + ", weight is " + w.name();
  if (!(y == x) && (form.residual || y != DType::kFloat32)) return "output is " + y.name();
  if (form.bias && !(desc.inputs[2].type == y)) return "bias is " + desc.inputs[2].type.name();
  if (form.residual && !(desc.inputs[kResidual].type == y)) {
    return "residual is " + desc.inputs[kResidual].type.name();
  }
  if (desc.inputs[0].shape.back() == 0) return "K is 0";
  // 16-bit products need even row steps.
  if (x != DType::kFloat32 && desc.inputs[0].shape.back() % 8 != 0) {
    return "K is not a multiple of 8";
  }
  return cublaslt().missing;
}

std::vector<std::string> tactics(const KernelDesc& desc) {
  const int64_t m = std::max<int64_t>(1, rows_of(desc.inputs[0].shape));
  const int64_t k = desc.inputs[0].shape.back();
  const int64_t n = desc.inputs[1].shape[0];
  const uint32_t k_align = alignment(nullptr, desc.inputs[0].type.bytes(k));
  const uint32_t n_align = alignment(nullptr, desc.outputs[0].type.bytes(n));
  const Problem problem = {m, n, k, k, k, n, n, k_align, k_align, n_align, n_align};
  std::vector<std::string> names;
  for (const Offer& offer : heuristics(problem, describe(Form(desc), problem))) {
    names.push_back(tactic_name(names.size(), offer.algo));
  }
  if (names.empty()) names.push_back("");
  return names;
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  return std::make_unique<CublasLtLinear>(desc, tactic);
}

}  // namespace ingot::cuda::cublaslt_linear
