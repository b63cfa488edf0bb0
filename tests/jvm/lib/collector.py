# SPDX-License-Identifier: Apache-2.0
# Purpose: a place to send OTLP to that keeps what it was sent, so that a test can look at metrics
# and at what the agent does when a server is slow, refuses, or is not there. Messages are taken
# apart by a few lines of protobuf reading; a number of a field gives the list of its values.
import gzip
import http.server
import socket
import struct
import threading


def varint(data, at):
    """(value, the place behind it)"""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{number: [value, ...]} of one message: ints, 8-byte bytes for fixed64, bytes."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        elif wire == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError("wire type %d at %d" % (wire, at))
        if at > len(data):
            raise ValueError("a field ends behind its message")
        found.setdefault(tag >> 3, []).append(value)
    return found


def packed(data):
    values, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def attributes(messages):
    """Of KeyValue messages."""
    found = {}
    for message in messages:
        pair = fields(message)
        value = fields(pair[2][0])
        found[pair[1][0].decode()] = value[1][0].decode() if 1 in value else value.get(3, value.get(2))[0]
    return found


def zigzag(n):
    return (n >> 1) ^ -(n & 1)


class Point:
    """Of a metric: attributes, start, time; value of a gauge or sum; count, sum, buckets of a histogram."""

    def __init__(self, data, kind):
        f = fields(data)
        self.attributes = attributes(f.get({"exponential": 1, "histogram": 9}.get(kind, 7), []))
        self.start, self.time = (int.from_bytes(f.get(i, [b"\0" * 8])[0], "little") for i in (2, 3))
        self.value = self.count = self.sum = None
        if kind in ("exponential", "histogram"):
            self.count = int.from_bytes(f[4][0], "little")
            self.sum = struct.unpack("<d", f[5][0])[0]
        elif 6 in f:
            self.value = int.from_bytes(f[6][0], "little", signed=True)
        else:
            self.value = struct.unpack("<d", f[4][0])[0]
        if kind == "exponential":
            self.scale = zigzag(f[6][0])
            buckets = fields(f[8][0])
            self.offset = zigzag(buckets[1][0])
            self.counts = packed(buckets[2][0])


KINDS = {5: "gauge", 7: "sum", 9: "histogram", 10: "exponential"}


def metrics(body):
    """({resource attributes}, {name: (kind, unit, [Point])}) of one ExportMetricsServiceRequest."""
    resource, = fields(body)[1]
    parts = fields(resource)
    found = {}
    for scope in parts[2]:
        for message in fields(scope).get(2, []):
            m = fields(message)
            number, = set(m) & set(KINDS)
            kind = KINDS[number]
            points = [Point(p, kind) for p in fields(m[number][0]).get(1, [])]
            found[m[1][0].decode()] = (kind, m[3][0].decode(), points)
    return attributes(fields(parts[1][0])[1]), found


class LogRecord:
    """Of a logger: when, how severe, what, where."""

    def __init__(self, logger, data):
        f = fields(data)
        self.logger = logger
        self.time, self.observed = (int.from_bytes(f.get(i, [b"\0" * 8])[0], "little") for i in (1, 11))
        self.severity, self.level = f[2][0], f[3][0].decode()
        self.body = fields(f[5][0])[1][0].decode()
        self.attributes = attributes(f.get(6, []))
        self.flags = int.from_bytes(f.get(8, [b"\0" * 4])[0], "little")
        self.trace_id, self.span_id = (f.get(i, [b""])[0].hex() for i in (9, 10))


def log_records(body):
    """({resource attributes}, [LogRecord]) of one ExportLogsServiceRequest."""
    resource, = fields(body)[1]
    parts = fields(resource)
    found = []
    for scope in map(fields, parts[2]):
        logger = fields(scope[1][0])[1][0].decode()
        found += [LogRecord(logger, record) for record in scope[2]]
    return attributes(fields(parts[1][0])[1]), found


def span_names(body):
    """{name: (trace ID, span ID)} of one ExportTraceServiceRequest."""
    return {f[5][0].decode(): (f[1][0].hex(), f[2][0].hex())
            for resource in fields(body).get(1, []) for scope in fields(resource).get(2, [])
            for f in map(fields, fields(scope).get(2, []))}


def span_count(body):
    return sum(len(fields(scope).get(2, [])) for resource in fields(body).get(1, [])
               for scope in fields(resource).get(2, []))


SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5  # kinds of spans


class Span:
    def __init__(self, data):
        f = fields(data)
        self.trace, self.id, self.parent = (f.get(i, [b""])[0].hex() for i in (1, 2, 4))
        self.name, self.kind = f[5][0].decode(), f[6][0]
        self.attributes = attributes(f.get(9, []))
        self.is_error = fields(f.get(15, [b""])[0]).get(3) == [2]


def spans(body):
    """[Span] of one ExportTraceServiceRequest."""
    return [Span(s) for resource in fields(body).get(1, []) for scope in fields(resource).get(2, [])
            for s in fields(scope).get(2, [])]


class Collector:
    """Answers every request with `status` after `delay_s`, and with the path's body in `answers`;
    keeps (path, body)."""

    def __init__(self, port=0):
        self.status, self.delay_s = 200, 0
        self.status_of = {}  # by path, where it is another one
        self.requests, self.connections = [], []
        self.answers = {}
        self.lock = threading.Lock()
        self.waiting = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with outer.lock:
                    outer.connections.append(self.connection)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                if outer.delay_s:
                    outer.waiting.wait(outer.delay_s)
                status = outer.status_of.get(self.path, outer.status)
                # Whoever has the answer finds what was sent, and nobody what was not answered.
                with outer.lock:
                    answer = outer.answers.get(self.path, b"")
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    try:
                        self.end_headers()
                        self.wfile.write(answer)
                    except OSError:
                        return
                    outer.requests.append((status, self.path, body))

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.otlp = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, path, status=200):
        with self.lock:
            return [body for s, p, body in self.requests if p == path and s == status]

    def last_metrics(self):
        return metrics(self.bodies("/v1/metrics")[-1])

    def logs(self):
        return [record for body in self.bodies("/v1/logs") for record in log_records(body)[1]]

    def all_spans(self):
        return [span for body in self.bodies("/v1/traces") for span in spans(body)]

    def spans(self):
        return sum(span_count(body) for body in self.bodies("/v1/traces"))

    def stop(self):
        """Goes away: kept connections end too."""
        self.waiting.set()
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the other side was first
