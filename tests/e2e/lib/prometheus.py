# SPDX-License-Identifier: Apache-2.0
# Purpose: what tests of Prometheus' protocols share: remote write requests made by hand, and a real
# Prometheus on a port of its own.
import http.server as http_server
import json
import os
import shutil
import struct
import subprocess
import threading
import time
import urllib.parse

from sonde import check, die_with_parent, http, wait_for

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


# ---- Protobuf and snappy, by hand ------------------------------------------------------------------

def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return (n << 1) ^ (n >> 63)


def number(field, n):
    return varint(field << 3) + varint(n)


def double(field, d):
    bits = struct.pack("<Q", 0x7FF0000000000002) if d is STALE else struct.pack("<d", d)
    return varint(field << 3 | 1) + bits


def message(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def snappy(data):
    """A block that packs nothing: literals."""
    out = varint(len(data))
    for i in range(0, len(data), 60):
        part = data[i:i + 60]
        out += bytes([(len(part) - 1) << 2]) + part
    return out


TRACE = "0af7651916cd43dd8448eb211c80319c"  # of exemplars


def series_1(labels, samples, histograms=(), exemplars=0):
    """labels: a dictionary; samples: [(ms, value)]."""
    out = b"".join(message(1, message(1, k) + message(2, v)) for k, v in sorted(labels.items()))
    out += b"".join(message(2, double(1, v) + number(2, ms)) for ms, v in samples)
    out += b"".join(message(3, message(1, message(1, "trace_id") + message(2, TRACE)) + double(2, 1)
                            + number(3, ms)) for ms, _ in samples[:exemplars])
    return message(1, out + b"".join(message(4, h) for h in histograms))


class Symbols:
    def __init__(self):
        self.index = {"": 0}

    def __call__(self, text):
        return self.index.setdefault(text, len(self.index))

    def bytes(self):
        return b"".join(message(4, text) for text in self.index)


def series_2(symbols, labels, samples, histograms=(), kind=0, unit="", created_ms=0, exemplars=0):
    refs = b"".join(varint(symbols(k)) + varint(symbols(v)) for k, v in sorted(labels.items()))
    out = message(1, refs)
    out += b"".join(message(2, double(1, v) + number(2, ms)) for ms, v in samples)
    out += b"".join(message(3, h) for h in histograms)
    traced = message(1, varint(symbols("trace_id")) + varint(symbols(TRACE)))
    out += b"".join(message(4, traced + double(2, 1) + number(3, ms)) for ms, _ in samples[:exemplars])
    out += message(4, double(2, 1) + number(3, 1)) if exemplars else b""  # of no trace
    out += message(5, number(1, kind) + number(3, symbols("What it is")) + number(4, symbols(unit)))
    return message(5, out + (number(6, created_ms) if created_ms else b""))


def histogram(ms, count, total, schema, positive, zeros=0, negative=(), hint=0, custom=()):
    """positive, negative: [(index, count)] ascending."""
    out = number(1, count) + double(3, total) + number(4, zigzag(schema)) + double(5, 1e-9)
    out += number(6, zeros)
    for field, buckets in ((8, negative), (11, positive)):
        last, at = 0, None
        deltas = b""
        for index, n in buckets:
            gap = index if at is None else index - at
            out += message(field, number(1, zigzag(gap)) + number(2, 1))
            deltas += varint(zigzag(n - last))
            last, at = n, index + 1
        out += message(field + 1, deltas)
    if custom:
        out += message(16, b"".join(struct.pack("<d", b) for b in custom))
    return out + number(14, hint) + number(15, ms)


HEADERS_1 = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
             "X-Prometheus-Remote-Write-Version": "0.1.0"}
HEADERS_2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
             "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0"}


def write(server, body, headers=None, status=204, packed=True):
    """Sends a request; gives the answer's text."""
    code, answer = http(server.otlp + "/api/v1/write", snappy(body) if packed else body,
                        headers or HEADERS_1)
    check(code == status, "the status of a remote write is %d, not %d" % (code, status), answer[:300])
    return answer.decode()


# ---- A real one ------------------------------------------------------------------------------------

