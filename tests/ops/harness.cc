#include "tests/ops/harness.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>

#include "base/knobs.h"
#include "kernels/reference.h"
#include "tensor/buffer.h"
#include "tensor/cpu_isa.h"
#include "tests/ops/case_data.h"

namespace ingot::test {
namespace {

struct Machine {
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
  explicit Machine(std::unique_ptr<Device> d)
      : device(std::move(d)), stream(device->make_stream()) {}
};
Machine& machine(int threads) {
  set_knob("spin_us", "0");  // more threads than CPUs here: waiting ones must not hold a CPU
  static std::map<int, Machine> machines;
  auto it = machines.find(threads);
  if (it == machines.end()) it = machines.emplace(threads, make_cpu_device(threads)).first;
  return it->second;
}
// The first device that is no CPU; nullptr where there is none.
Machine* accelerator() {
  static const std::unique_ptr<Machine> found = []() -> std::unique_ptr<Machine> {
    for (const DeviceDef* def : tensor_device_list()) {
      if (def->kind == "cpu" || def->list().empty()) continue;
      return std::make_unique<Machine>(def->open(0));
    }
    return nullptr;
  }();
  return found.get();
}
Machine& machine_of(std::string_view device_kind, int threads) {
  return device_kind == "cpu" ? machine(threads) : *accelerator();
}

// A launch's operands on a device whose memory the host cannot touch. Views that share an address
// share the copy.
class DeviceCopies {
 public:
  explicit DeviceCopies(Machine& m) : machine_(m) {}
  TensorView add(const TensorView& host) {
    if (!host.present()) return host;
    const auto size = static_cast<size_t>(host.extent());
    auto [it, fresh] = buffers_.try_emplace(host.data);
    if (fresh) it->second = Buffer(*machine_.device, std::max<size_t>(size, 1));
    EXPECT_GE(it->second.size(), size);
    machine_.device->copy_in(it->second.data(), host.data, size, *machine_.stream);
    TensorView out = host;
    out.data = it->second.data();
    return out;
  }
  std::vector<TensorView> add_all(std::span<const TensorView> host) {
    std::vector<TensorView> out;
    for (const TensorView& view : host) out.push_back(add(view));
    return out;
  }
  void copy_back(const TensorView& host) {
    machine_.device->copy_out(host.data, buffers_.at(host.data).data(),
                              static_cast<size_t>(host.extent()), *machine_.stream);
    machine_.stream->synchronize();
  }

 private:
  Machine& machine_;
  std::map<const std::byte*, Buffer> buffers_;
};

// How one launch differs from the plain one.
struct Variant {
  int threads = 1;
  bool strided = false;
  bool segments = false;
  int64_t first = 0;  // tokens [first, first + count); count < 0: all
  int64_t count = -1;
};

class CaseRun {
 public:
  CaseRun(const OpCase& c, std::string_view device) : case_(c), op_(get_op(c.op)), device_(device) {
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      const CaseInput& input = c.inputs[i];
      inputs_.push_back(input.absent ? TensorView{}
                                     : memory_.add(input.type, evaluate(input.shape, c.symbols)));
    }
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      if (!c.inputs[i].absent) fill_input(c.inputs[i], inputs_, i);
    }
    desc_ = describe(c.symbols);
    for (const OperandDesc& out : desc_.outputs) {
      expected_.push_back(memory_.add(out.type, out.shape));
    }
    std::vector<TensorView> in = inputs_;
    for (const Effects::Alias& alias : op_.effects.aliases) {
      copy_view(inputs_[static_cast<size_t>(alias.input)],
                expected_[static_cast<size_t>(alias.output)]);
      in[static_cast<size_t>(alias.input)] = expected_[static_cast<size_t>(alias.output)];
    }
    run_reference(c.op, c.attrs, in, expected_);
  }

  const KernelDesc& desc() const { return desc_; }
  bool has_tokens() const { return case_.symbols.contains("tokens"); }
  int64_t token_count() const { return case_.symbols.find("tokens")->second; }

  KernelDesc describe_tokens(int64_t count) const {
    SymbolValues symbols = case_.symbols;
    symbols["tokens"] = count;
    return describe(symbols);
  }

