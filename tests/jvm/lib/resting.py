# SPDX-License-Identifier: Apache-2.0
# Purpose: spans that begin while the agent works and end while it rests, because the program has kept
# it busy (Busy.java): each has its own end, and none is left to wait.
from jvm import check, equal, wait_for

# No sweep, so that a span has no other way to an end than its own; few of those that keep it busy.
OPTIONS = "max_cpu_percent=2,pending_age_s=3600,sample_rate=100"


def end_while_it_rests(program, has_ended=None):
    """The program has begun its calls when it says so, and is told to end them. It says that they have ended,
    unless something else waits for that."""
    program.wait_line("begun")
    wait_for(lambda: "nothing for a while" in program.text(), "the agent's rest", 120)
    program.say("end")
    if has_ended is not None:
        has_ended()
    else:
        program.wait_line("ended")
    program.detach()
    program.say("")
    program.wait()


def ended_spans(target, *names):
    """The spans with these names that a collector has got, once the agent has left. None waited longer than its
    call."""
    found = target.last_metrics()[1]
    told = {name: found[name][2][0].value for name in (
        "sonde.agent.span.pending", "sonde.agent.span.ended_early", "otel.sdk.span.live")}
    equal(set(told.values()), {0}, "what waits, has not waited, lives: %s" % told)
    spans = [s for s in target.all_spans() if s.name in names]
    check(spans, "no span has arrived")
    return spans
