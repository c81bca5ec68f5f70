#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/test_vocabularies.h"

namespace ingot {
namespace {

using testing::HasSubstr;

// So that a slow machine, or a sanitizer, counts all steps.
const TemplateLimits kPatient = {.time_ms = 600'000};

std::string render(std::string_view source, const Json& extra = Json::object()) {
  ChatInput input;
  input.extra = extra;
  input.messages = {{{"role", "user"}, {"content", "Hi"}},
                    {{"role", "assistant"}, {"content", " Hello! "}}};
  input.bos_token = "<s>";
  input.now_unix_s = 86400;
  return chat_text(ChatTemplate::parse(source, "t", kPatient)->render(input));
}

Error error_of(std::string_view source, const TemplateLimits& limits = kPatient) {
  try {
    ChatTemplate::parse(source, "t", limits)->render({});
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::kInternal, "no error");
}

TEST(ChatTemplate, Expressions) {
  EXPECT_EQ(
      render("{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 7 / 2 }}"),
      "7 3 -4 2 1024 3.5");
  EXPECT_EQ(render("{{ 'a' ~ 1 ~ none ~ true }}"), "a1NoneTrue");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 'a' in 'cat' }} {{ 3 not in [1, 2] }}"), "True True True");
  EXPECT_EQ(render("{{ 'x' if false else 'y' }}{{ 'x' if false }}"), "y");
  EXPECT_EQ(render("{{ [1, 'a', none, {'k': 1.0}] }}"), "[1, 'a', None, {'k': 1.0}]");
  EXPECT_EQ(render("{{ 'abcde'[1:3] }}{{ 'abcde'[-1] }}{{ 'abc'[::-1] }}"), "bcecba");
  EXPECT_EQ(render("{{ messages[0]['content'] }}{{ messages[-1].role }}"), "Hiassistant");
  EXPECT_EQ(render("{{ nothing is defined }}{{ nothing }}{{ not nothing }}"), "FalseTrue");
  EXPECT_EQ(render("{{ ('a', 'b') | join('-') }} {{ 'A b' | lower | length }}"), "a-b 3");
  EXPECT_EQ(render("{{ (messages | selectattr('role', 'equalto', 'user') | list) | length }}"),
            "1");
  EXPECT_EQ(render("{{ messages | map(attribute='role') | join(',') }}"), "user,assistant");
  EXPECT_EQ(render("{{ {'a': [1, 'x\"\u00e9'], 'b': none} | tojson }}"),
            "{\"a\": [1, \"x\\\"\u00e9\"], \"b\": null}");
  EXPECT_EQ(render("{{ {'a': [1], 'b': {}} | tojson(indent=2) }}"),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
  EXPECT_EQ(render("{{ ' a b '.strip().split(' ')[1] }}{{ 'abc'.startswith(('x', 'a')) }}"),
            "bTrue");
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y') }}"), "02 Jan 1970");
}

TEST(ChatTemplate, TellsWhatItReads) {
  const auto chat = ChatTemplate::parse(
      "{% if a is defined %}{% elif b %}{{ c[d] | default(e) }}{% else %}{{ f.g }}{% endif %}"
      "{% for h in i if j %}{{ 1 }}{% else %}{{ k }}{% endfor %}{% set l = m(n=o) %}"
      "{% macro p(q=r) %}{{ s }}{% endmacro %}{% filter replace(t, 'x') %}u{% endfilter %}"
      "{% with v = w %}{% endwith %}",
      "names");
  for (const char* name :
       {"a", "b", "c", "d", "e", "f", "i", "j", "k", "m", "o", "r", "s", "t", "w"}) {
    EXPECT_TRUE(chat->reads(name)) << name;
  }
  for (const char* name : {"g", "h", "l", "n", "p", "q", "u", "v", "documents"}) {
    EXPECT_FALSE(chat->reads(name)) << name;
  }
  for (const char* name : {"messages", "bos_token", "eos_token", "add_generation_prompt",
                           "raise_exception", "strftime_now", "namespace"}) {
    EXPECT_TRUE(ChatTemplate::reserved(name)) << name;
  }
  EXPECT_FALSE(ChatTemplate::reserved("documents"));
}

TEST(ChatTemplate, RangesAreNoLists) {
  EXPECT_EQ(render("{{ range(4) }} {{ range(1, 9, 3) }} {{ range(2) | list }}"),
            "range(0, 4) range(1, 9, 3) [0, 1]");
  EXPECT_EQ(render("{{ range(2) == [0, 1] }}{{ range(2) == range(0, 2) }}{{ range(9)[-1] }}"),
            "FalseTrue8");
  // Slices of ranges are ranges, with the bounds that Python gives them.
  EXPECT_EQ(render("{{ range(5)[1:3] }} {{ range(5)[::-1] }} {{ range(0, 10, 3)[::2] }} "
                   "{{ range(9, 0, -2)[1:-1] }} {{ range(5)[3:1] }} {{ range(5)[7:] }} "
                   "{{ range(0)[::-1] }} {{ range(5)[-2:] | list }} {{ range(6)[1:][1:3] }} "
                   "{{ range(5)[1:3] == range(1, 3) }} {{ (1, 2, 3)[1:] }}"),
            "range(1, 3) range(4, -1, -1) range(0, 12, 6) range(7, 1, -2) range(3, 1) range(5, 5) "
            "range(-1, -1, -1) [3, 4] range(2, 4) True (2, 3)");
  EXPECT_THAT(error_of("{{ range(5, 2000000000000, 1900000000000)[::2000000000] }}").what(),
              HasSubstr("a slice of a range is out of range"));
  for (const char* source : {"{{ range(4) + ['b'] }}", "{{ range(4) * true }}",
                             "{{ range(1) < range(2) }}", "{{ range(2) | tojson }}"}) {
    EXPECT_THAT(error_of(source).what(), HasSubstr("range")) << source;
  }
}

TEST(ChatTemplate, NumbersAsPythonHasThem) {
  EXPECT_EQ(render("{{ -0.0 }} {{ 0 - 0.0 }} {{ 1e30 is odd }} {{ -3.0 is odd }}"),
            "-0.0 0.0 False True");
  for (const char* source : {"{{ -0.0 ** -3 }}", "{{ 0 ** -1 }}", "{{ 1e200 ** 2 }}",
                             "{{ 1 is divisibleby(0.0) }}", "{{ 'a' is odd }}"}) {
    EXPECT_NE(error_of(source).code(), ErrorCode::kInternal) << source;
  }
}

TEST(ChatTemplate, FiltersOfTextsTakeLists) {
  EXPECT_EQ(render("{{ ['b', 'a'] | title }} {{ \"it's a-b\" | title }} {{ \"it's\".title() }}"),
            "['b', 'a'] It's A-B It'S");
  EXPECT_EQ(render("{{ ['b', 'a'] | truncate(3) }}"), "['b', 'a']");
  EXPECT_THAT(error_of("{{ [1, 2] | truncate(1, true, '', 0) }}").what(), HasSubstr("truncate"));
}

TEST(ChatTemplate, Statements) {
  EXPECT_EQ(render("{% for m in messages %}{{ loop.index }}{{ m.role[0] }}{% if not loop.last %},"
                   "{% endif %}{% endfor %}"),
            "1u,2a");
  EXPECT_EQ(render("{% for m in messages if m.role == 'user' %}{{ loop.length }}{% endfor %}"),
            "1");
  EXPECT_EQ(render("{% for x in [] %}a{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(render("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
                   "{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"),
            "02");
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}"), "1");
  EXPECT_EQ(render("{% set ns = namespace(x=1) %}{% for i in [1] %}{% set ns.x = 2 %}{% endfor %}"
                   "{{ ns.x }}"),
            "2");
  EXPECT_EQ(render("{% set t %}a{{ 1 }}{% endset %}{{ t | upper }}"), "A1");
  EXPECT_EQ(
      render("{% macro f(a, b='z') %}{{ a }}{{ b }}{% endmacro %}{{ f('x') }}{{ f('x', b=1) }}"),
      "xzx1");
  EXPECT_EQ(render("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}"), "a1b2");
  EXPECT_EQ(render("{% with a = 1 %}{{ a }}{% endwith %}{{ a }}"), "1");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}{# gone #}"), "{{ x }}");
  EXPECT_EQ(render("{% generation %}a{% endgeneration %}"), "a");
  EXPECT_EQ(render("{% filter upper %}a{% endfilter %}"), "A");
}

TEST(ChatTemplate, GeneratorsGiveTheirItemsOnce) {
  EXPECT_EQ(render("{% set g = messages | selectattr('role', 'equalto', 'tool') %}"
                   "{{ 'yes' if g else 'no' }}"),
            "yes");
  EXPECT_EQ(render("{% set g = [1, 2] | map('string') %}{{ g | join }}-{{ g | join }}"), "12-");
  EXPECT_EQ(render("{% set g = [1, 2, 3] | select('gt', 1) %}{{ g | first }}{{ g | join }}"), "23");
  EXPECT_EQ(render("{{ none | selectattr('a') | list }}{% set x = [none.a] | map('upper') if false "
                   "else 1 %}{{ x }}"),
            "[]1");
  EXPECT_EQ(render("{% set g = [1] | map('frobnicate') %}ok"), "ok");  // nobody asked for items
  for (const char* use : {"{{ g }}", "{{ g | length }}", "{{ g | tojson }}", "{{ g | last }}"}) {
    EXPECT_THAT(error_of("{% set g = [1] | map('string') %}" + std::string(use)).what(),
                HasSubstr("generator"))
        << use;
  }
}

TEST(ChatTemplate, CallBlocksAndSpareArguments) {
  EXPECT_EQ(
      render("{% macro box(t) %}<{{ t }}>{{ caller('x') }}</>{% endmacro %}"
             "{% for y in [1] %}{% call(c) box('b') %}{{ c }}{{ y }}{% endcall %}{% endfor %}"),
      "<b>x1</>");
  EXPECT_EQ(render("{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}"
                   "{{ f(1, 2, 3, z='q') }}"),
            "1(2, 3){'z': 'q'}");
  EXPECT_EQ(render("{% for x in [[1, [2]], 3] recursive %}{{ loop.depth }}{{ loop(x) if x is "
                   "sequence else x }};{% endfor %}"),
            "121;232;;;13;");
  EXPECT_THAT(error_of("{% macro f() %}{% endmacro %}{{ f(1) }}").what(), HasSubstr("takes 0"));
  EXPECT_THAT(error_of("{% call 1 %}{% endcall %}").what(), HasSubstr("a call of a macro"));
}

TEST(ChatTemplate, WhiteSpaceAsHuggingFaceSetsIt) {
  EXPECT_EQ(render("a\n  {% if true %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");
  EXPECT_EQ(render("a  {%- if true -%}  b  {%- endif %} c"), "ab c");
  EXPECT_EQ(render("  {{ 1 }}\n{{- 2 }}"), "  12");
  EXPECT_EQ(render("x {%+ if true %}y{% endif %}\n\nz"), "x y\nz");
  EXPECT_EQ(render("a\r\nb{# c #}\nd"), "a\nbd");
}

TEST(ChatTemplate, ErrorsNameLineAndReason) {
  EXPECT_THAT(error_of("a\n{{ 1 + }}").what(),
              HasSubstr("[text/chat_template] t: line 2: expected"));
  EXPECT_THAT(error_of("{% if x %}").what(), HasSubstr("'if' has no end"));
  EXPECT_THAT(error_of("{% endif %}").what(), HasSubstr("unexpected tag 'endif'"));
  EXPECT_THAT(error_of("\n\n{{ raise_exception('bad roles') }}").what(),
              HasSubstr("line 3: the template refused the input: bad roles"));
  EXPECT_THAT(error_of("{{ a.b }}").what(), HasSubstr("'a' is undefined"));
  EXPECT_THAT(error_of("{{ 'a' + 1 }}").what(), HasSubstr("'+' of a string"));
  EXPECT_THAT(error_of("{{ 1 // 0 }}").what(), HasSubstr("division by zero"));
  EXPECT_THAT(error_of("{{ 9223372036854775807 + 1 }}").what(), HasSubstr("64 bits"));
  const std::pair<std::string_view, std::string_view> unsupported[] = {
      {"{% include 'x' %}", "statement 'include'"},
      {"{{ 1 | frobnicate }}", "filter 'frobnicate'"},
      {"{{ 1 is frobnicated }}", "test 'frobnicated'"},
      {"{{ '{:{}}'.format(1, 2) }}", "a field inside a field"}};
  for (const auto& [source, reason] : unsupported) {
    const Error e = error_of(source);
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported) << source;
    EXPECT_THAT(e.what(), HasSubstr(std::string(reason)));
  }
  EXPECT_THAT(error_of("a\xFF").what(), HasSubstr("invalid UTF-8 at byte 1"));
}

// Each ends by a bound that counts, the same on every machine: time has no part in it. Steps are a
// fifth of the usual ones, so that a sanitizer is through soon.
TEST(ChatTemplate, BombsEndByWhatIsCounted) {
  const TemplateLimits limits = {.steps = 200'000, .time_ms = kPatient.time_ms};
  const std::string a = "{% set a = [1] %}{% set b = [1] %}", big = "('a' * 16000000)";
  std::string shared = a, ifs;
  for (int i = 0; i < 40; ++i) shared += "{% set a = [a, a] %}{% set b = [b, b] %}";
  for (int i = 0; i < 50000; ++i) ifs += "{% if 1 %}";
  const std::string doubling =
      "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
      "{% endfor %}";
  const std::string growing =
      "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + [i] %}"
      "{% endfor %}";
  const std::string printed =
      "{% set s = ['a' * 4000000] %}{% for i in range(2000) %}{% set y = s | string %}"
      "{% endfor %}";
  const std::pair<std::string, std::string_view> bombs[] = {
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nest deeper than 64"},
      {"{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
       "more than 200192 steps"},
      {"{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}{{ m() }}",
       "nest deeper than 64"},
      {"{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}", "nest deeper than 64"},
      {"{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}",
       "nested deeper than 64"},
      {"{{ " + std::string(100000, '[') + std::string(100000, ']') + " }}",
       "nested deeper than 64"},
      {ifs, "nested deeper than 64"},
      {"{% for i in range(1000000000) %}{% endfor %}", "more than 200192 steps"},
      {"{% for i in range(3000) %}{% for j in range(3000) %}x{% endfor %}{% endfor %}",
       "more than 200192 steps"},
      {"{% for i in range(100000) %}{% set x = " + big + " %}{% endfor %}",
       "more than 200192 steps"},
      {"{{ 'a' * 1000000000 }}", "a repeated text is too long"},
      {"{{ " + big + " * 16000000 }}", "a repeated text is too long"},
      {doubling, "more than 200192 steps"},
      {growing, "more than 200192 steps"},
      {shared + "{{ a }}", "a text of more than 4194304 bytes"},
      {shared + "{{ a | tojson }}", "a text of more than 4194304 bytes"},
      {shared + "{{ a == b }}", "values are too large to compare"},
      {"{{ ['x' * 1000000] * 100000 }}", "a text of more than 4194304 bytes"},
      {"{{ (['x' * 1000000] * 1000) | join }}", "a joined text is too long"},
      {"{{ ('a' * 8000000 ~ 'b') in " + big + " }}{{ nope.x }}", "more than 200192 steps"},
      {"{{ " + big + ".rfind('b' ~ 'a' * 8000000) }}{{ nope.x }}", "'nope' is undefined"},
      {"{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", "more than 200192 steps"},
      {"{{ " + big + ".split('a') }}", "more than 200192 steps"},
      {"{{ " + big + " | list | length }}", "more than 200192 steps"},
      {"{{ " + big + "[::-1] }}", "more than 200192 steps"},
      {"{{ " + big + " | upper }}", "the most is 16777216"},
      {"{{ range(200000) | sort | map('string') | sort | length }}", "more than 200192 steps"},
      {"{{ range(200000) | unique | list }}", "more than 200192 steps"},
      {"{{ '{:9999}'.format('a') * 100000 }}", "a repeated text is too long"},
      {"{{ '%99999d' % 1 }}", "a field wider than 10000"},
      {"{{ 9 ** 9 ** 9 ** 9 }}", "does not fit 64 bits"},
      {"{{ ('[' * 1000000) | from_json }}", "JSON is nested deeper than 128"},
      {"{{ ('[' ~ '[],' * 2000000 ~ '[]]') | from_json | length }}{{ nope.x }}",
       "the most is 16777216"},
      {"{{ ('\\n' * 1000000) | indent(256, true, true) }}{{ nope.x }}", "more than 200192 steps"},
      {"{% set s = 'a' * 4000000 %}{% set y = ([[s]] * 1500) | map('string') | list %}x",
       "more than 200192 steps"},
      {"{% set s = 'a' * 15000000 %}{% set y = ([s] * 80) | sort %}x", "more than 200192 steps"},
      {"{{ (['a' * 15000000] * 100000) | max | length }}", "more than 200192 steps"},
      {"{{ (['a' * 15000000] * 100000) | unique | list | length }}", "more than 200192 steps"},
      {"{{ ([{'k': 'a' * 15000000}] * 100000) | groupby('k') | length }}",
       "more than 200192 steps"},
      {printed, "more than 200192 steps"}};
  for (const auto& [bomb, reason] : bombs) {
    EXPECT_THAT(error_of(bomb, limits).what(), HasSubstr(std::string(reason)))
        << bomb.substr(0, 100);
  }
}

// Where steps do not end a template, its time does.
TEST(ChatTemplate, TimeHasABound) {
  EXPECT_THAT(
      error_of("{% for i in range(3000) %}{% for j in range(3000) %}x{% endfor %}{% endfor %}",
               {.steps = int64_t{1} << 60, .time_ms = 20})
          .what(),
      HasSubstr("more than 20 ms"));
}

TEST(ChatTemplate, ALargeInputMayCostMore) {
  ChatInput input;
  for (int i = 0; i < 2000; ++i) {
    input.messages.push_back({{"role", "user"}, {"content", std::string(1000, 'a')}});
  }
  // 4 million members looked at: more than a small input may have.
  const std::string source =
      "{% for m in messages %}{{ messages | list | length }}{{ m.content | trim }}{% endfor %}";
  EXPECT_EQ(chat_text(ChatTemplate::parse(source, "t", kPatient)->render(input)).size(), 2008000u);
}

TEST(ChatTemplate, LimitsHold) {
  EXPECT_THAT(error_of("{% for i in range(10000000) %}{% endfor %}").what(), HasSubstr("steps"));
  EXPECT_THAT(error_of("{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}"
                       "{% endfor %}")
                  .what(),
              HasSubstr("steps"));
  EXPECT_THAT(error_of("{{ 'a' * 100000000 }}").what(), HasSubstr("too long"));
  EXPECT_THAT(error_of("{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(100) %}"
                       "{% set ns.s = ns.s ~ ns.s %}{% endfor %}")
                  .what(),
              HasSubstr("bytes"));
  EXPECT_THAT(error_of("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}"
                       "{% set ns.l = [ns.l] %}{% endfor %}")
                  .what(),
              HasSubstr("nest deeper"));
  EXPECT_THAT(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").what(),
              HasSubstr("nest deeper"));
  std::string deep = "{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}";
  EXPECT_THAT(error_of(deep).what(), HasSubstr("nested deeper"));
  deep.clear();
  for (int i = 0; i < 50000; ++i) deep += "{% if 1 %}";
  EXPECT_THAT(error_of(deep).what(), HasSubstr("nested deeper"));
  deep = "{{ a";
  for (int i = 0; i < 100000; ++i) deep += ".b";
  EXPECT_THAT(error_of(deep + " }}").what(), HasSubstr("nests deeper"));
  deep = "{{ 1";
  for (int i = 0; i < 20000; ++i) deep += " + 1";
  EXPECT_EQ(render(deep + " }}"), "20001");
  EXPECT_THAT(error_of("{{ 'a' * 1000 }}", {.output_bytes = 100}).what(), HasSubstr("too long"));
  EXPECT_THAT(error_of("{% for i in range(99) %}abc{% endfor %}", {.output_bytes = 100}).what(),
              HasSubstr("100 bytes"));
}

// Lists that hold one another twice: 2^40 items in the memory of forty.
TEST(ChatTemplate, SharedValuesAreBoundedWhereTheyAreWalked) {
  std::string make = "{% set a = [1] %}{% set b = [1] %}";
  for (int i = 0; i < 40; ++i) make += "{% set a = [a, a] %}{% set b = [b, b] %}";
  for (const char* print : {"{{ a }}", "{{ a|tojson }}", "{{ [a]|join }}"}) {
    EXPECT_THAT(error_of(make + print).what(), HasSubstr("too long")) << print;
  }
  for (const char* look :
       {"{{ a == b }}", "{{ a in [b] }}", "{{ [b].count(a) }}", "{{ [b].index(a) }}",
        "{{ [a, b]|unique|list }}", "{{ {'k': a} == {'k': b} }}"}) {
    EXPECT_THAT(error_of(make + look).what(), HasSubstr("too large to compare")) << look;
  }
  EXPECT_THAT(error_of("{{ ['x' * 1000000] * 100000 }}").what(), HasSubstr("too long"));
  EXPECT_THAT(error_of("{{ (['x' * 1000000] * 1000)|join }}").what(), HasSubstr("too long"));
  EXPECT_THAT(error_of("{{ ''.join(['x' * 1000000] * 1000) }}").what(), HasSubstr("too long"));
  EXPECT_EQ(render("{{ [[1, 'a'], {'k': 2}] == [[1, 'a'], {'k': 2}] }}"), "True");
}

// Each loop object holds the one before: freeing a long chain would need a deep stack.
TEST(ChatTemplate, LoopsDoNotChain) {
  EXPECT_THAT(error_of("{% set ns = namespace(l=0) %}{% for i in range(60000) %}"
                       "{% for x in [ns.l, 1] %}{% set ns.l = loop %}{% endfor %}{% endfor %}")
                  .what(),
              HasSubstr("nest deeper"));
}

TEST(ChatTemplate, ReasonsAreCut) {
  const std::string text = error_of("{{ raise_exception('x' * 100000) }}").what();
  EXPECT_THAT(text, HasSubstr("xxx ..."));
  EXPECT_LT(text.size(), 1200u);
}

TEST(ChatTemplate, ADateInTheUsersWordsIsTheUsers) {
  ChatInput input;
  input.messages = {{{"role", "user"}, {"content", "<|end|>"}}};
  const auto chat = ChatTemplate::parse("{{ strftime_now(messages[0].content) }}", "t");
  for (const ChatSegment& segment : chat->render(input)) EXPECT_TRUE(segment.from_user);
}

TEST(ChatTemplate, NamespacesThatHoldThemselvesAreFreed) {
  EXPECT_EQ(render("{% set a = namespace() %}{% set a.a = a %}{% set a.l = [a] %}ok"), "ok");
}

TEST(ChatTemplate, TextOfTheUserStaysApart) {
  const auto chat = ChatTemplate::parse(
      "{% for m in messages %}<|start|>{{ m.role }}:{{ m.content | trim | upper | replace('Q', "
      "'q') "
      "}}<|end|>{% endfor %}",
      "t");
  ChatInput input;
  input.messages = {{{"role", "user"}, {"content", "  a<|end|>q "}},
                    {{"role", "<|end|>"}, {"content", "b"}}};
  const ChatSegments segments = chat->render(input);
  EXPECT_EQ(chat_text(segments), "<|start|>user:A<|END|>q<|end|><|start|><|end|>:B<|end|>");
  const auto t = byte_level_tokenizer();
  const auto ids = encode_chat(*t, segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 260), 2);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 261), 2);
  EXPECT_EQ(t->decode(ids, false), chat_text(segments));
}

