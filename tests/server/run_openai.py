"""`ingot serve` answers the official `openai` client: texts, streams, log probabilities, errors."""

import asyncio
import re
import time

import openai
from server_harness import LIMIT, Server

from cli_harness import Checks, ingot_json, real_model

SECONDS = 30
NAME = "smollm2-135m-instruct"
QUESTION = "What is the capital of France?"
MESSAGES = [{"role": "user", "content": QUESTION}]
LONG = [{"role": "user", "content": "Write a long story about the sea."}]
TOWNS = ["Rome", "Oslo", "Lima", "Cairo", "Tokyo", "Paris", "Quito", "Delhi", "Accra", "Seoul",
         "Hanoi", "Bern", "Riga", "Minsk", "Doha", "Dakar", "Sofia", "Kyiv", "Tunis", "Nairobi",
         "Prague", "Vienna", "Berlin", "Madrid", "Lisbon", "Dublin", "London", "Athens", "Ankara",
         "Baku", "Kabul", "Male"]


def client_of(server, key="none", kind=openai.OpenAI):
    return kind(base_url=server.url + "/v1", api_key=key, max_retries=0, timeout=LIMIT)


def chat(client, messages=None, **more):
    given = {"model": NAME, "temperature": 0, "max_tokens": 16, **more}
    return client.chat.completions.create(messages=messages or MESSAGES, **given)


def check_chat(checks, client):
    whole = chat(client)
    choice = whole.choices[0]
    reference = ingot_json("run", NAME, QUESTION, "--temperature", "0", "--max-tokens", "16")
    checks.equal(choice.message.content, reference["text"], "chat: the text of ingot run")
    checks.equal(choice.finish_reason, reference["finish_reason"], "chat: finish reason")
    checks.equal(choice.message.role, "assistant", "chat: role")
    checks.check(whole.id.startswith("chatcmpl-") and whole.object == "chat.completion",
                 f"chat: id and object: {whole.id} {whole.object}")
    checks.equal(whole.model, NAME, "chat: model")
    prompt, output = len(reference["prompt_token_ids"]), len(reference["token_ids"])
    usage = whole.usage
    checks.equal((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
                 (prompt, output, prompt + output), "chat: usage")
    short = chat(client, max_completion_tokens=3, max_tokens=None)
    checks.equal((short.choices[0].finish_reason, short.usage.completion_tokens), ("length", 3),
                 "chat: max_completion_tokens")
    parts = chat(client, [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}])
    checks.equal(parts.choices[0].message.content, choice.message.content, "chat: text parts")
    return choice.message.content


def check_stream(checks, client, text):
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    usage = chunks.pop()
    deltas = [chunk.choices[0].delta for chunk in chunks]
    checks.equal("".join(d.content or "" for d in deltas), text, "stream: deltas join to the text")
    checks.equal([d.role for d in deltas if d.role], ["assistant"], "stream: one role")
    checks.equal(deltas[0].role, "assistant", "stream: the role comes first")
    checks.check(sum(bool(d.content) for d in deltas) > 3, "stream: it comes in pieces")
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    checks.equal([r for r in reasons if r], ["stop"], "stream: one finish reason")
    checks.equal(reasons[-1], "stop", "stream: it comes last")
    checks.equal((usage.choices, usage.usage.completion_tokens > 0), ([], True),
                 "include_usage: a last chunk without choices")
    checks.equal({chunk.usage for chunk in chunks}, {None}, "include_usage: null before it")
    checks.equal(len({(c.id, c.created, c.model, c.object) for c in [*chunks, usage]}), 1,
                 "stream: same id, created, model and object throughout")
    checks.equal({chunk.usage for chunk in chat(client, stream=True)}, {None},
                 "stream: no usage unless asked")


def check_choices(checks, client, text):
    equal = chat(client, n=2)
    checks.equal([(c.index, c.message.content) for c in equal.choices], [(0, text), (1, text)],
                 "n=2 at temperature 0")
    drawn = {"n": 2, "temperature": 1.5, "seed": 7}
    one, again = chat(client, LONG, **drawn), chat(client, LONG, **drawn)
    texts = [c.message.content for c in one.choices]
    checks.check(texts[0] != texts[1], f"n=2: two draws: {texts}")
    checks.equal([c.message.content for c in again.choices], texts, "the same seed: the same texts")
    streamed = ["", ""]
    for chunk in chat(client, LONG, stream=True, **drawn):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    checks.equal(streamed, texts, "n=2 streamed: the same texts")
    other = chat(client, LONG, **{**drawn, "seed": 8})
    checks.check([c.message.content for c in other.choices] != texts, "another seed: other texts")
    free = [chat(client, LONG, temperature=1.5).choices[0].message.content for _ in range(2)]
    checks.check(free[0] != free[1], "no seed: other texts each time")