  KernelDesc describe(const SymbolValues& symbols) const {
    KernelDesc desc;
    desc.op = case_.op;
    desc.capability = machine_of(device_, 1).device->capability();
    desc.attrs = case_.attrs;
    std::vector<ValueType> types;
    for (const CaseInput& input : case_.inputs) {
      types.push_back({input.type, sym_shape(evaluate(input.shape, symbols)), input.state});
      desc.inputs.push_back({.type = input.type,
                             .shape = evaluate(input.shape, symbols),
                             .present = !input.absent,
                             .constant = input.constant,
                             .state = input.state,
                             .segments = input.segments});
    }
    std::vector<const ValueType*> pointers;
    for (size_t i = 0; i < types.size(); ++i) {
      pointers.push_back(case_.inputs[i].absent ? nullptr : &types[i]);
    }
    const InferArgs args{case_.op, pointers, case_.attrs,
                         [&](size_t i) { return case_.inputs[i].constant ? &inputs_[i] : nullptr; },
                         case_.outputs};
    for (const ValueType& type : op_.infer(args)) {
      desc.outputs.push_back(
          {.type = type.element, .shape = evaluate(type.shape, {}), .state = type.state});
    }
    return desc;
  }

  // Launches an instance on a copy of the inputs; returns the outputs, packed.
  std::vector<TensorView> launch(const KernelDef& kernel, std::string_view tactic,
                                 KernelInstance& instance, const Variant& variant, Memory& memory) {
    SymbolValues symbols = case_.symbols;
    if (variant.count >= 0) symbols["tokens"] = variant.count;
    const KernelDesc desc = describe(symbols);
    std::vector<TensorView> in;
    std::deque<std::vector<TensorView>> pieces;
    std::vector<std::span<const TensorView>> segments;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      pieces.emplace_back();
      in.push_back(place(kernel, tactic, desc, i, variant, in, memory, pieces.back()));
      segments.push_back(pieces.back());
    }
    std::vector<TensorView> out;
    out.reserve(desc.outputs.size());
    for (const OperandDesc& o : desc.outputs) {
      out.push_back(
          memory.add(o.type, o.shape, variant.strided && case_.strided_outputs && !o.state));
    }
    for (const Effects::Alias& alias : op_.effects.aliases) {
      out[static_cast<size_t>(alias.output)] = in[static_cast<size_t>(alias.input)];
    }
    Machine& m = machine_of(device_, variant.threads);
    Buffer workspace(*m.device, instance.workspace_bytes());
    ExecContext context{
        *m.device, *m.stream, m.device->team(), {workspace.data(), workspace.size()}};
    if (!variant.segments) segments.clear();
    if (m.device->host_visible()) {
      instance.launch({in, out, segments}, context);
    } else {
      launch_on_device(m, instance, context, in, out, segments);
    }
    for (TensorView& view : out) {
      if (view.is_packed()) continue;
      EXPECT_TRUE(gaps_untouched(view)) << "wrote between the rows of an output";
      const TensorView packed = memory.add(view.type, view.shape);
      copy_view(view, packed);
      view = packed;
    }
    return out;
  }

  static void launch_on_device(Machine& m, KernelInstance& instance, ExecContext& context,
                               const std::vector<TensorView>& in,
                               const std::vector<TensorView>& out,
                               const std::vector<std::span<const TensorView>>& segments) {
    DeviceCopies copies(m);
    std::vector<std::vector<TensorView>> pieces;
    pieces.reserve(segments.size());
    for (const auto& list : segments) pieces.push_back(copies.add_all(list));
    std::vector<TensorView> inputs;
    for (size_t i = 0; i < in.size(); ++i) {
      const bool split = i < pieces.size() && !pieces[i].empty();
      inputs.push_back(split ? in[i] : copies.add(in[i]));
      // The whole's shape, and the first piece's memory: no more of it than that may be copied.
      if (split) inputs.back().data = pieces[i][0].data;
    }
    const std::vector<TensorView> outputs = copies.add_all(out);
    const std::vector<std::span<const TensorView>> spans(pieces.begin(), pieces.end());
    instance.launch({inputs, outputs, spans}, context);
    m.stream->synchronize();
    for (const TensorView& view : out) copies.copy_back(view);
  }

  // First difference beyond the table's tolerance, or "".
  std::string difference(const KernelDef& kernel, const std::vector<TensorView>& got) const {
    const auto own = case_.kernel_tolerance.find(kernel.name);
    for (size_t o = 0; o < got.size(); ++o) {
      const TensorView& want = expected_[o];
      Tolerance allowed =
          case_.allowed.value_or(tolerance(case_.rounds_to.value_or(want.type.dtype)));
      if (own != case_.kernel_tolerance.end()) allowed = own->second;
      double squares = 0;
      for (int64_t i = 0; i < want.elements(); ++i) {
        const double value = load_element(want, i);
        if (std::isfinite(value)) squares += value * value;
      }
      const double rms =
          std::sqrt(squares / static_cast<double>(std::max<int64_t>(want.elements(), 1)));
      for (int64_t i = 0; i < want.elements(); ++i) {
        const double a = load_element(got[o], i);
        const double b = load_element(want, i);
        if (a == b || (std::isnan(a) && std::isnan(b))) continue;
        if (std::isfinite(b) &&
            std::fabs(a - b) <= allowed.relative * std::fabs(b) + allowed.of_rms * rms)
          continue;
        return fmt::format("output {} element {} of {}: {} instead of {} (rms {})", o, i,
                           shape_text(want.shape), a, b, rms);
      }
    }
    return "";
  }

  // First byte difference between the outputs of tokens [first, ...) and those of a run of them
  // alone. State outputs are left out: a part of the tokens writes a part of the state.
  std::string bit_difference(const std::vector<TensorView>& whole,
                             const std::vector<TensorView>& part, int64_t first) const {
    for (size_t o = 0; o < whole.size(); ++o) {
      if (desc_.outputs[o].state && part[o].data == whole[o].data) continue;
      if (desc_.outputs[o].state && first >= 0) continue;
      // An element a token: a vector's elements are its rows.
      const bool vector = first >= 0 && part[o].shape.size() == 1;
      const int64_t bytes = part[o].type.bytes(vector ? 1 : whole[o].columns());
      const int64_t rows = vector ? part[o].elements() : part[o].rows();
      const int64_t rows_per_token = first >= 0 ? rows / std::max<int64_t>(part[o].shape[0], 1) : 1;
      const int64_t offset = first > 0 ? first * rows_per_token : 0;
      const auto at = [&](const TensorView& view, int64_t r) {
        return vector ? view.data + r * bytes : view.row(r);
      };
      for (int64_t r = 0; r < rows; ++r) {
        if (std::memcmp(at(part[o], r), at(whole[o], r + offset), static_cast<size_t>(bytes)) ==
            0) {
          continue;
        }
        return fmt::format("output {} row {} differs in bits", o, r + offset);
      }
    }
    return "";
  }

 private:
  bool per_token(size_t input) const {
    const SymShape& shape = case_.inputs[input].shape;
    return !shape.empty() && shape[0] == tokens();
  }

  // A private copy of input i in the form the variant asks for.
  TensorView place(const KernelDef& kernel, std::string_view tactic, const KernelDesc& desc,
                   size_t i, const Variant& variant, const std::vector<TensorView>& before,
                   Memory& memory, std::vector<TensorView>& pieces) {
    const CaseInput& input = case_.inputs[i];
    if (input.absent) return {};
    TensorView source = inputs_[i];
    if (variant.count >= 0 && per_token(i)) {
      const int64_t row = source.bytes() / std::max<int64_t>(source.shape[0], 1);
      source.data += variant.first * row;
    }
    source.shape = desc.inputs[i].shape;
    TensorView view = source;  // constants are only read: large ones are not copied
    if (!input.constant || variant.strided) {
      view = memory.add(source.type, source.shape, variant.strided && input.strided);
      copy_view(source, view);
    }
    if (input.fill == Fill::kQueryOffsets) {
      fill_query_offsets(before[static_cast<size_t>(input.low)], view);
    }
    if (variant.segments && input.segments > 1) split(view, input.segments, memory, pieces);
    const WeightLayout layout =
        kernel.layout && input.constant ? kernel.layout(desc, tactic, i) : WeightLayout{};
    if (!layout.name.empty()) {
      const auto bytes = static_cast<int64_t>(layout.packed_bytes(desc.inputs[i]));
      const TensorView packed = memory.add(DType::kUInt8, {bytes});
      layout.pack(pieces.empty() ? std::span<const TensorView>(&view, 1) : pieces, packed.data,
                  machine(variant.threads).device->team());
      view.data = packed.data;
      pieces.clear();
    }
    return view;
  }

  // Pieces of unequal size along the first dimension, in memory of their own; view.data becomes the
  // first's.
  static void split(TensorView& view, int count, Memory& memory, std::vector<TensorView>& pieces) {
    const int64_t rows = view.shape[0];
    int64_t begin = 0;
    for (int s = 0; s < count; ++s) {
      const int64_t end = s + 1 == count ? rows : rows * (s + 1) * (s + 2) / (count * (count + 1));
      TensorView part = view;
      part.data = view.row(rows == 0 ? 0 : begin * (view.rows() / rows));
      part.shape[0] = end - begin;
      pieces.push_back(memory.add(part.type, part.shape));
      copy_view(part, pieces.back());
      begin = end;
    }
    view.data = pieces[0].data;
  }

  const OpCase& case_;
  const OpDef& op_;
  std::string_view device_;
  Memory memory_;
  std::vector<TensorView> inputs_;
  std::vector<TensorView> expected_;
  KernelDesc desc_;
};

