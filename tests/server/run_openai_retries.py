"""`ingot serve` and the official `openai` client's own retries: refused while the queue is full,
the model loads, or the server ends, it waits as Retry-After says, asks again, and has its answer.
"""

import tempfile
import threading
import time

import openai
from server_harness import LIMIT, Server

from cli_harness import Checks, real_model

SECONDS = 25
NAME = "smollm2-135m-instruct"
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
ENDLESS = {"stream": True, "max_tokens": 4000, "extra_body": {"ignore_eos": True}}


class Patient:
    """A client that retries, and what it was answered: (status, Retry-After, when)."""

    def __init__(self, server, on_refusal=lambda: None):
        self.seen = []
        self.on_refusal = on_refusal
        transport = openai.DefaultHttpxClient(event_hooks={"response": [self.note]})
        self.client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=20,
                                    timeout=LIMIT, http_client=transport)

    def note(self, response):
        after = response.headers.get("retry-after", "")
        self.seen.append((response.status_code, after, time.monotonic()))
        if response.status_code != 200:
            self.on_refusal()

    def ask(self):
        return self.client.chat.completions.create(model=NAME, messages=MESSAGES, temperature=0,
                                                   max_tokens=8).choices[0].message.content

    def check(self, checks, what, status):
        refused = self.seen[:-1]
        checks.check(refused and self.seen[-1][0] == 200 and refused[0][0] == status,
                     f"{what}: {[one[0] for one in self.seen]}")
        for (code, after, then), (_, _, later) in zip(refused, self.seen[1:]):
            checks.check(code in (429, 503) and after.isdigit() and 0 < int(after) <= later - then,
                         f"{what}: {code}, Retry-After {after}: asked again {later - then:.1f} s "
                         "later")


def stream(server):
    """An answer under way that would not end by itself."""
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0,
                           timeout=LIMIT)
    out = client.chat.completions.create(model=NAME, messages=MESSAGES, **ENDLESS)
    pieces = iter(out)
    while not next(pieces).choices[0].delta.content:
        pass
    return out


def full_queue(checks, wanted):
    """One answer runs and one waits until the first refusal has come."""
    with Server(NAME, "--max-num-seqs", "1", "--max-queued-requests", "1") as server:
        running = stream(server)
        more = openai.OpenAI(base_url=server.url + "/v1", api_key="none", timeout=LIMIT)
        waiting = more.chat.completions.create(model=NAME, messages=MESSAGES, **ENDLESS)

        def leave():
            waiting.close()
            running.close()

        client = Patient(server, leave)
        checks.equal(client.ask(), wanted, "a full queue: the answer")
        client.check(checks, "a full queue", 429)


def loading(checks, wanted):
    """No engine is cached, so that one is built and tuned while the client asks."""
    path = real_model()
    with tempfile.TemporaryDirectory() as folder:
        with Server(path, "--served-model-name", NAME, wait=False,
                    env={"INGOT_CACHE_DIR": folder}) as server:
            client = Patient(server)
            checks.equal(client.ask(), wanted, "while it loads: the answer")
            client.check(checks, "while it loads", 503)


def draining(checks, wanted):
    """As a restart: the server's end, and another one on its port."""
    with Server(NAME) as server:
        running = stream(server)
        ended = threading.Event()

        def leave():
            running.close()
            ended.set()

        client = Patient(server, leave)
        server.terminate()
        end = time.monotonic() + LIMIT
        while "draining" not in server.stderr() and time.monotonic() < end:
            time.sleep(0.01)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(client.ask()))
        asking.start()
        ended.wait(LIMIT)
        checks.equal(server.exit_code(), 0, "at the end: exit code")
        with Server(NAME, "--port", str(server.port)):
            asking.join(LIMIT)
            checks.equal(answers, [wanted], "at the end: the next server's answer")
        client.check(checks, "at the end", 503)


def main():
    checks = Checks()
    real_model()
    with Server(NAME) as server:
        wanted = Patient(server).ask()
    for case in (full_queue, loading, draining):
        case(checks, wanted)
    checks.finish()


if __name__ == "__main__":
    main()