def check_stops(checks, client, text):
    word = text.split()[3]
    cut = text[:text.index(word)]
    for stop in (word, ["no such text", word]):
        found = chat(client, stop=stop).choices[0]
        checks.equal((found.message.content, found.finish_reason), (cut, "stop"), f"stop={stop}")
    streamed = "".join(chunk.choices[0].delta.content or ""
                       for chunk in chat(client, stream=True, stop=word))
    checks.equal(streamed, cut, "stop, streamed: nothing of it is seen")


def check_logprobs(checks, client, text):
    whole = chat(client, logprobs=True, top_logprobs=3).choices[0]
    entries = whole.logprobs.content
    checks.equal("".join(e.token for e in entries), text, "logprobs: tokens join to the text")
    checks.equal(b"".join(bytes(e.bytes) for e in entries).decode(), text, "logprobs: bytes too")
    checks.check(all(len(e.top_logprobs) == 3 and e.logprob <= 0 for e in entries),
                 "top_logprobs: 3 a token")
    checks.check(all(e.top_logprobs[0].token == e.token for e in entries),
                 "top_logprobs: greedy draws the first")
    checks.check(all(abs(e.top_logprobs[0].logprob - e.logprob) < 1e-6 for e in entries),
                 "top_logprobs: and has its probability")
    streamed = []
    for chunk in chat(client, stream=True, logprobs=True, top_logprobs=3):
        logprobs = chunk.choices[0].logprobs
        streamed += logprobs.content if logprobs else []
    checks.equal([(e.token, e.logprob) for e in streamed], [(e.token, e.logprob) for e in entries],
                 "logprobs: streamed as whole")
    plain = chat(client, logprobs=True).choices[0].logprobs.content
    checks.equal([e.top_logprobs for e in plain], [[]] * len(entries), "logprobs without top ones")


