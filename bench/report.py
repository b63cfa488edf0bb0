# SPDX-License-Identifier: Apache-2.0
# Purpose: what the programs that write bench/RESULTS.md share: which machine and commit it was, how
# busy, rows of tables, and each program's section in the file.
import datetime
import os
import platform
import re
import subprocess

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "RESULTS.md")
TITLE = "# Results of `"


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                            text=True).stdout.strip()
    return "%s, %d cores, Linux %s, commit %s, %s UTC" % (
        model, os.cpu_count(), platform.release(), commit,
        datetime.datetime.utcnow().strftime("%Y-%m-%d %H:%M"))


def busy(load_before):
    if load_before < 0.5:
        return "The machine was quiet (load %.1f before the run)." % load_before
    return ("**The machine was busy with other work** (load %.1f on %d cores before the run): take "
            "latencies and rates with care; CPU-seconds suffer less." % (load_before, os.cpu_count()))


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def keep(command, text):
    """Prints the section of a command, `make bench` for one, and puts it into bench/RESULTS.md in
    place of its last one; the sections of other commands stay."""
    title = TITLE + command + "`\n"
    print(title + "\n" + text)
    sections = []
    if os.path.exists(RESULTS):
        with open(RESULTS) as f:
            sections = [s.rstrip() + "\n" for s in re.split("(?m)^(?=%s)" % re.escape(TITLE), f.read()) if s]
    kept = [s for s in sections if not s.startswith(title)]
    kept.append(title + "\n" + text.rstrip() + "\n")
    with open(RESULTS, "w") as f:
        f.write("\n".join(sorted(kept, key=lambda s: s.split("`")[1])))
