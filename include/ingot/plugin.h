/* The C interface through which a plugin library adds operators and kernels to Ingot.
 *
 * A plugin is a shared library that the user names; Ingot never looks for one. It exports
 *
 *   const uint32_t ingot_plugin_abi_version = INGOT_PLUGIN_ABI_VERSION;
 *   int32_t ingot_plugin_register(const ingot_plugin_host* host);
 *
 * Ingot refuses the library when the version differs from its own, else it calls
 * ingot_plugin_register once. What that call registers takes effect together when it returns
 * INGOT_OK, and nothing does otherwise. The library stays loaded until the process ends.
 *
 * Rules: all strings are UTF-8 and end with a zero byte. Structs that the plugin fills begin with
 * struct_size = sizeof(the struct), so that later versions can append fields. Ingot copies structs
 * and strings during registration; callbacks must stay valid. Callbacks may run in several threads
 * at once, must not throw, and must not keep any pointer they were given. Only C types cross.
 */
#ifndef INGOT_PLUGIN_H_
#define INGOT_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_PLUGIN_ABI_VERSION 1u

/* Status of every call, both ways. A callback that returns anything but INGOT_OK has failed. */
#define INGOT_OK 0
#define INGOT_INVALID_ARGUMENT 1 /* the caller's values do not fit */
#define INGOT_UNSUPPORTED 2      /* understood, but not done here */
#define INGOT_INTERNAL 3         /* a fault of the callee */

/* Static type of a value. `element` is a dtype ("float32", "bfloat16", "int64") or block format
 * ("q4_1"), NULL for an absent optional input. Each dimension is text: a number ("576"), a symbol
 * ("tokens") or an expression of symbols. Equal text means equal dimension. */
typedef struct ingot_type {
  const char* element;
  size_t rank;
  const char* const* dims;
  int32_t is_state; /* 1: memory that lives across steps */
} ingot_type;

/* A tensor in memory: row-major; rows (all dimensions but the last) lie row_bytes apart, which may
 * be more than a row's length. data is NULL for an absent optional input. Inputs are read-only,
 * unless the operator's effects say that an output is their memory. */
typedef struct ingot_tensor {
  const char* element;
  size_t rank;
  const int64_t* shape;
  void* data;
  int64_t row_bytes;
} ingot_tensor;

/* What infer() sees and fills. */
typedef struct ingot_infer {
  const ingot_type* inputs;
  size_t input_count;
  const char* attributes; /* one JSON object */
  void* context;          /* handed back to the two functions below */
  /* Output `index`, from 0 without gaps. INGOT_INVALID_ARGUMENT for an unknown element or dim. */
  int32_t (*set_output)(void* context, size_t index, const ingot_type* type);
  /* Says why the inputs do not fit; infer then returns INGOT_INVALID_ARGUMENT. */
  void (*set_error)(void* context, const char* message);
} ingot_infer;

/* What reference() and launch() see. */
typedef struct ingot_launch {
  const ingot_tensor* inputs;
  size_t input_count;
  const ingot_tensor* outputs; /* allocated by Ingot */
  size_t output_count;
  const char* attributes; /* one JSON object */
  void* workspace;        /* workspace_bytes of the kernel, 64-byte aligned; NULL in reference() */
  void* context;          /* handed back to parallel_for */
  /* Splits [0, count) over the threads that this step may use, at most `grain` items a call of
   * body, and waits. Kernels create no threads of their own. */
  void (*parallel_for)(void* context, int64_t count, int64_t grain,
                       void (*body)(void* user, int64_t begin, int64_t end), void* user);
} ingot_launch;

/* Output `output` is the memory of input `input`, updated in place. */
typedef struct ingot_alias {
  int32_t output;
  int32_t input;
} ingot_alias;

#define INGOT_OP_RANDOM 1u      /* never merged with an equal node */
#define INGOT_OP_COLLECTIVE 2u  /* never dropped, merged or reordered */
#define INGOT_OP_ROW_STRIDED 4u /* reference and kernels accept row_bytes wider than the row */

/* An operator. `reference` is its plain definition on the host: the oracle of its kernels and what
 * runs where no kernel fits. */
typedef struct ingot_op_def {
  size_t struct_size;
  const char* name; /* snake_case, not taken */
  uint32_t flags;   /* INGOT_OP_* */
  const ingot_alias* aliases;
  size_t alias_count;
  int32_t (*infer)(const ingot_infer* args);
  int32_t (*reference)(const ingot_launch* args);
} ingot_op_def;

#define INGOT_KERNEL_CAPTURABLE 1u /* may be recorded into a device graph */
#define INGOT_KERNEL_INVARIANT 2u  /* each row's bits depend on that row alone */

/* A kernel for an operator, the plugin's or Ingot's. Ingot's tuner measures it against the others;
 * without measurements the highest priority runs (the reference adapter has 0). */
typedef struct ingot_kernel_def {
  size_t struct_size;
  const char* name;   /* unique on its device; stored in engine files */
  const char* op;     /* operator's name */
  const char* device; /* "cpu" */
  int32_t version;    /* raise it when results change: cached timings become invalid */
  int32_t priority;
  uint32_t flags; /* INGOT_KERNEL_* */
  /* INGOT_OK when it can run these operands, else INGOT_UNSUPPORTED. shape entries are the largest
   * sizes that will come; data is NULL for all. May be NULL: runs everything. */
  int32_t (*supports)(const ingot_launch* sizes);
  /* Bytes of workspace for the same; NULL: none. */
  size_t (*workspace_bytes)(const ingot_launch* sizes);
  int32_t (*launch)(const ingot_launch* args);
} ingot_kernel_def;

/* What Ingot hands to ingot_plugin_register. Valid during that call only. */
typedef struct ingot_plugin_host {
  size_t struct_size;
  uint32_t abi_version;
  void* context;
  /* INGOT_INVALID_ARGUMENT when a field is missing or a name is taken; Ingot then words the error
   * itself. */
  int32_t (*register_op)(void* context, const ingot_op_def* op);
  int32_t (*register_kernel)(void* context, const ingot_kernel_def* kernel);
  /* Text for the user when registration fails. */
  void (*set_error)(void* context, const char* message);
} ingot_plugin_host;

#ifdef __cplusplus
}
#endif

#endif /* INGOT_PLUGIN_H_ */