std::vector<std::string> tactics_of(const KernelDef& kernel, const KernelDesc& desc) {
  return kernel.tactics ? kernel.tactics(desc) : std::vector<std::string>{""};
}

bool supports(const KernelDef& kernel, const KernelDesc& desc) {
  return !kernel.supports || kernel.supports(desc).empty();
}

bool left_out(const KernelDef& kernel) {
  const char* part = std::getenv("DEV_INGOT_LEAVE_OUT");
  return part && *part && kernel.name.find(part) != std::string_view::npos;
}

// Row subsets give the bits of the whole, through the same instance and through one of their size.
void check_invariance(CaseRun& run, const KernelDef& kernel, const std::string& tactic,
                      KernelInstance& instance, const std::vector<TensorView>& whole) {
  const int64_t count = run.token_count();
  std::vector<std::pair<int64_t, int64_t>> subsets = {{0, 1}, {count - 1, 1}, {count / 2, 1}};
  for (int64_t size : {2, 3, 5, 17}) {
    if (size < count) subsets.emplace_back((count - size) / 2, size);
  }
  for (auto [first, size] : subsets) {
    Memory memory;
    Variant variant{.threads = 2, .first = first, .count = size};
    const auto part = run.launch(kernel, tactic, instance, variant, memory);
    EXPECT_EQ(run.bit_difference(whole, part, first), "")
        << kernel.name << " '" << tactic << "' tokens " << first << "+" << size
        << " in the prepared instance";
    const KernelDesc desc = run.describe_tokens(size);
    const std::vector<std::string> tactics = tactics_of(kernel, desc);
    if (std::find(tactics.begin(), tactics.end(), tactic) == tactics.end()) continue;
    const std::unique_ptr<KernelInstance> own = kernel.prepare(desc, tactic);
    EXPECT_EQ(run.bit_difference(whole, run.launch(kernel, tactic, *own, variant, memory), first),
              "")
        << kernel.name << " '" << tactic << "' tokens " << first << "+" << size
        << " in an instance of their own";
  }
}

