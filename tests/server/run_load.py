"""Many streams at once against the oracle, every token checked; `ingot bench serve` against it and
against servers that misbehave. LOAD_STREAMS and LOAD_TOKENS ask for more (D1: 2000 and
256)."""

import json
import os
import resource
import signal
import socketserver
import subprocess
import tempfile
import threading
import time

from server_harness import BINARY, LIMIT, TOOL, Oracle
from cli_harness import Checks, ingot

STREAMS = int(os.environ.get("LOAD_STREAMS", "300"))
TOKENS = int(os.environ.get("LOAD_TOKENS", "64"))


def check_tokens(checks):
    """No token of any stream is lost, doubled, reordered or another stream's."""
    with Oracle(rows=STREAMS) as oracle:
        done = subprocess.run([TOOL, "verify", "--port", str(oracle.port), "--streams",
                               str(STREAMS), "--tokens", str(TOKENS)], capture_output=True,
                              check=False, timeout=5 * LIMIT)
        out = json.loads(done.stdout)
        checks.equal((done.returncode, out["wrong_streams"], out["tokens"]),
                     (0, 0, STREAMS * TOKENS),
                     f"{STREAMS} streams of {TOKENS} tokens are the oracle's: {done.stderr!r}")
        cost = oracle.stop()
        checks.equal((cost["output_tokens"], cost["running"]), (STREAMS * TOKENS, 0),
                     "the server made as many and is idle")
        print(f"     {out} {cost}")


def check_verify_sees(checks):
    """The check itself: a model with another past is found out."""
    with Oracle(rows=4, context=64) as oracle:
        done = subprocess.run([TOOL, "verify", "--port", str(oracle.port), "--streams", "2",
                               "--tokens", "80"], capture_output=True, check=False, timeout=LIMIT)
        checks.equal((done.returncode, json.loads(done.stdout)["wrong_streams"]), (1, 2),
                     "streams that the context cuts short are told")


def bench(url, *arguments, code=0, checks=None, what=""):
    done = ingot("bench", "serve", "--url", url, "--json", *arguments)
    checks.equal(done.returncode, code, f"{what}: exit code {done.stderr[-300:]!r}")
    return json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}


def check_figures(checks):
    with Oracle(rows=64, step_us=2000, api_key="secret") as oracle:
        out = bench(oracle.url, "--api-key", "secret", "--num-requests", "40", "--isl", "8",
                    "--osl", "20", "--ignore-eos", "--endpoint", "chat", checks=checks,
                    what="chat at once")
        checks.equal((out["completed"], out["total_output_tokens"], out["configuration"]["model"],
                      out["max_concurrent_requests"]), (40, 800, "oracle", 40), "chat: all tokens")
        # What the times are is the machine's affair; how they hang together is not: 19 tokens come
        # behind the first one.
        sums = out["mean_ttft_ms"] + 19 * out["mean_tpot_ms"]
        checks.check(0 < out["mean_ttft_ms"] and 0 < out["mean_tpot_ms"] and
                     abs(sums - out["mean_e2el_ms"]) < 1e-6 * sums,
                     f"chat: first and later tokens make up the whole: {sums}, "
                     f"{out['mean_e2el_ms']} ms")
        out = bench(oracle.url + "/v1", "--api-key", "secret", "--num-requests", "20", "--osl",
                    "4", "--rate", "40", "--fixed-rate", "--slo-ttft-ms", "0.001", checks=checks,
                    what="a fixed rate")
        # The last of 20 leaves 19/40 s behind the first, and no machine makes that less.
        checks.check(out["duration"] >= 0.47, f"a fixed rate's duration {out['duration']}")
        checks.equal(out["request_goodput"], 0.0, "nobody is that fast")
        out = bench(oracle.url, "oracle", "--api-key", "wrong", "--num-requests", "3", code=1,
                    checks=checks, what="a wrong key")
        checks.equal((out["failures"][0]["reason"], out["failed"]), ("HTTP 401", 3),
                     "a wrong key is told")
        out = bench(oracle.url, "--api-key", "wrong", code=1, checks=checks, what="no model list")
        checks.check(b"401" in out["stderr"], f"the list of models is refused: {out}")


