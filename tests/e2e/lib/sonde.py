# SPDX-License-Identifier: Apache-2.0
# Purpose: what the end-to-end tests share: a real server on free ports with its data in a temporary
# folder, its command line, its API, and checks that name what they found.
import ctypes
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BINARY = os.environ.get("SONDE_BINARY", os.path.join(ROOT, "build/sonde"))
READY_S = 30
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    pass


def check(condition, text, *seen):
    if not condition:
        raise Failure(text + "".join("\n  seen: %s" % (s,) for s in seen))


def equal(seen, expected, what):
    check(seen == expected, "%s is not what was expected\n  expected: %r" % (what, expected), repr(seen))


def die_with_parent():
    """In a child: a test that is killed leaves no process behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(condition, text, timeout_s=20, every_s=0.05):
    """The first true answer of condition(); fails with `text` when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        check(time.monotonic() < end, "%s did not happen in %s s" % (text, timeout_s))
        time.sleep(every_s)


def http(url, body=None, headers=None, method=None, timeout_s=30):
    """(status, body bytes) of one request."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read()


class Server:
    def __init__(self, data, arguments=(), environment=None, descriptors=None):
        self.data = data
        self.descriptors = descriptors  # the server may have, at most
        self.arguments = list(arguments)
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None

    def launch(self):
        any_port = "127.0.0.1:0"
        self.log = open(self.data + ".log", "ab")

        def prepare():
            die_with_parent()
            if self.descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

        self.process = subprocess.Popen(
            [BINARY, "server", "--data", self.data, "--http", any_port, "--otlp-grpc", any_port,
             "--otlp-http", any_port, *self.arguments],
            stdout=subprocess.PIPE, stderr=self.log, env=self.environment, preexec_fn=prepare)

    def start(self):
        self.launch()
        found = {}
        while len(found) < 3:
            line = self.process.stdout.readline().decode()
            check(line, "the server did not start", open(self.data + ".log").read()[-2000:])
            match = re.match(r"\s+(http|otlp-grpc|otlp-http)\s+(\S+)", line)
            if match:
                found[match.group(1)] = "http://" + match.group(2)
        self.url, self.otlp = found["http"], found["otlp-http"]
        self.grpc = found["otlp-grpc"]
        return self

    def end(self, number):
        """Sends a signal, waits, gives the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return code

    def stop(self):
        equal(self.end(signal.SIGTERM), 0, "the server's exit code after SIGTERM")

    def kill(self):
        self.end(signal.SIGKILL)

    def get(self, path, status=200, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        code, body = http(self.url + path + query)
        equal(code, status, "the status of GET " + path + query)
        return json.loads(body)

    def send(self, request, status=200):
        """Posts OTLP/JSON; gives the answer."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        code, answer = http(self.otlp + "/v1/traces", body, {"Content-Type": "application/json"})
        equal(code, status, "the status of POST /v1/traces: %r" % answer[:300])
        return json.loads(answer)

    def ledger(self):
        """The sums over all services; fails when a row does not balance."""
        rows = self.get("/api/v1/ledger")["rows"]
        sums = {"received": 0, "stored": 0, "pending": 0, "sampled": 0, "dropped": 0}
        for row in rows:
            dropped = sum(row["dropped"].values())
            check(row["balanced"] and row["received"] == row["stored"] + row["pending"]
                  + row["sampled"] + row["expired"] + dropped, "the ledger does not balance", row)
            for key in ("received", "stored", "pending", "sampled"):
                sums[key] += row[key]
            sums["dropped"] += dropped
        return sums


def sonde(*arguments, code=0, server=None, text=None, environment=None):
    """Runs the command line; gives (standard output, standard error)."""
    env = dict(os.environ, **(environment or {}))
    if server is not None:
        env["SONDE_SERVER"] = server.url
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, env=env, input=text,
                          timeout=60)
    equal(done.returncode, code, "the exit code of sonde %s (%s)" % (" ".join(arguments), done.stderr))
    return done.stdout, done.stderr


def on_terminal(*arguments):
    """What the command prints on a terminal, line by line."""
    done = subprocess.run(["script", "-qec", shlex.join([BINARY, *arguments]), "/dev/null"], capture_output=True)
    return done.stdout.decode().replace("\r\n", "\n")


def attribute(key, value):
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}


def spans_request(service, spans, namespace=None):
    resource = [attribute("service.name", service)]
    if namespace:
        resource.append(attribute("service.namespace", namespace))
    return {"resourceSpans": [{"resource": {"attributes": resource},
                               "scopeSpans": [{"scope": {"name": "test", "version": "1"},
                                               "spans": spans}]}]}


def span(trace, number, parent=None, name="work", start_ns=None, duration_ns=1000000, **fields):
    start_ns = start_ns or time.time_ns()
    made = {"traceId": trace, "spanId": "%016x" % number, "name": name, "kind": 1,
            "startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + duration_ns)}
    if parent is not None:
        made["parentSpanId"] = "%016x" % parent
    made.update(fields)
    return made


def main(*tests):
    """Runs the tests, each with a temporary folder; the exit code says whether all passed."""
    failed = 0
    for test in tests:
        folder = tempfile.mkdtemp(prefix="sonde-e2e-")
        os.chmod(folder, 0o755)  # PostgreSQL's user must get through
        began = time.monotonic()
        try:
            test(folder)
            print("ok    %s (%.1f s)" % (test.__name__, time.monotonic() - began), flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        except (Failure, OSError, KeyError, ValueError, subprocess.SubprocessError) as e:
            failed += 1
            print("FAILED %s: %s: %s\n  folder: %s" % (test.__name__, type(e).__name__, e, folder),
                  flush=True)
    sys.exit(1 if failed else 0)
