"""`ingot serve`: the answers of `ingot run` over HTTP, the ways to end it, and wrong flags."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from cli_harness import BINARY, CASE, Checks, ingot, ingot_json, one_error_line, real_model

LIMIT = 120  # seconds for any one thing
QUESTION = "What is the capital of France?"


class Server:
    """A server of a model on a free port, ready."""

    def __init__(self, model, *flags):
        self.process = subprocess.Popen([BINARY, "serve", model, "--port", "0", "--json", *flags],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = self.event("listening")["port"]
        self.model = self.event("ready")["model"]

    def event(self, name):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"serve: {self.process.stderr.read().decode(errors='replace')}")
        event = json.loads(line)
        assert event["event"] == name, event
        return event

    def call(self, path, body=None, key=None):
        """Status and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if key is not None:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self, how=signal.SIGTERM):
        """The exit code."""
        self.process.send_signal(how)
        code = self.process.wait(timeout=LIMIT)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def check_answers(checks, server, model):
    reference = ingot_json("run", model, QUESTION, "--max-tokens", "24", "--temperature", "0")
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24,
            "temperature": 0, "return_token_ids": True}
    status, text = server.call("/v1/chat/completions", body)
    checks.equal(status, 200, "a chat: status")
    answer = json.loads(text)
    choice = answer["choices"][0]
    checks.equal(answer["prompt_token_ids"], reference["prompt_token_ids"], "a chat: prompt ids")
    checks.equal(choice["token_ids"], reference["token_ids"], "a chat: the ids of ingot run")
    checks.equal(choice["message"]["content"], reference["text"], "a chat: its text")
    checks.equal(choice["finish_reason"], reference["finish_reason"], "a chat: its end")
    status, text = server.call("/v1/chat/completions", {**body, "stream": True})
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    checks.equal(events[-1], "[DONE]", "a stream: its end")
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    checks.equal("".join(d.get("content", "") for d in deltas), reference["text"],
                 "a stream: its text")
    status, text = server.call("/v1/completions",
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
            (["--api-key-file", "/no/such"], 1, "/no/such"),
            (["--port", str(taken)], 1, "cannot listen"),
            (["--ssl-certfile", "/no/such", "--ssl-keyfile", "/no/such"], 1, "/no/such")):
        done = ingot("serve", model, *flags, timeout=LIMIT)
        checks.equal(done.returncode, code, f"{flags}: exit code")
        checks.check(said in (one_error_line(done) or ""), f"{flags}: {done.stderr!r}")


def check_model_without_tokenizer(checks):
    server = Server(CASE, "--served-model-name", "tiny", "--served-model-name", "alias",
                    "--api-key", "secret")
    checks.equal(server.model, "tiny", "--served-model-name")
    checks.equal(server.call("/v1/models")[0], 401, "without the key")
    checks.equal(server.call("/livez")[0], 200, "liveness without the key")
    models = json.loads(server.call("/v1/models", key="secret")[1])["data"]
    checks.equal([model["id"] for model in models], ["tiny", "alias"], "names of the model")
    status, text = server.call("/v1/completions", {"model": "alias", "prompt": [1, 2, 3],
                                                   "max_tokens": 2, "return_token_ids": True},
                               key="secret")
    checks.equal(status, 200, "ids alone: status")
    checks.equal(len(json.loads(text)["choices"][0]["token_ids"]), 2, "ids alone: tokens")
    for path, body in (("/v1/completions", {"prompt": "text"}),
                       ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                       ("/tokenize", {"prompt": "a"})):
        status, text = server.call(path, body, key="secret")
        checks.equal(status, 400, f"{path} without a tokenizer: {text}")
    checks.equal(server.stop(signal.SIGINT), 0, "Ctrl-C ends it with code 0")


def check_key_file(checks):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "keys")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# keys\none\r\n\ntwo\n")
        server = Server(CASE, "--api-key-file", path)
        for key, status in (("one", 200), ("two", 200), ("# keys", 401), ("", 401)):
            checks.equal(server.call("/health", key=key)[0], status, f"key {key!r}")
        server.stop()


def main():
    checks = Checks()
    model = real_model()
    server = Server(model, "--max-seq-len", "512")
    check_answers(checks, server, model)
    checks.equal(server.stop(), 0, "SIGTERM ends it with code 0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check_wrong_flags(checks, CASE, taken.getsockname()[1])
    check_model_without_tokenizer(checks)
    check_key_file(checks)
    checks.finish()


if __name__ == "__main__":
    main()
