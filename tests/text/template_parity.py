#!/usr/bin/env python3
"""Rendered chat templates equal those of jinja2 with the settings of Hugging Face transformers.

The templates are those of published models (build/published), some written here in the shapes that
families use, and snippets for each construct; more can be given as files.

usage: template_parity.py --tool build/dev/tests/text_tool [--templates FILE.jinja ...]
"""

import argparse
import datetime
import functools
import json
import subprocess
import sys
import tempfile

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

import published


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


NOW = 1764460800


@functools.cache
def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads  # the programs that DeepSeek's templates are for have it
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = datetime.datetime.fromtimestamp(
        NOW, datetime.timezone.utc).strftime
    return env


@functools.cache
def compiled(source):
    return environment().from_string(source)


def reference(source, case):
    variables = dict(case.get("extra", {}), messages=case["messages"],
                     add_generation_prompt=case["add_generation_prompt"],
                     bos_token=case["bos_token"], eos_token=case["eos_token"])
    try:
        return compiled(source).render(**variables)
    except (jinja2.exceptions.TemplateError, TypeError, ArithmeticError, AttributeError,
            LookupError, ValueError) as error:
        return error


CHATML = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are helpful.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n{\\"name\\": <name>}<|im_end|>\\n" }}
{%- elif messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or
           (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

INST = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}
{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}
{% set system_message = false %}{% endif %}{% for message in loop_messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate') }}{% endif %}
{% if loop.index0 == 0 and system_message != false %}
{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}
{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}
{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}
{% endfor %}"""

HEADERS = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if not date_string is defined %}{% set date_string = "26 Jul 2024" %}{% endif %}
{#- The system message leads. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' +
            message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("one tool-call at once") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' ~ arg_val ~ '"' }}
            {%- if not loop.last %}{{- ", " }}{%- endif %}
        {%- endfor %}
    {%- else %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}{{- message.content }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- set loop_messages = messages | rejectattr("role", "equalto", "system") | list %}
{%- set ns = namespace(last=-1, count=0) %}
{%- for m in loop_messages %}
  {%- if m["role"] == "user" %}{%- set ns.last = loop.index0 %}{%- set ns.count = ns.count + 1 %}
  {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is defined and tools is not none and loop.index0 == ns.last %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function if tool.function is defined else tool %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val | tojson }}
                    {%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {{- "[INST] " + message["content"] + "[/INST]" }}
    {%- elif message.content %}
        {{- " " + message["content"] | trim + eos_token }}
    {%- endif %}
{%- endfor %}{{ ns.count }}"""

THINK = """{%- macro show(content, strict=false) %}
  {%- if content is string %}{{- content }}
  {%- elif content is sequence and content is not mapping %}
    {%- for part in content %}
      {%- if part.type == 'text' %}{{- part.text }}
      {%- elif strict %}{{- raise_exception(part.type) }}
      {%- else %}{{- '<' ~ part.type ~ '>' }}{%- endif %}
    {%- endfor %}
  {%- else %}{{- content | string }}{%- endif %}
{%- endmacro %}
{%- set ns = namespace(multi=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
  {%- set index = (messages | length - 1) - loop.index0 %}
  {%- if ns.multi and message.role == 'user' %}
    {%- set ns.multi = false %}{%- set ns.last = index %}{%- continue %}
  {%- endif %}
  {%- if index < 0 %}{%- break %}{%- endif %}
{%- endfor %}
{% for message in messages %}
  {% set content = show(message.content) %}
  {% if message.role == 'assistant' and '</think>' in content %}
    {% set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] %}
    {% set thought = thought.lstrip('\\n') %}
    {% set content = content.split('</think>')[-1].lstrip('\\n') %}
[{{ thought }}|{{ content }}]
  {% elif loop.index0 > ns.last %}
late {{ content | upper }}{% generation %}!{% endgeneration %}

  {% else %}
{{ loop.index }}/{{ loop.length }} {{ loop.revindex }} {{ content }} {{ loop.cycle('a', 'b') }}
  {% endif %}
{% endfor %}
{% set roles = messages | map(attribute='role') | unique %}
{% set tail %}  {{ ns.last }} {{ roles | join('+') }}  {% endset %}
{{ tail | trim }}|{{ tail | length }}
"""

SMALL = [
    "{{ [1, 2.5, 'x', none, true, undefined_name] }}",
    '{{ {\'a\': "it\'s", \'b\': \'q"\'} }}',
    "{{ (1,) }}{{ () }}{{ (1, 'b') }}",
    "{{ 7 // -2 }} {{ -7 % 3 }} {{ 7.5 // 2 }} {{ 2 ** -1 }}",
    "{{ 1e20 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e-7 }} {{ 100000000000000000.0 }}",
    "{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ 'a-b-c'.r"
    "split('-', 1) }}",
    "{{ 'h\xe9llo'[1:4] }}{{ 'h\xe9llo'[::-1] }}{{ 'abc'[5:] }}{{ [1,2,3,4][-3:-1] }}{{ [1,"
    "2,3][::-2] }}",
    "{{ 'Hello World' | title }}{{ 'hELLO wORLD'.capitalize() }}{{ 'stra\xdfe' | upper }}",
    "{{ 'aXbX'.replace('X', '') }}{{ 'abc'.replace('', '-') }}{{ 'aaa' | replace('a', 'b', "
    "2) }}",
    "{{ [3, 1, 2] | sort }}{{ ['b', 'A', 'c'] | sort }}{{ {'b': 1, 'a': 2} | dictsort }}",
    "{{ [1, 2, 3] | sum }}{{ [1, 2] | max }}{{ [] | first }}{{ 'abc' | last }}{{ [1,2] | re"
    "verse | list }}",
    "{{ 'x' | default('y') }}{{ nope | default('y') }}{{ '' | default('z', true) }}{{ nope "
    "| d }}",
    "{{ '12' | int + 1 }}{{ 'x' | int(5) }}{{ '3.7' | int }}{{ 3.7 | round }}{{ 2.5 | round"
    "(1) }}{{ '1.5' | float }}",
    "{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 'a' is string }}{{ none is none }}{{ 1 is num"
    "ber }}{{ true is number }}{{ {} is mapping }}{{ [] is iterable }}{{ 1.0 is float }}{{ "
    "'A' is upper }}{{ x is not defined }}",
    "{{ 1 if 2 > 1 else 3 }}{{ 'a' ~ 1 + 2 }}{{ not 1 == 2 }}{{ 1 in [1] and 2 not in [1] }"
    "}",
    '{{ \'a\\tb\\n\\x41\\u00e9\' }}{{ \'line\\\nnext\' }}{{ "dq\'" \'joined\' }}',
    "{{ {'a': {'b': [1, {'c': 'd\\n\xe9\\\\'}]}} | tojson }}{{ [] | tojson(indent=2) }}{{ '"
    "x<y&z>' | tojson }}",
    "{{ {'b': 1, 'a': [1, 2]} | tojson(indent=2) }}{{ {'b': 1, 'a': 2} | tojson(separators="
    "(',', ':'), sort_keys=true) }}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ loop.depth }}{% endfo"
    "r %}{% endfor %}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }}{{ loop.previtem }}{{ loop.nextitem is de"
    "fined }}{% endfor %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set x %}{% for i in [1] %}{{ i }}{% endfor %}{% "
    "endset %}{{ x }}",
    "a\n\n  {%- if true +%}\n b {% endif -%}\n\n c\n",
    "{# x -#}\n\n a {#- y #}\n b\n\n",
    "  {% raw -%}  {{ }} {%- endraw %}  z",
    "\t{% if true %}\n\tx\n\t{% endif %}\n\ty",
    "{{ 'x' }}\n{{ 'y' }}\n\n",
    "{%- set x = 'a' -%} {{ x }} ",
    "{{ 'abc'.find('c') }}{{ 'abc'.count('b') }}{{ 'abc'.endswith('bc') }}{{ '12'.isdigit()"
    " }}{{ 'a\\nb\\r\\nc'.splitlines() }}",
    "{{ 'xxabcxx'.strip('x') }}{{ 'pre-x'.removeprefix('pre-') }}{{ 'a\\n b' | indent(2) }}"
    "{{ 'a\\nb' | indent(2, true) }}",
    "{{ {'a': 1}.get('b', 'n') }}{{ {'a': 1}.get('z') }}{{ {'a': 1}.keys() | list }}{{ {'a'"
    ": 1}.values() | list }}",
    "{{ [{'n': 1}, {'n': 2}] | selectattr('n', 'gt', 1) | list }}{{ [0, 1] | select | list "
    "}}{{ ['a'] | map('upper') | list }}",
    "{% macro m(a, b=2, *, c=3) %}{{ a }}{% endmacro %}",
    "{% macro m(a, b=2) %}{{ a }}{{ b }}{{ bos_token }}{% endmacro %}{{ m(1) }}{{ m(b=5, a="
    "3) }}",
    "{{ -2 ** 2 }}{{ 2 ** 3 ** 2 }}{{ +3 }}{{ - 3 | abs }}{{ 10 - 2 - 3 }}{{ 2 * 3 % 4 }}",
    "{{ [1] + [2] }}{{ 'ab' * 2 }}{{ [0] * 2 }}{{ 1 == 1.0 }}{{ 'a' < 'b' }}{{ true + 1 }}",
    "{{ 'a' + 1 }}",
    "{{ nope.x }}",
    "{{ none.x }}",
    "{{ none + 1 }}",
    "{{ 1 / 0 }}",
    "{{ messages.x is defined }}",
    "{{ raise_exception('no') }}",
    "{{ [1].append(2) }}",
    "{{ messages | length }}{{ messages[9] is defined }}",
    "{% for x in nope %}a{% else %}b{% endfor %}{% if nope %}c{% endif %}{{ nope == nope2 }"
    "}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{% filter upper | trim %} abc {% endfil"
    "ter %}",
    "{% set ns = namespace(a=1) %}{% if true %}{% set ns.b = 2 %}{% set c = 3 %}{% endif %}"
    "{{ ns.a + ns.b + c }}",
    # Generators give their items once and are always true.
    "{% set g = [1, 2] | map('string') %}{{ g | join }}{{ g | join }}{{ 'y' if g else 'n' }}",
    "{% set g = [1, 2, 3] | select('odd') %}{{ g | first }}{{ g | list }}{{ g is iterable }}"
    "{{ g is sequence }}{{ g[0] is defined }}",
    "{{ none | selectattr('a') | list }}{{ '' | map('upper') | list }}{{ {} | items | list }}",
    "{{ [1] | map('string') | length }}", "{{ [1] | select | tojson }}", "{{ [1] | "
    "map('abs') | last }}",
    "{% set g = [none] | map(attribute='x.y.z') %}ok", "{{ {'a': 1} | items | sort }}",
    "{{ [1, 2] | reverse | length }}", "{% for x in [1, 2] | reverse %}{{ x }}{% endfor %}",
    "{% if false %}{{ 1 | nosuchfilter }}{% endif %}{{ (2 is nosuchtest) if false else 'ok' }}",
    "{% if true %}{{ 1 | nosuchfilter }}{% endif %}",
    # Call blocks, spare arguments, macros that see what is around them, recursive loops.
    "{% macro box(t) %}<{{ t }}>{{ caller('x') }}{% endmacro %}{% for y in [1, 2] %}{% call(c) "
    "box('b') %}{{ c }}{{ y }}{{ loop.index }}{% endcall %}{% endfor %}",
    "{% macro f(a, b=1) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, "
    "3, 4, z=5) }}",
    "{% macro f(a) %}{{ a is defined }}{{ caller is defined }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{% endmacro %}{{ f(1) }}", "{% macro f() %}{% endmacro %}{{ f(a=1) }}",
    "{% macro f() %}{% endmacro %}{% call f() %}{% endcall %}",
    "{% for x in [3] %}{% macro m(y) %}{{ x + y }}{% endmacro %}{{ m(1) }}{% endfor %}",
    "{% set z = 1 %}{% macro m() %}{{ z }}{% endmacro %}{% set z = 2 %}{{ m() }}",
    "{% macro o(a) %}{% macro i(b) %}{{ a }}{{ b }}{% endmacro %}{{ i(2) }}{% endmacro %}{{ "
    "o(1) }}",
    "{% for x in [[1, [2]], 3] recursive %}{{ loop.depth }}{{ loop.depth0 }}{{ loop(x) if x is "
    "sequence else x }};{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1] %}{{ loop(x) }}{% endfor %}",
    # str.format, % and markup.
    "{{ '{} {0}'.format(1) }}", "{{ '{1}{0}{a}{b.c}{d[0]}{{}}'.format(1, 'x', a=2.5, b={'c': 1}, "
    "d=[none]) }}", "{{ "
    "'{:>5}|{:<5}|{:^5}|{:*^6}|{:05d}|{:+}|{:,}|{:x}|{:#b}|{:.2f}|{:e}|{:%}|{:.2}'"
    ".format('a', 'b', 'c', 'd', -42, 7, 1234567, 255, 5, 3.14159, 12345.678, 0.25, 'xyz') }}",
    "{{ '{!r} {!s}'.format('a', 'b') }}{{ '{:5}|{:5}|{}'.format(1, 'a', true) }}",
    "{{ '{'.format() }}", "{{ '{:d}'.format('a') }}", "{{ '{}'.format() }}", "{{ '{a}'.format() }}",
    "{{ '%s-%d-%5.2f-%r-%%-%x-%-4s|%4s|%04d' % ('a', 3, 2.5, 'q', 255, 'l', 'r', 7) }}",
    "{{ '%(a)s %(b)03d' % {'a': 1, 'b': 2} }}{{ '%s' % [1, 2] }}{{ '%s %s' | format('a', 'b') }}",
    "{{ '%s' % (1, 2) }}", "{{ '%d' % 'a' }}", "{{ '%s %s' % ('a',) }}",
    "{{ '<a>' | safe + '<b>' }}{{ '<a>' + '<b>' | safe }}{{ '<a>' | safe ~ '<b>' }}",
    "{{ '<a&\\'\"' | e }}{{ '<' | e | e }}{{ '<' | e | forceescape }}{{ 'a' | e is escaped }}",
    # The rest of the filters, methods and tests.
    "{{ [1, 2, 3, 4, 5] | batch(2) | list }}{{ [1, 2, 3] | batch(2, 'x') | list }}"
    "{{ [1, 2, 3, 4, 5] | slice(3) | list }}{{ [1, 2, 3, 4] | slice(3, 'x') | list }}",
    "{% for g in [{'a': 'y', 'n': 1}, {'a': 'X', 'n': 2}, {'a': 'Y', 'n': 3}] | groupby('a') %}"
    "{{ g.grouper }}{{ g.list }}{% endfor %}{% for k, v in [{'a': 1}, {}] | groupby('a', "
    "default=0) "
    "%}{{ k }}{{ v }}{% endfor %}",
    "{{ 'ab' | center(5) }}|{{ 'abc' | center(8) }}|{{ 'one two, three' | wordcount }}",
    "{{ 'hello big world' | truncate(9, leeway=0) }}{{ 'hello world' | truncate(7, true, "
    "'..', 0) }}"
    "{{ 'hello' | truncate(3) }}",
    "{{ ['b', 'A', 'a'] | unique | list }}{{ ['b', 'A'] | min }}{{ [{'n': 2}, {'n': 1}] | "
    "max(attribute='n') }}{{ [1, 2] | sum(start=1) if false else '' }}",
    "{{ 'a,b,c'.partition(',') }}{{ 'a,b,c'.rpartition(',') }}{{ 'abc'.partition('x') }}"
    "{{ 'abc'.rpartition('x') }}",
    "{{ 'a'.ljust(3, '.') }}{{ 'a'.rjust(3) }}{{ 'ab'.center(5, '*') }}{{ '-5'.zfill(4) }}"
    "{{ 'abc'.index('c') }}{{ 'aBc'.swapcase() }}{{ 'ABC'.casefold() }}{{ 'a'.islower() }}"
    "{{ 'A1'.isupper() }}{{ '12'.isnumeric() }}{{ 'abcabc'.rindex('b') }}",
    "{{ 'abc'.index('z') }}", "{{ 3 is greaterthan 2 }}{{ 3 is lessthan 2 }}{{ 3 is ge 3 }}",
    "{{ 5[0] is defined }}{{ none[1:] is defined }}{{ 1.5 | int }}{{ 'aaa'.rfind('a') }}"
    "{{ 'a--b--c'.rsplit('--', 1) }}{{ 'aaa'.rsplit('a', 2) }}{{ 'x'.count('') }}",
    "{{ '[1, {\"a\": null}]' | from_json }}",
    "{{ -0.0 }} {{ 0 - 0.0 }} {{ -(1 - 1.0) }} {{ [-0.0] }} {{ -0.0 | tojson }} {{ -2 }}",
    "{{ range(4) }} {{ range(1, 9, 3) }} {{ [range(0)] }} {{ range(3) ~ '' }}{{ range(2) | list }}",
    "{{ range(3) == [0, 1, 2] }}{{ range(3) == range(0, 3) }}{{ 2 in range(3) }}{{ range(3)[-1] }}"
    "{{ range(3) | length }}{{ range(3) | sum }}{{ range(3) is sequence }}{{ range(0) or 'none' }}",
    "{{ range(5)[1:3] }} {{ range(5)[::-1] }} {{ range(0, 10, 3)[::2] }} {{ range(5)[3:1] }}",
    "{{ range(9, 0, -2)[1:-1] }} {{ range(0)[::-1] }} {{ range(5)[7:] }} {{ range(5)[-9:-2:2] }}",
    "{{ range(6)[1:][1:3] }} {{ range(7)[-1:-9:-3] }} {{ range(5)[-2:] | list }}",
    "{{ range(4) + ['b'] }}",
    "{{ ['b'] + range(4) }}",
    "{{ range(2) + range(2) }}",
    "{{ range(4) * true }}",
    "{{ 2 * range(4) }}",
    "{{ range(2) < range(3) }}",
    "{{ range(4) | tojson }}",
    "{{ ['b', 'a'] | title }} {{ \"it's a-b (c [d {e <f /g.h i_j\" | title }} {{ 'ǆ ßA' | title }}"
    "{{ \"it's a-b\".title() }} {{ none | title }} {{ 'a\\tb\\x1cc\\u2003d' | title }}",
    "{{ ['b', 'a'] | truncate(3, true, '') }} {{ {'a': 1} | truncate }} {{ nope | truncate }}",
    "{{ [1, 2, 3] | truncate(2, true, '', 0) }}",
    "{{ 5 | truncate }}",
    "{{ none | truncate }}",
    "{{ 1e30 is odd }}{{ 1e30 is even }}{{ 3.0 is odd }}{{ -3 is odd }}{{ -1.0 is odd }}"
    "{{ 2.5 is even }}{{ true is odd }}{{ 4.5 is divisibleby 1.5 }}{{ 7 is divisibleby(-1) }}",
    "{{ 'a' is odd }}",
    "{{ 3 is divisibleby 0.0 }}",
    "{{ -0.0 ** -3 }}",
    "{{ 0 ** -1 }}",
    "{{ 1e200 ** 2 }}",
    "{{ 2.0 ** 3 }} {{ -8 ** -1 }} {{ 0.0 ** 0 }} {{ -2.0 ** 3 }}",
]

TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "Today's \"weather\" <b>", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"]}}}]


def tool_call(number, arguments):
    return {"id": f"abcdef12{number}", "type": "function",
            "function": {"name": "weather", "arguments": arguments}}


def tool_result(number, content):
    return {"role": "tool", "content": content, "tool_call_id": f"abcdef12{number}",
            "name": "weather"}


def conversations():
    user = lambda text: {"role": "user", "content": text}
    assistant = lambda text, **more: {"role": "assistant", "content": text, **more}
    system = {"role": "system", "content": " Be brief.\n"}
    parts = lambda *texts: [{"type": "text", "text": text} for text in texts]
    yield [user("Hi")]
    yield [system, user("  padded \n"), assistant("Sure."), user("\u00dcber \U0001F600 \"x\"")]
    yield [user("a"), assistant("<think>\nhm\n</think>\n\nb"), user("c"), assistant("d")]
    yield [system, user("weather?"),
           {"role": "assistant", "content": "", "tool_calls": [{"function": {
               "name": "weather", "arguments": {"city": "K\u00f6ln", "days": 3, "x": None}}}]},
           {"role": "tool", "content": "{\"t\": 1}"}, {"role": "tool", "content": "2"}, user("ok")]
    yield [user("a"), user("b")]
    yield [{"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image"}]}]
    yield [system, user("w?"), assistant("", tool_calls=[tool_call(3, {
        "city": "K\u00f6ln", "days": 3, "x": None, "ok": True, "l": [1, 2.5, {"a": "b"}]})]),
           tool_result(3, "{\"t\": 1}"), assistant("It is 1."), user("ok")]
    yield [user("w?"), assistant(None, tool_calls=[tool_call(3, {"city": "K"}),
                                                   tool_call(4, {"city": "L"})]),
           tool_result(3, "1"), tool_result(4, "2")]
    yield [user("w"), assistant("", tool_calls=[tool_call(3, '{"city": "K"}')]),
           tool_result(3, "1")]
    yield [user("a"), assistant("b", reasoning_content="why\nnot"), user("c"),
           assistant("d", reasoning_content="x"), user("e")]
    yield [user("a"), assistant("b", thinking="why", reasoning="r"), user("c /no_think")]
    yield [user("w"), assistant("", reasoning_content="hm", thinking="hm",
                                tool_calls=[tool_call(3, {"city": "K"})]),
           tool_result(3, "1"), assistant("fin", reasoning_content="z")]
    yield [{"role": "developer", "content": "D"}, user("x")]
    yield [{"role": "system", "content": parts("sys")},
           {"role": "user", "content": parts("a", "b")},
           {"role": "assistant", "content": parts("c")}, user("d")]
    yield []


