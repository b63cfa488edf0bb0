# SPDX-License-Identifier: Apache-2.0
# Purpose: the demo shop on free ports, as tests use it: started and stopped, its switches, its customers,
# and the chains that its own server found.
import json
import os
import signal
import subprocess
import time
import urllib.parse

from sonde import ROOT, check, die_with_parent, equal, http, wait_for


class Shop:
    def __init__(self, folder, rate, *flags):
        self.folder = folder
        self.process = subprocess.Popen(
            [ROOT + "/demo/run", "--ports", "auto", "--dir", folder, "--rate", str(rate),
             *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=self.prepare)
        self.said = {}
        self.text = ""
        while "ready" not in self.said:
            line = self.process.stdout.readline()
            check(line, "the shop did not start", self.text, self.logs())
            self.text += line
            if line.startswith("{"):
                object = json.loads(line)
                self.said[object["name"]] = object
        self.sonde = self.said["sonde"]["http"].rstrip("/")
        self.url = self.said["shop"]["url"].rstrip("/")
        self.processes = self.said["ready"]["processes"]

    @staticmethod
    def prepare():
        os.setsid()
        die_with_parent()

    def logs(self):
        out = []
        for name in sorted(os.listdir(self.folder + "/log")) if os.path.isdir(self.folder + "/log") else []:
            with open("%s/log/%s" % (self.folder, name)) as f:
                out.append("%s: %s" % (name, f.read()[-500:]))
        return "\n".join(out)

    def call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        status, answer = http(self.url + path, data, {"Content-Type": "application/json"}, method)
        return status, json.loads(answer)

    def switch(self, name, on):
        done = subprocess.run([ROOT + "/demo/switch", name, "on" if on else "off"],
                              env=dict(os.environ, SONDE_DEMO_DIR=self.folder),
                              capture_output=True, text=True)
        equal(done.returncode, 0, "demo/switch: " + done.stderr)

    def buy(self, lines=5):
        return self.call("/api/buy", {"customer": "test", "lines": [
            {"product": 1 + i, "quantity": 1} for i in range(lines)]})

    def search(self, filter, since_ms, limit=50):
        query = urllib.parse.urlencode({"q": filter, "from": since_ms,
                                        "to": int(time.time() * 1000) + 60000, "limit": limit})
        status, body = http("%s/api/v1/traces?%s" % (self.sonde, query))
        equal(status, 200, "the status of a search: %r" % body)
        return json.loads(body)["traces"]

    def trace(self, trace_id):
        return json.loads(http("%s/api/v1/traces/%s" % (self.sonde, trace_id))[1])["spans"]

    def find(self, filter, since_ms, accept=lambda spans: True):
        """Waits for a trace that matches, whose parents are all there and that is accepted."""
        def look():
            for found in self.search(filter, since_ms):
                spans = self.trace(found["trace_id"])
                if found["complete"] and accept(spans):
                    return spans
            return None
        return wait_for(look, "a trace that matches %s" % filter)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        equal(self.process.wait(30), 0, "the exit code of demo/run after Ctrl-C")
        self.process.stdout.close()
