/* A plugin whose operator says that an output lies in an input of number -1. */
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
  static const ingot_alias alias = {.output = 0, .input = -1};
  const ingot_op_def op = {.struct_size = sizeof op,
                           .name = "probe_negative_alias",
                           .aliases = &alias,
                           .alias_count = 1,
                           .infer = infer,
                           .reference = reference};
  return host->register_op(host->context, &op);
}