FLAGS = [
    {},
    {"tools": TOOLS},
    {"tools": TOOLS * 2, "enable_thinking": False, "thinking": False},
    {"enable_thinking": True, "thinking": True, "reasoning_effort": "high", "tools": None},
    {"documents": [{"title": "T", "text": "x"}], "date_string": "1 May",
     "builtin_tools": ["python"], "tools_in_user_message": False, "tools": TOOLS,
     "preserve_thinking": True, "clear_thinking": False},
]


def cases_of(source, small):
    """One case for a snippet; for a template every conversation with every set of variables."""
    settings = [{}] if small else FLAGS
    for number, messages in enumerate(conversations()):
        for extra in settings:
            for prompt in (True, False) if small or number < 4 else (number % 2 == 0,):
                yield {"template": source, "messages": messages, "extra": extra, "now": NOW,
                       "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>"}
        if small:
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--templates", nargs="*", default=[])
    args = parser.parse_args()
    sources = [CHATML, INST, HEADERS, MISTRAL, THINK, *published.templates().values()]
    for path in args.templates:
        with open(path, encoding="utf-8") as file:
            sources.append(file.read())
    cases = [case for source in sources for case in cases_of(source, False)]
    cases += [case for source in SMALL for case in cases_of(source, True)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as vocabulary:
        json.dump({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, vocabulary)
        vocabulary.flush()
        text = "".join(json.dumps(case) + "\n" for case in cases)
        done = subprocess.run([args.tool, "chat", vocabulary.name], input=text.encode(),
                              capture_output=True, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    wrong = rendered = refused = 0
    for case, answer in zip(cases, answers, strict=True):
        want = reference(case["template"], case)
        if isinstance(want, Exception):
            refused += 1
            same = "error" in answer
        else:
            rendered += 1
            same = answer.get("text") == want
        if not same:
            wrong += 1
            if wrong <= 10:
                shown = case["template"] if len(case["template"]) < 300 else {
                    **case, "template": case["template"][:200]}
                print(f"{shown!r}\n  want {want!r}\n  have {answer}")
    print(f"{len(sources) + len(SMALL)} templates: {rendered} renderings, {refused} refusals, "
          f"{wrong} differ")
    return 1 if wrong or rendered < 5000 or refused < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
