# SPDX-License-Identifier: Apache-2.0
# Purpose: a container without an image, by runc: its files are the system's folders, read-only, and
# a /tmp of its own. The network is the machine's. SKIP where runc is missing or may not do that.
# Usage: container.py BUNDLE NAME FOLDER COMMAND...     the folder is seen at the same path
import json
import os
import subprocess
import sys

SYSTEM = ("/bin", "/etc", "/lib", "/lib64", "/usr")
USER = 65534  # nobody


def runc(bundle, *arguments):
    return ["runc", "--root", os.path.join(bundle, "state"), *arguments]


def write_bundle(bundle, folder, command):
    """A folder that runc runs; what is there of an earlier one is replaced."""
    tmp = os.path.join(bundle, "rootfs/tmp")
    os.makedirs(tmp, exist_ok=True)
    os.chmod(tmp, 0o1777)  # what is mounted there gets this mode
    path = os.path.join(bundle, "config.json")
    if os.path.exists(path):
        os.unlink(path)
    subprocess.run(["runc", "spec", "--bundle", bundle], check=True, capture_output=True)
    with open(path) as f:
        config = json.load(f)
    config["process"].update(terminal=False, args=list(command), user={"uid": USER, "gid": USER})
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
    config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                             "options": ["nosuid", "nodev"]})
    config["mounts"] += [{"destination": d, "type": "bind", "source": os.path.realpath(d), "options": ["rbind", "ro"]}
                         for d in (*filter(os.path.exists, SYSTEM), folder)]
    with open(path, "w") as f:
        json.dump(config, f)


def why_not(bundle, folder):
    """None, or why no container runs here."""
    try:
        write_bundle(bundle, folder, ["true"])
        done = subprocess.run(runc(bundle, "run", "--bundle", bundle, "try-%d" % os.getpid()), capture_output=True,
                              text=True, timeout=60)
    except FileNotFoundError:
        return "runc is not installed"
    except (subprocess.SubprocessError, OSError) as e:
        return "runc: %s" % e
    return None if done.returncode == 0 else "runc cannot run a container here: " + done.stderr.strip()[-300:]


def pid_of(bundle, name):
    """The first process's, as the machine sees it."""
    out = subprocess.run(runc(bundle, "state", name), check=True, capture_output=True, text=True).stdout
    return json.loads(out)["pid"]


def remove(bundle, name):
    subprocess.run(runc(bundle, "delete", "--force", name), capture_output=True)


if __name__ == "__main__":
    at, container = sys.argv[1:3]
    write_bundle(at, sys.argv[3], sys.argv[4:])
    command = runc(at, "run", "--bundle", at, container)
    os.execvp(command[0], command)
