#include "capi/plugin.h"

#include <dlfcn.h>
#include <ingot/plugin.h>

#include <array>
#include <deque>
#include <filesystem>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "kernels/kernel_def.h"
#include "ops/contract/op_def.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/plugin";
constexpr size_t kMaxOps = 32;      // of all plugins in one process; one trampoline each
constexpr size_t kMaxKernels = 64;  // the same

// What a plugin gave, copied; lives as long as the process.
struct PluginOp {
  std::string name;
  std::vector<ingot_alias> aliases;
  ingot_op_def c{};
  OpDef def;
};
struct PluginKernel {
  std::string name, op, device;
  ingot_kernel_def c{};
  KernelDef def;
};

std::array<PluginOp, kMaxOps>& op_slots() {
  static std::array<PluginOp, kMaxOps> slots;
  return slots;
}
std::array<PluginKernel, kMaxKernels>& kernel_slots() {
  static std::array<PluginKernel, kMaxKernels> slots;
  return slots;
}
struct Used {
  std::mutex mutex;
  size_t ops = 0, kernels = 0;  // guarded by mutex
};
Used& used() {
  static Used instance;
  return instance;
}

// C views of operands; the strings and shapes live as long as this does.
class LaunchView {
 public:
  LaunchView(const Attrs& attrs, ThreadTeam* team) : attributes_(attrs_text(attrs)) {
    c_.attributes = attributes_.c_str();
    c_.context = team;
    c_.parallel_for = [](void* context, int64_t count, int64_t grain,
                         void (*body)(void*, int64_t, int64_t), void* user) {
      auto* threads = static_cast<ThreadTeam*>(context);
      if (!threads) return body(user, 0, count);
      threads->parallel_for(count, std::max<int64_t>(1, grain),
                            [&](int64_t begin, int64_t end) { body(user, begin, end); });
    };
  }
  LaunchView(const LaunchView&) = delete;

  void add(bool input, const TensorView& view) {
    add(input, view.type, view.shape, view.data, view.row_bytes(), view.present());
  }
  void add(bool input, const OperandDesc& desc) {
    const int64_t row = desc.shape.empty() ? 1 : desc.shape.back();
    add(input, desc.type, desc.shape, nullptr, desc.present ? desc.type.bytes(row) : 0,
        desc.present);
  }
  ingot_launch& finish() {
    c_.inputs = inputs_.data();
    c_.input_count = inputs_.size();
    c_.outputs = outputs_.data();
    c_.output_count = outputs_.size();
    return c_;
  }

 private:
  void add(bool input, const ElementType& type, const Shape& shape, void* data, int64_t row_bytes,
           bool present) {
    const char* name = present ? names_.emplace_back(type.name()).c_str() : nullptr;
    const Shape& kept = shapes_.emplace_back(shape);
    (input ? inputs_ : outputs_).push_back({name, kept.size(), kept.data(), data, row_bytes});
  }

  std::string attributes_;
  std::deque<std::string> names_;
  std::deque<Shape> shapes_;
  std::vector<ingot_tensor> inputs_, outputs_;
  ingot_launch c_{};
};

void check_status(int32_t status, std::string_view what, std::string_view name) {
  if (status == INGOT_OK) return;
  const auto code = status == INGOT_INVALID_ARGUMENT ? ErrorCode::kInvalidArgument
                    : status == INGOT_UNSUPPORTED    ? ErrorCode::kUnsupported
                                                     : ErrorCode::kInternal;
  fail(code, kWhere, "{} of plugin operator or kernel '{}' failed with status {}", what, name,
       status);
}

// Collects what set_output and set_error say.
struct InferState {
  std::vector<ValueType> outputs;
  std::string error;
};

int32_t set_output(void* context, size_t index, const ingot_type* type) {
  auto& state = *static_cast<InferState*>(context);
  if (index != state.outputs.size() || !type || !type->element) return INGOT_INVALID_ARGUMENT;
  try {
    ValueType value;
    value.element = parse_element_type(type->element);
    for (size_t d = 0; d < type->rank; ++d) value.shape.push_back(Dim::parse(type->dims[d]));
    value.state = type->is_state != 0;
    state.outputs.push_back(std::move(value));
  } catch (const Error& error) {
    state.error = error.what();
    return INGOT_INVALID_ARGUMENT;
  }
  return INGOT_OK;
}

