# SPDX-License-Identifier: Apache-2.0
# Purpose: who is told: receivers over HTTP that behave badly on demand, mail servers (aiosmtpd, Exim),
# Alertmanager, a certificate of their own, and the program that drives src/notify.
import http.server
import json
import os
import pwd
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from sonde import BINARY, check, die_with_parent, equal, http as ask, wait_for

HERE = os.path.dirname(os.path.realpath(__file__))
DRIVE = os.path.join(os.path.dirname(BINARY), "tests/notify-drive")
PYTHON = "/usr/bin/python3"  # has Debian's modules


class Drive:
    """notify-drive: commands of one line, answers of one line; troubles are kept."""

    def __init__(self, folder, failing_ms=300000, budget=64 << 20):
        self.troubles = []
        self.answers = queue.Queue()
        self.process = subprocess.Popen([DRIVE, folder, str(failing_ms), str(budget)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(folder + "/drive.log", "ab"), text=True,
                                        preexec_fn=die_with_parent)
        threading.Thread(target=self._read, daemon=True).start()
        self.first = self.answers.get(timeout=30)

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            if "trouble" in answer:
                self.troubles.append(answer)
            else:
                self.answers.put(answer)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=60)

    def set(self, **channel):
        answer = self.ask(op="set", channel=channel)
        check(answer.get("ok"), "the channel is taken", answer)

    def put(self, key, channel, **fields):
        answer = self.ask(op="put", items=[{"key": key, "channel": channel, "notice": notice(**fields)}])
        check("taken" in answer, "the notice is taken", answer)
        return answer["taken"][0]

    def channel(self, name):
        return next(c for c in self.ask(op="list")["channels"] if c["name"] == name)

    def wait(self, name, timeout_s=30, **values):
        """Until the numbers of a channel are these."""
        def there():
            seen = self.channel(name)
            return all(seen[k] == v for k, v in values.items()) and seen
        return wait_for(there, "%s: %s" % (name, values), timeout_s)

    def stop(self):
        """Ends it; the memory that it held at most."""
        self.process.stdin.close()
        last = self.answers.get(timeout=60)
        equal(self.process.wait(timeout=60), 0, "the driver's exit code")
        return last["peak_bytes"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)


def notice(**fields):
    return dict({"status": "firing", "rule": "slow-orders", "level": "error", "line": "shop", "service": "orders",
                 "instance": "orders-1", "address": "10.0.0.7", "group": {"http.route": "/buy"},
                 "measure": "error_rate", "operator": ">", "value": 12.5, "threshold": 5, "unit": "%",
                 "event_unix_nano": 1790000000 * 10**9, "fired_unix_nano": 1790000001 * 10**9,
                 "incident": "i-1", "incident_url": "https://sonde.example/i/1", "process_cpu": 0.42,
                 "host_cpu": 0.875, "trace_ids": ["0af7651916cd43dd8448eb211c80319c"]}, **fields)


class Received:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body, self.at = path, headers, body, time.time()

    @property
    def json(self):
        return json.loads(self.body)


