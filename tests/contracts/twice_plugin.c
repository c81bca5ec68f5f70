/* A plugin that gives one name to two operators: none of its operators may stay. */
#include <ingot/plugin.h>

const uint32_t ingot_plugin_abi_version = INGOT_PLUGIN_ABI_VERSION;

static int32_t infer(const ingot_infer* args) {
  return args->set_output(args->context, 0, &args->inputs[0]);
}
static int32_t reference(const ingot_launch* args) {
  (void)args;
  return INGOT_OK;
}

int32_t ingot_plugin_register(const ingot_plugin_host* host) {
  static const char* const names[] = {"probe_twice_other", "probe_twice", "probe_twice"};
  for (int i = 0; i < 3; ++i) {
    const ingot_op_def op = {
        .struct_size = sizeof op, .name = names[i], .infer = infer, .reference = reference};
    const int32_t status = host->register_op(host->context, &op);
    if (status != INGOT_OK) return status;
  }
  return INGOT_OK;
}
