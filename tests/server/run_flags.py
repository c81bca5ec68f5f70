"""`ingot serve`: flags under other servers' names and from a YAML file, and what counts more."""

import os
import tempfile

from server_harness import BINARY, TINY, Server, exchange, request

from cli_harness import BadInput, Checks, ingot, real_model


def check_other_names(checks):
    """TINY's context is 256: what a flag sets is seen in the ready event and in the models."""
    for flags in (["-c", "128"], ["-c128"], ["--ctx-size=128"], ["--max-model-len", "128"],
                  ["--max_seq_len", "128"], ["--max-seq-len", "128"]):
        with Server(TINY, *flags) as server:
            checks.equal(server.ready["max_model_len"], 128, f"{' '.join(flags)}: context")
    for flag in ("-a", "--alias", "--served_model_name", "--served-model-name"):
        with Server(TINY, flag, "one", flag, "two") as server:
            checks.equal(server.ready["model"], "one", f"{flag}: the first name")
            body = {"model": "two", "prompt": [1], "max_tokens": 1}
            answer = exchange(server.port, request("POST", "/v1/completions", body))
            checks.equal(answer.status, 200, f"{flag}: the second name")
    for flags in (["-m", TINY], ["--model", TINY], [f"--model={TINY}"], ["-hf", TINY],
                  [f"-m{TINY}"]):
        with Server(None, *flags) as server:
            checks.equal(server.ready["model"], os.path.basename(TINY), f"{flags[0]}: the model")
    others = ["-np", "3", "-ub", "64", "--no-cache-prompt", "--cors-origins", "https://a.example"]
    with Server(TINY, *others) as server:
        asked = request("GET", "/v1/models", None, "Origin: https://a.example")
        answer = exchange(server.port, asked)
        checks.equal(answer.headers.get("access-control-allow-origin"), "https://a.example",
                     "llama-server's names")
    others = ["--parallel=3", "--max_batch_size", "4", "--max_num_tokens", "64", "--ubatch-size",
              "32", "--no-enable-prefix-caching", "-b", "32", "-t", "1", "--dtype", "auto",
              "--kv-cache-dtype", "float32", "-ctk", "float32", "-ctv", "float32"]
    with Server(TINY, *others) as server:
        checks.equal(server.stop(), 0, "names of all three")


# What asks for what always holds here: taken, with a line.
WITHOUT_EFFECT = [
    ["-tp", "1"], ["--tp_size=1"], ["-pp", "1"], ["--data-parallel-size", "1"], ["-sm", "none"],
    ["--enable-prefix-caching"], ["--enable-chunked-prefill"], ["-cb"], ["--fit", "on"],
    ["--enable-auto-tool-choice"], ["--tool-call-parser", "glm45"], ["--jinja"],
    ["--reasoning-format", "none"], ["--seed", "-1"], ["--load-format", "auto"],
    ["--trust-remote-code"], ["--disable-log-stats"]]
# What is known and not here: refused, with a word on what to use.
NOT_HERE = [
    (["-tp", "2"], "--tensor-parallel-size: expected 1, found '2': a server runs on one device"),
    (["-ngl", "99"], "--n-gpu-layers is not a flag of this server: --device cuda"),
    (["--enable-expert-parallel"], "--enable-expert-parallel is not a flag of this server"),
    (["--no-enable-chunked-prefill"], "--no-enable-chunked-prefill is not a flag of this server"),
    (["--tool-call-parser", "kimi_k2"], "expected hermes or llama3_json or mistral or granite"),
    (["--seed", "7"], "--seed: expected -1, found '7': requests have 'seed'"),
    (["--uds", "/x.sock"], "--uds is not a flag of this server: the server listens on TCP"),
    (["-q", "awq"], "--quantization is not a flag of this server: weights run as"),
    (["-md", "draft.gguf"], "--model-draft is not a flag of this server"),
    (["-ts", "1,1"], "--tensor-split is not a flag of this server"),
    (["-tb", "2"], "--threads-batch is not a flag of this server: --threads counts"),
    (["--lora", "a.gguf"], "merge them into the model's weights"),
    (["--ssl-keyfile-password", "x"], "--ssl-keyfile is a key without a password"),
    (["--log-jsonl"], "INGOT_LOG_FORMAT=json"),
    (["--uds"], "--uds: expected a value, found none"),
    (["-ctk", "float32", "-ctv", "float16"], "keys and values have one type here"),
    (["-ctk", "q8_0"], "--kv-dtype: expected float32, bfloat16 or float16, found 'q8_0'"),
    (["--gpu-memory-utilization", "1.5"], "--gpu-memory-utilization: expected 0 to 1, found 1.5"),
    (["--kv-cache-memory-bytes", "1", "--kv-tokens", "64"],
     "--kv-cache-memory-bytes does not go with --kv-tokens"),
    (["--kv_cache_free_gpu_memory_fraction", "all"], "--kv-memory: expected GiB, or a part of 1")]


