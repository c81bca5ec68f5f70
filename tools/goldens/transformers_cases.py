#!/usr/bin/env python3
"""Makes small golden cases with the transformers library: random weights, its own answers.

    python3 tools/goldens/transformers_cases.py OUTPUT_FOLDER [CASE...]
    python3 tools/goldens/transformers_cases.py --verify CASE_FOLDER...

Needs torch, transformers and safetensors; run where those are, the results are committed under
tests/data/goldens. A case is a folder that `ingot conformance` reads: config.json as transformers
writes it, model.safetensors in bfloat16, golden.safetensors with the answers computed in float32
on a CPU with eager attention from those weights, golden.json with what made it. --verify computes
the answers of cases that are there, whoever made them, and prints how far they are apart.
"""
import json
import math
import os
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

LENGTHS = (7, 45)
GREEDY = 16
SMALL = dict(vocab_size=128, max_position_embeddings=128, num_hidden_layers=2, bos_token_id=1,
             eos_token_id=2, pad_token_id=0)
LLAMA = dict(SMALL, hidden_size=64, intermediate_size=96, num_attention_heads=2,
             num_key_value_heads=1, head_dim=64)
WIDE = dict(SMALL, hidden_size=64, intermediate_size=96, num_attention_heads=2)


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


# name: (model class, config class, config)
CASES = {
    "llama-yarn": ("LlamaForCausalLM", "LlamaConfig", dict(
        LLAMA, rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=32))),
    "llama-dynamic": ("LlamaForCausalLM", "LlamaConfig", dict(
        LLAMA, max_position_embeddings=16, rope_parameters=rope("dynamic", factor=4.0))),
    "llama-linear-bias": ("LlamaForCausalLM", "LlamaConfig", dict(
        LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
        rope_parameters=rope("linear", factor=3.0))),
    "qwen2-windows": ("Qwen2ForCausalLM", "Qwen2Config", dict(
        WIDE, num_key_value_heads=1, num_hidden_layers=3, use_sliding_window=True,
        sliding_window=8, max_window_layers=1)),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", dict(
        WIDE, num_key_value_heads=1, partial_rotary_factor=0.75, tie_word_embeddings=True,
        sliding_window=16)),
    "phi3-lengths": ("Phi3ForCausalLM", "Phi3Config", dict(
        WIDE, num_key_value_heads=2, original_max_position_embeddings=32,
        rope_parameters=rope("longrope", original_max_position_embeddings=32,
                             short_factor=[1.0 + 0.02 * i for i in range(16)],
                             long_factor=[1.0 + 0.2 * i for i in range(16)]))),
    "stablelm-parallel": ("StableLmForCausalLM", "StableLmConfig", dict(
        WIDE, num_key_value_heads=1, use_parallel_residual=True,
        rope_parameters=dict(rope("default"), partial_rotary_factor=0.25))),
    "stablelm-head-norms": ("StableLmForCausalLM", "StableLmConfig", dict(
        SMALL, hidden_size=96, intermediate_size=64, num_attention_heads=6,
        num_key_value_heads=3, use_parallel_residual=True, qk_layernorm=True,
        rope_parameters=dict(rope("default"), partial_rotary_factor=0.25))),
    "granite": ("GraniteForCausalLM", "GraniteConfig", dict(
        WIDE, num_key_value_heads=1, embedding_multiplier=6.0, logits_scaling=3.0,
        residual_multiplier=0.4, attention_multiplier=0.06, tie_word_embeddings=True)),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", LLAMA),
    "gemma2-tiny": ("Gemma2ForCausalLM", "Gemma2Config", dict(
        LLAMA, num_hidden_layers=3, sliding_window=8, query_pre_attn_scalar=40,
        attn_logit_softcapping=20.0, final_logit_softcapping=10.0)),
    "gemma3-tiny": ("Gemma3ForCausalLM", "Gemma3TextConfig", dict(
        LLAMA, num_hidden_layers=3, sliding_window=8, query_pre_attn_scalar=40,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "smollm3": ("SmolLM3ForCausalLM", "SmolLM3Config", dict(
        WIDE, num_key_value_heads=1, num_hidden_layers=4, no_rope_layer_interval=4,
        tie_word_embeddings=True)),
    "roberta": ("RobertaModel", "RobertaConfig", dict(
        WIDE, type_vocab_size=1, max_position_embeddings=66, pad_token_id=1, bos_token_id=0)),
    "mpt-plain": ("MptForCausalLM", "MptConfig", dict(
        vocab_size=128, d_model=64, n_heads=2, n_layers=2, max_seq_len=128, no_bias=True,
        attn_config=dict(alibi=True, alibi_bias_max=8, clip_qkv=1.5), bos_token_id=1,
        eos_token_id=2)),
    "falcon-new": ("FalconForCausalLM", "FalconConfig", dict(
        vocab_size=128, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_kv_heads=2, new_decoder_architecture=True, parallel_attn=True, bias=False,
        alibi=False, ffn_hidden_size=128, max_position_embeddings=128, bos_token_id=1,
        eos_token_id=2)),
    "falcon-rw": ("FalconForCausalLM", "FalconConfig", dict(
        vocab_size=128, hidden_size=96, num_hidden_layers=2, num_attention_heads=3,
        multi_query=False, new_decoder_architecture=False, parallel_attn=False, bias=True,
        alibi=True, ffn_hidden_size=96, bos_token_id=1, eos_token_id=2)),
    "opt-post-norm": ("OPTForCausalLM", "OPTConfig", dict(
        vocab_size=128, hidden_size=64, word_embed_proj_dim=32, ffn_dim=96,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=128,
        do_layer_norm_before=False, bos_token_id=1, eos_token_id=2, pad_token_id=0)),
    "gpt-neox-serial": ("GPTNeoXForCausalLM", "GPTNeoXConfig", dict(
        WIDE, use_parallel_residual=False,
        rope_parameters=dict(rope("default"), partial_rotary_factor=0.25))),
    "bert-tiny": ("BertModel", "BertConfig", dict(WIDE, type_vocab_size=2)),
    "bloom-tiny": ("BloomForCausalLM", "BloomConfig", dict(
        vocab_size=128, hidden_size=64, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2,
        pad_token_id=0)),
    "falcon-mqa-tiny": ("FalconForCausalLM", "FalconConfig", dict(
        vocab_size=128, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        multi_query=True, new_decoder_architecture=False, parallel_attn=True, bias=False,
        alibi=False, ffn_hidden_size=96, max_position_embeddings=128, bos_token_id=1,
        eos_token_id=2)),
    "glm-tiny": ("GlmForCausalLM", "GlmConfig", dict(
        LLAMA, attention_bias=True,
        rope_parameters=dict(rope("default"), partial_rotary_factor=0.5))),
    "gpt-neox-tiny": ("GPTNeoXForCausalLM", "GPTNeoXConfig", dict(
        WIDE, rope_parameters=dict(rope("default"), partial_rotary_factor=0.25))),
    "gpt2-tiny": ("GPT2LMHeadModel", "GPT2Config", dict(
        vocab_size=128, n_embd=64, n_layer=2, n_head=2, n_inner=96, n_positions=128,
        bos_token_id=1, eos_token_id=2)),
    "gptj-tiny": ("GPTJForCausalLM", "GPTJConfig", dict(
        vocab_size=128, n_embd=64, n_layer=2, n_head=2, n_inner=96, rotary_dim=16,
        n_positions=128, bos_token_id=1, eos_token_id=2)),
    # Of a size at which no token's experts are so nearly tied that 16-bit types pick others.
    "mixtral-tiny": ("MixtralForCausalLM", "MixtralConfig", dict(
        dict(LLAMA, intermediate_size=64), num_local_experts=4, num_experts_per_tok=2,
        sliding_window=None)),
    "opt-tiny": ("OPTForCausalLM", "OPTConfig", dict(
        vocab_size=128, hidden_size=64, word_embed_proj_dim=64, ffn_dim=96,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=128,
        bos_token_id=1, eos_token_id=2, pad_token_id=0)),
    "phi-tiny": ("PhiForCausalLM", "PhiConfig", dict(
        WIDE, rope_parameters=dict(rope("default"), partial_rotary_factor=0.5))),
    "qwen3-tiny": ("Qwen3ForCausalLM", "Qwen3Config", dict(
        LLAMA, tie_word_embeddings=True)),
    "starcoder2-tiny": ("Starcoder2ForCausalLM", "Starcoder2Config", dict(
        WIDE, num_key_value_heads=1, sliding_window=16, use_bias=True)),
    "whisper-tiny": ("WhisperForConditionalGeneration", "WhisperConfig", dict(
        vocab_size=128, d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=96,
        decoder_ffn_dim=96, num_mel_bins=80, max_source_positions=32, max_target_positions=32,
        bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=3)),
    "qwen3-moe-mixed": ("Qwen3MoeForCausalLM", "Qwen3MoeConfig", dict(
        LLAMA, num_hidden_layers=3, moe_intermediate_size=32, num_experts=6,
        num_experts_per_tok=3, norm_topk_prob=False, mlp_only_layers=[1])),
}

# transformers 5.17 adds Falcon's linear biases twice in eager attention.
ATTENTION = {"falcon-rw": "sdpa"}


def fill(model, generator):
    """Values at which every weight, bias and norm shows in the answers; exact in bfloat16."""
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            noise = torch.randn(value.shape, generator=generator)
            lower = name.lower()
            if value.ndim == 1 and "norm" in lower or ".ln" in lower or "layernorm" in lower:
                plus_one = "gemma" in type(model).__name__.lower()  # its norms count as 1 + weight
                noise = (0.0 if plus_one or lower.endswith("bias") else 1.0) + 0.2 * noise
            elif value.ndim == 1:
                noise = 0.2 * noise
            elif "embed" in lower or "wte" in lower:
                noise = 0.8 * noise
            elif "conv" in lower and value.ndim == 3:
                noise = noise * (1.6 / math.sqrt(value[0].numel()))
            else:
                noise = noise * (1.6 / math.sqrt(value.shape[-1]))
            value.copy_(noise.to(torch.bfloat16).to(value.dtype))


def forward(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


class Cached:
    """A model whose rotation changes as a sequence grows: keys stay as they were rotated."""

    def __init__(self, model):
        self.model = model
        forward(model, [1])  # a short sequence takes back what a long one before it left
        self.cache = transformers.DynamicCache(config=model.config)

    def __call__(self, model, ids):
        more = ids[self.cache.get_seq_length():]
        with torch.no_grad():
            out = model(torch.tensor([more]), past_key_values=self.cache, use_cache=True)
        return out.logits[0]


def decoder_answers(model, prompts):
    tensors, gaps, values = {}, [], []
    scaling = getattr(model.config, "rope_parameters", None) or {}
    for i, ids in enumerate(prompts):
        step = Cached(model) if scaling.get("rope_type") == "dynamic" else forward
        logits = step(model, ids)
        values.append(logits.flatten())
        greedy, gap, tokens, last = [], [], list(ids), logits[-1]
        for _ in range(GREEDY):
            best = torch.topk(last, 2).values
            greedy.append(int(last.argmax()))
            gap.append(float(best[0] - best[1]))
            tokens.append(greedy[-1])
            last = step(model, tokens)[-1]
        tensors[f"input_ids.{i}"] = torch.tensor(ids, dtype=torch.int32)
        tensors[f"logits.{i}"] = logits.contiguous()
        tensors[f"greedy.{i}"] = torch.tensor(greedy, dtype=torch.int32)
        tensors[f"greedy_gap.{i}"] = torch.tensor(gap)
        gaps += gap
    return tensors, {"min_greedy_gap": min(gaps), "logits_std": float(torch.cat(values).std())}


def encoder_answers(model, prompts):
    tensors = {}
    for i, ids in enumerate(prompts):
        with torch.no_grad():
            out = model(torch.tensor([ids]))
        tensors[f"input_ids.{i}"] = torch.tensor(ids, dtype=torch.int32)
        tensors[f"hidden.{i}"] = out.last_hidden_state[0].contiguous()
        tensors[f"pooled.{i}"] = out.pooler_output[0].contiguous()
    return tensors, {}


def speech_answers(model, inputs):
    features, ids = inputs
    with torch.no_grad():
        out = model(input_features=features, decoder_input_ids=ids, use_cache=False)
    return {"input_features": features, "decoder_input_ids": ids.to(torch.int32),
            "encoder_hidden": out.encoder_last_hidden_state.contiguous(),
            "logits": out.logits.contiguous()}, {}


def draw_inputs(model, vocabulary, generator):
    if model.config.is_encoder_decoder:
        frames = 2 * model.config.max_source_positions
        return (torch.randn(2, model.config.num_mel_bins, frames, generator=generator),
                torch.randint(3, vocabulary, (2, 9), generator=generator))
    return [torch.randint(3, vocabulary, (n,), generator=generator).tolist() for n in LENGTHS]


def answers_of(model):
    if model.config.is_encoder_decoder:
        return speech_answers
    return decoder_answers if model.get_output_embeddings() is not None else encoder_answers


def make(name, folder):
    class_name, config_name, values = CASES[name]
    config = getattr(transformers, config_name)(**values)
    config._attn_implementation = ATTENTION.get(name, "eager")
    config.architectures = [class_name]
    seed = sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31
    generator = torch.Generator().manual_seed(seed)
    model = getattr(transformers, class_name)(config).eval().float()
    fill(model, generator)
    inputs = draw_inputs(model, values["vocab_size"], generator)
    tensors, facts = answers_of(model)(model, inputs)
    path = os.path.join(folder, name)
    os.makedirs(path, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(path)
    leftover = os.path.join(path, "generation_config.json")
    if os.path.exists(leftover):
        os.remove(leftover)
    save_file(tensors, os.path.join(path, "golden.safetensors"))
    facts = {"case": name, "class": class_name, "transformers": transformers.__version__,
             "reference": f"float32, CPU, {ATTENTION.get(name, 'eager')} attention",
            "weights": "bf16 (exact in float32)",
             "made_by": "tools/goldens/transformers_cases.py", **facts}
    with open(os.path.join(path, "golden.json"), "w") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    print(name, {k: v for k, v in facts.items() if isinstance(v, float)}, flush=True)


def verify(path):
    with open(os.path.join(path, "config.json")) as file:
        config = json.load(file)
    with open(os.path.join(path, "golden.json")) as file:
        attention = "sdpa" if "sdpa" in json.load(file)["reference"] else "eager"
    class_name = config["architectures"][0]
    model = getattr(transformers, class_name).from_pretrained(
        path, dtype=torch.float32, attn_implementation=attention).eval()
    stored = load_file(os.path.join(path, "golden.safetensors"))
    prompts = []
    while f"input_ids.{len(prompts)}" in stored:
        prompts.append(stored[f"input_ids.{len(prompts)}"].tolist())
    if "input_features" in stored:
        prompts = (stored["input_features"], stored["decoder_input_ids"].to(torch.int64))
    found, _ = answers_of(model)(model, prompts)
    worst, tokens = 0.0, 0
    for name, value in found.items():
        if name.startswith(("logits", "hidden", "pooled", "encoder_hidden")):
            worst = max(worst, float((stored[name] - value).abs().max() / stored[name].std()))
        elif name.startswith("greedy.") and not torch.equal(stored[name], value):
            tokens += 1
    print(f"{path}: max error / std {worst:.2e}, {tokens} of {len(prompts)} answers differ",
          flush=True)
    if worst > 1e-4:
        raise ValueError("not the same answers")


def run_all(action, names):
    """One case that this version of transformers does not know stops no other."""
    torch.set_num_threads(4)
    failed = 0
    for name in names:
        try:
            action(name)
        except Exception as error:
            print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)


def main():
    if sys.argv[1:2] == ["--verify"]:
        return run_all(verify, sys.argv[2:])
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, names = sys.argv[1], sys.argv[2:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"unknown cases {unknown}; known: {', '.join(CASES)}")
    return run_all(lambda name: make(name, folder), names)


if __name__ == "__main__":
    main()
