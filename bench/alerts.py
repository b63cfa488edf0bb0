# SPDX-License-Identifier: Apache-2.0
# Purpose: what bench/run measures of alerts: how long it takes from a span that breaches to the webhook while
# 100,000 spans/s come, and what a thousand groups that fire at once take of memory and time. The receiver is in this
# process; times are from before the span is sent until the webhook has been read.
import http.client
import http.server
import json
import random
import threading
import time

BREACHES, GROUPS, PAUSE_S = 200, 1000, 0.08
RULES = """
rules:
  - name: breach
    suppress: 0s
    channels: [hook]
    strategies:
      - {filter: '{ span.breach != nil }', measure: count, every: 1m, operator: ">", threshold: 0, group_by: [span.breach]}
  - name: background
    strategies:
      - {filter: '{ status = error }', measure: error_rate, every: 1m, operator: ">", threshold: 100%%, group_by: [service, name]}
      - {measure: p99, every: 1m, operator: ">", threshold: 1h, group_by: [service, name]}
channels:
  - {name: hook, type: webhook, url: "http://127.0.0.1:%d/"}
"""


class Receiver(http.server.ThreadingHTTPServer):
    def __init__(self):
        receiver = self
        self.seen = {}  # group -> when

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for value in notice["group"].values():
                    receiver.seen.setdefault(value, time.perf_counter())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def request(values, namespace="breaches"):
    """One span for each value of the attribute, each of a service of its own, so that no two are one incident."""
    now = time.time_ns()
    return json.dumps({"resourceSpans": [
        {"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s-" + v}},
                                     {"key": "service.namespace", "value": {"stringValue": namespace + v}}]},
         "scopeSpans": [{"spans": [{
             "traceId": "%032x" % random.getrandbits(128), "spanId": "%016x" % random.getrandbits(64), "name": "n",
             "kind": 2, "startTimeUnixNano": str(now - 1000), "endTimeUnixNano": str(now),
             "attributes": [{"key": "breach", "value": {"stringValue": v}}]}]}]} for v in values]})


def post(address, path, body, kind="application/json"):
    c = http.client.HTTPConnection(address, timeout=60)
    c.request("POST", path, body, {"Content-Type": kind})
    answer = c.getresponse()
    text = answer.read()
    c.close()
    if answer.status != 200:
        raise RuntimeError("%s: %d %s" % (path, answer.status, text[:300]))


def wait_for(receiver, values):
    end = time.monotonic() + 60
    while time.monotonic() < end and not all(v in receiver.seen for v in values):
        time.sleep(0.005)


def measure(server, rate):
    """Milliseconds from breach to webhook, sorted; then seconds and MiB of a thousand at once."""
    receiver = Receiver()
    post(server.address["http"], "/api/v1/alerts/rules", RULES % receiver.server_port, "application/yaml")
    load = threading.Thread(target=lambda: server.load(
        spans=10**9, seconds=int(BREACHES * (PAUSE_S + 0.02)) + 5, rate=rate, jitter_ms=500))
    load.start()
    time.sleep(3)
    sent = {}
    for i in range(BREACHES):
        value = "b%d" % i
        body = request([value])
        sent[value] = time.perf_counter()
        post(server.address["otlp-http"], "/v1/traces", body)
        time.sleep(PAUSE_S)
    wait_for(receiver, sent)
    load.join()
    found = sorted((receiver.seen[v] - t) * 1000 for v, t in sent.items() if v in receiver.seen)
    before = server.memory("VmRSS")
    many = ["m%d" % i for i in range(GROUPS)]
    begun = time.perf_counter()
    post(server.address["otlp-http"], "/v1/traces", request(many, namespace="one-"))
    time.sleep(5)
    firing = json.loads(server.get("/api/v1/alerts/rules"))["engine"]["firing"]
    result = {"latencies_ms": found, "lost": BREACHES - len(found), "firing": firing,
              "took_s": time.perf_counter() - begun, "mib": server.memory("VmHWM") - before}
    receiver.shutdown()
    return result
