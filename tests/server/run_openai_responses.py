"""`ingot serve` answers the official `openai` client's responses, whole and streamed."""

import openai
from server_harness import LIMIT, Server

from cli_harness import Checks, real_model

NAME = "smollm2-135m-instruct"
QUESTION = "What is the capital of France?"


def check_responses_stream(checks, client):
    given = {"model": NAME, "input": QUESTION, "temperature": 0, "max_output_tokens": 16}
    whole = client.responses.create(**given)
    events = list(client.responses.create(**given, stream=True))
    kinds = [event.type for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    checks.check(len(deltas) > 3, f"responses: the text comes in pieces: {deltas}")
    checks.equal([kind for kind in kinds if kind != "response.output_text.delta"],
                 ["response.created", "response.in_progress", "response.output_item.added",
                  "response.content_part.added", "response.output_text.done",
                  "response.content_part.done", "response.output_item.done",
                  "response.completed"], "responses: the other events, in order")
    checks.equal(kinds[4:-4], ["response.output_text.delta"] * len(deltas),
                 "responses: deltas come within the part")
    checks.equal([event.sequence_number for event in events], list(range(len(events))),
                 "responses: events are numbered")
    first, last, done = events[0].response, events[-1].response, events[-4]
    checks.equal((first.status, first.output), ("in_progress", []), "responses: the first event")
    checks.equal(last.output_text, whole.output_text, "responses: streamed, the text is the same")
    checks.equal(("".join(deltas), done.text), (whole.output_text, whole.output_text),
                 "responses: deltas join to the text")
    checks.equal((last.id, last.status), (first.id, "completed"), "responses: one id to the end")
    checks.equal(last.usage.output_tokens, whole.usage.output_tokens, "responses: usage")
    with client.responses.stream(**{**given, "max_output_tokens": 3}) as stream:
        cut = [event.type for event in stream]
        checks.equal(cut[-1], "response.incomplete", "responses: cut off")


def main():
    checks = Checks()
    with Server(real_model(), "--served-model-name", NAME) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0,
                               timeout=LIMIT)
        check_responses_stream(checks, client)
    checks.finish()


if __name__ == "__main__":
    main()
