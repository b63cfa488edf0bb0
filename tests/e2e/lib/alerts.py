# SPDX-License-Identifier: Apache-2.0
# Purpose: what tests of alerting share: a receiver of webhooks, spans that fail, rules as JSON.
import hashlib
import hmac
import http.server
import json
import random
import threading
import time

from sonde import attribute, equal, http as ask

YAML = {"Content-Type": "application/yaml"}


class Hook:
    """A receiver that keeps what it was sent; `status` is what it answers, 0: nothing at all."""

    def __init__(self, secret=b""):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 0:
                    self.close_connection = True
                    return
                if secret:
                    stamp = self.headers["X-Sonde-Timestamp"]
                    wanted = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
                    hook.signed = hook.signed and self.headers["X-Sonde-Signature"] == "sha256=" + wanted
                hook.seen.append((time.time_ns(), json.loads(body)))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.seen, self.status, self.signed = [], 200, True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, **members):
        return [n for _, n in self.seen if all(n[k] == v for k, v in members.items())]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def spans(service, count, failed=0, instance="i-1", name="GET /", end_ns=None, duration_ms=5, **attributes):
    """A request of `count` server spans, of which `failed` have the status error."""
    end = end_ns or time.time_ns()
    made = [{"traceId": "%032x" % random.getrandbits(128), "spanId": "%016x" % random.getrandbits(64),
             "name": name, "kind": 2, "startTimeUnixNano": str(end - duration_ms * 10**6),
             "endTimeUnixNano": str(end), "status": {"code": 2} if i < failed else {},
             "attributes": [attribute(k, v) for k, v in attributes.items()]} for i in range(count)]
    resource = {"service.name": service, "service.instance.id": instance, "host.ip": "10.0.0.7"}
    return {"resourceSpans": [{"resource": {"attributes": [attribute(k, v) for k, v in resource.items()]},
                               "scopeSpans": [{"spans": made}]}]}


def rule(name, channels=("hook",), **strategy):
    return dict({k: strategy.pop(k) for k in ("service", "level", "suppress", "remedy") if k in strategy},
                name=name, channels=list(channels),
                strategies=[dict({"every": "10s", "operator": ">"}, **strategy)])


def take(server, rules, hook=None, status=200, **channel):
    channels = [dict({"name": "hook", "type": "webhook", "url": hook.url}, **channel)] if hook else []
    body = json.dumps({"rules": rules, "channels": channels}).encode()
    code, answer = ask(server.url + "/api/v1/alerts/rules", body, YAML)
    equal(code, status, "the status of an import: %r" % answer)
    return json.loads(answer)
