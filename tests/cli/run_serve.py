"""`ingot serve`: the answers of `ingot run` over HTTP, the ways to end it, and wrong flags."""

import json
import os
import signal
import socket
import sys
import tempfile

from cli_harness import CASE, Checks, ingot, ingot_json, one_error_line, real_model

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from server_harness import LIMIT, Server, exchange, request  # noqa: E402

QUESTION = "What is the capital of France?"


def call(server, path, body=None, key=None):
    """Status and body."""
    headers = [f"Authorization: Bearer {key}"] if key is not None else []
    answer = exchange(server.port, request("GET" if body is None else "POST", path, body, *headers))
    return answer.status, answer.body.decode()


def check_answers(checks, server, model):
    reference = ingot_json("run", model, QUESTION, "--max-tokens", "24", "--temperature", "0")
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24,
            "temperature": 0, "return_token_ids": True}
    status, text = call(server, "/v1/chat/completions", body)
    checks.equal(status, 200, "a chat: status")
    answer = json.loads(text)
    choice = answer["choices"][0]
    checks.equal(answer["prompt_token_ids"], reference["prompt_token_ids"], "a chat: prompt ids")
    checks.equal(choice["token_ids"], reference["token_ids"], "a chat: the ids of ingot run")
    checks.equal(choice["message"]["content"], reference["text"], "a chat: its text")
    checks.equal(choice["finish_reason"], reference["finish_reason"], "a chat: its end")
    status, text = call(server, "/v1/chat/completions", {**body, "stream": True})
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    checks.equal(events[-1], "[DONE]", "a stream: its end")
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    checks.equal("".join(d.get("content", "") for d in deltas), reference["text"],
                 "a stream: its text")
    status, text = call(server, "/v1/completions",
                               {"prompt": reference["prompt_token_ids"], "max_tokens": 24,
                                "temperature": 0, "return_token_ids": True})
    checks.equal(json.loads(text)["choices"][0]["token_ids"], reference["token_ids"],
                 "a completion of the ids")


def check_wrong_flags(checks, model, taken):
    for flags, code, said in (
            (["--host", "0.0.0.0"], 2, "without a key"),
            (["--port", "65536"], 2, "port"),
            (["--ssl-certfile", "x"], 2, "--ssl-keyfile"),
            (["--max-num-seqs", "0"], 2, "max-num-seqs"),
            (["--max-num-batched-tokens", "-1"], 2, "max-num-batched-tokens"),
            (["--api-key-file", "/no/such"], 1, "/no/such"),
            (["--api-key", "one\ntwo"], 2, "--api-key"),
            (["--config", "/no/such"], 1, "/no/such"),
            (["--config", os.path.dirname(CASE)], 1, "cannot be read"),
            (["--dtype", "int3"], 2, "--dtype"),
            (["--kv-dtype", "int3"], 2, "--kv-dtype"),
            (["--device", "cuda:99"], 2, "--device"),
            (["--device", "toaster"], 2, "--device"),
            (["--port", str(taken)], 1, "cannot listen"),
            (["--ssl-certfile", "/no/such", "--ssl-keyfile", "/no/such"], 1, "/no/such")):
        done = ingot("serve", model, *flags, "--json", timeout=LIMIT)
        checks.equal(done.returncode, code, f"{flags}: exit code")
        checks.check(said in (one_error_line(done) or ""), f"{flags}: {done.stderr!r}")
        checks.equal(done.stdout, b"", f"{flags}: nothing was begun")
    for name in ("/no/such", "no-such", "./no-such.gguf"):
        done = ingot("serve", name, "--port", "0", "--json", timeout=LIMIT)
        checks.equal(done.returncode, 1, f"model {name}: exit code")
        checks.check(name in (one_error_line(done) or ""), f"model {name}: {done.stderr!r}")
        checks.equal(done.stdout, b"", f"model {name}: it is missed before the port is open")


def check_model_without_tokenizer(checks):
    with Server(CASE, "--served-model-name", "tiny", "--served-model-name", "alias",
                "--api-key", "secret") as server:
        check_names_and_ids(checks, server)
        server.process.send_signal(signal.SIGINT)
        checks.equal(server.exit_code(), 0, "Ctrl-C ends it with code 0")


def check_names_and_ids(checks, server):
    checks.equal(server.ready["model"], "tiny", "--served-model-name")
    checks.equal(call(server, "/v1/models")[0], 401, "without the key")
    checks.equal(call(server, "/livez")[0], 200, "liveness without the key")
    models = json.loads(call(server, "/v1/models", key="secret")[1])["data"]
    checks.equal([model["id"] for model in models], ["tiny", "alias"], "names of the model")
    status, text = call(server, "/v1/completions", {"model": "alias", "prompt": [1, 2, 3],
                                                   "max_tokens": 2, "return_token_ids": True},
                               key="secret")
    checks.equal(status, 200, "ids alone: status")
    checks.equal(len(json.loads(text)["choices"][0]["token_ids"]), 2, "ids alone: tokens")
    for path, body in (("/v1/completions", {"prompt": "text"}),
                       ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                       ("/tokenize", {"prompt": "a"})):
        status, text = call(server, path, body, key="secret")
        checks.equal(status, 400, f"{path} without a tokenizer: {text}")


def check_key_file(checks):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# keys\none\r\n\ntwo\n")
        with Server(CASE, "--api-key-file", path) as server:
            for key, status in (("one", 200), ("two", 200), ("# keys", 401), ("", 401)):
                checks.equal(call(server, "/health", key=key)[0], status, f"key {key!r}")


def check_rows(checks):
    """How many run together by default: a CPU's 8, and no more than an engine was built for."""
    with tempfile.TemporaryDirectory() as folder:
        small = os.path.join(folder, "small.engine")
        built = ingot("build", CASE, "--output", small, "--max-batch-size", "2", "--no-tune",
                      timeout=LIMIT)
        checks.equal(built.returncode, 0, f"an engine of two rows is built: {built.stderr!r}")
        for model, flags, rows in ((CASE, [], 8), (small, [], 2),
                                   (small, ["--max-num-seqs", "4"], 4)):
            with Server(model, *flags) as server:
                checks.equal(server.ready["max_num_seqs"], rows,
                             f"{os.path.basename(model)} {flags}: sequences that run together")


def main():
    checks = Checks()
    model = real_model()
    with Server(model, "--max-seq-len", "512") as server:
        check_answers(checks, server, model)
        checks.equal(server.stop(), 0, "SIGTERM ends it with code 0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check_wrong_flags(checks, CASE, taken.getsockname()[1])
    check_model_without_tokenizer(checks)
    check_key_file(checks)
    check_rows(checks)
    checks.finish()


if __name__ == "__main__":
    main()
