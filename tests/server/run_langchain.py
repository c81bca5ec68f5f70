"""langchain-openai against `ingot serve`: whole, streamed and many answers, usage, tools."""

import os

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from server_harness import LIMIT, Oracle, Server, exchange, request

from cli_harness import Checks, ingot_json, real_model

NAME = "smollm2-135m-instruct"
QUESTION = "What is the capital of France?"
CALL = '<tool_call>{"name": "weather", "arguments": {"town": "Oslo", "days": 2}}</tool_call>'


def chat(url, **more):
    return ChatOpenAI(base_url=url + "/v1", api_key="none", timeout=LIMIT, max_retries=0,
                      **{"model": NAME, "temperature": 0, "max_tokens": 16, **more})


def check_texts(checks, url, port):
    reference = ingot_json("run", NAME, QUESTION, "--temperature", "0", "--max-tokens", "16")
    text, tokens = reference["text"], len(reference["token_ids"])
    answer = chat(url).invoke(QUESTION)
    checks.equal(answer.content, text, "invoke: the text of ingot run")
    checks.equal(answer.usage_metadata["output_tokens"], tokens, "invoke: usage")
    checks.equal(answer.response_metadata["finish_reason"], reference["finish_reason"],
                 "invoke: the end")
    chunks = list(chat(url, stream_usage=True).stream(QUESTION))
    checks.equal("".join(chunk.content for chunk in chunks), text, "stream: its parts join")
    checks.check(len(chunks) > 4, f"stream: {len(chunks)} parts")
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    checks.equal(whole.usage_metadata["output_tokens"], tokens, "stream: usage")
    questions = [QUESTION, "Name a fruit.", "What is 2 + 2?", "Say hello."]
    alone = [chat(url).invoke(question).content for question in questions]
    many = chat(url).batch(questions)
    checks.equal([one.content for one in many], alone, "batch: each question its answer")
    messages = [SystemMessage("You are brief."), HumanMessage("My name is Ada."),
                AIMessage("Hello Ada."), HumanMessage("What is my name?")]
    body = {"temperature": 0, "max_tokens": 16, "messages": [
        {"role": {"human": "user", "ai": "assistant"}.get(one.type, one.type),
         "content": one.content} for one in messages]}
    plain = exchange(port, request("POST", "/v1/chat/completions", body)).json()
    checks.equal(chat(url).invoke(messages).content, plain["choices"][0]["message"]["content"],
                 "a conversation: as its messages by hand")
    stopped = chat(url, stop=["Paris"]).invoke(QUESTION)
    checks.equal(stopped.content, text.split("Paris")[0], "stop")
    scored = chat(url, logprobs=True, top_logprobs=2).invoke(QUESTION)
    content = scored.response_metadata["logprobs"]["content"]
    # The end token has a text of its own, or none.
    checks.check(len(content) in (tokens, tokens - 1) and
                 all(len(one["top_logprobs"]) == 2 and one["logprob"] <= 0 for one in content),
                 f"log probabilities of {len(content)} tokens")


@tool
def weather(town: str, days: int) -> str:
    """The weather of a town."""
    return f"{town}: sun for {days} days"


def check_tools(checks):
    with Oracle(parrot=1, rows=8) as parrot:
        bound = chat(parrot.url, model="oracle", max_tokens=200).bind_tools([weather])
        answer = bound.invoke("SAY:" + CALL)
        checks.equal([(c["name"], c["args"]) for c in answer.tool_calls],
                     [("weather", {"town": "Oslo", "days": 2})], "bind_tools: the call is parsed")
        checks.equal(answer.invalid_tool_calls, [], "bind_tools: no call is broken")
        checks.equal(answer.response_metadata["finish_reason"], "tool_calls", "bind_tools: the end")
        result = weather.invoke(answer.tool_calls[0])
        checks.equal((result.content, result.tool_call_id),
                     ("Oslo: sun for 2 days", answer.tool_calls[0]["id"]), "the tool is called")
        again = bound.invoke([HumanMessage("Weather?"), answer,
                              ToolMessage(result.content, tool_call_id=result.tool_call_id),
                              HumanMessage("SAY:Fine.")])
        checks.equal((again.content, again.tool_calls), ("Fine.", []), "its result goes back")
        whole = None
        for chunk in bound.stream("SAY:Well. " + CALL + CALL):
            whole = chunk if whole is None else whole + chunk
        checks.equal([c["args"] for c in whole.tool_calls], [{"town": "Oslo", "days": 2}] * 2,
                     "streamed: two calls are joined from their parts")
        checks.equal(whole.content.strip(), "Well.", "streamed: the text before them")


def main():
    os.environ["LANGSMITH_TRACING"] = "false"
    checks = Checks()
    with Server(real_model(), "--served-model-name", NAME, "--max-seq-len", "1024") as server:
        check_texts(checks, server.url, server.port)
    check_tools(checks)
    checks.finish()


if __name__ == "__main__":
    main()
