#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Purpose: the house checks over C sources: purpose comments, include direction and cycles, function
# length, assertion density, banned functions; and over the whole tree: secrets and links in docs.
# Prints what is wrong and "PASS lint: ..." or "FAIL lint: ..." for each check.
import os
import re
import subprocess
import sys

ORDER = ["core", "os", "model", "wire", "filter", "ledger", "http", "journal", "codec", "store", "series", "receive", "scrape",
         "stream", "query", "notify", "alert", "api"]
BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "alloca",
          "mktemp", "system"]
PEERS = {"store", "series", "receive", "scrape", "stream"}  # meet in model, and are put together in apps
LENGTH_MAX, LENGTH_P90 = 70, 40
FILE_LINES_MAX = 1000
ASSERTIONS_MIN = {"journal": 1, "ledger": 0.9, "notify": 1, "os": 1, "series": 1, "store": 2}  # a function, on average
failed = False


def check(name, problems):
    global failed
    for p in problems:
        print(p)
    print("%s lint: %s" % ("FAIL" if problems else "PASS", name))
    failed = failed or bool(problems)


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True,
                         capture_output=True, text=True).stdout
    return [f for f in out.split("\n") if f and os.path.exists(f)]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def without_comments(text):
    """The text with comments and literals blanked, line breaks kept."""
    def blank(m):
        s = m.group(0)
        if s.startswith("/"):
            return re.sub(r"[^\n]", " ", s)
        return s[0] + re.sub(r"[^\n]", "x", s[1:-1]) + s[-1]
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def functions(text):
    """(name, first line, number of lines, body) of each function definition."""
    lines = text.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = start - 1
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].startswith("#") \
                    and not lines[head - 1].rstrip().endswith((";", "}")):
                head -= 1
            signature = " ".join(lines[head:start])
            name = re.search(r"(\w+)\s*\(", signature)
            if name and "=" not in signature.split("(")[0]:
                yield name.group(1), head + 1, i - start - 1, "\n".join(lines[start + 1:i])
            start = None


def c_sources(files):
    return [f for f in files if re.match(r"(src|agents|apps|bench|tests)/.*\.[ch]$", f)]


def main():
    files = tracked()
    sources = c_sources(files)
    texts = {f: read(f) for f in sources}
    plain = {f: without_comments(t) for f, t in texts.items()}

    check("every source says its licence and purpose", [
        "%s:1: no SPDX line or no Purpose comment" % f for f in files
        if re.search(r"\.(c|h|py|ts|vue|mjs|sh)$|^tools/\w+$|^demo/\w+$|^bench/\w+$|^(?!tests/unit).*meson\.build$", f)
        and ("SPDX-License-Identifier: Apache-2.0" not in read(f)[:300] or
             ("Purpose:" not in read(f)[:600]
              and not re.search(r"meson\.build$", f)))
        and not f.endswith(".json")])

    problems, graph = [], {}
    for f in sources:
        m = re.match(r"src/(\w+)/", f)
        if not m:
            continue
        graph[f] = []
        for line, include in [(n + 1, x) for n, l in enumerate(texts[f].split("\n"))
                              for x in re.findall(r'^#include "([^"]+)"', l)]:
            folder = include.split("/")[0]
            if folder not in ORDER or ORDER.index(folder) > ORDER.index(m.group(1)):
                problems.append("%s:%d: %s may not include %s" % (f, line, m.group(1), include))
            if folder != m.group(1) and {folder, m.group(1)} <= PEERS:
                problems.append("%s:%d: %s and %s do not know one another" % (f, line, m.group(1), folder))
            graph[f].append("src/" + include)
    check("include direction", problems)

    problems, state = [], {}

    def visit(f, path):
        state[f] = 1
        for g in graph.get(f, []):
            if state.get(g) == 1:
                problems.append("include cycle: " + " -> ".join(path + [f, g]))
            elif g not in state:
                visit(g, path + [f])
        state[f] = 2
    for f in graph:
        if f not in state:
            visit(f, [])
    check("no include cycles", problems)

    lengths, problems, density = [], [], []
    counts = {}
    for f in sources:
        if not f.endswith(".c"):
            continue
        where = f.split("/")[1] if f.startswith("src/") else None
        for name, line, n, body in functions(plain[f]):
            lengths.append(n)
            if n > LENGTH_MAX and not (f.startswith("tests/") and name.startswith("test_")):
                problems.append("%s:%d: %s has %d lines, %d at most" % (f, line, name, n, LENGTH_MAX))
            if where:
                c = counts.setdefault(where, [0, 0])
                c[0] += 1
                c[1] += len(re.findall(r"\b(?:ASSERT|MUST|_Static_assert)\b", body))
    lengths.sort()
    p90 = lengths[len(lengths) * 9 // 10] if lengths else 0
    if p90 > LENGTH_P90:
        problems.append("the 90th percentile of function length is %d, %d at most" % (p90, LENGTH_P90))
    check("function length (p90 %d of %d functions)" % (p90, len(lengths)), problems)

    total = [sum(c[i] for c in counts.values()) for i in (0, 1)]
    for where, (functions_, asserts) in sorted(counts.items()):
        density.append("%s %.2f" % (where, asserts / max(functions_, 1)))
    ratio = total[1] / max(total[0], 1)
    target = 1
    check("assertions, %.2f a function (%s)" % (ratio, ", ".join(density)),
          ([] if ratio >= target else ["%.2f assertions a function, at least %.2f" % (ratio, target)])
          + ["src/%s: fewer than %.2f assertions a function" % (where, floor)
             for where, floor in ASSERTIONS_MIN.items()
             if where in counts and counts[where][1] < floor * counts[where][0]])

    check("files of at most %d lines" % FILE_LINES_MAX, [
        "%s: %d lines" % (f, texts[f].count("\n")) for f in sources
        if texts[f].count("\n") > FILE_LINES_MAX])

    check("no banned functions", [
        "%s:%d: %s() is banned" % (f, n + 1, b) for f in sources
        for n, line in enumerate(plain[f].split("\n"))
        for b in BANNED if re.search(r"(?<![\w.>])%s\s*\(" % b, line)] + [
        "%s:%d: heap memory comes from core/mem.h" % (f, n + 1) for f in sources
        if f.startswith("src/") and f != "src/core/mem.c"
        for n, line in enumerate(plain[f].split("\n"))
        if re.search(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup)\s*\(", line)] + [
        "%s:%d: arrays are sorted by core/sort.h" % (f, n + 1) for f in sources
        if f != "src/core/sort.h" and not f.startswith("agents/")
        for n, line in enumerate(plain[f].split("\n")) if re.search(r"\bqsort\s*\(", line)])

    check("no secrets", [
        "%s: looks like a secret" % f for f in files
        if os.path.getsize(f) < 1 << 20 and re.search(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{20}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}",
            read(f))])

    problems = []
    for f in files:
        if not f.endswith(".md"):
            continue
        text = read(f)
        anchors = {re.sub(r"[^\w\u4e00-\u9fff -]", "", h.strip().lower()).replace(" ", "-")
                   for h in re.findall(r"^#+ (.*)$", text, flags=re.M)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:|mailto:", target):
                continue
            path, _, anchor = target.partition("#")
            if path and not os.path.exists(os.path.join(os.path.dirname(f), path)):
                problems.append("%s: broken link %s" % (f, target))
            elif not path and anchor not in anchors:
                problems.append("%s: no heading for #%s" % (f, anchor))
    check("links in docs", problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