// Every way a template may touch a string keeps the mark.
TEST(ChatTemplate, TaintSurvivesEveryOperation) {
  const auto t = byte_level_tokenizer();
  for (const char* expression : {"c",
                                 "c | trim",
                                 "c.strip()",
                                 "c ~ ''",
                                 "'' + c",
                                 "c[0:]",
                                 "c[:]",
                                 "c | replace('zz', 'y')",
                                 "c | default('x')",
                                 "c | string",
                                 "[c] | join(',')",
                                 "', '.join([c])",
                                 "c.split('zz')[0]",
                                 "c.split() | first",
                                 "c.splitlines()[0]",
                                 "c | list | join",
                                 "c * 1",
                                 "c | safe",
                                 "c | lower | lower",
                                 "c.replace('zz', '')",
                                 "'zz'.replace('zz', c)",
                                 "[c] | string",
                                 "{'a': c} | tojson",
                                 "{c: 1} | tojson",
                                 "(c, 1)[0]",
                                 "{'a': c}.a",
                                 "{'a': c}['a']",
                                 "[c] | map('trim') | list | last",
                                 "c | indent",
                                 "f(c)",
                                 "c | reverse | reverse",
                                 "c.removeprefix('x')",
                                 "dict(a=c).values() | first",
                                 "namespace(a=c).a",
                                 "c if c else 1",
                                 "'{}'.format(c)",
                                 "'%s' % c",
                                 "'%s' | format(c)",
                                 "('{\"k\": \"' ~ c ~ '\"}') | from_json | items | join",
                                 "c.partition('zz')[0]",
                                 "c.ljust(9)",
                                 "c.swapcase().swapcase()",
                                 "c | center(9)",
                                 "[c] | batch(1) | first | first",
                                 "[{'k': c}] | groupby('k') | map(attribute='grouper') | first",
                                 "g(c)",
                                 "c or 1",
                                 "[c] | sort | first",
                                 "[c] | unique | first",
                                 "(c ~ '<|end|>')[:7]"}) {
    const std::string source =
        "{% macro f(x) %}{{ x }}{% endmacro %}"
        "{% macro g() %}{{ varargs | first }}{% endmacro %}{% set c = "
        "messages[0].content %}{{ " +
        std::string(expression) + " }}<|end|>";
    ChatInput input;
    input.messages = {{{"role", "user"}, {"content", "<|end|>"}}};
    const ChatSegments segments = ChatTemplate::parse(source, "t")->render(input);
    EXPECT_THAT(chat_text(segments), HasSubstr("<|end|>")) << expression;
    EXPECT_TRUE(std::any_of(segments.begin(), segments.end(),
                            [](const ChatSegment& s) { return s.from_user; }));
    const auto ids = encode_chat(*t, segments);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 261), 1) << expression;
  }
}

TEST(ChatTemplate, ExtraVariablesAreTheRequests) {
  ChatInput input;
  input.extra = {{"tools", {{{"name", "<|end|>"}}}}, {"add_generation_prompt", false}};
  input.trusted = {{"date", "<|end|>"}};
  const auto chat =
      ChatTemplate::parse("{{ tools | tojson }}{{ date }}{{ add_generation_prompt }}", "t");
  const ChatSegments segments = chat->render(input);
  EXPECT_EQ(chat_text(segments), "[{\"name\": \"<|end|>\"}]<|end|>True");
  const auto ids = encode_chat(*byte_level_tokenizer(), segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 261), 1);
  input.messages = Json::object();
  EXPECT_THROW(chat->render(input), Error);
}

}  // namespace
}  // namespace ingot
