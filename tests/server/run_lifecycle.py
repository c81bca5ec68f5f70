"""`ingot serve`: clients that leave in every phase, the end on SIGTERM, starts that must fail."""

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from server_harness import (BINARY, LIMIT, TINY, Server, Wire, exchange, make_certificate,
                            request)

from cli_harness import Checks, one_error_line, real_model

SECONDS = 30
MODEL = "smollm2-135m-instruct"
CHAT = "/v1/chat/completions"
LONG = " ".join(f"Word {i}." for i in range(900))  # thousands of tokens
MODELS = request("GET", "/v1/models")


def endless(prompt="Tell me a story.", **more):
    """An answer that takes longer than any check waits."""
    return request("POST", CHAT, {"messages": [{"role": "user", "content": prompt}],
                                  "max_tokens": 7000 if prompt != LONG else 3000,
                                  "ignore_eos": True, "temperature": 0, **more})


def short(tokens=3, **more):
    return request("POST", CHAT, {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0,
                                  "max_tokens": tokens, "ignore_eos": True, **more})


def eventually(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def first_piece(wire):
    """Reads a stream up to its first text."""
    status, _ = wire.head()
    chunk = b"" if status == 200 else None
    while chunk is not None and b'"content":"' not in chunk.replace(b'"content":""', b""):
        chunk = wire.chunk()
    return status


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def wait_a_moment(server):
    with Wire(server.port) as wire:
        wire.send(endless(stream=True))
        return wire.head()[0]


def live(server):
    return exchange(server.port, request("GET", "/requests")).json()


def nobody(seen):
    return seen["count"] == 0 and not any(seen["sequences"].values())


def reads_prompt(seen):
    return seen["sequences"]["running"] == 1 and seen["requests"][0]["output_tokens"] == 0


def draws(seen):
    return seen["count"] == 1 and seen["requests"][0]["output_tokens"] > 0


def check_phases(checks):
    """One answer at a time: whatever of these still ran would keep the next one waiting."""
    data = endless()
    head = data.index(b"\r\n\r\n") + 4
    phases = {"nothing sent": ((), nobody), "half a head": ((data[:40],), nobody),
              "a head": ((data[:head],), nobody), "half a body": ((data[:head + 30],), nobody),
              "a whole answer, computing": ((endless(),), draws),
              "a stream, computing its prompt": ((endless(LONG, stream=True),), reads_prompt),
              "a whole answer, computing its prompt": ((endless(LONG),), reads_prompt),
              "two requests at once": ((endless() + endless(),), draws),
              "a request behind one that computes": ((endless(), endless()), draws)}
    with Server(MODEL, "--max-num-seqs", "1", "--max-queued-requests", "2") as server:
        before = descriptors(server)
        alone = exchange(server.port, short()).json()["choices"]
        for name, (sent, phase) in phases.items():
            wire = Wire(server.port)
            for part in sent:
                wire.send(part)
                checks.check(eventually(lambda phase=phase: phase(live(server))),
                             f"{name}: as /requests tells it: {live(server)}")
            wire.close()
            checks.check(eventually(lambda: nobody(live(server))), f"{name}: it is gone")
            checks.equal(exchange(server.port, MODELS).status, 200, f"{name}: the server answers")
            checks.equal(exchange(server.port, short()).json().get("choices"), alone,
                         f"{name}: the next one runs")
        with Wire(server.port) as running:
            running.send(endless(stream=True))
            checks.equal(first_piece(running), 200, "a stream runs")
            # More than the queue holds. Who left is taken out of it in the next step.
            waited = [eventually(lambda: wait_a_moment(server) == 200) for _ in range(10)]
            checks.equal(waited, [True] * 10, "ten wait in turn, and leave")
        answers = []
        eventually(lambda: answers.append(exchange(server.port, short())) or
                   answers[-1].status != 429)
        checks.equal(answers[-1].json().get("choices"), alone,
                     "a stream that was read, and ten that waited: the next one runs")
        checks.check(eventually(lambda: descriptors(server) == before),
                     f"descriptors: {before} before, {descriptors(server)} after")
        checks.equal(server.stop(), 0, "SIGTERM: exit code")


def check_many(checks):
    """Hundreds of clients that leave after a random number of bytes, or of those they read."""
    draw = random.Random(7)
    body = {"prompt": [1, 2, 3], "max_tokens": 200, "ignore_eos": True, "temperature": 0,
            "return_token_ids": True}
    with Server(TINY) as server:
        before = descriptors(server)
        whole = request("POST", "/v1/completions", body)
        alone = exchange(server.port, whole).json()["choices"]
        for _ in range(400):
            wire = Wire(server.port)
            stream = request("POST", "/v1/completions", {**body, "stream": draw.random() < 0.5})
            cut = draw.randrange(2 * len(stream))
            wire.send(stream[:cut])
            if cut >= len(stream) and draw.random() < 0.7:
                wire.socket.recv(draw.randrange(1, 4000))
            if draw.random() < 0.3:  # an abort instead of an end
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.close()
        checks.equal(exchange(server.port, whole).json()["choices"], alone,
                     "400 clients left: the answer is the same")
        checks.check(eventually(lambda: descriptors(server) == before),
                     f"400 clients left: descriptors: {before} before, {descriptors(server)} after")
        checks.equal(server.stop(), 0, "400 clients left: exit code")


def check_drain(checks):
    """SIGTERM with answers under way: they end, no new ones begin."""
    tokens = 40
    with Server(MODEL, "--max-num-seqs", "2") as server:
        wires = [Wire(server.port) for _ in range(4)]  # two of them wait
        for wire in wires[:3]:
            wire.send(short(tokens, stream=True))
        wires[3].send(short(tokens))
        idle = Wire(server.port)
        idle.send(MODELS)
        idle.answer()
        first_piece(wires[0])
        for wire in wires[1:3]:
            checks.equal(wire.head()[0], 200, "drain: a stream is under way")
        server.terminate()

        def ready():
            try:
                answer = exchange(server.port, request("GET", "/readyz"))
            except ConnectionError:
                return "refused"
            return answer.status if answer else "closed"

        checks.check(eventually(lambda: ready() != 200), "drain: /readyz says no")
        idle.send(short())
        late = idle.answer()
        checks.check(late is None or (late.status == 503 and int(late.headers["retry-after"]) > 0),
                     f"drain: a new request is refused: {late and late.status}")
        bodies = []
        for wire in wires[:3]:
            while chunk := wire.chunk():
                wire.text = getattr(wire, "text", b"") + chunk
            checks.equal(chunk, b"", "drain: a stream ends as it should")
            bodies.append(getattr(wire, "text", b""))
        checks.equal([b.endswith(b"data: [DONE]\n\n") for b in bodies], [True] * 3,
                     "drain: streams finish with [DONE]")
        checks.equal([b'"finish_reason":"length"' in b and b'"error"' not in b for b in bodies],
                     [True] * 3, "drain: and with all their tokens")
        whole = wires[3].answer()
        checks.equal(whole and whole.json()["usage"]["completion_tokens"], tokens,
                     "drain: a whole answer is given")
        checks.equal(server.exit_code(), 0, "drain: exit code")


def check_drain_timeout(checks):
    """What does not end in time gets an error, not a bare close."""
    with Server(MODEL, "--drain-timeout", "1", "--max-num-seqs", "1") as server:
        running, waiting, whole = (Wire(server.port) for _ in range(3))
        running.send(endless(stream=True))
        first_piece(running)
        waiting.send(endless(stream=True))
        waiting.head()
        whole.send(endless())
        server.terminate()
        for name, wire in (("a running stream", running), ("a waiting stream", waiting)):
            text = b""
            while chunk := wire.chunk():
                text = chunk
            checks.equal(chunk, b"", f"drain timeout: {name} ends as chunks do")
            checks.check(b'data: {"error":{' in text and b"unavailable_error" in text,
                         f"drain timeout: {name} is told: {text[:120]}")
            checks.check(b"[DONE]" not in text, f"drain timeout: {name} is not done")
        answer = whole.answer()
        found = answer and (answer.status, answer.error("type"))
        checks.equal(found, (503, "unavailable_error"), "drain timeout: a whole answer is told")
        checks.equal(server.exit_code(), 0, "drain timeout: exit code")


def check_hangup(checks):
    """SIGHUP drains as SIGTERM does; under nohup, which ignores it, nothing happens."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    with Server(MODEL) as server, Wire(server.port) as wire:
        wire.send(short(40, stream=True))
        first_piece(wire)
        server.process.send_signal(signal.SIGHUP)
        text = b"".join(iter(wire.chunk, b""))
        checks.check(b"[DONE]" in text, f"SIGHUP: a stream gets to its end: {text[-200:]}")
        checks.equal(server.exit_code(), 0, "SIGHUP: exit code")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Server(TINY) as server:
        server.process.send_signal(signal.SIGHUP)
        checks.equal(exchange(server.port, request("GET", "/readyz")).status, 200,
                     "SIGHUP under nohup: ready")
        checks.equal(server.stop(), 0, "SIGHUP under nohup: exit code after SIGTERM")
    signal.signal(signal.SIGHUP, before)


def check_closed_output(checks):
    """Who closes standard output when the port is known gets a server all the same."""
    # A model of some size: the second event comes when the output is closed.
    process = subprocess.Popen([BINARY, "serve", MODEL, "--port", "0", "--json"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        port = json.loads(process.stdout.readline())["port"]
        process.stdout.close()
        ready = request("GET", "/readyz")
        checks.check(eventually(lambda: exchange(port, ready).status == 200),
                     "standard output closed: ready")
        process.terminate()
        said = process.communicate(timeout=LIMIT)[1]
        checks.check(b"reached nobody" in said, f"standard output closed: a line: {said!r}")
        checks.equal(process.returncode, 0, "standard output closed: exit code")
    finally:
        process.kill()


def check_tls(checks, folder):
    """A client that leaves is noticed behind TLS too; a second SIGTERM does not wait."""
    certificate, key = make_certificate(folder)
    tls = ssl.create_default_context(cafile=certificate)
    with Server(MODEL, "--max-num-seqs", "1", "--ssl-certfile", certificate, "--ssl-keyfile",
                key) as server:
        wire = Wire(server.port, tls)
        wire.send(endless())
        requests = request("GET", "/requests")
        checks.check(eventually(lambda: draws(exchange(server.port, requests, tls=tls).json())),
                     "a whole answer over TLS is being computed")
        wire.socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            wire.socket.unwrap()  # TLS's own end stays unread; behind it comes the connection's
        wire.close()
        checks.equal(exchange(server.port, short(), tls=tls).status, 200,
                     "a whole answer over TLS, computing: the next one runs")
        with Wire(server.port, tls) as wire:
            wire.send(endless(stream=True))
            first_piece(wire)
            server.terminate()
            ready = request("GET", "/readyz")
            eventually(lambda: exchange(server.port, ready, tls=tls).status == 503)
            server.terminate()
            checks.equal(server.exit_code(), 128 + signal.SIGTERM, "a second SIGTERM: at once")


def check_starts(checks, folder):
    """One line that says why, and the exit code: 1 for what fails, 2 for wrong usage."""
    def failed(what, code, names, *flags, model=TINY, env=None):
        done = subprocess.run([BINARY, "serve", model, *flags], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=LIMIT,
                              env={**os.environ, **(env or {})})
        checks.equal(done.returncode, code, f"{what}: exit code")
        lines = [line for line in done.stderr.splitlines() if not line.startswith(b"listening")]
        done.stderr = b"\n".join(lines)
        line = one_error_line(done) or ""
        checks.check(line and all(name in line for name in names), f"{what}: {done.stderr!r}")
        checks.equal(done.stdout, b"", f"{what}: nothing on standard output")

    with Server(TINY) as server:
        port = str(server.port)
        failed("a port that is taken", 1, [port, "127.0.0.1"], "--port", port)
    failed("no host", 1, ["256.1.1.1"], "--host", "256.1.1.1", "--api-key", "k")
    failed("a host elsewhere", 1, ["192.0.2.1"], "--host", "192.0.2.1", "--api-key", "k")
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        failed(f"{host} without a key", 2, [host, "--api-key"], "--host", host)
    for flag, value in (("--port", "65536"), ("--port", "-1"), ("--max-num-seqs", "0"),
                        ("--drain-timeout", "-1"), ("--workers", "x"), ("--io-threads", "0"),
                        ("--fairness", "maybe"), ("--max-body-memory", "0")):
        failed(f"{flag} {value}", 2, [flag, value], flag, value)
    failed("a wrong value in a variable", 2, ["INGOT_PORT"], env={"INGOT_PORT": "http"})
    failed("a certificate without its key", 2, ["--ssl-keyfile"], "--ssl-certfile", "x.pem")
    failed("no certificate there", 1, ["x.pem"], "--ssl-certfile", "x.pem", "--ssl-keyfile", "y")
    empty = os.path.join(folder, "empty")
    with open(empty, "w", encoding="utf-8") as file:
        file.write("# no key\n")
    failed("a key file without keys", 1, [empty], "--api-key-file", empty)
    failed("no key file there", 1, [empty + "x"], "--api-key-file", empty + "x")
    failed("no model there", 1, ["/no/such/model"], "--port", "0", model="/no/such/model")
    with Server(TINY, "--host", "0.0.0.0", "--allow-no-key") as server:
        checks.equal(exchange(server.port, MODELS).status, 200, "0.0.0.0 with --allow-no-key")


def main():
    checks = Checks()
    real_model()
    with tempfile.TemporaryDirectory() as folder:
        check_starts(checks, folder)
        check_tls(checks, folder)
    check_many(checks)
    check_phases(checks)
    check_drain(checks)
    check_hangup(checks)
    check_closed_output(checks)
    check_drain_timeout(checks)
    checks.finish()


if __name__ == "__main__":
    main()