class Prometheus:
    """Debian's Prometheus, on a free port; `config` is its configuration."""

    def __init__(self, folder, config, arguments=()):
        self.folder = folder
        self.arguments = list(arguments)
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/prometheus.yml", "w") as f:
            json.dump(config, f)  # JSON is YAML
        self.process = None

    def start(self):
        binary = shutil.which("prometheus")
        check(binary, "Debian's package prometheus is not installed (tools/deps test)")
        self.log = open(self.folder + "/log", "ab+")
        at = self.log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen(
            [binary, "--config.file", self.folder + "/prometheus.yml", "--storage.tsdb.path",
             self.folder + "/data", "--web.listen-address", "127.0.0.1:0", "--log.format=json",
             *self.arguments], stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)

        def address():
            check(self.process.poll() is None, "Prometheus ended", self.text()[-2000:])
            for line in self.text(at).splitlines():
                told = json.loads(line)
                if told.get("component") == "web" and told.get("msg") == "Listening on":
                    return told.get("address")
            return None

        self.url = "http://" + wait_for(address, "that Prometheus listens", timeout_s=60)
        wait_for(lambda: http(self.url + "/-/ready")[0] == 200, "that Prometheus is ready", timeout_s=60)
        return self

    def text(self, at=0):
        with open(self.folder + "/log", encoding="utf-8") as f:
            f.seek(at)
            whole = f.read()
            return whole[:whole.rfind("\n") + 1]

    def ask(self, path, **parameters):
        code, body = http(self.url + "/api/v1/" + path + "?" + urllib.parse.urlencode(parameters))
        check(code == 200, "Prometheus answers %s" % path, body[:300])
        return json.loads(body)["data"]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        self.log.close()


class Target:
    """Something to scrape: `text()` gives the exposition, each time anew."""

    def __init__(self, text, content_type="text/plain; version=0.0.4"):
        target = self
        self.scrapes = 0

        class Handler(http_server.BaseHTTPRequestHandler):
            def do_GET(self):
                target.scrapes += 1
                target.seen = dict(self.headers)
                body = text()
                status, body = body if isinstance(body, tuple) else (200, body)
                body = body.encode() if isinstance(body, str) else body
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", content_type)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # it waited no longer

            def log_message(self, *_):
                pass

        self.server = http_server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Clockwork:
    """A target whose numbers are those of the whole second at which it is asked, and told with it:
    whoever scrapes it, and however late, gets the same samples."""

    BOUNDS = (0.1, 0.5, 1.0, 2.5)
    RESTART_S = 17

    def __init__(self, began_s):
        self.began_s = began_s

    def values(self, second):
        n = (second - self.began_s) % self.RESTART_S + 1  # it restarts again and again
        buckets = [n * (i + 1) + (second % 3 if i > 1 else 0) for i in range(len(self.BOUNDS))]
        buckets = [sum(buckets[:i + 1]) for i in range(len(buckets))]
        return n, n * 7.25, (second * 37 % 101) / 8, buckets, buckets[-1] + n

    def text(self):
        second = int(time.time())
        n, total, level, buckets, count = self.values(second)
        ms = second * 1000
        lines = ["# HELP clock_ticks_total How often it ticked.", "# TYPE clock_ticks_total counter",
                 'clock_ticks_total{hand="short"} %d %d' % (n, ms),
                 'clock_ticks_total{hand="lo\\\\ng\\n\\"x\\""} %s %d' % (total, ms),
                 "# TYPE clock_level gauge", "clock_level %s %d" % (level, ms),
                 "clock_nan NaN %d" % ms, "# TYPE clock_seconds histogram"]
        for bound, below in zip(self.BOUNDS, buckets):
            lines.append('clock_seconds_bucket{le="%s"} %d %d' % (bound, below, ms))
        lines += ['clock_seconds_bucket{le="+Inf"} %d %d' % (count, ms), "clock_seconds_sum %s %d" % (total, ms),
                  "clock_seconds_count %d %d" % (count, ms)]
        return "\n".join(lines) + "\n"


def samples_of(prometheus, job, from_s, to_s):
    """Every sample of a job that Prometheus has in [from_s, to_s):
    {(name, labels as a sorted tuple): {ms: value}}."""
    found = {}
    answer = prometheus.ask("query", query='{job="%s"}[%dms]' % (job, (to_s - from_s) * 1000 - 1),
                            time=to_s - 0.001)
    for series in answer["result"]:
        labels = dict(series["metric"])
        name = labels.pop("__name__")
        found[name, tuple(sorted(labels.items()))] = {
            round(at * 1000): float(value) for at, value in series["values"]}
    return found