def check_completions(checks, client):
    def complete(prompt, **more):
        given = {"model": NAME, "temperature": 0, "max_tokens": 8, **more}
        return client.completions.create(prompt=prompt, **given)

    prompts = ["The capital of France is", "One, two, three,"]
    runs = [ingot_json("run", NAME, "--raw", p, "--temperature", "0", "--max-tokens", "8")
            for p in prompts]
    texts = [run["text"] for run in runs]
    ids = [run["prompt_token_ids"] for run in runs]
    whole = complete(prompts[0])
    checks.equal(whole.choices[0].text, texts[0], "completions: the text of ingot run --raw")
    checks.equal((whole.object, whole.usage.prompt_tokens), ("text_completion", len(ids[0])),
                 "completions: object and usage")
    for prompt, expected, what in ((prompts, texts, "a list of texts"),
                                   (ids[0], texts[:1], "token ids"),
                                   (ids, texts, "lists of token ids")):
        found = complete(prompt)
        checks.equal([(c.index, c.text) for c in found.choices], list(enumerate(expected)),
                     f"completions: {what}")
    checks.equal([(c.index, c.text) for c in complete(prompts, n=2).choices],
                 [(0, texts[0]), (1, texts[0]), (2, texts[1]), (3, texts[1])],
                 "completions: choices in order of prompts")
    streamed = ["", ""]
    for chunk in complete(prompts, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    checks.equal(streamed, texts, "completions: streamed")
    logprobs = complete(prompts[0], logprobs=2).choices[0].logprobs
    checks.equal("".join(logprobs.tokens), texts[0], "completions: logprobs' tokens")
    checks.equal([texts[0][o:].startswith(t)
                  for t, o in zip(logprobs.tokens, logprobs.text_offset)], [True] * 8,
                 "completions: text_offset")
    checks.equal([max(top, key=top.get) for top in logprobs.top_logprobs], logprobs.tokens,
                 "completions: top_logprobs")


def check_scores(checks, client):
    """As lm-eval's local-completions: prompt and continuation as ids, their log probabilities
    echoed, one token drawn behind them. Greedy answers must score as when they were drawn."""
    prompts = ["The capital of France is", "One, two, three,"]
    runs = [ingot_json("run", NAME, "--raw", p, "--temperature", "0", "--max-tokens", "8",
                       "--logprobs", "1") for p in prompts]
    rows = [run["prompt_token_ids"] + run["token_ids"] for run in runs]
    scored = client.completions.create(model=NAME, prompt=rows, temperature=0, max_tokens=1,
                                       logprobs=1, seed=1234, echo=True)
    for run, row, choice in zip(runs, rows, scored.choices):
        found, context = choice.logprobs, len(run["prompt_token_ids"])
        checks.equal((len(found.token_logprobs), found.token_logprobs[0], found.top_logprobs[0]),
                     (len(row) + 1, None, None), "scores: one a token, the first null")
        total = sum(found.token_logprobs[context:-1])
        own = sum(entry["logprob"] for entry in run["logprobs"])
        checks.check(abs(total - own) < 1e-2, f"scores: the sum of ingot run: {total} {own}")
        greedy = [logprob == max(top.values()) for logprob, top in
                  zip(found.token_logprobs[context:-1], found.top_logprobs[context:-1])]
        checks.equal(greedy, [True] * len(run["token_ids"]), "scores: greedy tokens are the best")
        checks.equal([choice.text[o:].startswith(t)
                      for t, o in zip(found.tokens, found.text_offset)], [True] * (len(row) + 1),
                     "scores: text_offset")
    alone = client.completions.create(model=NAME, prompt=rows[0], max_tokens=0, logprobs=1,
                                      echo=True).choices[0]
    difference = max(abs(a - b) for a, b in zip(alone.logprobs.token_logprobs[1:],
                                                scored.choices[0].logprobs.token_logprobs[1:-1]))
    checks.check(difference < 1e-3, f"scores: max_tokens 0 gives the same: {difference}")


def check_masks(checks, client, text):
    ids = ingot_json("run", NAME, "--raw", "Paris", "--max-tokens", "1")["prompt_token_ids"]
    checks.equal(len(ids), 1, "Paris is one token")
    forced = chat(client, max_tokens=3, logit_bias={str(ids[0]): 100}).choices[0].message.content
    checks.equal(forced, "Paris" * 3, "logit_bias 100: nothing else")
    without = chat(client, extra_body={"bad_words": ["Paris"]}).choices[0].message.content
    checks.check("Paris" in text and "Paris" not in without, f"bad_words: {text!r} {without!r}")
    best = chat(client, n=1, temperature=1.2, seed=3, extra_body={"best_of": 4}, logprobs=True)
    all_four = chat(client, n=4, temperature=1.2, seed=3, logprobs=True)

    def mean(choice):
        values = [entry.logprob for entry in choice.logprobs.content]
        return sum(values) / len(values)

    checks.check(best.choices[0].message.content in
                 [c.message.content for c in all_four.choices], "best_of: one of those of n")
    checks.check(mean(best.choices[0]) >= sorted(map(mean, all_four.choices))[-2] - 1e-3,
                 "best_of: a good one")
    beams = chat(client, n=2, max_tokens=8, extra_body={"use_beam_search": True, "best_of": 3})
    texts = [c.message.content for c in beams.choices]
    checks.check(texts[0] != texts[1], f"use_beam_search: two beams: {texts}")


def raised(call, *arguments, **more):
    """The error that a call raises, by its class's name."""
    try:
        call(*arguments, **more)
    except openai.OpenAIError as error:
        return type(error).__name__, error
    return "nothing", None


def check_errors(checks, client):
    kind, error = raised(chat, client, model="gpt-none")
    checks.equal((kind, getattr(error, "code", ""), getattr(error, "param", "")),
                 ("NotFoundError", "model_not_found", "model"), "a wrong model")
    kind, _ = raised(client.models.retrieve, "gpt-none")
    checks.equal(kind, "NotFoundError", "models.retrieve of a wrong one")
    fields = {"temperature": -1, "top_p": 2, "n": 0, "max_tokens": 0, "presence_penalty": 3,
              "stop": [""], "seed": "x", "logit_bias": {"5": 101}, "top_logprobs": 21,
              "tools": [{"type": "function", "function": {"name": "no spaces"}}],
              "stream_options": {"include_usage": True}, "response_format": {"type": "xml"}}
    for name, value in fields.items():
        kind, error = raised(chat, client, **{name: value})
        param = getattr(error, "param", None) or ""
        checks.equal((kind, re.split(r"[.\[]", param)[0]), ("BadRequestError", name),
                     f"{name}={value}")
        checks.check(name in str(error), f"{name}={value}: the message names it: {error}")
    kind, error = raised(chat, client, extra_body={"temperatur": 1})
    checks.equal((kind, getattr(error, "param", "")), ("BadRequestError", "temperatur"),
                 "an unknown field")
    kind, error = raised(chat, client, [{"role": "nobody", "content": "x"}])
    checks.equal((kind, getattr(error, "param", "")), ("BadRequestError", "messages[0].role"),
                 "a wrong role")
    kind, error = raised(chat, client, [{"role": "user", "content": "word " * 9000}])
    checks.equal((kind, getattr(error, "code", "")), ("BadRequestError", "context_length_exceeded"),
                 "a prompt too long")
    kind, error = raised(chat, client, user="somebody", metadata={"a": "b"})
    checks.equal(kind, "nothing", f"fields without effect are taken: {error}")
    raw = client.chat.completions.with_raw_response.create(
        model=NAME, messages=MESSAGES, max_tokens=1, user="somebody", store=False)
    checks.equal(sorted(raw.headers["x-ignored-fields"].split(", ")), ["store", "user"],
                 "fields without effect are named")


def check_models(checks, client):
    listed = [model.id for model in client.models.list()]
    checks.equal(listed, [NAME], "models.list")
    model = client.models.retrieve(NAME)
    checks.equal((model.id, model.object, model.max_model_len), (NAME, "model", 8192),
                 "models.retrieve")


async def stream_text(client, town):
    stream = await chat(client, [{"role": "user", "content": f"Where is {town}?"}], max_tokens=6,
                        stream=True)
    ends, text = 0, ""
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        ends += bool(chunk.choices[0].finish_reason)
    return (text, ends)


async def check_many(checks, server):
    async with client_of(server, kind=openai.AsyncOpenAI) as client:
        alone = [await stream_text(client, town) for town in TOWNS]
        together = await asyncio.gather(*(stream_text(client, town) for town in TOWNS))
    checks.equal([ends for _, ends in together], [1] * 32, "32 streams at once: each ends once")
    checks.equal(together, alone, "32 streams at once: each as it is alone")
    checks.check(len({text for text, _ in alone}) > 16, "32 streams: they differ")


def check_full_queue(checks, server):
    """One answer runs, one waits, one is too many."""
    client = client_of(server, "secret")
    kind, error = raised(chat, client_of(server, "wrong"))
    checks.equal((kind, getattr(error, "code", "")), ("AuthenticationError", "invalid_api_key"),
                 "a wrong key")
    endless = {"stream": True, "max_tokens": 4000, "extra_body": {"ignore_eos": True}}
    running = chat(client, LONG, **endless)
    pieces = iter(running)
    while not next(pieces).choices[0].delta.content:
        pass
    waiting = chat(client, LONG, **endless)
    kind, error = raised(chat, client)
    checks.equal((kind, getattr(error, "code", "")), ("RateLimitError", "queue_full"),
                 "a full queue")
    after = error.response.headers.get("retry-after", "") if error else ""
    checks.check(after.isdigit() and int(after) > 0, f"a full queue: Retry-After: {after}")
    checks.check(next(pieces).choices[0].delta.content is not None, "what runs is not disturbed")
    waiting.close()
    running.close()
    # A closed stream is noticed within a step or two; until then the queue may still be full.
    end = time.monotonic() + LIMIT
    kind, error = raised(chat, client)
    while kind == "RateLimitError" and time.monotonic() < end:
        kind, error = raised(chat, client)
    checks.equal(kind, "nothing", f"closed streams make room: {error}")


def check_gone(checks, server, client):
    checks.equal(server.stop(), 0, "SIGTERM: exit code")
    checks.equal(raised(chat, client)[0], "APIConnectionError", "after the end")


def main():
    checks = Checks()
    real_model()
    with Server(NAME) as server:
        client = client_of(server)
        check_models(checks, client)
        text = check_chat(checks, client)
        check_stream(checks, client, text)
        check_choices(checks, client, text)
        check_stops(checks, client, text)
        check_logprobs(checks, client, text)
        check_completions(checks, client)
        check_scores(checks, client)
        check_masks(checks, client, text)
        check_errors(checks, client)
        asyncio.run(check_many(checks, server))
        check_gone(checks, server, client)
    with Server(NAME, "--max-num-seqs", "1", "--max-queued-requests", "1", "--api-key",
                "secret") as server:
        check_full_queue(checks, server)
    checks.finish()


if __name__ == "__main__":
    main()
