/* A plugin that gives one name to two kernels of a device: none of them may stay. */
#include <ingot/plugin.h>

const uint32_t ingot_plugin_abi_version = INGOT_PLUGIN_ABI_VERSION;

static int32_t launch(const ingot_launch* args) {
  (void)args;
  return INGOT_INTERNAL;
}

int32_t ingot_plugin_register(const ingot_plugin_host* host) {
  const ingot_kernel_def kernel = {.struct_size = sizeof kernel,
                                   .name = "probe_add",
                                   .op = "add",
                                   .device = "cpu",
                                   .version = 1,
                                   .launch = launch};
  const int32_t status = host->register_kernel(host->context, &kernel);
  return status != INGOT_OK ? status : host->register_kernel(host->context, &kernel);
}
