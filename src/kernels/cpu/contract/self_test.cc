#include "kernels/cpu/contract/self_test.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "base/random.h"
#include "kernels/reference.h"
#include "tensor/buffer.h"

namespace ingot::cpu {
namespace {

void fill(const SelfTestInput& input, const TensorView& view, uint64_t seed) {
  if (!input.values.empty()) {
    for (int64_t i = 0; i < view.elements(); ++i) {
      store_index(view, i, input.values[static_cast<size_t>(i)]);
    }
    return;
  }
  std::vector<float> row(static_cast<size_t>(view.columns()));
  for (int64_t r = 0; r < view.rows(); ++r) {
    for (size_t c = 0; c < row.size(); ++c) {
      row[c] = static_cast<float>(random_normal(seed, static_cast<uint64_t>(r) * row.size() + c));
    }
    if (const BlockFormat* format = view.type.block) {
      const int64_t blocks = view.columns() / format->block_elements;
      if (format->encode) {
        format->encode(row.data(), blocks, view.row(r));
      } else {
        random_blocks(*format, seed + static_cast<uint64_t>(r), blocks, view.row(r));
      }
    } else {
      store_row(view, r, 0, view.columns(), row.data());
    }
  }
}

// One case: inputs, the reference's outputs, and what a kernel needs to run it.
class Case {
 public:
  Case(std::string_view op, const SelfTestCase& source) : op_(op), source_(source) {
    desc.op = op;
    desc.attrs = source.attrs;
    std::vector<ValueType> types;
    for (const SelfTestInput& input : source.inputs) {
      inputs.push_back(allocate(input.type, input.shape));
      fill(input, inputs.back(), inputs.size());
      desc.inputs.push_back({.type = input.type,
                             .shape = input.shape,
                             .constant = input.constant,
                             .state = input.state});
      types.push_back({input.type, sym_shape(input.shape), input.state});
    }
    std::vector<const ValueType*> pointers;
    for (const ValueType& type : types) pointers.push_back(&type);
    const InferArgs infer{op_, pointers, source.attrs, [](size_t) { return nullptr; }, 1};
    for (const ValueType& type : get_op(op).infer(infer)) {
      const Shape shape = evaluate(type.shape, {});
      desc.outputs.push_back({.type = type.element, .shape = shape, .state = type.state});
    }
    expected = outputs();
    run_reference(op_, source.attrs, state_copies(expected), expected);
  }

  // Fresh outputs; those that alias an input are copies of it.
  std::vector<TensorView> outputs() {
    std::vector<TensorView> out;
    for (const OperandDesc& desc_out : desc.outputs) {
      out.push_back(allocate(desc_out.type, desc_out.shape));
    }
    for (const Effects::Alias& alias : get_op(op_).effects.aliases) {
      const TensorView& from = inputs[static_cast<size_t>(alias.input)];
      std::copy_n(from.data, from.bytes(), out[static_cast<size_t>(alias.output)].data);
    }
    return out;
  }
  // The inputs, with aliased ones replaced by the outputs' memory.
  std::vector<TensorView> state_copies(const std::vector<TensorView>& outs) const {
    std::vector<TensorView> in = inputs;
    for (const Effects::Alias& alias : get_op(op_).effects.aliases) {
      in[static_cast<size_t>(alias.input)] = outs[static_cast<size_t>(alias.output)];
    }
    return in;
  }

  KernelDesc desc;
  std::vector<TensorView> inputs;
  std::vector<TensorView> expected;

 private:
  TensorView allocate(const ElementType& type, const Shape& shape) {
    TensorView view{type, shape};
    memory_.emplace_back(static_cast<size_t>(std::max<int64_t>(view.bytes(), 1)));
    view.data = memory_.back().data();
    return view;
  }
  std::string op_;
  const SelfTestCase& source_;
  std::vector<std::vector<std::byte>> memory_;
};

bool agrees(const TensorView& got, const TensorView& expected) {
  double peak = 0;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    peak = std::max(peak, std::fabs(load_element(expected, i)));
  }
  const double tolerance = (dtype_size(expected.type.dtype) == 2 ? 0x1p-6 : 1e-4) * peak;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    if (!(std::fabs(load_element(got, i) - load_element(expected, i)) <= tolerance)) return false;
  }
  return true;
}

bool all_agree(const KernelDef& kernel, const std::vector<SelfTestCase>& cases) {
  const std::unique_ptr<Device> device = make_cpu_device(1);
  const std::unique_ptr<Stream> stream = device->make_stream();
  for (const SelfTestCase& source : cases) {
    Case test(kernel.op, source);
    if (!kernel.supports(test.desc).empty()) continue;
    for (const std::string& tactic :
         kernel.tactics ? kernel.tactics(test.desc) : std::vector<std::string>{""}) {
      const std::unique_ptr<KernelInstance> instance = kernel.prepare(test.desc, tactic);
      const std::vector<TensorView> outputs = test.outputs();
      const std::vector<TensorView> inputs = test.state_copies(outputs);
      Buffer workspace(*device, instance->workspace_bytes());
      ExecContext context{*device, *stream, device->team(), {workspace.data(), workspace.size()}};
      instance->launch({inputs, outputs, {}}, context);
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (agrees(outputs[i], test.expected[i])) continue;
        spdlog::warn("{} tactic '{}' is wrong on {}", kernel.name, tactic, test.desc.text());
        return false;
      }
    }
  }
  return true;
}

// Where this thread resumes when its self-test meets a fault; null outside of one.
thread_local sigjmp_buf* resume_point = nullptr;

// What a broken kernel or machine raises: instructions that are not there, stray and misaligned
// accesses, divisions.
constexpr std::array<int, 4> kFaults = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};

void on_fault(int signal) {
  if (resume_point) siglongjmp(*resume_point, signal);
  std::signal(signal, SIG_DFL);  // not ours: die of it on return
}

}  // namespace

// The launch runs on this thread (a team of one), so the jump out of the handler skips only frames
// of the test itself; what they own is leaked, once, by a kernel that is then never used.
bool self_test(const KernelDef& kernel, const std::vector<SelfTestCase>& cases) {
  struct sigaction handler = {};
  std::array<struct sigaction, kFaults.size()> before = {};
  handler.sa_handler = on_fault;
  for (size_t i = 0; i < kFaults.size(); ++i) sigaction(kFaults[i], &handler, &before[i]);
  sigjmp_buf here;
  volatile bool passed = false;
  const int fault = sigsetjmp(here, 1);
  if (fault == 0) {
    resume_point = &here;
    try {
      passed = all_agree(kernel, cases);
    } catch (const std::exception& e) {
      spdlog::warn("{} failed: {}", kernel.name, e.what());
    }
  } else {
    spdlog::warn("{} met a fault: {}", kernel.name, sigdescr_np(fault));
  }
  resume_point = nullptr;
  for (size_t i = 0; i < kFaults.size(); ++i) sigaction(kFaults[i], &before[i], nullptr);
  return passed;
}

}  // namespace ingot::cpu
