/* A plugin as a user writes one: the operator probe_relu_square (max(x, 0)^2, float32) and a CPU
 * kernel for it. */
#include <ingot/plugin.h>

const uint32_t ingot_plugin_abi_version = INGOT_PLUGIN_ABI_VERSION;

static int same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

static int32_t infer(const ingot_infer* args) {
  if (args->input_count != 1 || !args->inputs[0].element ||
      !same(args->inputs[0].element, "float32")) {
    args->set_error(args->context, "expected one float32 input");
    return INGOT_INVALID_ARGUMENT;
  }
  return args->set_output(args->context, 0, &args->inputs[0]);
}

static void rows(void* user, int64_t begin, int64_t end) {
  const ingot_launch* args = user;
  const ingot_tensor* x = &args->inputs[0];
  const ingot_tensor* y = &args->outputs[0];
  const int64_t columns = x->rank ? x->shape[x->rank - 1] : 1;
  for (int64_t r = begin; r < end; ++r) {
    const float* in = (const float*)((const char*)x->data + r * x->row_bytes);
    float* out = (float*)((char*)y->data + r * y->row_bytes);
    for (int64_t c = 0; c < columns; ++c) out[c] = in[c] > 0 ? in[c] * in[c] : 0;
  }
}

static int64_t row_count(const ingot_tensor* x) {
  int64_t count = 1;
  for (size_t d = 0; d + 1 < x->rank; ++d) count *= x->shape[d];
  return count;
}

static int32_t reference(const ingot_launch* args) {
  rows((void*)args, 0, row_count(&args->inputs[0]));
  return INGOT_OK;
}

static int32_t launch(const ingot_launch* args) {
  if (!args->workspace) return INGOT_INTERNAL;
  args->parallel_for(args->context, row_count(&args->inputs[0]), 1, rows, (void*)args);
  return INGOT_OK;
}

static int32_t supports(const ingot_launch* sizes) {
  return sizes->inputs[0].rank == 2 ? INGOT_OK : INGOT_UNSUPPORTED;
}

static size_t workspace_bytes(const ingot_launch* sizes) {
  (void)sizes;
  return 256;
}

int32_t ingot_plugin_register(const ingot_plugin_host* host) {
  const ingot_op_def op = {.struct_size = sizeof op,
                           .name = "probe_relu_square",
                           .flags = INGOT_OP_ROW_STRIDED,
                           .infer = infer,
                           .reference = reference};
  const ingot_kernel_def kernel = {.struct_size = sizeof kernel,
                                   .name = "probe_relu_square_plugin",
                                   .op = "probe_relu_square",
                                   .device = "cpu",
                                   .version = 1,
                                   .priority = 5,
                                   .flags = INGOT_KERNEL_INVARIANT,
                                   .supports = supports,
                                   .workspace_bytes = workspace_bytes,
                                   .launch = launch};
  const int32_t status = host->register_op(host->context, &op);
  return status != INGOT_OK ? status : host->register_kernel(host->context, &kernel);
}