void check_kernel(CaseRun& run, const KernelDef& kernel, const OpCase& c) {
  Memory memory;
  std::vector<TensorView> first;
  bool segmented = false;
  bool strided = c.strided_outputs;
  for (const CaseInput& input : c.inputs) {
    segmented |= input.segments > 1;
    strided |= input.strided;
  }
  for (const std::string& tactic : tactics_of(kernel, run.desc())) {
    SCOPED_TRACE(fmt::format("{} tactic '{}' on {}", kernel.name, tactic, run.desc().text()));
    const std::unique_ptr<KernelInstance> instance = kernel.prepare(run.desc(), tactic);
    std::vector<Variant> variants = {{}};
    if (kernel.device == "cpu") variants = {{}, {.threads = 2}, {.threads = 4}};
    if (strided) variants.push_back({.threads = 2, .strided = true});
    if (segmented) variants.push_back({.threads = 2, .segments = true});
    std::vector<TensorView> base;
    for (const Variant& variant : variants) {
      const auto out = run.launch(kernel, tactic, *instance, variant, memory);
      EXPECT_EQ(run.difference(kernel, out), "")
          << variant.threads << " threads, strided " << variant.strided << ", segments "
          << variant.segments;
      if (base.empty()) base = out;
      if (!kernel.invariant) continue;
      EXPECT_EQ(run.bit_difference(base, out, -1), "")
          << "claims to be invariant: " << variant.threads << " threads, strided "
          << variant.strided << ", segments " << variant.segments;
    }
    if (!kernel.invariant) continue;
    if (first.empty()) first = base;
    EXPECT_EQ(run.bit_difference(first, base, -1), "") << "tactics of an invariant kernel differ";
    if (run.has_tokens()) check_invariance(run, kernel, tactic, *instance, base);
  }
}

}  // namespace

