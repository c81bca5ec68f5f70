"""`ingot serve` and SIGTERM while forms of answers wait to be compiled: what waits has its turn, or
is told when time is over; what runs ends, or is told; nothing hangs."""

import threading

from server_harness import Server, Wire, exchange, request

from cli_harness import Checks, real_model
from reliability import end_of_stream, eventually, late_request, look, not_ready

SECONDS = 10
MODEL = "smollm2-135m-instruct"
CHAT = "/v1/chat/completions"


def chat(**more):
    return request("POST", CHAT, {"messages": [{"role": "user", "content": "Count."}],
                                  "temperature": 0, **more})


def form(number, names):
    """A request whose form takes the compiler some time; no two are equal."""
    pattern = "^([a-z]{1,8}-){1,8}[0-9]{2,12}$"
    schema = {"type": "object", "additionalProperties": False,
              "properties": {f"p{number}_{k}": {"type": "string", "pattern": pattern}
                             for k in range(names)}}
    return chat(max_tokens=4, response_format={
        "type": "json_schema", "json_schema": {"name": "n", "schema": schema}})


class Scene:
    """A server with a stream under way and forms in the compiler's queue, which gets SIGTERM."""

    def __init__(self, checks, what, limit, tokens, forms, names):
        self.checks, self.what = checks, what
        self.server = Server(MODEL, "--max-num-seqs", "2", "--drain-timeout", str(limit))
        self.idle = Wire(self.server.port)
        self.idle.send(request("GET", "/livez"))
        self.idle.answer()
        self.stream = Wire(self.server.port)
        self.stream.send(chat(stream=True, max_tokens=tokens, ignore_eos=True))
        self.stream.until(b'"content":"')
        self.wires = [Wire(self.server.port) for _ in range(forms)]
        for number, wire in enumerate(self.wires):
            wire.send(form(number, names))
        checks.check(eventually(lambda: self.compiling() > forms // 2), f"{what}: forms wait")
        self.server.terminate()
        checks.check(eventually(lambda: not_ready(self.server)), f"{what}: not ready")
        checks.check(late_request(self.idle) in (503, "closed"), f"{what}: nothing new")

    def compiling(self):
        return look(self.server)["compile_queue"]["requests"]

    def answers(self):
        return [wire.answer() for wire in self.wires]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in (self.idle, self.stream, *self.wires):
            wire.close()
        self.checks.equal(self.server.exit_code(), 0, f"{self.what}: exit code")
        self.server.__exit__()


def in_time(checks):
    with Scene(checks, "in time", 100, tokens=60, forms=8, names=8) as scene:
        checks.equal(end_of_stream(scene.stream), "done", "in time: the stream ends")
        told = [answer and answer.status for answer in scene.answers()]
        checks.equal(told, [200] * len(told), "in time: what waited is compiled and answered")


def at_the_limit(checks):
    with Scene(checks, "at the limit", 1, tokens=7000, forms=32, names=30) as scene:
        ends = []
        stream = threading.Thread(target=lambda: ends.append(end_of_stream(scene.stream)))
        stream.start()
        answers = scene.answers()
        stream.join()
    checks.equal(ends, ["error"], "at the limit: the stream is told, and ends")
    told = [answer and answer.status for answer in answers]
    # How many had their turn is the machine's affair.
    checks.check(set(told) <= {200, 503} and 503 in told,
                 f"at the limit: what waits gets a 503: {told}")
    refused = {(answer.error("type"), answer.error("message"),
                int(answer.headers.get("retry-after", 0)) > 0)
               for answer in answers if answer and answer.status == 503}
    checks.equal(refused, {("unavailable_error", "the server is shutting down", True)},
                 "at the limit: which says why, and when to try again")


def main():
    checks = Checks()
    real_model()
    in_time(checks)
    at_the_limit(checks)
    checks.finish()


if __name__ == "__main__":
    main()
