# SPDX-License-Identifier: Apache-2.0
# Purpose: what bench/run measures of calls over time: the topology of an hour with 1,000 services and
# 5,000 edges, each called once a minute, and charts of a week. Sent as OTLP/JSON with the times of the past.
import http.client
import json
import random
import time

SERVICES, EDGES = 1000, 5000
MINUTES = 60
WEEK_ENDPOINTS = 10
SPANS_A_REQUEST = 6000
SPAN = ('{"traceId":"%032x","spanId":"%016x","parentSpanId":"%s","name":"%s","kind":%d,'
        '"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}')
RESOURCE = ('{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%s"}}]},'
            '"scopeSpans":[{"spans":[%s]}]}')
SERVER, CLIENT = 2, 3


class Sender:
    """Gathers spans by service, and sends them when they are many."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.spans = {}
        self.count = self.sent = 0

    def add(self, service, *of):
        self.spans.setdefault(service, []).append(SPAN % of)
        self.count += 1

    def flush(self):
        body = '{"resourceSpans":[%s]}' % ",".join(
            RESOURCE % (service, ",".join(spans)) for service, spans in self.spans.items())
        status = 429
        while status == 429:
            self.connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            status = answer.status
            text = answer.read()
            if status == 429:
                time.sleep(0.1)
        if status != 200 or b"ejected" in text:
            raise RuntimeError("%d %s" % (status, text[:200]))
        self.sent += self.count
        self.spans, self.count = {}, 0


def duration_ns(rng):
    return int(rng.lognormvariate(16, 0.7))  # about 9 ms


def send_graph(address, now_ns):
    """Each edge is called once in each minute of the hour before."""
    rng = random.Random(1)
    edges = set()
    while len(edges) < EDGES:
        a, b = rng.randrange(SERVICES), rng.randrange(SERVICES)
        if a != b:
            edges.add((a, b))
    edges = sorted(edges)
    sender, number = Sender(address), 0
    for minute in range(MINUTES):
        for a, b in edges:
            number += 1
            begin = now_ns - (MINUTES - minute) * 60 * 10**9 + rng.randrange(50 * 10**9)
            took = duration_ns(rng)
            root, client = 3 * number, 3 * number + 1
            sender.add("service-%d" % a, number, root, "", "GET /", SERVER, begin, begin + took)
            sender.add("service-%d" % a, number, client, "%016x" % root, "GET", CLIENT, begin + 1000, begin + took)
            sender.add("service-%d" % b, number, client + 1, "%016x" % client, "GET /", SERVER, begin + 2000,
                       begin + took)
        if sender.count >= SPANS_A_REQUEST:
            sender.flush()
    if sender.count:
        sender.flush()
    return sender.sent


def send_week(address, now_ns):
    """One service, whose endpoints were called once a minute for a week."""
    rng = random.Random(2)
    sender = Sender(address)
    for minute in range(7 * 24 * 60, 0, -1):
        for endpoint in range(WEEK_ENDPOINTS):
            number = (1 << 40) + minute * WEEK_ENDPOINTS + endpoint
            begin = now_ns - minute * 60 * 10**9
            sender.add("weekly", number, number, "", "GET /%d" % endpoint, SERVER, begin, begin + duration_ns(rng))
        if sender.count >= SPANS_A_REQUEST:
            sender.flush()
    if sender.count:
        sender.flush()
    return sender.sent


def wait_for_edges(server, path):
    """The edges of a chain show once it has closed."""
    begun = time.monotonic()
    while time.monotonic() - begun < 120:
        topology = json.loads(server.get(path))
        edges = [e for e in topology["edges"] if e["from"].startswith("service")]
        if len(edges) == EDGES and sum(e["calls"] for e in edges) == EDGES * MINUTES:
            return
        time.sleep(1)
    raise RuntimeError("the edges did not come: %d" % len(edges))


def wait_for_parts(server):
    """An hour of the past is in parts, but for its last half minute."""
    begun = time.monotonic()
    while b"\nsonde_series_head_samples 0\n" not in server.get("/metrics"):
        if time.monotonic() - begun > 120:
            raise RuntimeError("what was counted is not in parts yet")
        time.sleep(1)


def measure(server):
    """Milliseconds of answers, sorted, and how many spans they are about."""
    now_ns = time.time_ns() // (3600 * 10**9) * (3600 * 10**9) + 1800 * 10**9  # not at the border of an hour
    now_ns = min(now_ns, time.time_ns())
    spans = send_graph(server.address["otlp-http"], now_ns)
    spans += send_week(server.address["otlp-http"], now_ns)
    now_ms = now_ns // 10**6
    hour = "from=%d&to=%d" % (now_ms - 3600000, now_ms)
    week = "from=%d&to=%d" % (now_ms - 7 * 86400000, now_ms)
    wait_for_edges(server, "/api/v1/topology?" + hour)
    wait_for_parts(server)
    return {
        "spans": spans,
        "topology": server.latencies(["/api/v1/topology?" + hour] * 20),
        "red_week": server.latencies(["/api/v1/red?service=weekly&" + week] * 20),
        "red_hour": server.latencies(["/api/v1/red?service=weekly&step=10000&" + hour] * 20),
    }
