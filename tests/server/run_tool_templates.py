"""Tools with the chat templates of published models: shown to the model, called where they must be,
and calls and results again in the next turn. The parrot (parrot_model.h) is what answers."""

import concurrent.futures
import json
import os
import sys
import tempfile

import jsonschema
import openai
from server_harness import LIMIT, Oracle, exchange, request

from cli_harness import ROOT, Checks

sys.path.insert(0, os.path.join(ROOT, "tests", "text"))
from published import templates  # noqa: E402

SECONDS = 15
ZONE = {"type": "object", "properties": {"zone": {"enum": ["CET-1", "UTC-0"]},
                                         "hour": {"type": "integer", "minimum": 10, "maximum": 12}},
        "required": ["zone", "hour"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": name, "description": f"tells {name} things",
                                           "parameters": ZONE}} for name in ("clock_now", "alarm")]
QUESTION = {"role": "user", "content": "What time is it? SAY:11"}
NAMED = {"type": "function", "function": {"name": "alarm"}}
# Whose calls are read and written in the model's own form.
FORMS = {"meta-llama-Llama-3.1-8B-Instruct.jinja": '{"name": "alarm", "parameters": ',
         "meta-llama-Llama-3.2-3B-Instruct.jinja": '{"name": "alarm", "parameters": ',
         "meta-llama-Llama-3.3-70B-Instruct.jinja": '{"name": "alarm", "parameters": ',
         "mistralai-Mistral-Nemo-Instruct-2407.jinja": '[TOOL_CALLS][{"name": "alarm", ',
         "Mistral-Small-3.2-24B-Instruct-2506.jinja": "[TOOL_CALLS]alarm[",
         "unsloth-mistral-Devstral-Small-2507.jinja": "[TOOL_CALLS]alarm[",
         "Qwen-Qwen2.5-7B-Instruct.jinja": '<tool_call>\n{"name": "alarm", "arguments": ',
         "Qwen-Qwen3-0.6B.jinja": '<tool_call>\n{"name": "alarm", "arguments": ',
         "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja":
             '<tool_call>\n{"name": "alarm", "arguments": ',
         "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja":
             '<tool_call>\n{"name": "alarm", "arguments": ',
         "Qwen3-Coder.jinja": "<tool_call>\n<function=alarm>\n<parameter=zone>\n",
         "Qwen3.5-4B.jinja": "<tool_call>\n<function=alarm>\n<parameter=zone>\n",
         "StepFun3.5-Flash.jinja": "<tool_call>\n<function=alarm>\n<parameter=zone>\n",
         "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja":
             "<tool_call>\n<function=alarm>\n<parameter=zone>\n",
         "GLM-4.6.jinja": "<tool_call>alarm\n<arg_key>zone</arg_key>\n<arg_value>",
         "GLM-4.7-Flash.jinja": "<tool_call>alarm<arg_key>zone</arg_key><arg_value>",
         "poolside-Laguna-XS.2.jinja": "<tool_call>alarm\n<arg_key>zone</arg_key>\n<arg_value>",
         "poolside-Laguna-S-2.1.jinja": "<tool_call>alarm<arg_key>zone</arg_key><arg_value>",
         "inclusionai-ling-3.0-flash.jinja":
             "<tool_call>alarm\n<arg_key>zone</arg_key>\n<arg_value>",
         "Spark2.5.jinja": "<tool_call>alarm<arg_key>zone</arg_key><arg_value>",
         "ibm-granite-granite-3.3-2B-Instruct.jinja":
             '<|tool_call|>[{"name": "alarm", "arguments": ',
         "fireworks-ai-llama-3-firefunction-v2.jinja":
             'functools[{"name": "alarm", "arguments": ',
         "own-phi4-mini": '<|tool_call|>[{"name": "alarm", "arguments": ',
         "own-glm4": '<|assistant|>alarm\n{"zone":',
         "own-glm4-tools": '<|assistant|>alarm\n{"zone":',
         "own-pythonic": "[alarm(zone=",
         # These know none: tools are described, calls are text.
         "google-gemma-2-2b-it.jinja": '<tool_call>\n{"name":"alarm","arguments":{',
         "microsoft-Phi-3.5-mini-instruct.jinja": '<tool_call>\n{"name":"alarm","arguments":{'}
