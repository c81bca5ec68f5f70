"""`ingot serve`: flags under other servers' names and from a YAML file, and what counts more."""

import os
import tempfile

from server_harness import BINARY, TINY, Server, exchange, request

from cli_harness import BadInput, Checks, ingot


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
              "32", "--no-enable-prefix-caching"]
    with Server(TINY, *others) as server:
        checks.equal(server.stop(), 0, "names of all three")


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
        check_config(checks, folder)
        check_wrong_config(bad)
    shown = ingot("serve", "--help").stdout.decode()
    checks.check(all(name in shown for name in ("--max-model-len", "--parallel", "--config")),
                 f"{BINARY} serve --help shows the names")
    checks.finish()


if __name__ == "__main__":
    main()
