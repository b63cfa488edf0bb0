# SPDX-License-Identifier: Apache-2.0
# Purpose: real servers for the tests of the JVM agent, each on a free port of loopback with its data
# in a folder of the test's own, ended with the test.
import os
import glob
import pwd
import random
import shutil
import signal
import socket
import subprocess

from jvm import Skip, check, die_with_parent, wait_for


def free_port():
    """One that a server may be given seconds from now: below those that the kernel gives to who connects or asks for any, of
    which thousands come and go meanwhile."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        first = int(f.read().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as s:
            try:
                s.bind(("", port))
                return port
            except OSError:
                continue


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Postgres:
    """PostgreSQL, which refuses to run as root: it runs as its package's user then. User and
    database are "shop", without a password."""

    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise Skip("PostgreSQL is not installed")
        self.bin = found[-1]
        self.folder = os.path.join(folder, "postgres")
        os.mkdir(self.folder)
        self.user = None
        if os.getuid() == 0:
            self.user = pwd.getpwnam("postgres")
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", self.folder, "-U", "shop", "-A", "trust", "--no-sync")
        self.port = free_port()
        self.log = open(os.path.join(folder, "postgres.log"), "w")
        self.process = subprocess.Popen(
            [os.path.join(self.bin, "postgres"), "-D", self.folder, "-p", str(self.port), "-h", "127.0.0.1",
             "-k", self.folder, "-c", "fsync=off"],
            stdout=self.log, stderr=self.log, cwd="/", preexec_fn=self.become)
        wait_for(lambda: subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p",
                                         str(self.port)]).returncode == 0, "PostgreSQL's start", 60)
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "shop", "shop")
        self.url = "jdbc:postgresql://127.0.0.1:%d/shop?user=shop" % self.port

    def become(self):
        die_with_parent()
        if self.user is not None:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
            die_with_parent()  # a change of user takes it back

    def run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.bin, program), *arguments], capture_output=True, text=True,
                              cwd="/", preexec_fn=self.become)
        check(done.returncode == 0, program + " failed", done.stderr)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        self.log.close()


class Redis:
    def __init__(self, folder):
        if shutil.which("redis-server") is None:
            raise Skip("Redis is not installed")
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_for(lambda: listens(self.port), "Redis's start")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


class RabbitMQ:
    """A node of its own with its own port mapper (epmd): one that Erlang starts would stay."""

    BIN = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    def __init__(self, folder):
        if not os.path.exists(self.BIN):
            raise Skip("RabbitMQ is not installed")
        self.port, mapper = free_port(), free_port()
        home = os.path.join(folder, "rabbitmq")
        os.mkdir(home)
        open(os.path.join(home, "none"), "w").close()
        self.log = open(os.path.join(folder, "rabbitmq.log"), "w")
        environment = dict(
            os.environ, HOME=home, ERL_EPMD_PORT=str(mapper), ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME="shop@localhost", RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self.port), RABBITMQ_DIST_PORT=str(free_port()), RABBITMQ_MNESIA_BASE=home,
            RABBITMQ_LOG_BASE=home, RABBITMQ_CONF_ENV_FILE=os.path.join(home, "none"),
            RABBITMQ_ENABLED_PLUGINS_FILE=os.path.join(home, "none"), RABBITMQ_PID_FILE=os.path.join(home, "pid"))
        self.mapper = subprocess.Popen(["epmd", "-port", str(mapper), "-address", "127.0.0.1"], env=environment,
                                       stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)
        wait_for(lambda: listens(mapper), "epmd's start")
        self.process = subprocess.Popen([self.BIN], env=environment, stdout=self.log, stderr=self.log, cwd=home,
                                        preexec_fn=die_with_parent)
        try:
            wait_for(lambda: listens(self.port), "RabbitMQ's start", 120)
        except Exception:
            self.stop()
            raise

    def stop(self):
        for process in (self.process, self.mapper):
            process.terminate()
            process.wait(timeout=60)
        self.log.close()


class Kafka:
    """One broker that is its own controller, run from jars by a JDK."""

    SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""

    def __init__(self, jdk, folder, jars):
        self.port, path = free_port(), os.path.join(folder, "kafka.properties")
        with open(path, "w") as f:
            f.write(self.SETTINGS.format(port=self.port, controller=free_port(), data=os.path.join(folder, "kafka")))
        java = [jdk.java, "-Xmx256m", "-cp", ":".join(jars)]
        done = subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", "c2hvcHNob3BzaG9wc2hvcA", "-c", path],
                              capture_output=True, text=True, cwd=folder)
        check(done.returncode == 0, "Kafka's storage was not made", done.stdout, done.stderr)
        self.log = open(os.path.join(folder, "kafka.log"), "w")
        self.process = subprocess.Popen([*java, "kafka.Kafka", path], stdout=self.log, stderr=self.log, cwd=folder,
                                        preexec_fn=die_with_parent)
        try:
            wait_for(lambda: listens(self.port), "Kafka's start", 120)
        except Exception:
            self.stop()
            raise

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()
