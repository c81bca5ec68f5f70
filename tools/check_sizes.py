#!/usr/bin/env python3
"""Files <= 600 lines, functions <= 80 lines, lines <= 100 columns; prints the tree's line count.

Exceptions are lines of tools/size_exceptions.txt, each with its own limit and a reason:
    file     PATH LIMIT reason
    function PATH NAME LIMIT reason
    columns  PATH LIMIT reason
An exception that is not needed any more is itself a problem.
"""

import ast
import os
import re

import repo

LIMITS = {"file": 600, "function": 80, "columns": 100}
CODE = repo.CPP + (".py", ".sh", ".cmake")
SCRIPTS = ("quickstart", "test", "check", ".ci/run")


def exceptions(problems):
    """{(kind, path, name): limit}."""
    table = {}
    for number, line in enumerate(repo.read("tools/size_exceptions.txt").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        count = 3 if words[0] == "function" else 2
        if words[0] not in LIMITS or len(words) < count + 3 or not words[count].isdigit():
            problems.append(f"tools/size_exceptions.txt:{number}: cannot read '{line}' "
                            "(kind, path, [name,] limit, a reason of two words or more)")
            continue
        name = words[2] if words[0] == "function" else ""
        table[(words[0], words[1], name)] = int(words[count])
    return table


def blank_literals(text):
    """The C++ text with comments, strings and characters blanked, line structure kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    # Preprocessor lines, continued ones too, hold no functions for us.
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, pattern.sub(blank, text),
                  flags=re.MULTILINE)


TYPE_HEAD = re.compile(r"^(?:template\s*<.*>\s*)?(?:requires\b.*?)?(?:typedef\s+)?"
                       r"(?:class|struct|union|enum)\b", re.DOTALL)
NAME = re.compile(r"((?:[\w~]+::)*(?:operator\s*[^\s(]+|operator\s*\(\s*\)|~?\w+))\s*\($")


def classify(head):
    """What a '{' after `head` opens: namespace, type, function, or something else."""
    attributes = r"\balignas\s*\([^)]*\)|\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)"
    head = re.sub(attributes, " ", head).strip()
    if re.match(r"^(inline\s+)?namespace\b", head) or re.match(r"^extern\s*$", head):
        return "namespace"
    if TYPE_HEAD.match(head) and not re.search(r"\)\s*(const|noexcept|override)*\s*$", head):
        return "type"
    if head.count("(") > head.count(")"):
        return "init"  # a default argument or an argument of a call
    if head.endswith(("=", "(", ",", "{", "return")) or "(" not in head:
        return "other"
    if re.search(r"\)[^()]*(?<!:):(?!:)(.*,)?\s*[\w:<>]+$", head, re.DOTALL):
        return "init"  # a brace initializer in a constructor's list
    return "function"


def function_name(head):
    for match in re.finditer(r"\(", head):
        name = NAME.search(head[:match.end()])
        if name and name.group(1) not in ("requires", "decltype", "noexcept", "alignas"):
            return re.sub(r"\s+", "", name.group(1))
    return "?"


def cpp_functions(text):
    """(name, first line, lines) of every outermost function body."""
    text = blank_literals(text)
    stack, head, head_line, line = [], "", 1, 1
    for char in text:
        if char == "\n":
            line += 1
        inside = any(kind == "function" for kind, _, _, _ in stack)
        if char == "{":
            kind = "other" if inside else classify(head)
            stack.append((kind, function_name(head), head_line, head))
            if kind != "init":
                head = ""
        elif char == "}":
            if stack:
                kind, name, start, before = stack.pop()
                if kind == "function":
                    yield name, start, line - start + 1
                head = before if kind == "init" else ""
        elif char == ";" and not inside:
            head = ""
        elif not inside:
            if not head.strip():
                head, head_line = "", line
            head += char
            if re.fullmatch(r"\s*(public|private|protected)\s*:", head):
                head = ""


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def main():
    problems, used, total, longest = [], set(), 0, 0
    allowed = exceptions(problems)

    def judge(kind, path, name, value, place, what):
        limit = LIMITS[kind]
        if value <= limit:
            return
        key = (kind, path, name)
        if key in allowed:
            used.add(key)
            limit = allowed[key]
        if value > limit:
            problems.append(f"{place}: {what} {value}, at most {limit}")

    paths = [p for p in repo.files() if p.endswith(CODE) or os.path.basename(p) == "CMakeLists.txt"]
    paths += [p for p in SCRIPTS if os.path.exists(os.path.join(repo.ROOT, p))]
    for path in paths:
        text = repo.read(path)
        lines = text.split("\n")
        count = len(lines) - (1 if lines[-1] == "" else 0)
        total += count
        judge("file", path, "", count, path, "lines:")
        for number, line in enumerate(lines, 1):
            judge("columns", path, "", len(line), f"{path}:{number}", "columns:")
        functions = ()
        if path.endswith(repo.CPP):
            functions = cpp_functions(text)
        elif path.endswith(".py"):
            functions = python_functions(text)
        for name, start, length in functions:
            longest = max(longest, length)
            judge("function", path, name, length, f"{path}:{start}", f"function {name}: lines:")
    for key in sorted(set(allowed) - used):
        problems.append(f"tools/size_exceptions.txt: not needed any more: {' '.join(key).strip()}")
    repo.finish("sizes", problems, f"{total} lines of code in {len(paths)} files, "
                f"longest function {longest}, {len(used)} exception(s)")


if __name__ == "__main__":
    main()
