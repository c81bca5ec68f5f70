#include "kernels/reference.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include "base/check.h"

namespace ingot {
namespace {

// Runs what a decomposition emits, op by op, as it is emitted: shapes are concrete at launch, so
// every intermediate is computed at once into memory that lives until the launch ends.
class EagerEmitter final : public OpEmitter {
 public:
  // Inputs that the op updates in place are state.
  EagerEmitter(std::span<const TensorView> inputs, const Effects& effects) {
    for (const TensorView& view : inputs) add(view);
    for (const Effects::Alias& alias : effects.aliases) {
      types_[static_cast<size_t>(alias.input)].state = true;
    }
  }

  std::vector<int> emit_many(std::string_view op, Attrs attrs, std::vector<int> inputs,
                             size_t outputs) override {
    const OpDef& def = get_op(op);
    std::vector<TensorView> in;
    std::vector<const ValueType*> types;
    for (int value : inputs) {
      in.push_back(value == kNoValue ? TensorView{} : views_[static_cast<size_t>(value)]);
      types.push_back(in.back().present() ? &types_[static_cast<size_t>(value)] : nullptr);
    }
    const InferArgs args{op, types, attrs,
                         [&](size_t i) { return in[i].present() ? &in[i] : nullptr; }, outputs};
    std::vector<TensorView> out;
    const std::vector<ValueType> out_types = def.infer(args);
    for (const ValueType& type : out_types) out.push_back(allocate(type));
    for (const Effects::Alias& alias : def.effects.aliases) {
      out[static_cast<size_t>(alias.output)] = in[static_cast<size_t>(alias.input)];
    }
    run_reference(op, attrs, in, out);
    std::vector<int> ids;
    for (size_t i = 0; i < out.size(); ++i) {
      ids.push_back(add(out[i]));
      types_.back().state = out_types[i].state;
    }
    return ids;
  }
  const ValueType& type(int value) const override { return types_[static_cast<size_t>(value)]; }
  const TensorView* constant(int value) const override {
    return &views_[static_cast<size_t>(value)];
  }
  int add_constant(ElementType type, Shape shape, std::span<const std::byte> data) override {
    TensorView view = allocate({type, sym_shape(shape)});
    CHECK_EQ(static_cast<size_t>(view.bytes()), data.size());
    std::copy(data.begin(), data.end(), view.data);
    return add(view);
  }
  const TensorView& view(int value) const { return views_[static_cast<size_t>(value)]; }

 private:
  TensorView allocate(const ValueType& type) {
    TensorView view{type.element, evaluate(type.shape, {})};
    memory_.emplace_back(static_cast<size_t>(std::max<int64_t>(view.bytes(), 1)));
    view.data = memory_.back().data();
    return view;
  }
  int add(const TensorView& view) {
    views_.push_back(view);
    types_.push_back({view.type, sym_shape(view.shape)});
    return static_cast<int>(views_.size()) - 1;
  }

  std::deque<TensorView> views_;
  std::deque<ValueType> types_;
  std::deque<std::vector<std::byte>> memory_;
};

void copy_rows(const TensorView& src, const TensorView& dst) {
  if (src.data == dst.data) return;
  const auto bytes = static_cast<size_t>(src.type.bytes(src.columns()));
  for (int64_t r = 0; r < src.rows(); ++r) std::memcpy(dst.row(r), src.row(r), bytes);
}

// Operands in memory that the host cannot touch, copied here before the reference runs and back
// afterwards: slow, but every operator has a last resort on every device.
class HostCopies {
 public:
  explicit HostCopies(ExecContext& context) : context_(context) {}

  void fetch(const TensorView& view) {
    if (!view.present()) return;
    std::vector<std::byte>& memory = memory_[view.data];
    const auto size = static_cast<size_t>(view.extent());
    if (memory.size() < size) {
      if (!memory.empty()) context_.stream.synchronize();  // a copy may still be under way
      memory.resize(size);
      context_.device.copy_out(memory.data(), view.data, size, context_.stream);
    }
  }
  // Once everything is fetched: memory no longer moves.
  void resolve(TensorView& view) const {
    if (view.present()) view.data = const_cast<std::byte*>(memory_.at(view.data).data());
  }
  void write_back(const TensorView& device_view) {
    if (!device_view.present()) return;
    context_.device.copy_in(device_view.data, memory_.at(device_view.data).data(),
                            static_cast<size_t>(device_view.extent()), context_.stream);
  }