std::vector<ValueType> infer(const PluginOp& op, const InferArgs& args) {
  std::deque<std::string> texts;
  std::deque<std::vector<const char*>> dims;
  std::vector<ingot_type> inputs;
  for (const ValueType* type : args.inputs) {
    if (!type) {
      inputs.push_back({});
      continue;
    }
    std::vector<const char*>& shape = dims.emplace_back();
    for (const Dim& dim : type->shape) shape.push_back(texts.emplace_back(dim.text()).c_str());
    inputs.push_back({texts.emplace_back(type->element.name()).c_str(), shape.size(), shape.data(),
                      type->state});
  }
  const std::string attributes = attrs_text(args.attrs);
  InferState state;
  const ingot_infer c = {inputs.data(),
                         inputs.size(),
                         attributes.c_str(),
                         &state,
                         set_output,
                         [](void* context, const char* message) {
                           static_cast<InferState*>(context)->error = message;
                         }};
  const int32_t status = op.c.infer(&c);
  if (status != INGOT_OK) {
    args.bad(state.error.empty() ? fmt::format("the plugin's infer gave status {}", status)
                                 : state.error);
  }
  return std::move(state.outputs);
}

void run_op_reference(const PluginOp& op, const OpArgs& args) {
  LaunchView view(args.attrs, nullptr);
  for (const TensorView& input : args.inputs) view.add(true, input);
  for (const TensorView& output : args.outputs) view.add(false, output);
  check_status(op.c.reference(&view.finish()), "reference", op.name);
}

class PluginInstance final : public KernelInstance {
 public:
  PluginInstance(const PluginKernel& kernel, const KernelDesc& desc, size_t workspace)
      : kernel_(kernel), attrs_(desc.attrs), workspace_(workspace) {
    if (workspace_ == 0) return;
    for (const auto* side : {&desc.inputs, &desc.outputs}) {
      for (const OperandDesc& operand : *side) promised_.push_back(operand.shape);
    }
  }
  size_t workspace_bytes() const override { return workspace_; }
  void launch(const LaunchArgs& args, ExecContext& context) override {
    check_sizes(args);
    LaunchView view(attrs_, context.team);
    for (const TensorView& input : args.inputs) view.add(true, input);
    for (const TensorView& output : args.outputs) view.add(false, output);
    ingot_launch& c = view.finish();
    c.workspace = workspace_ ? context.workspace.data() : nullptr;
    check_status(kernel_.c.launch(&c), "launch", kernel_.name);
  }

 private:
  // The plugin sized its workspace by "the largest sizes that will come". A size that control flow
  // tells has no limit to promise.
  void check_sizes(const LaunchArgs& args) const {
    for (size_t i = 0; i < promised_.size(); ++i) {
      const TensorView& view =
          i < args.inputs.size() ? args.inputs[i] : args.outputs[i - args.inputs.size()];
      if (!view.present()) continue;
      for (size_t d = 0; d < view.shape.size(); ++d) {
        if (view.shape[d] <= promised_[i][d]) continue;
        fail(ErrorCode::kUnsupported, kWhere,
             "kernel '{}': operand {} is {}, its workspace is sized for {}", kernel_.name, i,
             shape_text(view.shape), shape_text(promised_[i]));
      }
    }
  }

  const PluginKernel& kernel_;
  Attrs attrs_;
  size_t workspace_;
  std::vector<Shape> promised_;  // inputs, then outputs; empty without a workspace
};

void add_operands(LaunchView& view, const KernelDesc& desc) {
  for (const OperandDesc& input : desc.inputs) view.add(true, input);
  for (const OperandDesc& output : desc.outputs) view.add(false, output);
}