def check_refusals(checks):
    flags = ["--num-requests", "16", "--isl", "4", "--osl", "30", "--ignore-eos"]
    with Oracle(rows=2, queue=2, step_us=1000) as oracle:
        out = bench(oracle.url, *flags, checks=checks, what="a full queue")
        checks.check(out["failures"][0]["reason"] == "HTTP 429" and
                     out["completed"] + out["failed"] == 16 and out["failed"] == out["refused"],
                     f"a full queue's refusals are counted: {out['failures']}")
        out = bench(oracle.url, *flags, "--retry", "50", checks=checks, what="tried again")
        checks.equal((out["completed"], out["failed"]), (16, 0), "all get in at last")
        checks.check(out["retries"] > 0 and out["refused"] == out["retries"],
                     f"refusals and tries: {out['refused']}, {out['retries']}")


def check_interrupt(checks):
    with Oracle(rows=8, context=4096, step_us=5000) as oracle:
        run = subprocess.Popen([BINARY, "bench", "serve", "--url", oracle.url, "--json",
                                "--num-requests", "1000", "--concurrency", "8", "--osl", "40",
                                "--ignore-eos", "--progress", "json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in run.stderr:  # some have ended
            if line.startswith(b"{") and json.loads(line)["done"] >= 8:
                break
        run.send_signal(signal.SIGINT)
        out, error = run.communicate(timeout=LIMIT)
        checks.equal(run.returncode, 130, f"Ctrl-C: exit code {error[-300:]!r}")
        out = json.loads(out)
        checks.check(out["interrupted"] and 8 <= out["completed"] < 1000 and out["failed"] == 0,
                     f"Ctrl-C: what there is: {out['completed']} {out['failures']}")
        checks.equal(oracle.stop()["running"], 0, "and the server is rid of them")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = b'data: {"choices":[{"index":0,"text":"a"}]}\n\n'
FAULT = b'data: {"error":{"message":"the model broke","type":"server_error"}}\n\n'


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def check_misbehaviour(checks):
    """Each way to fail has its name; what ended well counts."""
    answers = {
        "disconnected": HEAD + chunk(TEXT),
        "the stream ended early": HEAD + chunk(TEXT) + b"0\r\n\r\n",
        "error in the stream": HEAD + chunk(TEXT) + chunk(FAULT) + b"0\r\n\r\n",
        "HTTP 500": b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        "malformed stream": HEAD + chunk(b"data: " + b"x" * (17 << 20)),
        "malformed answer": b"220 smtp.example.com\r\n\r\n",
        "": HEAD + chunk(TEXT[:20]) + chunk(TEXT[20:] + b": ping\r\n\r\n" + TEXT) +
            chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    }

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            length = 0
            while (line := self.rfile.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = json.loads(self.rfile.read(length))
            self.wfile.write(answers[body["prompt"]])

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        data = os.path.join(folder, "prompts.jsonl")
        with open(data, "w", encoding="utf-8") as file:
            for prompt in answers:
                file.write(json.dumps({"prompt": prompt, "max_tokens": 2}) + "\n")
        url = f"http://127.0.0.1:{server.server_address[1]}"
        out = bench(url, "m", "--dataset", data, checks=checks, what="misbehaviour")
        checks.equal({f["reason"]: f["count"] for f in out["failures"]},
                     {reason: 1 for reason in answers if reason}, "each fault has its name")
        checks.equal((out["completed"], out["total_output_tokens"]), (1, 2), "one stream is whole")
        examples = {f["reason"]: f["example"] for f in out["failures"]}
        checks.equal(examples["error in the stream"], "the model broke", "what the server said")
        server.shutdown()
    out = bench(url, "m", "--num-requests", "2", code=1, checks=checks, what="nobody there")
    checks.equal(out["failures"][0]["reason"], "connection refused", "nobody listens")


def check_wrong_flags(checks):
    for what, arguments, name in (
            ("a URL without scheme", ["--url", "localhost:1"], b"--url"),
            ("an endpoint", ["--endpoint", "responses"], b"--endpoint"),
            ("a rate below 0", ["--rate", "-1"], b"--rate"),
            ("a fixed rate of none", ["--fixed-rate"], b"--rate"),
            ("a dataset that is none", ["m", "--dataset", "/no/such"], b"/no/such")):
        done = ingot("bench", "serve", *arguments)
        checks.check(done.returncode in (1, 2) and name in done.stderr and not done.stdout,
                     f"{what}: {done.returncode} {done.stderr!r}")


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    checks = Checks()
    begin = time.monotonic()
    for check in (check_tokens, check_verify_sees, check_figures, check_refusals, check_interrupt,
                  check_misbehaviour, check_wrong_flags):
        check(checks)
        print(f"     {check.__name__}: {time.monotonic() - begin:.1f} s so far")
    checks.finish()


if __name__ == "__main__":
    main()
