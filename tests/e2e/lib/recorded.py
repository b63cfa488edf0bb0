# SPDX-License-Identifier: Apache-2.0
# Purpose: traces that other systems recorded, as requests of OTLP/JSON: Jaeger's and Zipkin's JSON, and
# the tables of the Nezha data set (one line a span, no kinds). Where the material is not beside the
# project, or where SONDE_TEST_DATA says, tests of it are skipped.
import collections
import csv
import glob
import os
import tarfile

from sonde import attribute

DATA = os.environ.get("SONDE_TEST_DATA", "../shared/data")
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
ZIPKIN_KINDS = {"SERVER": SERVER, "CLIENT": CLIENT, "PRODUCER": PRODUCER, "CONSUMER": CONSUMER}

# A span of the Nezha data set, with what its line does not say worked out.
Call = collections.namedtuple("Call", "trace id parent service name kind start_ns end_ns")


def unpack(name, folder):
    """The folder where the archive is unpacked, or None, and said, where it is not there."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        print("SKIP recorded traces: %s is not there; SONDE_TEST_DATA names the folder that has it" % path)
        return None
    with tarfile.open(path) as archive:
        archive.extractall(folder)
    return folder


def request(spans_by_service):
    return {"resourceSpans": [{"resource": {"attributes": [attribute("service.name", service)]},
                               "scopeSpans": [{"spans": spans}]}
                              for service, spans in spans_by_service.items()]}


def span_json(trace, number, parent, name, kind, start_ns, end_ns, attributes=()):
    made = {"traceId": trace, "spanId": number, "name": name, "kind": kind, "startTimeUnixNano": str(start_ns),
            "endTimeUnixNano": str(end_ns), "attributes": [attribute(k, v) for k, v in attributes]}
    if parent:
        made["parentSpanId"] = parent
    return made


def from_jaeger(trace, trace_id, base_ns):
    """A request, and the IDs that spans have in it by those of the file."""
    ids, by_service = {}, collections.defaultdict(list)

    def number(name):
        return ids.setdefault(name, "%016x" % (len(ids) + 1))

    for s in trace["spans"]:
        parents = [r["spanID"] for r in s["references"] if r["refType"] == "CHILD_OF"]
        start_ns = base_ns + s["startTime"] * 1000
        by_service[trace["processes"][s["processID"]]["serviceName"]].append(
            span_json(trace_id, number(s["spanID"]), number(parents[0]) if parents else None, s["operationName"],
                      INTERNAL, start_ns, start_ns + s["duration"] * 1000))
    return request(by_service), ids


def from_zipkin(spans):
    """One request. Both halves of a call keep the ID that they share. Spans without a time, which OTLP
    does not have, begin with the trace."""
    by_service = collections.defaultdict(list)
    first_us = min(s["timestamp"] for s in spans if "timestamp" in s)
    for s in spans:
        start_ns = s.get("timestamp", first_us) * 1000
        by_service[s.get("localEndpoint", {}).get("serviceName") or "unknown"].append(
            span_json(s["traceId"].rjust(32, "0"), s["id"], s.get("parentId"), s.get("name", ""),
                      ZIPKIN_KINDS.get(s.get("kind"), INTERNAL), start_ns, start_ns + s.get("duration", 0) * 1000,
                      sorted(s.get("tags", {}).items())))
    return request(by_service)


def nezha_lines(folder):
    for path in sorted(glob.glob(os.path.join(folder, "**", "*_trace.csv"), recursive=True)):
        with open(path, newline="") as f:
            yield from csv.DictReader(f)


def service_of(pod):
    """ts-order-service-5b67c48447-mv5hb runs ts-order-service."""
    return pod.rsplit("-", 2)[0]


def nezha_calls(lines):
    """A service is called at spans whose parent runs elsewhere, or that have none; it calls where its
    instrumentation says HTTP, or a statement of SQL."""
    services = {(r["TraceID"], r["SpanID"]): service_of(r["PodName"]) for r in lines}
    for r in lines:
        service, above = service_of(r["PodName"]), services.get((r["TraceID"], r["ParentID"]))
        name = r["OperationName"]
        is_call = name.startswith(("HTTP ", "SELECT ", "INSERT ", "UPDATE ", "DELETE "))
        kind = CLIENT if is_call else SERVER if above != service else INTERNAL
        yield Call(r["TraceID"], r["SpanID"], None if r["ParentID"] == "root" else r["ParentID"], service, name, kind,
                   int(r["StartTimeUnixNano"]), int(r["EndTimeUnixNano"]))


def is_statement(call):
    return call.kind == CLIENT and not call.name.startswith("HTTP ")


def from_nezha(calls):
    by_service = collections.defaultdict(list)
    for c in calls:
        attributes = [("db.system", "mysql"), ("db.name", "ts")] if is_statement(c) else []
        by_service[c.service].append(
            span_json(c.trace, c.id, c.parent, c.name, c.kind, c.start_ns, c.end_ns, attributes))
    return request(by_service)