def check_without_effect(checks, folder):
    path = write(folder, "enable-prefix-caching: true\nenable-lora: false\n", "taken.yaml")
    flags = [word for words in WITHOUT_EFFECT for word in words]
    with Server(TINY, *flags, "--config", path) as server:
        lines = [line for line in server.stderr().splitlines() if "has no effect" in line]
        checks.equal(len(lines), len(WITHOUT_EFFECT) - 1, "a line for each flag without effect")
        for name in ("tensor-parallel-size", "enable-prefix-caching", "jinja"):
            checks.equal(sum(f"--{name} has no effect: " in line for line in lines), 1, name)


def check_not_here(bad):
    for flags, says in NOT_HERE:
        bad.refused(" ".join(flags), "serve", TINY, *flags, code=2, names=[says])
    path = write(bad.folder, "enable-prefix-caching: false\n", "off.yaml")
    bad.refused("a switch that is off", "serve", TINY, "--config", path, code=2,
                names=["--enable-prefix-caching is not a flag", "--no-prefix-cache"])
    gone = bad.path("gone.jinja")
    bad.refused("no template", "serve", TINY, "--chat-template", gone, code=1, names=[gone])
    wrong = write(bad.folder, "{% if %}", "wrong.jinja")
    bad.refused("no Jinja", "serve", TINY, "--chat-template", wrong, code=1, names=[wrong])
    right = write(bad.folder, "{{ messages }}", "right.jinja")
    done = ingot("serve", TINY, "--port", "0", "--chat-template-file", right)
    bad.checks.check(done.returncode == 1 and b"expected a tokenizer" in done.stderr,
                     "a template for a model without tokenizer is refused")


def check_other_kind(checks):
    """Flags of embeddings on a model that answers text, and the other way round. Of most models the
    kind is known when they are loaded, behind the line on the port."""
    def refused(says, *flags, early=False):
        done = ingot("serve", TINY, "--port", "0", *flags, timeout=60)
        lines = done.stderr.decode().splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        checks.check(done.returncode == 2 and len(errors) == 1 and says in errors[0],
                     f"{' '.join(flags)}: {done.returncode}, {errors or lines}")
        checks.equal(any(line.startswith("listening") for line in lines), not early,
                     f"{' '.join(flags)}: told {'before' if early else 'when'} it is loaded")

    text = "--pooling: the model answers text; --task embed makes embeddings of it"
    refused(text, "--pooling", "mean")
    refused(text, "--task", "generate", "--pooling", "cls", early=True)
    with Server(TINY, env={"INGOT_POOLING": "mean"}) as server:
        checks.check("INGOT_POOLING has no effect" in server.stderr(), "INGOT_POOLING: a line")
    refused("--fairness: expected on, found 'off': callers of embeddings take turns",
            "--task", "embed", "--fairness", "off")
    for flags in (["--kv-tokens", "512"], ["--kv-memory", "0.5"], ["--no-prefix-cache"],
                  ["--kv-cache-memory-bytes", "1000000"], ["--gpu-memory-utilization", "0.5"]):
        with Server(TINY, "--task", "embed", *flags) as server:
            says = f"{flags[0]} has no effect: nothing is cached of texts to embed"
            lines = [line for line in server.stderr().splitlines() if "has no effect" in line]
            checks.check(len(lines) == 1 and says in lines[0], f"{' '.join(flags)}: {lines}")
    with Server(TINY, "--task", "embed", "--pooling", "mean", "--kv-dtype", "float32",
                "--fairness", "on") as server:
        checks.check("has no effect" not in server.stderr(), "those that have one: no line")


def check_template(checks, folder):
    text = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    path = write(folder, text, "t.jinja")
    body = {"messages": [{"role": "user", "content": "a"}], "reasoning_effort": "low"}
    with Server(real_model(), "--chat-template", path, "--max-seq-len", "256") as server:
        answer = exchange(server.port, request("POST", "/v1/apply-template", body))
        checks.equal(answer.json(), {"prompt": "<user>a"}, "--chat-template: the file's")
        checks.equal(answer.headers.get("x-ignored-fields"), "reasoning_effort",
                     "--chat-template: what it does not read")


def pages_with(*flags):
    with Server(TINY, *flags) as server:
        answer = exchange(server.port, request("GET", "/requests")).json()
    return sum(group["total"] for group in answer["kv_pages"])


def check_kv_cache(checks):
    """Its size under all names; of parts of the free memory, which changes, that more is more."""
    tokens = pages_with("--kv-tokens", "512")
    one, two = (pages_with("--kv-cache-memory-bytes", str(n << 20)) for n in (1, 2))
    checks.check(tokens > 0 and one > 1 and two - 2 * one in (0, 1), f"bytes: {one}, {two} pages")
    for flag in ("--kv_cache_free_gpu_memory_fraction", "--kv-memory"):
        few, many = (pages_with(flag, part) for part in ("0.000001", "0.0001"))
        checks.check(0 < few < many, f"{flag}: {few}, {many} pages")
    checks.check(pages_with("--gpu-memory-utilization", "0.001") > 0, "a part of what is free")


