# SPDX-License-Identifier: Apache-2.0
# Purpose: what the tests of the JVM agent share: the JDKs of this machine, compiling, Java programs
# that run with the agent, jars of Debian's packages and of Maven Central, chains read back from a
# real server, and one line PASS, FAIL or SKIP a test.
import glob
import hashlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../e2e/lib"))
import sonde  # noqa: E402
from sonde import Failure, ROOT, check, die_with_parent, equal, wait_for  # noqa: E402,F401

AGENT = os.path.join(ROOT, "build/libsonde-jvm.so")
ASSERTING = os.path.join(ROOT, "build/libjvm-asserting.so")  # the same, but a broken assertion ends the JVM
TESTS = os.path.join(ROOT, "tests/jvm")
MAVEN_S = 300
# What a JVM prints of its own accord, -Xcheck:jni above all; an application's words are its own.
COMPLAINTS = ("WARNING in native", "WARNING: JNI", "FATAL ERROR", "# A fatal error",
              "sonde: assertion failed")


class Skip(Exception):
    """This test cannot run here; its text says why."""


class Jdk:
    def __init__(self, home):
        self.home = home
        self.java = os.path.join(home, "bin/java")
        release = dict(line.strip().split("=", 1) for line in open(os.path.join(home, "release"))
                       if "=" in line)
        self.version = release["JAVA_VERSION"].strip('"')
        self.major = int(self.version.split(".")[0])
        self.agent = AGENT  # that tests load in it

    def __str__(self):
        return "JDK " + self.version


def jdks():
    """Each distinct JDK of this machine that has modules (9 and later), the oldest first. The newest runs
    the agent as it is released, the others the one whose assertions are on."""
    found = {}
    for home in sorted(glob.glob("/usr/lib/jvm/*")) + [os.environ.get("JAVA_HOME", "")]:
        java = os.path.realpath(os.path.join(home, "bin/java"))
        if os.path.exists(java) and os.path.exists(os.path.join(home, "lib/modules")):
            found.setdefault(java, Jdk(home))
    by_age = sorted(found.values(), key=lambda jdk: jdk.major)
    for jdk in by_age[:-1]:
        jdk.agent = ASSERTING
    return by_age


compiled = tempfile.TemporaryDirectory(prefix="sonde-classes-")


def compile_java(folder, *sources, classpath=(), release=11):
    """Compiles tests/jvm/<source> into the folder, with the JDK that the agent is built with. What it has compiled
    before it copies, unless there are classes in the folder that may be meant."""
    if glob.glob(folder + "/*.class"):
        run_javac(folder, sources, classpath, release)
        return
    key = hashlib.sha256(repr((sources, list(classpath), release)).encode()).hexdigest()
    classes = os.path.join(compiled.name, key)
    if not os.path.exists(classes):
        run_javac(classes, sources, classpath, release)
    shutil.copytree(classes, folder, dirs_exist_ok=True)


def run_javac(folder, sources, classpath, release):
    home = subprocess.run([os.path.join(ROOT, "tools/jdk-home")], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()
    done = subprocess.run(
        [os.path.join(home, "bin/javac"), "--release", str(release), "-Xlint:-options", "-d", folder,
         "-sourcepath", TESTS,
         "-cp", ":".join([folder, *classpath]), *(os.path.join(TESTS, s) for s in sources)],
        capture_output=True, text=True)
    check(done.returncode == 0, "javac failed", done.stderr[-3000:])


def debian_jars(*names):
    """Paths of jars that Debian's packages install (tools/deps jvm); SKIP when one is not there."""
    paths = []
    for name in names:
        path = name if name.startswith("/") else "/usr/share/java/%s.jar" % name
        if not os.path.exists(path):
            raise Skip("%s is not installed" % path)
        paths.append(path)
    return paths


def maven_jars(*artifacts):
    """Paths of group:artifact:version and of what they need, from Maven Central, kept in
    build/maven; SKIP when Maven or the registry cannot be had."""
    folder = os.path.join(ROOT, "build/maven", "_".join(artifacts).replace(":", "-"))
    if not os.path.exists(folder):
        if shutil.which("mvn") is None:
            raise Skip("Maven is not installed")
        work = tempfile.mkdtemp(prefix="sonde-maven-")
        dependency = "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>"
        with open(os.path.join(work, "pom.xml"), "w") as pom:
            pom.write("<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>test</artifactId>"
                      "<version>1</version><dependencies>%s</dependencies></project>"
                      % "".join(dependency % tuple(a.split(":")) for a in artifacts))
        try:
            done = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
                                  cwd=work, capture_output=True, text=True, timeout=MAVEN_S)
            if done.returncode != 0:
                raise Skip("Maven Central has not given %s: %s" % (", ".join(artifacts), done.stdout[:300]))
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            shutil.move(os.path.join(work, "jars"), folder)
        except subprocess.TimeoutExpired:
            raise Skip("Maven Central has not answered in %d s" % MAVEN_S) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return sorted(glob.glob(folder + "/*.jar"))


