"""Tokens that configurations add to a SentencePiece file, against the rule of transformers' slow
classes over the package `sentencepiece`. Part of kinds_parity.py.
"""

import json
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

# Added to a SentencePiece file: text, id behind the pieces, what it does, special.
ADDED = [("<|im_start|>", 0, {}, True), ("<|im_end|>", 1, {"rstrip": True}, True),
         ("<mask>", 2, {"lstrip": True}, True), ("<tool>", 4, {"normalized": True}, False),
         ("<tool>x", 5, {}, False), ("~~", 6, {"lstrip": True, "rstrip": True}, False)]


def slow_encode(processor, added, text, plain=False, first_only=False):
    """The rule of transformers' slow classes: the longest added token from the left, which takes
    the white space that it may, and SentencePiece for every stretch between. With `first_only`, the
    processor adds no space, and only a text's own beginning gets one ("legacy": false)."""
    usable = sorted((t for t in added if not (plain and t[3])), key=lambda t: -len(t[0]))
    parts, at, begin = [], 0, 0
    while at < len(text):
        token = next((t for t in usable if text.startswith(t[0], at)), None)
        if token is None:
            at += 1
            continue
        parts += [text[begin:at], token]
        at = begin = at + len(token[0])
    parts.append(text[begin:])
    ids = []
    for i, part in enumerate(parts):
        if not isinstance(part, str):
            ids.append(part[1])
            continue
        if i > 0 and parts[i - 1][2].get("rstrip"):
            part = part.lstrip()
        if i + 1 < len(parts) and parts[i + 1][2].get("lstrip"):
            part = part.rstrip()
        if part and first_only and i == 0:
            part = " " + part
        ids += processor.encode(part) if part else []
    return ids


def check_added(report, name, data, samples):
    """Added tokens beside a SentencePiece file, as new and as older transformers write them."""
    if not report.wants(name):
        return
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    pieces = processor.get_piece_size()
    added = [(text, pieces + i, flags, special) for text, i, flags, special in ADDED]
    # Control pieces are special tokens too.
    marks = [(processor.id_to_piece(i), i, {}, True) for i in range(pieces)
             if processor.is_control(i) or processor.is_unknown(i)]
    names = [t[0] for t in added] + ["<s>", "</s>", "  ", " ", "\n", "a", "\u4eba"]
    rng = random.Random(3)
    samples = [t for t in samples if "\0" not in t][::3]
    samples += ["".join(rng.choice(names + samples[:40]) for _ in range(rng.randint(2, 9)))
                for _ in range(400)]
    config = {"added_tokens_decoder": {
        str(i): {"content": text, "special": special, **flags}
        for text, i, flags, special in added}}

    def compare(label, files, want):
        path = report.path(label, ("tokenizer.model", data))
        for file, content in files.items():
            report.path(label, (file, json.dumps(content).encode()))
        for flags in ([], ["--plain"]):
            report.compare(label + "".join(flags), path, samples,
                           lambda t, plain=bool(flags): want(t, plain), *flags)

    compare(name, {"tokenizer_config.json": config},
            lambda t, plain: slow_encode(processor, added + marks, t, plain))
    bare = [(text, i, {}, special) for text, i, _, special in added]
    compare(name + "-older", {
        "added_tokens.json": {text: i for text, i, _, _ in added},
        "special_tokens_map.json": {
            "additional_special_tokens": [text for text, _, _, special in added if special]}},
        lambda t, plain: slow_encode(processor, bare + marks, t, plain))
    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    if model.normalizer_spec.remove_extra_whitespaces:
        return
    model.normalizer_spec.add_dummy_prefix = False
    no_prefix = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    compare(name + "-llama", {"tokenizer_config.json": {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, **config}},
        lambda t, plain: slow_encode(no_prefix, added + marks, t, plain, first_only=True))


def check_chatglm(report, name, data, samples):
    """ChatGLM3: five tokens and four roles behind the pieces, two before every text."""
    if not report.wants(name):
        return
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    pieces = processor.get_piece_size()
    config = {"tokenizer_class": "ChatGLMTokenizer", "name_or_path": "THUDM/chatglm3-6b"}
    path = report.path(name, ("tokenizer.model", data))
    report.path(name, ("tokenizer_config.json", json.dumps(config).encode()))
    names = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>",
             "<|assistant|>", "<|observation|>"]
    samples = [t for t in samples if "\0" not in t and not any(n in t for n in names)
               and "<s>" not in t and "</s>" not in t and "<unk>" not in t]
    report.compare(name, path, samples,
                   lambda t: [pieces + 1, pieces + 3] + processor.encode(t), "--special")
    report.compare(name + "/names", path, names,
                   lambda t: [pieces + names.index(t)])
    hostile = ["".join(names), " ".join(names)]
    report.compare(name + "--plain", path, hostile, processor.encode, "--plain")