std::string supports(const PluginKernel& kernel, const KernelDesc& desc) {
  for (const OperandDesc& input : desc.inputs) {
    if (input.segments > 1) return "a weight in several pieces";
  }
  if (!kernel.c.supports) return "";
  LaunchView view(desc.attrs, nullptr);
  add_operands(view, desc);
  return kernel.c.supports(&view.finish()) == INGOT_OK ? "" : "the plugin refuses these operands";
}

std::unique_ptr<KernelInstance> prepare(const PluginKernel& kernel, const KernelDesc& desc) {
  LaunchView view(desc.attrs, nullptr);
  add_operands(view, desc);
  const size_t bytes = kernel.c.workspace_bytes ? kernel.c.workspace_bytes(&view.finish()) : 0;
  return std::make_unique<PluginInstance>(kernel, desc, bytes);
}

// OpDef and KernelDef hold plain function pointers; slot N's functions know slot N's plugin.
template <size_t N>
void fill_op(PluginOp& op) {
  op.def.infer = [](const InferArgs& args) { return infer(op_slots()[N], args); };
  op.def.reference = [](const OpArgs& args) { run_op_reference(op_slots()[N], args); };
}
template <size_t N>
void fill_kernel(PluginKernel& kernel) {
  kernel.def.supports = [](const KernelDesc& desc) { return supports(kernel_slots()[N], desc); };
  kernel.def.prepare = [](const KernelDesc& desc, std::string_view) {
    return prepare(kernel_slots()[N], desc);
  };
}
template <size_t... N>
void fill_op(size_t slot, PluginOp& op, std::index_sequence<N...>) {
  ((slot == N ? fill_op<N>(op) : void()), ...);
}
template <size_t... N>
void fill_kernel(size_t slot, PluginKernel& kernel, std::index_sequence<N...>) {
  ((slot == N ? fill_kernel<N>(kernel) : void()), ...);
}

// What one ingot_plugin_register call asked for, kept until it has returned INGOT_OK.
struct Pending {
  std::vector<PluginOp> ops;
  std::vector<PluginKernel> kernels;
  std::string error;

  int32_t refuse(std::string message) {
    error = std::move(message);
    return INGOT_INVALID_ARGUMENT;
  }
};

int32_t take_op(void* context, const ingot_op_def* c) {
  auto& pending = *static_cast<Pending*>(context);
  if (!c || c->struct_size < sizeof *c) return pending.refuse("operator: struct_size is too small");
  if (!c->name || !*c->name || !c->infer || !c->reference) {
    return pending.refuse("operator: name, infer and reference are required");
  }
  if (find_op(c->name)) return pending.refuse(fmt::format("operator '{}' exists already", c->name));
  for (const PluginOp& known : pending.ops) {
    if (known.name == c->name) {
      return pending.refuse(fmt::format("operator '{}' is given twice", c->name));
    }
  }
  if (c->alias_count > 0 && !c->aliases) return pending.refuse("operator: aliases are missing");
  for (size_t i = 0; i < c->alias_count; ++i) {
    if (c->aliases[i].output >= 0 && c->aliases[i].input >= 0) continue;
    return pending.refuse(fmt::format("operator '{}': alias {} has a negative index", c->name, i));
  }
  PluginOp& op = pending.ops.emplace_back();
  op.name = c->name;
  op.aliases.assign(c->aliases, c->aliases + c->alias_count);
  op.c = *c;
  return INGOT_OK;
}

int32_t take_kernel(void* context, const ingot_kernel_def* c) {
  auto& pending = *static_cast<Pending*>(context);
  if (!c || c->struct_size < sizeof *c) return pending.refuse("kernel: struct_size is too small");
  if (!c->name || !*c->name || !c->op || !c->device || !c->launch) {
    return pending.refuse("kernel: name, op, device and launch are required");
  }
  if (find_kernel(c->device, c->name)) {
    return pending.refuse(fmt::format("kernel '{}' exists already", c->name));
  }
  for (const PluginKernel& known : pending.kernels) {
    if (known.name == c->name && known.device == c->device) {
      return pending.refuse(fmt::format("kernel '{}' is given twice", c->name));
    }
  }
  PluginKernel& kernel = pending.kernels.emplace_back();
  kernel.name = c->name;
  kernel.op = c->op;
  kernel.device = c->device;
  kernel.c = *c;
  return INGOT_OK;
}