# Shapes of templates that are not among the published ones.
OWN = {
    "own-phi4-mini":
        "{% for m in messages %}{% if m.tools is defined %}<|{{ m.role }}|>{{ m.content }}<|tool|>"
        "{{ m.tools }}<|/tool|><|end|>{% else %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}"
        "{% endfor %}<|assistant|>",
    "own-glm4":
        "[gMASK]<sop>{% if tools %}<|system|>{% for t in tools %}{{ t.function | tojson }}"
        "{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.metadata }}\n"
        "{{ m.content }}{% endfor %}<|assistant|>",
    "own-glm4-tools":
        "[gMASK]<sop>{% for m in messages %}{% if m['tools'] is defined %}<|system|>"
        "{% for t in m['tools'] %}{{ t.function | tojson }}{% endfor %}{% endif %}"
        "{% if m.content %}<|{{ m.role }}|>{{ m.metadata }}\n{{ m.content }}{% endif %}"
        "{% endfor %}<|assistant|>",
    "own-pythonic":
        "{% if tools %}Respond in the format [func_name1(a=1), func_name2()].\n"
        "{{ tools | tojson }}{% endif %}{% for m in messages %}"
        "<|{{ m.role }}|>{{ m.content or '' }}"
        "{% if m.tool_calls %}[{% for c in m.tool_calls %}{{ c.function.name }}("
        "{% for k, v in c.function.arguments | items %}{{ k }}={{ v | tojson }}"
        "{{ '' if loop.last else ', ' }}{% endfor %}){{ '' if loop.last else ', ' }}{% endfor %}]"
        "{% endif %}<|eot_id|>{% endfor %}<|assistant|>"}
LLAMA = [name for name in FORMS if name.startswith("meta-llama-")]
# A template that cannot do without more variables.
MORE = {"fireworks-ai-llama-3-firefunction-v2.jinja": {"datetime": ""}}


def rendered(server, messages, more):
    body = {"messages": messages, "tools": TOOLS, **more}
    answer = exchange(server.port, request("POST", "/apply-template", body))
    if answer.status != 200:
        raise ValueError(f"/apply-template: {answer.status} {answer.error('message')}")
    return answer.json()["prompt"]


def arguments_of(call, wanted):
    arguments = json.loads(call.function.arguments)
    jsonschema.validate(arguments, ZONE)
    if call.function.name not in wanted:
        raise ValueError(f"expected a call of {wanted}, found {call}")
    return arguments


def streamed_call(ask):
    name, arguments = "", ""
    for chunk in ask([QUESTION], tool_choice=NAMED, stream=True):
        delta = chunk.choices[0].delta
        if delta.content:
            raise ValueError(f"text beside a forced call: {delta.content!r}")
        for call in delta.tool_calls or []:
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    return name, arguments


# Calls whose arguments are not JSON, by a mark of their forms.
MEMBERS = {"<function=": "<tool_call>\n<function=alarm>\n<parameter=hour>\n11\n</parameter>\n"
                         "<parameter=zone>\nCET-1\n</parameter>\n</function>\n</tool_call>",
           "<arg_key>": "<tool_call>alarm\n<arg_key>hour</arg_key>\n<arg_value>11</arg_value>\n"
                        "<arg_key>zone</arg_key>\n<arg_value>CET-1</arg_value>\n</tool_call>"}


def check_streamed_members(ask, call):
    """A call that nothing holds: its arguments are typed by the schema, in pieces."""
    text = "Well.\n" + call
    deltas = [chunk.choices[0].delta for chunk in
              ask([{"role": "user", "content": "SAY:" + text}], stream=True)]
    calls = [call.function for delta in deltas for call in delta.tool_calls or []]
    said = "".join(call.arguments for call in calls)
    if calls[0].name != "alarm" or json.loads(said) != {"hour": 11, "zone": "CET-1"}:
        raise ValueError(f"a call of members: found {calls}")
    # Where a template has no mark behind a message, the parrot goes on with what follows it.
    content = "".join(delta.content or "" for delta in deltas)
    if len(calls) < 8 or not content.startswith("Well.\n") or "tool_call" in content:
        raise ValueError(f"a call of members, streamed: found {deltas}")


def said_strictly(ask, text, **more):
    """What comes of an answer that would be `text`, with strict tools: (calls, content)."""
    tools = [{**tool, "function": {**tool["function"], "strict": True}} for tool in TOOLS]
    message = ask([{"role": "user", "content": "SAY:" + text}], tools=tools,
                  **more).choices[0].message
    calls = [(call.function.name, arguments_of(call, ("clock_now", "alarm")))
             for call in message.tool_calls or []]
    return calls, message.content