class Receiver:
    """Takes every POST; `behave` maps a path to what is done with its requests, one after the other, the
    last for all that follow: (status, body, headers), or a function of the handler."""

    def __init__(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with receiver.lock:
                    receiver.got.append(Received(self.path, self.headers, body))
                    plan = receiver.plans.get(self.path.split("?")[0], [(200, b"{}", {})])
                    action = plan.pop(0) if len(plan) > 1 else plan[0]
                if callable(action):
                    action(self)
                else:
                    self.answer(*action)

            do_GET = do_PUT = do_POST

            def answer(self, status, body, headers):
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (ConnectionError, BrokenPipeError):
                    self.close_connection = True

        self.lock, self.got, self.plans = threading.Lock(), [], {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def behave(self, path, *plan):
        self.plans[path] = list(plan)
        return self.url + path

    def of(self, path):
        with self.lock:
            return [r for r in self.got if r.path.split("?")[0] == path]

    def wait(self, path, count=1, timeout_s=30):
        wait_for(lambda: len(self.of(path)) >= count, "%d requests of %s" % (count, path), timeout_s, 0.01)
        return self.of(path)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def closes_half_way(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def closes_at_once(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def never_ends(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(b"x" * 65536)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    """A self-signed one for 127.0.0.1: (certificate, key)."""
    paths = folder + "/cert.pem", folder + "/cert.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", paths[1], "-out", paths[0], "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return paths


class MailServer:
    """aiosmtpd; each mail it takes is a file of JSON: {"from", "to", "mail"}."""

    def __init__(self, folder, *options):
        self.folder = folder + "/mails"
        os.makedirs(self.folder, exist_ok=True)
        self.process = subprocess.Popen([PYTHON, HERE + "/mail_server.py", self.folder, *options],
                                        stdout=subprocess.PIPE, stderr=open(folder + "/mail.log", "ab"), text=True,
                                        preexec_fn=die_with_parent)
        self.port = int(self.process.stdout.readline())
        self.host = "127.0.0.1:%d" % self.port

    def mails(self):
        names = sorted(n for n in os.listdir(self.folder) if n.endswith(".json"))
        return [json.load(open(os.path.join(self.folder, n))) for n in names]

    def wait(self, count=1):
        wait_for(lambda: len(self.mails()) >= count, "%d mails" % count)
        return self.mails()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()


EXIM = """
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
primary_hostname = mail.test
tls_advertise_hosts = *
tls_certificate = {folder}/cert.pem
tls_privatekey = {folder}/cert.key
acl_smtp_rcpt = needs_login
never_users =
host_lookup =
begin acl
needs_login:
  accept authenticated = *
  deny
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  file = {folder}/box/mails
  envelope_to_add = true
  user = {user}
  group = {group}
  message_prefix =
  message_suffix = "\\f"
  delivery_date_add = false
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{sonde}}}}{{eq{{$auth3}}{{pa ss}}}}}}}}
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""


class Exim:
    """A mail server as one meets them, on a port and in a folder of its own; takes what "sonde" brings."""

    def __init__(self, folder):
        self.folder = folder + "/exim"
        user = pwd.getpwnam("Debian-exim") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for name in ("", "/spool", "/box"):
            os.makedirs(self.folder + name)
        for name in ("cert.pem", "cert.key"):
            shutil.copy(folder + "/" + name, self.folder)
        for name in ("", "/spool", "/box", "/cert.pem", "/cert.key"):
            os.chown(self.folder + name, user.pw_uid, user.pw_gid)
        with open(self.folder + "/exim.conf", "w") as f:
            f.write(EXIM.format(folder=self.folder, user=user.pw_uid, group=user.pw_gid))
        port = free_port()
        self.host = "127.0.0.1:%d" % port
        self.process = subprocess.Popen(["/usr/sbin/exim4", "-C", self.folder + "/exim.conf", "-bdf", "-oX",
                                         "127.0.0.1.%d" % port], stdout=subprocess.DEVNULL,
                                        stderr=open(folder + "/exim.log", "ab"), preexec_fn=die_with_parent)
        wait_for(lambda: self.is_ready(port), "Exim starts")

    @staticmethod
    def is_ready(port):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def mails(self):
        if not os.path.exists(self.folder + "/box/mails"):
            return []
        whole = open(self.folder + "/box/mails", encoding="latin-1").read().split("\f")[:-1]
        return [{"to": re.search("^Envelope-to: (.*)$", m, re.M).group(1), "mail": m} for m in whole]

    def wait(self, count):
        wait_for(lambda: len(self.mails()) >= count, "%d mails" % count)
        return self.mails()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


class Alertmanager:
    def __init__(self, folder):
        port = free_port()
        self.url = "http://127.0.0.1:%d" % port
        with open(folder + "/alertmanager.yml", "w") as f:
            f.write("route:\n  receiver: nobody\nreceivers:\n- name: nobody\n")
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", "--config.file=" + folder + "/alertmanager.yml", "--storage.path=" + folder
             + "/alertmanager", "--web.listen-address=127.0.0.1:%d" % port, "--cluster.listen-address="],
            stdout=subprocess.DEVNULL, stderr=open(folder + "/alertmanager.log", "ab"), preexec_fn=die_with_parent)
        wait_for(self.is_ready, "Alertmanager starts")

    def is_ready(self):
        try:
            return ask(self.url + "/-/ready")[0] == 200
        except OSError:
            return False

    def alerts(self):
        return json.loads(ask(self.url + "/api/v2/alerts")[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