Dim tokens() { return Dim::symbol("tokens"); }
Dim batch() { return Dim::symbol("batch"); }

Tolerance tolerance(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return {1e-5, 1e-5};
    case DType::kBFloat16:
      return {0x1p-7, 1e-3};
    case DType::kFloat16:
      return {0x1p-10, 2e-4};
    default:
      return {0, 0};
  }
}

void check_case(const OpCase& c) {
  CaseRun run(c, "cpu");
  int kernels = 0, left = 0;
  for (const KernelDef* kernel : kernels_for("cpu", c.op)) {
    if (kernel == &reference_kernel() || !supports(*kernel, run.desc())) continue;
    if (left_out(*kernel)) {
      ++left;
      continue;
    }
    check_kernel(run, *kernel, c);
    ++kernels;
  }
  ::testing::Test::RecordProperty("kernels", kernels);
  if (kernels == 0 && left > 0) GTEST_SKIP() << "all its kernels are left out";
  if (cpu_isa() < CpuIsa::kAvx2) return;
  EXPECT_GT(kernels, 0) << "no kernel but the reference supports " << run.desc().text();
}

void check_case_on_gpu(const OpCase& c) {
  if (!accelerator()) GTEST_SKIP() << "no GPU";
  const std::string_view kind = accelerator()->device->kind();
  CaseRun run(c, kind);
  std::string ran;
  bool own = false;  // the operator has kernels there
  bool left = false;
  for (const KernelDef* kernel : kernels_for(kind, c.op)) {
    // The reference adapter is the last resort there too.
    const bool last = kernel == &reference_kernel();
    own |= !last;
    if (last && (!ran.empty() || left || get_op(c.op).control_flow)) continue;
    if (!supports(*kernel, run.desc())) continue;
    if (left_out(*kernel)) {
      left = true;
      continue;
    }
    EXPECT_EQ(last && own, c.reference_on_gpu) << "of its kernels: " << kernel->name;
    check_kernel(run, *kernel, c);
    ran += (ran.empty() ? "" : " ") + std::string(kernel->name);
  }
  ::testing::Test::RecordProperty("kernels", ran);
  if (ran.empty() && left) GTEST_SKIP() << "all its kernels are left out";
}

namespace {

class CaseTest : public ::testing::Test {
 public:
  CaseTest(OpCase c, bool gpu) : case_(std::move(c)), gpu_(gpu) {}
  void TestBody() override { gpu_ ? check_case_on_gpu(case_) : check_case(case_); }

 private:
  OpCase case_;
  bool gpu_;
};

}  // namespace

bool register_cases(const char* op, const std::vector<OpCase>& cases, bool on_cpu) {
  for (const OpCase& c : cases) {
    for (bool gpu : {false, true}) {
      if (!gpu && !on_cpu) continue;
      ::testing::RegisterTest(op, ((gpu ? "gpu_" : "") + c.name).c_str(), nullptr, nullptr,
                              __FILE__, __LINE__,
                              [c, gpu]() -> ::testing::Test* { return new CaseTest(c, gpu); });
    }
  }
  return true;
}

}  // namespace ingot::test