def check_strict(name, ask):
    """Calls are of their schemas, however they are spelled; what is no call is as it is."""
    right = {"zone": "UTC-0", "hour": 12}
    call = '{"name": "alarm", "parameters": ' + json.dumps(right) + "}"
    wrong = '{"name": "alarm", "parameters": {"zone": "Mars", "when": 7}}'
    mid_text = 'Her card says {"name": "Ann", "parameters": {"age": 3}} and {"name": "alarm"}.'
    found = said_strictly(ask, mid_text, max_tokens=len(mid_text))
    if found != ([], mid_text):
        raise ValueError(f"JSON within text: expected it, found {found}")
    if name in LLAMA:
        if said_strictly(ask, call) != ([("alarm", right)], None):
            raise ValueError("a call as it should be has changed")
        if said_strictly(ask, call + "; " + call)[0] != 2 * [("alarm", right)]:
            raise ValueError("two calls as they should be have changed")
    for text in (wrong, wrong.replace("{", "{ ", 1), "\n" + wrong, "<|python_tag|>" + wrong,
                 wrong.replace('{"name"', '{"type": "function", "name"'),
                 '{"parameters": {"zone": 3}, "name": "alarm"}', "```json\n" + wrong + "\n```",
                 "[TOOL_CALLS][" + wrong.replace("parameters", "arguments") + "]",
                 "[TOOL_CALLS]alarm[ARGS]{}", '[TOOL_CALLS]alarm{"zone": 1}',
                 "<tool_call>" + wrong + "</tool_call>", "<|tool_call|>[" + wrong + "]",
                 "functools[" + wrong + "]", 'alarm\n{"zone": "Mars"}', '[alarm(zone="Mars")]',
                 "<function=alarm>\n<parameter=zone>\nMars\n</parameter>\n</function>",
                 "<tool_call>\n<function=alarm>\n<parameter=hour>\nnoon\n</parameter>\n",
                 "<tool_call>alarm\n<arg_key>hour</arg_key>\n<arg_value>noon</arg_value>\n",
                 "<tool_call>alarm<arg_key>zone</arg_key><arg_value>Mars</arg_value></tool_call>"):
        said_strictly(ask, text)  # its calls are looked at there


def check_template(name, source):
    """Why it does not hold; None where it does."""
    with tempfile.NamedTemporaryFile("w", suffix=".jinja", newline="") as file:
        file.write(source)
        file.flush()
        with Oracle(parrot=1, rows=4, context=32768, chat_template=file.name) as server:
            with openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0,
                               timeout=LIMIT) as client:
                check_conversation(name, server, client)


def check_conversation(name, server, client):
    more = {"chat_template_kwargs": MORE.get(name, {})}
    prompt = rendered(server, [QUESTION], more)
    for word in ("clock_now", "tells alarm things", "CET-1"):
        if word not in prompt:
            raise ValueError(f"{word!r} is not in the prompt: {prompt[-600:]!r}")

    def ask(messages, tools=TOOLS, **fields):  # pylint: disable=dangerous-default-value
        return client.chat.completions.create(model="oracle", messages=messages, tools=tools,
                                              extra_body=more, **fields)

    any_call = ask([QUESTION], tool_choice="required", parallel_tool_calls=False).choices[0]
    if any_call.finish_reason != "tool_calls" or any_call.message.content is not None:
        raise ValueError(f"a forced call: {any_call}")
    arguments_of(any_call.message.tool_calls[0], ("clock_now", "alarm"))
    named = ask([QUESTION], tool_choice=NAMED).choices[0].message
    call = named.tool_calls[0]
    arguments = arguments_of(call, ("alarm",))
    streamed = streamed_call(ask)
    if streamed != ("alarm", call.function.arguments):
        raise ValueError(f"streamed: expected {call}, found {streamed}")

    check_strict(name, ask)
    for mark, members in MEMBERS.items():
        if mark in FORMS.get(name, ""):
            check_streamed_members(ask, members)
    turns = [QUESTION, named.model_dump(exclude_none=True),
             {"role": "tool", "tool_call_id": call.id, "content": "ring at 11:59"}]
    again = rendered(server, turns, more)
    if rendered(server, [QUESTION, named.model_dump(), turns[2]], more) != again:
        raise ValueError("content that is null and content that is left out differ")
    behind = again[again.rindex("SAY:11"):]
    for word in ("alarm", arguments["zone"], "ring at 11:59", FORMS.get(name, "")):
        if word not in behind:
            raise ValueError(f"{word!r} is not in the next turn: {behind!r}")
    done = {"role": "assistant", "content": "Done.", "tool_calls": None, "function_call": None}
    next_turn = ask([*turns, done, QUESTION], tool_choice=NAMED).choices[0]
    if arguments_of(next_turn.message.tool_calls[0], ("alarm",)) != arguments:
        raise ValueError(f"a call in the next turn: expected {arguments}, found {next_turn}")


def held(job):
    try:
        check_template(*job)
    except (ValueError, KeyError, TypeError, openai.OpenAIError,
            jsonschema.ValidationError) as error:
        return f"{job[0]}: {type(error).__name__}: {error}"
    return None


def main():
    checks = Checks()
    published = {name: source for name, source in templates().items() if name.endswith(".jinja")}
    published.update(OWN)
    checks.equal(sorted(set(FORMS) - set(published)), [], "templates that must be there")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = dict(zip(published, pool.map(held, published.items())))
    for name in FORMS:
        checks.equal(said[name], None, name)
    for name in sorted(set(published) - set(FORMS)):
        checks.equal(said[name], None, name)
    checks.finish()


if __name__ == "__main__":
    main()