class Program:
    """A Java program; with `service`, run with the agent, which sends to `server`. Under -Xcheck:jni a
    probe costs many times what it costs otherwise: unless a test says otherwise, the agent may take
    all the CPU it needs. It reports each second, so that nobody waits for five."""

    def __init__(self, jdk, folder, main, *arguments, service=None, server=None, options="",
                 java=("-Xcheck:jni",), classpath=(), environment=None):
        command = [jdk.java, *java]
        self.agent = jdk.agent
        if "max_cpu_percent" not in options:
            options = ",".join(o for o in (options, "max_cpu_percent=100") if o)
        options += ",report_s=1"
        if service is not None:
            endpoint = ",endpoint=" + server.otlp if server is not None else ""
            command.append("-agentpath:%s=service=%s%s%s" % (self.agent, service, endpoint, options and "," + options))
        command += ["-cp", ":".join([folder, *classpath]), main, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT, env=dict(os.environ, **(environment or {})),
                                        preexec_fn=die_with_parent)
        self.lines = queue.Queue()
        self.output = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            self.lines.put(self.output[-1])
        self.lines.put(None)

    def text(self):
        return "\n".join(self.output)

    def wait_line(self, begin, timeout_s=60):
        """What follows `begin` in the next line that starts with it."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Failure("no line '%s' in %d s; seen: %s" % (begin, timeout_s, self.text()[-3000:])) from None
            check(line is not None, "the program ended without a line '%s'" % begin, self.text()[-3000:])
            if line.startswith(begin):
                return line[len(begin):].strip()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, timeout_s=120, code=0):
        """Waits for its end; fails for another exit code and for complaints of -Xcheck:jni."""
        try:
            self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("the program has not ended in %d s; seen: %s" % (timeout_s, self.text()[-3000:])) from None
        self.reader.join(timeout=10)
        equal(self.process.returncode, code, "the exit code; seen: %s" % self.text()[-3000:])
        complaints = [line for line in self.output if line.startswith(COMPLAINTS) or "VerifyError" in line]
        check(not complaints, "the JVM complains", *complaints[:10])

    def library(self):
        """What tells `sonde attach` which agent is this JVM's; the released one it finds by itself."""
        return ("--library", self.agent) if self.agent != AGENT else ()

    def detach(self):
        """Takes the agent out. It sends what it has and a last report first, however long that takes; at
        a JVM's end it has half a second."""
        sonde.sonde("detach", str(self.process.pid), "--json")

    def stop(self, timeout_s=60):
        """SIGTERM, as a JVM is stopped; its shutdown sends what is left."""
        self.process.send_signal(signal.SIGTERM)
        self.wait(timeout_s, code=143)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)


def traces(server, query, expected=None, limit=1000):
    """All traces that match, each as its list of spans; waits until there are `expected` traces."""
    def found():
        end = int(time.time() * 1000) + 60000
        rows = server.get("/api/v1/traces", q=query, **{"from": end - 3600000, "to": end}, limit=limit)["traces"]
        return rows if expected is None or len(rows) >= expected else None
    rows = wait_for(found, "%s traces of %s" % (expected, query))
    check(expected is None or len(rows) == expected, "%d traces of %s, expected %s" % (len(rows), query, expected))
    return [server.get("/api/v1/traces/" + row["trace_id"])["spans"] for row in rows]


def tree(spans):
    """A trace as nested (kind, name, [children]), children by start: to be compared with what is
    expected. Fails when a parent is missing or there is not one root."""
    by_parent = {}
    ids = {s["span_id"] for s in spans}
    for s in sorted(spans, key=lambda s: int(s["start_unix_nano"])):
        parent = s.get("parent_span_id") or ""
        check(not parent or parent in ids, "a span's parent is missing", s)
        by_parent.setdefault(parent, []).append(s)

    def build(parent):
        return [(s["kind"], s["name"], build(s["span_id"])) for s in by_parent.get(parent, [])]

    equal(len(by_parent.get("", [])), 1, "the number of roots")
    return build("")[0]


def span_named(spans, name):
    found = [s for s in spans if s["name"] == name]
    equal(len(found), 1, "the number of spans named %s of %s" % (name, [s["name"] for s in spans]))
    return found[0]


def main(suite, *tests, every_jdk=True):
    """Runs each test(jdk, server, folder) on every JDK (or the first), one server for all, and
    prints PASS, FAIL or SKIP for each. The folder is the test's own, removed when it passed."""
    subprocess.run([os.path.join(ROOT, "tools/jvm"), os.path.join(ROOT, "build"), "tests"], check=True)
    if not os.path.exists(AGENT):
        print("SKIP jvm: %s: no JDK was found when this was built" % suite)
        return
    failed = 0
    top = tempfile.mkdtemp(prefix="sonde-jvm-")
    os.chmod(top, 0o755)  # PostgreSQL's user must get through
    server = sonde.Server(os.path.join(top, "data")).start()
    try:
        for jdk in jdks() if every_jdk else jdks()[:1]:
            for test in tests:
                name = "jvm: %s: %s, %s" % (suite, test.__name__.replace("_", " "), jdk)
                folder = tempfile.mkdtemp(dir=top)
                os.chmod(folder, 0o755)
                try:
                    note = test(jdk, server, folder)
                    print("PASS " + name + (": " + note if note else ""), flush=True)
                except Skip as e:
                    print("SKIP %s: %s" % (name, e), flush=True)
                except (Failure, OSError, KeyError, ValueError, subprocess.SubprocessError) as e:
                    failed += 1
                    print("  %s: %s" % (type(e).__name__, e))
                    print("FAIL " + name, flush=True)
    finally:
        server.stop()
        if not failed:
            shutil.rmtree(top, ignore_errors=True)
    sys.exit(1 if failed else 0)
