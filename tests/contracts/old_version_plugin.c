/* A plugin built against another version of the interface: it must be refused before it runs. */
#include <ingot/plugin.h>
#include <stdlib.h>

const uint32_t ingot_plugin_abi_version = INGOT_PLUGIN_ABI_VERSION + 1;

int32_t ingot_plugin_register(const ingot_plugin_host* host) {
  (void)host;
  abort();
}