 private:
  ExecContext& context_;
  std::map<const std::byte*, std::vector<std::byte>> memory_;  // by device address
};

class ReferenceInstance final : public KernelInstance {
 public:
  explicit ReferenceInstance(const KernelDesc& desc) : op_(desc.op), attrs_(desc.attrs) {}

  void launch(const LaunchArgs& args, ExecContext& context) override {
    if (context.device.host_visible()) return launch_on_host(args);
    HostCopies copies(context);
    std::vector<TensorView> inputs(args.inputs.begin(), args.inputs.end());
    std::vector<TensorView> outputs(args.outputs.begin(), args.outputs.end());
    std::vector<std::vector<TensorView>> pieces;
    const bool reads = !get_op(op_).shape_only;  // else shapes are all that is needed
    for (const auto& segment : args.segments) {
      if (reads) pieces.emplace_back(segment.begin(), segment.end());
    }
    auto in_pieces = [&](size_t i) { return i < pieces.size() && !pieces[i].empty(); };
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (reads && !in_pieces(i)) copies.fetch(inputs[i]);
    }
    for (const auto& list : pieces) {
      for (const TensorView& piece : list) copies.fetch(piece);
    }
    for (const TensorView& view : outputs) copies.fetch(view);  // gaps keep what lies in them
    context.stream.synchronize();
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (reads && !in_pieces(i)) copies.resolve(inputs[i]);
    }
    std::vector<std::span<const TensorView>> segments;
    for (auto& list : pieces) {
      for (TensorView& piece : list) copies.resolve(piece);
      segments.emplace_back(list);
    }
    for (TensorView& view : outputs) copies.resolve(view);
    launch_on_host({inputs, outputs, segments});
    for (const TensorView& view : args.outputs) copies.write_back(view);
  }

 private:
  void launch_on_host(const LaunchArgs& args) const {
    std::vector<TensorView> inputs(args.inputs.begin(), args.inputs.end());
    std::deque<std::vector<std::byte>> gathered;
    for (size_t i = 0; i < args.segments.size(); ++i) {
      if (args.segments[i].empty()) continue;
      std::vector<std::byte>& memory = gathered.emplace_back();
      for (const TensorView& piece : args.segments[i]) {
        memory.insert(memory.end(), piece.data, piece.data + piece.bytes());
      }
      inputs[i].data = memory.data();
      inputs[i].row_stride = 0;
    }
    run_reference(op_, attrs_, inputs, args.outputs);
  }

  std::string op_;
  Attrs attrs_;
};

}  // namespace

void run_reference(std::string_view op, const Attrs& attrs, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) {
  const OpDef& def = get_op(op);
  if (def.reference) return def.reference({inputs, outputs, attrs});
  EagerEmitter emitter(inputs, def.effects);
  std::vector<int> ids;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ids.push_back(inputs[i].present() ? static_cast<int>(i) : kNoValue);
  }
  const std::vector<int> results = def.decompose(emitter, attrs, ids);
  CHECK_EQ(results.size(), outputs.size());
  for (size_t i = 0; i < results.size(); ++i) copy_rows(emitter.view(results[i]), outputs[i]);
}

const KernelDef& reference_kernel() {
  static const KernelDef kernel = {
      .name = "reference",
      .op = "*",
      .device = "*",
      .capturable = false,
      .invariant = true,
      .priority = 0,
      .supports = [](const KernelDesc&) { return std::string(); },
      .prepare = [](const KernelDesc& desc, std::string_view) -> std::unique_ptr<KernelInstance> {
        return std::make_unique<ReferenceInstance>(desc);
      }};
  return kernel;
}

}  // namespace ingot