def check_wrong(bad):
    for what, flags, says in (
            ("-np x", ["-np", "x"], "--max-num-seqs: expected a whole number, found 'x'"),
            ("-np=0", ["-np=0"], "--max-num-seqs: expected 1 to 65536, found 0"),
            ("-c x", ["-c", "x"], "--max-seq-len: expected a whole number, found 'x'"),
            ("--max-model-len=x", ["--max-model-len=x"], "--max-seq-len: expected a whole number"),
            ("-nq", ["-nq", "4"], "unknown flag '-nq'"),
            ("a model twice", ["-m", TINY], "--model: expected a value, found 2")):
        bad.refused(what, "serve", TINY, *flags, code=2, names=[says])
    bad.refused("no model", "serve", code=2, names=["serve: expected model, found none"])
    bad.refused("-np elsewhere", "run", TINY, "-np", "3", code=2, names=["unknown flag '-np'"])


def write(folder, text, name="server.yaml"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def check_config(checks, folder):
    path = write(folder, f"# of the test\nmodel: {TINY}\nmax-model-len: 64\n"
                         "served-model-name: [one, two]\napi-key:\n  - k1\n  - k2\n"
                         "no-prefix-cache: true\nio-threads: 2\n")
    listed = request("GET", "/v1/models", None, "x-api-key: k2")
    with Server(None, "--config", path) as server:
        checks.equal((server.ready["model"], server.ready["max_model_len"]), ("one", 64), "a file")
        checks.equal(exchange(server.port, listed).status, 200, "a file: keys of a list")
        checks.equal(exchange(server.port, request("GET", "/v1/models")).status, 401,
                     "a file: no answer without a key")
    with Server(None, "-c", "128", f"--config={path}", "--alias", "three") as server:
        checks.equal((server.ready["model"], server.ready["max_model_len"]), ("three", 128),
                     "flags count more, under any name, before and behind")
    with Server(TINY + "/", "--config", path) as server:
        checks.equal(server.ready["max_model_len"], 64, "a model beside the file's")
    with Server(TINY, env={"INGOT_CONFIG": path, "INGOT_MAX_SEQ_LEN": "32"}) as server:
        checks.equal(server.ready["max_model_len"], 64, "the file counts more than a variable")
    empty = write(folder, "# nothing\n", "empty.yaml")
    with Server(TINY, "--config", empty) as server:
        checks.equal(server.ready["max_model_len"], 256, "an empty file")


def check_wrong_config(bad):
    for what, text, says in (
            ("an unknown flag", "port: 0\nprot: 1\n", ":2: unknown flag 'prot', did you mean"),
            ("help", "help: true\n", ":1: unknown flag 'help'"),
            ("itself", "config: x\n", ":1: unknown flag 'config'"),
            ("a list of flags", "- port\n", ":1: expected lines 'flag: value'"),
            ("a text", "port\n", ":1: expected lines 'flag: value'"),
            ("a map", "port:\n  a: 1\n", ":1: port: expected a value, found a map"),
            ("no value", "port:\n", ":1: port: expected a value, found none"),
            ("an empty value", "host: ''\n", ":1: host: expected a value, found none"),
            ("a list in a list", "api-key: [[a]]\n", "api-key: expected a value, found a list"),
            ("twice", "port: 1\nhost: a\nport: 2\n", ":3: port is given twice"),
            ("no YAML", "port: [1\n", ": not YAML: "),
            ("tabs", "port:\t\n\t- 1\n", ": not YAML: "),
            ("a wrong value", "port: http\n", "--port: expected a whole number, found 'http'")):
        path = write(bad.folder, text, "wrong.yaml")
        bad.refused(what, "serve", TINY, "--config", path, code=2, names=[says])
    gone = bad.path("gone.yaml")
    bad.refused("no file", "serve", TINY, "--config", gone, code=1, names=[gone, "cannot be read"])


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_other_names(checks)
        check_wrong(bad)
        check_without_effect(checks, folder)
        check_not_here(bad)
        check_other_kind(checks)
        check_kv_cache(checks)
        check_template(checks, folder)
        check_config(checks, folder)
        check_wrong_config(bad)
    shown = ingot("serve", "--help").stdout.decode()
    checks.check(all(name in shown for name in ("--max-model-len", "--parallel", "--config")),
                 f"{BINARY} serve --help shows the names")
    checks.check("--uds" not in shown and "--jinja" not in shown, "and none that have no meaning")
    checks.finish()


if __name__ == "__main__":
    main()
