"""`ingot chat --url`: against `ingot serve`, and a server with the faults of many makers."""

import json
import os
import socket
import sys
import tempfile
import urllib.request

from chat_harness import CTRL_C, CTRL_D, LIMIT, PROMPT, Terminal, answer_of
from cli_harness import CASE, Checks, ingot, one_error_line, real_model
from fake_openai import FakeServer, RawServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from server_harness import Server, make_certificate  # noqa: E402

SECONDS = 20
NO_KEY = {"INGOT_API_KEY": "", "OPENAI_API_KEY": ""}
QUESTIONS = b"What is the capital of France?\nAnd of Spain?\n/reset\nAnd of Spain?\n"


def chat(*arguments, stdin=b"Hi\n", env=None):
    environment = {name: value for name, value in {**NO_KEY, **(env or {})}.items()}
    return ingot("chat", *arguments, stdin=stdin, env=environment, timeout=LIMIT)


def answers(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- against `ingot serve` ---

def check_same_answers(checks, model):
    """A conversation over HTTP has the words of the same conversation without it."""
    flags = ["--temperature", "0", "--max-tokens", "12", "--json"]
    local = answers(chat(model, *flags, "--system", "You are brief.", stdin=QUESTIONS))
    with Server(model, "--max-seq-len", "1024") as server:
        done = chat("--url", server.url, *flags, "--system", "You are brief.", stdin=QUESTIONS)
        checks.equal(done.returncode, 0, f"three questions: exit code {done.stderr!r}")
        for key in ("text", "finish_reason"):
            checks.equal([a[key] for a in answers(done)], [a[key] for a in local],
                         f"our server: each {key} of the local chat")
        checks.equal([a["tokens"] for a in answers(done)], [len(a["token_ids"]) for a in local],
                     "our server: numbers of tokens")
        done = chat("--url", server.url + "/v1/", "--model", "no-such", *flags)
        checks.equal(done.returncode, 1, "a wrong model: exit code")
        checks.check(server.ready["model"].encode() in done.stderr and b"404" in done.stderr,
                     f"a wrong model: the names that there are: {done.stderr!r}")
        check_cancel(checks, Terminal("--url", server.url, "--max-tokens", "900"), server)


def live_requests(server):
    with urllib.request.urlopen(server.url + "/requests", timeout=LIMIT) as answer:
        return json.load(answer)


def check_cancel(checks, terminal, server):
    terminal.until(PROMPT)
    question = "Write a very long story about the sea."
    terminal.type(question + "\n")
    while len(terminal.text) < 90 and terminal.read(LIMIT):
        pass
    terminal.type(CTRL_C)
    printed = terminal.until(PROMPT)
    report = answer_of(printed or "", question)[1]
    checks.check("cancelled" in report, f"Ctrl-C: the answer stopped: {report!r}")
    while live_requests(server)["requests"]:
        pass  # the time limit of scripts bounds it
    checks.check(True, "Ctrl-C: the server has let the request go")
    checks.check("tok/s" in terminal.ask("Hi")[1], "the chat goes on")
    terminal.type("/reset\n")
    checks.check("(forgotten)" in (terminal.until(PROMPT) or ""), "/reset says so")
    terminal.type(CTRL_C)
    checks.check("again leaves" in (terminal.until(PROMPT) or ""), "Ctrl-C at the prompt warns")
    terminal.type(CTRL_D)
    checks.equal(terminal.exit_code(), 0, "Ctrl-D leaves")


def check_keys_and_tls(checks, folder):
    certificate, key = make_certificate(folder)
    with Server(CASE, "--api-key", "secret", "--ssl-certfile", certificate,
                "--ssl-keyfile", key) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")

        def failed(what, *arguments, says, env=None):
            done = chat("--url", url, *arguments, env=env)
            checks.equal(done.returncode, 1, f"{what}: exit code")
            checks.check(says in (one_error_line(done) or ""), f"{what}: {done.stderr!r}")

        failed("an unknown certificate", says="TLS")
        trust = ["--ca-file", certificate]
        failed("no key", *trust, says="401")
        failed("no key", *trust, says="--api-key, INGOT_API_KEY or OPENAI_API_KEY")
        failed("a wrong key", *trust, "--api-key", "no", says="not taken")
        # The model has no tokenizer: the answer to the right key is a 400.
        for what, env, more in (("--api-key", {"OPENAI_API_KEY": "no"}, ["--api-key", "secret"]),
                                ("INGOT_API_KEY", {"INGOT_API_KEY": "secret"}, []),
                                ("OPENAI_API_KEY", {"OPENAI_API_KEY": "secret"}, [])):
            done = chat("--url", url, *trust, *more, env=env)
            checks.check(b"400" in done.stderr, f"{what} is shown: {done.stderr!r}")
        done = chat("--url", server.url, "--model", "m")
        checks.check(done.returncode == 1 and b"error: " in done.stderr,
                     f"plain HTTP to a TLS port: {done.stderr!r}")


# --- against the fake ---

def check_good(checks, fake):
    """Answers that are whole, however they are written."""
    for model, text in (("odd", "Grüße, odd"), ("closed", "closed"), ("whole", "in one piece"),
                        ("small", "small"), ("forgets", "here"), ("strict", "at most 5")):
        done = chat("--url", fake.url + "/v1", "-m", model, "--json", "--max-tokens", "5",
                    stdin=b"one\ntwo\n")
        checks.equal(done.returncode, 0, f"{model}: exit code {done.stderr!r}")
        checks.equal([a["text"] for a in answers(done)], [text, text], f"{model}: the text, twice")
    done = chat("--url", fake.url, stdin=b"Hi\n")
    checks.equal(done.stdout.decode(), "Grüße, odd\n", "the first model of the list")
    checks.check(done.stderr.startswith(b"[2 tokens, ") and b", stop]" in done.stderr,
                 f"the report counts parts: {done.stderr!r}")
    done = chat("--url", fake.url, "--model", "small", stdin=b"one\ntwo\n")
    checks.check(b"[41 tokens" in done.stderr and b"oldest turn" in done.stderr,
                 f"usage counts, and old turns leave: {done.stderr!r}")


def check_request(checks, fake):
    """What is asked for is what the user gave, and no more."""
    fake.requests.clear()
    chat("--url", fake.url, "--model", "odd", stdin=b"Hi\n")
    headers, body = fake.requests[-1]
    checks.equal(body, {"model": "odd", "messages": [{"role": "user", "content": "Hi"}],
                        "stream": True, "stream_options": {"include_usage": True}},
                 "nothing given: the server's defaults count")
    checks.check("authorization" not in headers, "no key: none is shown")
    checks.equal(headers["host"], fake.url.removeprefix("http://"), "the Host header")
    flags = {"temperature": 0.5, "top_p": 0.75, "top_k": 5, "min_p": 0.125, "seed": 3,
             "repetition_penalty": 1.5, "presence_penalty": 0.5, "frequency_penalty": -0.5,
             "max_tokens": 7}
    given = [word for name, value in flags.items()
             for word in ("--" + name.replace("_", "-"), str(value))]
    chat("--url", fake.url, "--model", "odd", "--system", "Be brief.", "--stop", "a", "--stop", "b",
         "--api-key", "k", *given, stdin=b"one\ntwo\n")
    headers, body = fake.requests[-1]
    checks.equal({name: body.get(name) for name in flags}, flags, "sampling flags are sent")
    checks.equal(body["stop"], ["a", "b"], "stop texts are sent")
    checks.equal([m["role"] for m in body["messages"]], ["system", "user", "assistant", "user"],
                 "the conversation is sent")
    checks.equal(headers["authorization"], "Bearer k", "the key is shown")
    fake.requests.clear()
    done = chat("--url", fake.url, "--model", "odd", stdin=b"\xff\n")
    checks.check(done.returncode == 1 and b"UTF-8" in done.stderr and not fake.requests,
                 f"a question that is no UTF-8 is not sent: {done.stderr!r}")


def check_bad(checks, fake):
    """One error line for each turn that failed; the next is asked without it."""
    for model, says in (("cut", "ended before"), ("short", "ended before"),
                        ("fails", "gave up the answer: out of memory"),
                        ("page", "found text/html"), ("words", "expected JSON"),
                        ("key", "401: Incorrect API key"), ("busy", "try again in 7 s"),
                        ("moved", "moved to https://elsewhere"),
                        ("none", "--model takes one of: odd, cut")):
        fake.requests.clear()
        done = chat("--url", fake.url, "--model", model, stdin=b"one\ntwo\n")
        checks.equal(done.returncode, 1, f"{model}: exit code")
        lines = done.stderr.decode().splitlines()
        checks.check(len(lines) == 2 and all(line.startswith("error: ") and says in line
                                             for line in lines), f"{model}: {lines}")
        checks.equal([len(body["messages"]) for _, body in fake.requests], [1, 1],
                     f"{model}: a failed turn is no part of the conversation")
        if model in ("cut", "short", "fails"):
            checks.equal(done.stdout, b"half of\n" * 2, f"{model}: what was said stays")
    done = chat("--url", fake.url, "--model", "silent", "--timeout", "0.5")
    checks.check(done.returncode == 1 and b"timeout" in done.stderr, f"silence: {done.stderr!r}")


def check_terminal(checks, fake):
    for model in ("endless", "silent"):
        fake.gone.clear()
        terminal = Terminal("--url", fake.url, "--model", model)
        terminal.until(PROMPT)
        terminal.type("Hi\n")
        terminal.until("and" if model == "endless" else "hm")
        terminal.type(CTRL_C)
        checks.check("cancelled" in (terminal.until(PROMPT) or ""), f"{model}: Ctrl-C")
        if model == "endless":
            checks.check(fake.gone.wait(LIMIT), "endless: the server sees that the client left")
        terminal.type(CTRL_D)
        checks.equal(terminal.exit_code(), 0, f"{model}: Ctrl-D leaves")
    terminal = Terminal("--url", fake.url, "--model", "escape")
    terminal.until(PROMPT)
    terminal.type("Hi\n")
    printed = terminal.until(PROMPT) or ""
    checks.check("plain" in printed and "\x1b" not in printed and "\x07" not in printed,
                 f"an answer cannot steer the terminal: {printed!r}")
    terminal.type(CTRL_D)
    terminal.exit_code()


def check_no_server(checks):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with RawServer(b"SSH-2.0-OpenSSH_9.2\r\n") as ssh, RawServer(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi") as page:
        for what, url, says in (("nobody", f"http://127.0.0.1:{port}", "connection refused"),
                                ("ssh", ssh.url, "expected an HTTP server"),
                                ("a page", page.url, "expected an OpenAI server"),
                                ("no TLS", page.url.replace("http:", "https:"), "TLS"),
                                ("no host", "http://no-such-host.invalid", "no-such-host.invalid")):
            done = chat("--url", url)
            checks.equal(done.returncode, 1, f"{what}: exit code")
            checks.check(says in (one_error_line(done) or ""), f"{what}: {done.stderr!r}")


def check_usage(checks):
    for arguments, says in (
            ([], "expected a model, or --url"), (["--url", "localhost:8000"], "--url: "),
            (["--url", "http://a", "--dtype", "float32"], "--dtype"),
            (["--url", "http://a", "--logprobs", "1"], "--logprobs"),
            (["--url", "http://a", "--api-key", "a b"], "API key"),
            ([CASE, "--ca-file", "x"], "--ca-file goes with --url"),
            (["--url", "http://a", "--timeout", "-1"], "--timeout")):
        done = chat(*arguments)
        checks.equal(done.returncode, 2, f"{arguments}: exit code")
        checks.check(says in (one_error_line(done) or ""), f"{arguments}: {done.stderr!r}")


def main():
    checks = Checks()
    check_usage(checks)
    check_no_server(checks)
    with FakeServer() as fake:
        check_good(checks, fake)
        check_request(checks, fake)
        check_bad(checks, fake)
        check_terminal(checks, fake)
    with tempfile.TemporaryDirectory() as folder:
        check_keys_and_tls(checks, folder)
    check_same_answers(checks, real_model())
    checks.finish()


if __name__ == "__main__":
    main()
