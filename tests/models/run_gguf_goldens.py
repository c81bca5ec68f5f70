"""Golden cases as GGUF files give the reference's answers.

The files are written by PyPI's `gguf`, which is llama.cpp's own: its tensor names and key names,
and the changes that its converter makes to weights, as they are published. So our table of names
is not checked by itself.
"""

import json
import os
import shutil
import sys
import tempfile

import gguf
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from cli_harness import GOLDENS, Checks, ingot  # noqa: E402

SECONDS = 10


def read_tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        raw = np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16
        assert info["dtype"] == "BF16", (path, name, info["dtype"])
        tensors[name] = raw.view(np.float32).reshape(info["shape"])
    return tensors


class Config(dict):
    """A config.json; older and newer names of one thing."""

    def first(self, *keys, default=None):
        return next((self[key] for key in keys if self.get(key) is not None), default)

    @property
    def heads(self):
        return self.first("num_attention_heads", "n_head", "n_heads")

    @property
    def kv_heads(self):
        return self.first("num_key_value_heads", "multi_query_group_num", default=self.heads)

    @property
    def hidden(self):
        return self.first("hidden_size", "n_embd", "d_model")

    @property
    def head_dim(self):
        return self.first("head_dim", "kv_channels", default=self.hidden // self.heads)

    @property
    def layers(self):
        return self.first("num_hidden_layers", "n_layer", "n_layers", "num_layers")

    @property
    def vocabulary(self):
        return self.first("vocab_size", "padded_vocab_size")

    @property
    def rope(self):
        scaling = self.first("rope_scaling", "rope_parameters", default={})
        return scaling.get("full_attention", scaling)


# What llama.cpp's converter does to weights: (config, name, tensor) to (name, tensor) pairs, the
# names still Hugging Face's. None leaves a tensor out.

def paired_rotation(c, name, tensor):
    heads = {"q_proj": c.heads, "k_proj": c.kv_heads}.get(name.split(".")[-2])
    if heads:
        halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
        tensor = halves.swapaxes(1, 2).reshape(tensor.shape)
    return [(name, tensor)]


def plus_one(c, name, tensor):
    return [(name, tensor + 1 if name.endswith("norm.weight") else tensor)]


def transposed(c, name, tensor):
    layer = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
    return [(name, tensor.T if name.endswith(layer) else tensor)]


def stacked_qkv(c, name, tensor):
    """[heads][q, k, v] or, of KV heads, [groups][queries, k, v] becomes q, k, v."""
    if c["model_type"] == "bloom":
        name = name.removeprefix("transformer.")
    if ".query_key_value." not in name:
        return [(name, tensor)]
    groups = c.heads
    if c.get("multi_query") or c.get("new_decoder_architecture"):
        groups = c["num_kv_heads"] if c.get("new_decoder_architecture") else 1
    part = tensor.reshape(groups, c.heads // groups + 2, c.head_dim, *tensor.shape[1:])
    columns = tensor.shape[1:]
    pieces = [part[:, :-2], part[:, -2], part[:, -1]]
    return [(name, np.concatenate([piece.reshape(-1, *columns) for piece in pieces]))]


def grouped_qkv(c, name, tensor):
    """InternLM2's [groups][queries, key, value] becomes three, whose heads turn in pairs."""
    if not name.endswith("attention.wqkv.weight"):
        return [(name, tensor)]
    part = tensor.reshape(c.kv_heads, c.heads // c.kv_heads + 2, c.head_dim, tensor.shape[1])
    pieces = {"q_proj": part[:, :-2], "k_proj": part[:, -2], "v_proj": part[:, -1]}
    stem = name.removesuffix("attention.wqkv.weight")
    out = []
    for which, piece in pieces.items():
        joined = piece.reshape(-1, tensor.shape[1])
        out += paired_rotation(c, f"{stem}self_attn.{which}.weight", joined)
    return out


def unprefixed(c, name, tensor):
    return [(name.removeprefix("transformer."), tensor)]


def plain(c, name, tensor):
    return [(name, tensor)]


def split_stacks(name, tensor):
    """Experts as the newest Hugging Face files keep them, under the names of merged experts."""
    if name.endswith("experts.gate_up_proj"):
        inner = tensor.shape[1] // 2
        stem = name[: -len("gate_up_proj")]
        return [(stem + "gate_proj.weight", tensor[:, :inner]),
                (stem + "up_proj.weight", tensor[:, inner:])]
    return [(name + ".weight" if name.endswith("experts.down_proj") else name, tensor)]


def merge_experts(tensors):
    """Experts of their own, under the names of merged experts."""
    merged, out = {}, {}
    for name, tensor in tensors.items():
        head, found, tail = name.partition(".experts.")
        number, _, rest = tail.partition(".")
        if found and number.isdigit():
            merged.setdefault(f"{head}.experts.{rest}", {})[int(number)] = tensor
        else:
            out[name] = tensor
    for name, parts in merged.items():
        out[name] = np.stack([parts[i] for i in range(len(parts))])
    return out


def merge_head_norms(tensors):
    """StableLM's norms of single heads as one matrix of all heads."""
    merged, out = {}, {}
    for name, tensor in tensors.items():
        head, found, tail = name.partition(".norms.")
        if found:
            merged.setdefault(head + ".weight", {})[int(tail.removesuffix(".weight"))] = tensor
        else:
            out[name] = tensor
    for name, parts in merged.items():
        out[name] = np.stack([parts[i] for i in range(len(parts))])
    return out


# What each architecture's files state beside the common keys.

def no_more(w, c):
    pass


def rotation(w, c):
    if c.rope.get("rope_type", c.rope.get("type", "default")) == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(c.rope["factor"])
    if c.rope.get("rope_type", c.rope.get("type", "default")) == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(c.rope["factor"])
        w.add_rope_scaling_orig_ctx_len(c.rope["original_max_position_embeddings"])


def llama(w, c):
    w.add_rope_dimension_count(c.head_dim)
    if "head_dim" in c:
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
    rotation(w, c)
    if c.rope.get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(c))


def llama3_divisors(c):
    rope = c.rope
    inverse = 1.0 / c.first("rope_theta", default=rope.get("rope_theta")) ** (
        np.arange(0, c.head_dim, 2, dtype=np.float32) / c.head_dim)
    original = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    wave = 2 * np.pi / inverse
    smooth = (original / wave - low) / (high - low)
    divisor = np.where(wave > original / low, rope["factor"],
                       1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.where(wave < original / high, 1.0, divisor).astype(np.float32)


def window(w, c):
    llama(w, c)
    if c.get("sliding_window"):
        w.add_sliding_window(c["sliding_window"])


def experts(w, c):
    llama(w, c)
    w.add_expert_count(c.first("num_local_experts", "num_experts"))
    w.add_expert_used_count(c["num_experts_per_tok"])
    if "moe_intermediate_size" in c:
        w.add_expert_feed_forward_length(c["moe_intermediate_size"])


def gemma(w, c):
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    if "sliding_window" in c:
        w.add_sliding_window(c["sliding_window"])
    for key, add in (("attn_logit_softcapping", w.add_attn_logit_softcapping),
                     ("final_logit_softcapping", w.add_final_logit_softcapping)):
        if c.get(key):
            add(c[key])


def partial(w, c):
    share = c.first("partial_rotary_factor", "rotary_pct",
                    default=c.rope.get("partial_rotary_factor", 1.0))
    w.add_rope_dimension_count(int(share * c.head_dim))
    for key in ("use_parallel_residual",):
        if key in c:
            w.add_parallel_residual(c[key])


def phi3(w, c):
    partial(w, c)
    w.add_rope_scaling_orig_ctx_len(c["original_max_position_embeddings"])
    w.add_sliding_window(c.get("sliding_window") or 0)


def granite(w, c):
    llama(w, c)
    w.add_attention_scale(c["attention_multiplier"])
    w.add_embedding_scale(c["embedding_multiplier"])
    w.add_residual_scale(c["residual_multiplier"])
    w.add_logit_scale(c["logits_scaling"])


def chatglm(w, c):
    w.add_rope_dimension_count(c.head_dim // 2)
    w.add_rope_freq_base(10000.0 * c.get("rope_ratio", 1))


def mpt(w, c):
    w.add_clamp_kqv(c["attn_config"]["clip_qkv"])
    w.add_max_alibi_bias(8.0)


def bert(w, c):
    w.add_causal_attention(False)
    w.add_token_type_count(c["type_vocab_size"])


ARCH = gguf.MODEL_ARCH
# case: (architecture, change of weights, more keys)
CASES = {
    "llama-mha": (ARCH.LLAMA, paired_rotation, llama),
    "llama3-gqa-rope": (ARCH.LLAMA, paired_rotation, llama),
    "llama-linear-bias": (ARCH.LLAMA, paired_rotation, llama),
    "llama-yarn": (ARCH.LLAMA, paired_rotation, llama),
    "internlm2": (ARCH.INTERNLM2, grouped_qkv, no_more),
    "chatglm": (ARCH.CHATGLM, unprefixed, chatglm),
    "chatglm3-32k": (ARCH.CHATGLM, unprefixed, chatglm),
    "mixtral": (ARCH.LLAMA, paired_rotation, experts),
    "qwen2-tied": (ARCH.QWEN2, plain, llama),
    "qwen3-headdim128": (ARCH.QWEN3, plain, llama),
    "qwen3-moe": (ARCH.QWEN3MOE, plain, experts),
    "gpt2": (ARCH.GPT2, transposed, no_more),
    "gpt-neox": (ARCH.GPTNEOX, stacked_qkv, partial),
    "gpt-neox-serial": (ARCH.GPTNEOX, stacked_qkv, partial),
    "bloom": (ARCH.BLOOM, stacked_qkv, no_more),
    "falcon-mqa": (ARCH.FALCON, stacked_qkv, no_more),
    "falcon-new": (ARCH.FALCON, stacked_qkv, no_more),
    "phi-partial-rotary": (ARCH.PHI2, plain, partial),
    "phi3": (ARCH.PHI3, plain, phi3),
    "gemma": (ARCH.GEMMA, plus_one, gemma),
    "gemma2": (ARCH.GEMMA2, plus_one, gemma),
    "gemma3": (ARCH.GEMMA3, plus_one, gemma),
    "starcoder2": (ARCH.STARCODER2, plain, no_more),
    "stablelm": (ARCH.STABLELM, plain, partial),
    "stablelm-parallel": (ARCH.STABLELM, plain, partial),
    "stablelm-head-norms": (ARCH.STABLELM, plain, partial),
    "olmo2": (ARCH.OLMO2, plain, no_more),
    "granite": (ARCH.GRANITE, paired_rotation, granite),
    "smollm3": (ARCH.SMOLLM3, paired_rotation, llama),
    "mpt-plain": (ARCH.MPT, plain, mpt),
    "bert": (ARCH.BERT, plain, bert),
    "roberta": (ARCH.BERT, plain, bert),
}


def common_keys(w, c):
    w.add_context_length(c.first("max_position_embeddings", "n_positions", "max_seq_len",
                                 "seq_length", default=256))
    w.add_embedding_length(c.hidden)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.first("intermediate_size", "n_inner", "ffn_hidden_size",
                                      default=4 * c.hidden))
    w.add_head_count(c.heads)
    kv_heads = c.kv_heads
    if c.get("multi_query") or c.get("new_decoder_architecture"):
        kv_heads = c["num_kv_heads"] if c.get("new_decoder_architecture") else 1
    w.add_head_count_kv(kv_heads)
    if "rms_norm_eps" in c:
        w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    elif "layernorm_epsilon" in c:
        w.add_layer_norm_rms_eps(c["layernorm_epsilon"])
    else:
        w.add_layer_norm_eps(c.first("layer_norm_epsilon", "layer_norm_eps", "norm_epsilon"))
    theta = c.first("rotary_emb_base", "rope_theta", default=c.rope.get("rope_theta"))
    if theta:
        w.add_rope_freq_base(float(theta))
    w.add_tokenizer_model("gpt2")
    w.add_token_list([f"t{i}" for i in range(c.vocabulary)])


def write_gguf(folder, path, arch, change, more, tensors_a_file=0):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        c = Config(json.load(file))
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch], split_max_tensors=tensors_a_file)
    first_position = 0
    if c["model_type"] == "roberta":
        first_position = c["pad_token_id"] + 1
        c["max_position_embeddings"] -= first_position
    common_keys(writer, c)
    more(writer, c)
    names = gguf.get_tensor_name_map(arch, c.layers)
    tensors = merge_head_norms(merge_experts(
        read_tensors(os.path.join(folder, "model.safetensors"))))
    for stored, tensor in tensors.items():
        for source, part in split_stacks(stored, tensor):
            for name, changed in change(c, source, part):
                if "position_embeddings" in name:
                    changed = changed[first_position:]
                if name.startswith("pooler."):
                    continue
                target = names.get_name(name, try_suffixes=(".weight", ".bias"))
                assert target, f"{folder}: gguf has no name for {name}"
                writer.add_tensor(target, np.ascontiguousarray(changed, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def copy_answers(folder, target):
    shutil.copy(os.path.join(folder, "golden.json"), target)
    with open(os.path.join(folder, "golden.safetensors"), "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header, data = json.loads(file.read(size)), file.read()
    # GGUF files of encoders have no pooler; what stays lies where it lay.
    kept = {name: info for name, info in header.items() if not name.startswith("pooled.")}
    if len(kept) == len(header):
        shutil.copy(os.path.join(folder, "golden.safetensors"), target)
        return
    offset, pieces = 0, []
    for info in (info for name, info in kept.items() if name != "__metadata__"):
        begin, end = info["data_offsets"]
        pieces.append(data[begin:end])
        info["data_offsets"] = [offset, offset + end - begin]
        offset += end - begin
    text = json.dumps(kept).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(target, "golden.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(pieces))


def main():
    checks = Checks()
    required = bool(os.environ.get("DEV_INGOT_REQUIRE_GOLDENS"))
    wanted = sys.argv[1:] or list(CASES)
    with tempfile.TemporaryDirectory() as scratch:
        made = []
        for name in wanted:
            folders = [os.path.join(folder, name) for folder in GOLDENS if folder]
            folder = next((f for f in folders if os.path.exists(f + "/golden.json")), None)
            if folder is None:
                if required:
                    checks.check(False, f"{name}: its golden case is missing")
                else:
                    print(f"SKIPPED {name}: golden case not found")
                continue
            target = os.path.join(scratch, name)
            os.mkdir(target)
            write_gguf(folder, os.path.join(target, "model.gguf"), *CASES[name])
            copy_answers(folder, target)
            made.append(target)
            if len(made) == 1:  # the same in several files, once
                target += "-parts"
                os.mkdir(target)
                write_gguf(folder, os.path.join(target, "model.gguf"), *CASES[name], 7)
                checks.check(len(os.listdir(target)) > 2, f"{name}: {os.listdir(target)}")
                copy_answers(folder, target)
                made.append(target)
        done = ingot("conformance", *made, "--json")
        rows = {row["case"]: row for row in map(json.loads, done.stdout.decode().splitlines())}
        for target in made:
            name = os.path.basename(target)
            row = rows.get(name, {"status": "no row", "reason": done.stderr.decode()[-300:]})
            error = row.get("max_error")
            arch = gguf.MODEL_ARCH_NAMES[CASES[name.removesuffix("-parts")][0]]
            checks.equal((row["status"], row.get("reason")), ("pass", ""),
                         f"{name} as {arch}: error {error}")
    checks.finish()


if __name__ == "__main__":
    main()
