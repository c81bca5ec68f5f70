#include "cli/contract/other_servers.h"

namespace ingot {
namespace {

struct Alias {
  const char* ours;
  std::vector<std::string> others;
};

const std::vector<Alias>& aliases() {
  static const std::vector<Alias> all = {
      {"model", {"-m", "--model", "-hf"}},
      {"max-seq-len", {"-c", "--max-model-len", "--ctx-size", "--max_seq_len"}},
      {"served-model-name", {"-a", "--alias", "--served_model_name"}},
      {"max-num-seqs", {"-np", "--parallel", "--max_batch_size"}},
      {"max-num-batched-tokens",
       {"-ub", "--ubatch-size", "-b", "--batch-size", "--max_num_tokens"}},
      {"no-prefix-cache", {"--no-enable-prefix-caching", "--no-cache-prompt"}},
      {"kv-memory", {"--kv_cache_free_gpu_memory_fraction"}},
      {"kv-dtype", {"--kv-cache-dtype"}},
      {"cache-type-k", {"-ctk"}},
      {"cache-type-v", {"-ctv"}},
      {"chat-template", {"--chat-template-file", "--chat_template"}},
      {"tokenizer-dir", {"--tokenizer"}},
      {"threads", {"-t"}},
      {"allowed-origins", {"--cors-origins"}},
      {"ssl-certfile", {"--ssl-cert-file"}},
      {"ssl-keyfile", {"--ssl-key-file"}},
  };
  return all;
}

constexpr bool kValue = true, kSwitch = false;
const std::vector<std::string> kNothing, kOn = {"true"}, kOne = {"1"};

// Name, other names, whether it has a value, values that ask for what always holds here, why.
// How the model runs: devices, memory, batches, files.
const std::vector<OtherFlag>& running_flags() {
  static const std::string device = "a server runs on one device, which --device chooses";
  static const std::string lora = "adapters are not read; merge them into the model's weights";
  static const std::string draft = "no draft model is used";
  static const std::string chunks = "prompts longer than a step are always computed in parts";
  static const std::string mapped = "weights are read where the file is mapped";
  static const std::vector<OtherFlag> all = {
      {"tensor-parallel-size", {"-tp", "--tp_size"}, kValue, kOne, device},
      {"pipeline-parallel-size", {"-pp", "--pp_size"}, kValue, kOne, device},
      {"data-parallel-size", {"-dp"}, kValue, kOne, device},
      {"ep_size", {}, kValue, kOne, device},
      {"enable-expert-parallel", {}, kSwitch, kNothing, device},
      {"split-mode", {"-sm"}, kValue, {"none"}, device},
      {"tensor-split", {"-ts"}, kValue, kNothing, device},
      {"main-gpu", {"-mg"}, kValue, kNothing, device},
      {"rpc", {}, kValue, kNothing, device},
      {"n-gpu-layers",
       {"-ngl", "--gpu-layers"},
       kValue,
       kNothing,
       "--device cuda computes all layers on a GPU, --device cpu none"},
      {"enable-prefix-caching",
       {"--cache-prompt"},
       kSwitch,
       kOn,
       "cached prompts are used unless --no-prefix-cache is given"},
      {"cache-reuse", {}, kValue, {"0"}, "of cached prompts, beginnings alone are used again"},
      {"cache-ram", {"-cram"}, kValue, kNothing, "--kv-memory sizes the one cache of prompts"},
      {"fit", {}, kValue, {"on"}, "the KV cache is made for the memory that is free"},
      {"enable-chunked-prefill", {}, kSwitch, kOn, chunks},
      {"no-enable-chunked-prefill", {}, kSwitch, kNothing, chunks},
      {"cont-batching", {"-cb"}, kSwitch, kOn, "requests always join and leave a running batch"},
      {"quantization",
       {"-q"},
       kValue,
       kNothing,
       "weights run as the model stores them, or as --dtype says"},
      {"speculative-config", {}, kValue, kNothing, draft},
      {"spec-type", {}, kValue, kNothing, draft},
      {"model-draft", {"-md"}, kValue, kNothing, draft},
      {"enable-lora", {}, kSwitch, kNothing, lora},
      {"lora-modules", {}, kValue, kNothing, lora},
      {"lora", {}, kValue, kNothing, lora},
      {"lora-scaled", {}, kValue, kNothing, lora},
      {"revision", {}, kValue, kNothing, "it stands behind the model's name: org/name@revision"},
      {"download-dir", {}, kValue, kNothing, "HF_HOME or HF_HUB_CACHE says where models are kept"},
      {"load-format", {}, kValue, {"auto"}, "the model's files tell their format"},
      {"trust-remote-code",
       {"--trust_remote_code"},
       kSwitch,
       kOn,
       "no code that comes with a model is run"},
      {"threads-batch", {"-tb"}, kValue, kNothing, "--threads counts for prompts and answers"},
      {"numa", {}, kValue, kNothing, "threads and memory lie where the system puts them"},
      {"mlock", {}, kSwitch, kNothing, mapped},
      {"load-mode", {}, kValue, kNothing, mapped},
      {"slot-save-path", {}, kValue, kNothing, "caches of prompts are not written to files"},
  };
  return all;
}

// How it is asked: requests, connections, logs.
const std::vector<OtherFlag>& asking_flags() {
  static const std::string thinking = "reasoning stays in the answer's text, without a bound";
  static const std::string prefix = "a proxy before the server can take a prefix off paths";
  static const std::string client = "clients are known by keys, not by certificates";
  static const std::vector<OtherFlag> all = {
      {"enable-auto-tool-choice", {}, kSwitch, kOn, "requests may always have tools"},
      {"tool-call-parser",
       {"--tool_parser"},
       kValue,
       {"hermes", "llama3_json", "mistral", "granite", "granite4", "internlm", "phi4_mini_json",
        "pythonic", "llama4_pythonic", "qwen3_coder", "qwen3_xml", "glm45", "glm47", "poolside_v1"},
       "the model's chat template tells which of these forms its calls have"},
      {"jinja", {}, kSwitch, kOn, "chat templates are always run as Jinja"},
      {"no-jinja", {}, kSwitch, kNothing, "chat templates are always run as Jinja"},
      {"reasoning-parser", {"--reasoning_parser"}, kValue, kNothing, thinking},
      {"reasoning-format", {}, kValue, {"none"}, thinking},
      {"reasoning-budget", {}, kValue, {"-1"}, thinking},
      {"seed", {"-s"}, kValue, {"-1"}, "requests have 'seed'; each without one draws anew"},
      {"uds", {}, kValue, kNothing, "the server listens on TCP: --host and --port"},
      {"root-path", {}, kValue, kNothing, prefix},
      {"api-prefix", {}, kValue, kNothing, prefix},
      {"disable-log-stats", {}, kSwitch, kOn, "figures are at /metrics and in no log"},
      {"ssl-ca-certs", {}, kValue, kNothing, client},
      {"ssl-cert-reqs", {}, kValue, {"0"}, client},
      {"ssl-keyfile-password", {}, kValue, kNothing, "--ssl-keyfile is a key without a password"},
      {"verbose", {"-v"}, kSwitch, kNothing, "INGOT_LOG=debug logs more"},
      {"log-jsonl", {}, kSwitch, kNothing, "INGOT_LOG_FORMAT=json makes lines JSON objects"},
      {"extra_llm_api_options",
       {},
       kValue,
       kNothing,
       "--config takes a YAML file of this server's own flags"},
      {"grpc", {}, kSwitch, kNothing, "the server speaks HTTP"},
  };
  return all;
}

}  // namespace

void declare_other_servers(Flags& flags) {
  for (const Alias& alias : aliases()) flags.also(alias.ours, alias.others);
  for (const auto* list : {&running_flags(), &asking_flags()}) {
    for (const OtherFlag& other : *list) flags.other(other);
  }
}

}  // namespace ingot