void publish(Pending& pending, PluginInfo& info) {
  Used& u = used();
  for (PluginOp& source : pending.ops) {
    PluginOp& op = op_slots()[u.ops] = std::move(source);
    op.def.name = op.name;
    for (const ingot_alias& a : op.aliases) op.def.effects.aliases.push_back({a.output, a.input});
    op.def.effects.random = op.c.flags & INGOT_OP_RANDOM;
    op.def.effects.collective = op.c.flags & INGOT_OP_COLLECTIVE;
    op.def.row_strided = op.c.flags & INGOT_OP_ROW_STRIDED;
    fill_op(u.ops++, op, std::make_index_sequence<kMaxOps>());
    register_op(op.def);
    info.ops.push_back(op.name);
  }
  for (PluginKernel& source : pending.kernels) {
    PluginKernel& kernel = kernel_slots()[u.kernels] = std::move(source);
    kernel.def.name = kernel.name;
    kernel.def.op = kernel.op;
    kernel.def.device = kernel.device;
    kernel.def.version = kernel.c.version;
    kernel.def.priority = kernel.c.priority;
    kernel.def.capturable = kernel.c.flags & INGOT_KERNEL_CAPTURABLE;
    kernel.def.invariant = kernel.c.flags & INGOT_KERNEL_INVARIANT;
    fill_kernel(u.kernels++, kernel, std::make_index_sequence<kMaxKernels>());
    register_kernel(kernel.def);
    info.kernels.push_back(kernel.name);
  }
}

}  // namespace

PluginInfo load_plugin(const std::string& path) {
  std::lock_guard lock(used().mutex);
  if (!is_regular_file(path)) {
    fail(ErrorCode::kNotFound, kWhere, "{}: expected a plugin library, found no regular file",
         path);
  }
  // An absolute path: dlopen must not search anywhere else.
  const std::string absolute = std::filesystem::absolute(path).string();
  void* library = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::string why = ::dlerror();
    if (why.starts_with(absolute + ": ")) why.erase(0, absolute.size() + 2);
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: {}", path, why);
  }
  const auto* version = static_cast<const uint32_t*>(::dlsym(library, "ingot_plugin_abi_version"));
  void* entry = ::dlsym(library, "ingot_plugin_register");
  auto refuse = [&](ErrorCode code, const std::string& why) {
    ::dlclose(library);
    fail(code, kWhere, "{}: {}", path, why);
  };
  if (!version || !entry) {
    refuse(ErrorCode::kInvalidArgument,
           "not an Ingot plugin: expected the symbols ingot_plugin_abi_version and "
           "ingot_plugin_register");
  }
  if (*version != INGOT_PLUGIN_ABI_VERSION) {
    refuse(ErrorCode::kUnsupported, fmt::format("expected plugin ABI version {}, found {}",
                                                INGOT_PLUGIN_ABI_VERSION, *version));
  }
  Pending pending;
  const ingot_plugin_host host = {
      sizeof host,
      INGOT_PLUGIN_ABI_VERSION,
      &pending,
      take_op,
      take_kernel,
      [](void* context, const char* message) { static_cast<Pending*>(context)->error = message; }};
  const int32_t status = reinterpret_cast<int32_t (*)(const ingot_plugin_host*)>(entry)(&host);
  if (status != INGOT_OK) {
    refuse(ErrorCode::kInvalidArgument, pending.error.empty()
                                            ? fmt::format("registration gave status {}", status)
                                            : pending.error);
  }
  if (used().ops + pending.ops.size() > kMaxOps ||
      used().kernels + pending.kernels.size() > kMaxKernels) {
    refuse(ErrorCode::kUnsupported,
           fmt::format("plugins may add {} operators and {} kernels", kMaxOps, kMaxKernels));
  }
  PluginInfo info{path, {}, {}};
  publish(pending, info);
  return info;
}

}  // namespace ingot
