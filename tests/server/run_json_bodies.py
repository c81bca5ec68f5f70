"""`ingot serve`: JSON texts as bodies. What RFC 8259 lets through is parsed, what it does not is a
400, and nothing is a 500; our own texts, made here."""

import json

from server_harness import TINY, Server, Wire, request

from cli_harness import Checks

SECONDS = 2
PATH = "/v1/completions"
SPACE = " \t\n\r"
BAD_BYTES = (b"\xff", b"\x80", b"\xc0\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80",
             b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe\xff\x00{",
             b"\xff\xfe{\x00")


def numbers():
    """JSON numbers, and texts that are near to one."""
    good = ["0", "-0", "1", "-1", "10", "123456789012345678901234567890", "0.5", "-0.5", "0e0",
            "0E+1", "1e5", "1E5", "1e+5", "1e-5", "1.5e300", "0.1e-300", "1e-400", "4.9e-324",
            "20e1", "-123.456e-7", "0.00000000000000000000000000000001", "9007199254740993"]
    bad = ["+1", "01", "-01", "00", "1.", "-1.", ".5", "-.5", "-", "+", "1e", "1e+", "1E-", "1.e5",
           "1.5e", "e5", ".", "1.2.3", "1e5.5", "1e5e5", "--1", "-+1", "1 2", "1-2", "0x10", "0b1",
           "1_000", "1,000", "1f", "NaN", "-NaN", "Infinity", "-Infinity", "inf", "nan", "1/2",
           "\uff11", "1\u00a0"]
    return good, bad


def strings():
    good = ['""', '"a"', '" "', r'"\""', r'"\\"', r'"\/"', r'"\b\f\n\r\t"', r'"\u0000"',
            r'"\u0041"', r'"\uD83D\uDE00"', r'"\ud83d\ude00"', r'"\u20ac"',
            '"\u20ac"', '"\U0001f600"', '"\x7f"',
            '"\ufffe"', '"\u2028\u2029"', '"/* */ // #"', '"\ue000"', r'"\\u0041"',
            '"' + "a" * 10000 + '"']
    bad = ['"', '"a', "'a'", "a", '"\\"', r'"\a"', r'"\x41"', r'"\u"', r'"\u1"', r'"\u12"',
           r'"\u123"', r'"\u123g"', r'"\U0041"', r'"\ "', r'"\0"', r'"\uD800"', r'"\uDC00"',
           r'"\uD800\u0041"',
           r'"\uD800\uD800"', r'"\uDC00\uD800"', r'"\uD83D\\uDE00"', '"a" "b"', '"a"b', '"\u0000"',
           '"\t"', '"\n"', '"\r"', '"\x1f"', '`a`', '\u201ca\u201d', '"""a"""', '""" "']
    return good, bad


def containers():
    good = ["[]", "[ ]", "{}", "{ }", "[1]", "[1,2]", "[[[]]]", "[null]", "[{}]", '{"a":1}',
            '{"":0}', '{"a":{"a":{"a":{}}}}', '{"a":[],"b":{}}', '{"a b":1,"\\n":2}',
            '{"a":1,"A":2}', "[1\n,\t2]", '[true,false,null,1,"a",[],{}]', "[" + "0," * 4000 + "0]",
            "[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100]
    bad = ["[", "]", "{", "}", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1", "[1,", "[}",
           "[1}", "{1:2}", '{"a"}', '{"a":}', '{:1}', '{"a":1,}', '{,"a":1}', '{"a" 1}', '{"a"=1}',
           '{"a":1 "b":2}', '{"a":1', '{"a"', '{a:1}', "{'a':1}", '{"a":1]', '{"a":1,,"b":2}',
           '{"a":1;"b":2}', '{"a"::1}', '{null:1}', '{[]:1}', '{"a":1,"a":1}',
           '{"a":1,"\\u0061":1}', "[]]", "{}}", "[]{}", "[1]x", "[*]", "<1>", "(1)",
           "[" * 100_000, '{"a":' * 100_000,
           "[" * 200 + "]" * 200]
    return good, bad


def words():
    good = ["true", "false", "null"]
    bad = ["True", "TRUE", "tru", "truee", "nul", "NULL", "None", "undefined", "fals", "t", "yes",
           "true false", "/**/1", "1/**/", "1//", "#1", "", " ", "\u00a01", "\u20281", "\x0c1",
           "\x0b1",
           "\ufeff1", "\u200b1", "1\x00", "\x1a"]
    return good, bad


class Bodies:
    def __init__(self, checks, port):
        self.checks = checks
        self.port = port
        self.wire = Wire(port)
        self.wrong, self.count = [], 0

    def answer(self, path, data):
        self.wire.send(request("POST", path, data))
        answer = self.wire.answer()
        if answer is None or answer.headers.get("connection") == "close":
            self.wire.close()
            self.wire = Wire(self.port)
        return answer

    def parsed(self, data, wanted, path=PATH):
        """Whether the body was parsed: then it is answered, or a field of it is at fault."""
        answer = self.answer(path, data)
        self.count += 1
        found = "no answer"
        if answer is not None:
            found = answer.status
            told = str(answer.error("message"))
            if answer.status == 200 or (answer.status == 400 and answer.error("param") is not None):
                found = True
            elif answer.status == 400 and told != "no error":
                found = False
        if found != wanted:
            said = answer.body[:150] if answer else None
            self.wrong.append((data[:60], f"expected {wanted}, found {found}", said))

    def report(self, what):
        self.checks.equal(self.wrong, [], f"{what}: {self.count} bodies")
        self.wrong, self.count = [], 0


def main():
    checks = Checks()
    with Server(TINY) as server:
        bodies = Bodies(checks, server.port)
        # "metadata" is ignored, whatever it holds: the text around the value is all right.
        for kind in (numbers, strings, containers, words):
            for texts, wanted in zip(kind(), (True, False)):
                for text in texts:
                    data = text.encode()
                    bodies.parsed(b'{"prompt":[1],"max_tokens":1,"metadata":' + data + b"}", wanted)
            bodies.report(kind.__name__)
        good = b'{"prompt":[1],"max_tokens":1}'
        for text in (good, SPACE.encode() + good + SPACE.encode(),
                     b'{ "prompt"\t:\n[\r1 ] , "max_tokens" : 1 }',
                     b'{"\\u0070rompt":[1],"max_tokens":1}'):
            bodies.parsed(text, True)
        bodies.parsed(b"\xef\xbb\xbf" + good, True)  # RFC 8259 leaves a mark of bytes' order to us
        for bad in BAD_BYTES:
            bodies.parsed(b'{"prompt":[1],"metadata":"' + bad + b'"}', False)
            bodies.parsed(bad + good, False)
        for text in (b"", b"{", good[:-1], good + b"}", good + good, good + b",",
                     good.decode().encode("utf-16"), good.decode().encode("utf-32"), b"\x00",
                     b"null", b"[]", b'"a"', b"1"):
            bodies.parsed(text, False)
        bodies.report("whole bodies")
        for path in ("/v1/chat/completions", "/v1/responses", "/tokenize", "/detokenize"):
            for text in (b"", b"[", b'{"a":', b'{"a":NaN}', b'{"a":"\\ud800"}', b"{" * 1000,
                         b"\xff"):
                bodies.parsed(text, False, path)
        bodies.report("other endpoints")
        answer = bodies.answer(PATH, good)
        checks.equal((answer.status, len(json.loads(answer.body)["choices"])), (200, 1),
                     "and a good one is answered")
        bodies.wire.close()
        checks.equal(server.stop(), 0, "SIGTERM: exit code")
    checks.finish()


if __name__ == "__main__":
    main()
