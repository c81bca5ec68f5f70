// The contract of a kernel. One kernel with its tactics, one file in kernels/<device>/; the file
// name registers it: kernels/cpu/linear_avx512.cc defines `const KernelDef&
// cpu::linear_avx512_kernel()`. Kernels know no graph, model or framework: views, attributes and a
// context, nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#ifndef __CUDACC__  // device compilers choke on <thread>; CUDA kernels have no use for a team
#include "base/thread_team.h"
#endif
#include "ops/contract/op_def.h"
#include "tensor/device.h"
#include "tensor/tensor_view.h"

namespace ingot {

class Comm;
class ThreadTeam;

// One operand as the tuner and the binder see it: symbolic sizes replaced by the bucket's largest.
struct OperandDesc {
  ElementType type;
  Shape shape;
  bool present = true;
  bool constant = false;  // a weight or constant: may be repacked once at load
  bool state = false;
  int64_t segments = 1;  // weights: pieces along axis 0 that are not adjacent in memory
  bool operator==(const OperandDesc&) const = default;
};

// Everything a tactic may depend on. text() is the tuner's key: op, attributes, types, shapes. The
// bucket's rows and longest context are in the shapes (tokens; columns of the block table); how
// many pages a state has is not in the key: it is how much an executor set aside, not work.
struct KernelDesc {
  std::string op;
  Attrs attrs;
  std::vector<OperandDesc> inputs;
  std::vector<OperandDesc> outputs;
  bool invariant = false;  // only tactics whose result does not depend on the batch may be used
  // Device::capability() of where it will run. Not in text(): timings are kept by device.
  int capability = 0;
  std::string text() const;
};

struct ExecContext {
  Device& device;
  Stream& stream;
  ThreadTeam* team = nullptr;  // CPU devices
  std::span<std::byte> workspace;
  Comm* comm = nullptr;  // set when the engine runs on several ranks
};

// Actual views of one launch. A weight that is one piece is in inputs; one in several pieces has
// inputs[i] describing the whole (data == nullptr is not used: present() is true, data is the first
// piece) and its pieces in segments[i], in row order. segments is empty when every weight is one
// piece.
struct LaunchArgs {
  std::span<const TensorView> inputs;
  std::span<const TensorView> outputs;
  std::span<const std::span<const TensorView>> segments;
};

// Calls f(piece, first_row) for each piece of weight input `index`, in row order.
template <typename F>
void for_each_segment(const LaunchArgs& args, size_t index, F&& f) {
  if (index >= args.segments.size() || args.segments[index].empty()) {
    f(args.inputs[index], int64_t{0});
    return;
  }
  int64_t row = 0;
  for (const TensorView& piece : args.segments[index]) {
    f(piece, row);
    row += piece.shape[0];
  }
}

// Facts of one step, on the host, for kernels that plan on it (attention split, library plans).
struct StepInfo {
  const SymbolValues& symbols;
  // Host copies of the plan's integer inputs by name ("query_offsets"), as set_input gave them;
  // nullptr if there is none.
  std::function<const TensorView*(std::string_view name)> host_input;
};

// A prepared kernel, bound to one step of one executor. Not thread safe.
class KernelInstance {
 public:
  virtual ~KernelInstance() = default;
  virtual size_t workspace_bytes() const { return 0; }
  virtual void step(const StepInfo&) {}  // must not allocate after the first call
  virtual void launch(const LaunchArgs& args, ExecContext& context) = 0;
};

// How a weight input is stored for a tactic. name "" is the canonical row-major form.
struct WeightLayout {
  std::string name;
  // Bytes of the packed form and the packing itself; unused for "". pack may use the team.
  size_t (*packed_bytes)(const OperandDesc& weight) = nullptr;
  void (*pack)(std::span<const TensorView> pieces, std::byte* dst, ThreadTeam* team) = nullptr;
};

struct KernelDef {
  std::string_view name;  // "linear_avx512"; plans store it, so never rename without a new version
  std::string_view op;    // "*" for the adapter that runs any op's reference
  std::string_view device;  // "cpu", "cuda"
  int version = 1;  // raised when results or what a tactic's name means change: choices are void
  bool capturable = true;  // may be recorded into a device graph
  bool invariant = false;  // each row's result depends on that row alone, bit for bit
  // Heuristic rank without measurements: higher is better; the reference adapter is 0.
  int priority = 1;
  // In place of priority where the shape decides; asked for any descriptor of the op.
  int (*rank)(const KernelDesc& desc) = nullptr;
  // Empty when it can run the descriptor here, else the reason, which reports print. nullptr: it
  // can run any.
  std::string (*supports)(const KernelDesc& desc) = nullptr;
  // Readable names of its tactics for the descriptor, best guess first; nullptr means {""}.
  std::vector<std::string> (*tactics)(const KernelDesc& desc) = nullptr;
  // Layout of weight input `input` under a tactic; nullptr means canonical for all.
  WeightLayout (*layout)(const KernelDesc& desc, std::string_view tactic, size_t input) = nullptr;
  std::unique_ptr<KernelInstance> (*prepare)(const KernelDesc& desc,
                                             std::string_view tactic) = nullptr;
  // Runs once per process before first use on a small case; false or a fault drops the kernel with
  // a log line. nullptr: nothing to test.
  bool (*self_test)() = nullptr;
  // "cuBLASLt 130100" where a library does the work: timings and choices hold for that version
  // alone. nullptr: no library.
  std::string (*library)() = nullptr;
  std::string library_text() const { return library ? library() : std::string(); }
};

// The simplest instance: a function of its arguments.
std::unique_ptr<KernelInstance> make_instance(
    std::function<void(const LaunchArgs&, ExecContext&)> launch);

// Generated from the files of kernels/<device>/.
const std::vector<const KernelDef*>& kernel_list();

// Kernels of a device kind for an op, best priority first, the reference adapter last; kernels that
// failed their self-test are left out. Includes register_kernel()ed ones. Thread safe.
std::vector<const KernelDef*> kernels_for(std::string_view device, std::string_view op);
// By (device, name); nullptr if gone. The reference adapter is found under "reference".
const KernelDef* find_kernel(std::string_view device, std::string_view name);
// Twelve digits of a hash of the file that a kernel of this build stands in, and of all that the
// file includes of src/kernels; "" of a kernel from elsewhere. Measured times hold for it alone.
std::string_view kernel_source_hash(std::string_view device, std::string_view name);

// Plugins and tests. `kernel` must have static lifetime. Error{kInvalidArgument} on a taken name.
void register_kernel(const KernelDef& kernel);

}  // namespace ingot
