# SPDX-License-Identifier: Apache-2.0
"""Real daemons as nodes in network namespaces (deploy/lab). One lab a module; waits are for events,
bounded by a deadline; nothing is left behind when a test fails."""
import http.client
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAB = os.path.join(TOP, "deploy/lab/lab")
IMAGES = os.path.join(TOP, "deploy/examples/images")


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("swarm", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class ApiError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


def wait_for(what, check, timeout=30, every=0.05):
    """Poll check() until it is true; its value is returned."""
    end = time.monotonic() + timeout
    last = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (ApiError, OSError, http.client.HTTPException) as e:
            last = e
        time.sleep(every)
    raise AssertionError(f"{what}: not within {timeout} s (last: {last!r})")


class Lab:
    def __init__(self, name):
        self.name = name
        self.env = dict(os.environ, LAB=name)

    def run(self, *args, timeout=60, check=True):
        # Daemons started by the lab keep its output open, hence files instead of pipes.
        out = f"/tmp/swarm-lab-out-{os.getpid()}"
        with open(out, "w+") as f:
            r = subprocess.run([LAB, *map(str, args)], env=self.env, stdout=f, stderr=f,
                               stdin=subprocess.DEVNULL, timeout=timeout)
            f.seek(0)
            text = f.read()
        os.unlink(out)
        if check and r.returncode != 0:
            raise AssertionError(f"lab {' '.join(map(str, args))}: exit {r.returncode}\n{text}")
        return text.strip()

    def up(self, n, managers=None, join=True):
        self.run("up", n, *(["--managers", managers] if managers else []),
                 *([] if join else ["--no-join"]), timeout=120)

    def down(self):
        self.run("down", timeout=120)

    def ip(self, i):
        return f"192.168.150.{i}"

    def sock(self, i):
        return f"/run/swarm-lab/{self.name}/{i}/run/swarm.sock"

    def log(self, i):
        with open(f"/run/swarm-lab/{self.name}/{i}/log", errors="replace") as f:
            return f.read()

    def api(self, method, path, body=None, node=1, timeout=30):
        c = UnixHTTP(self.sock(node), timeout)
        try:
            c.request(method, "/v1.44" + path, json.dumps(body) if body is not None else None,
                      {"Content-Type": "application/json"})
            r = c.getresponse()
            data = r.read()
        finally:
            c.close()
        value = json.loads(data) if data and "json" in (r.headers.get("Content-Type") or "") else data
        if r.status >= 400:
            raise ApiError(r.status, value.get("message") if isinstance(value, dict) else value)
        return value

    def images(self, *which, node=1):
        subprocess.run([IMAGES, self.sock(node), *which], check=True, timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def docker(self, *args, node=1, timeout=60, check=True, stdin=None):
        r = subprocess.run(["docker", *args], timeout=timeout, text=True, input=stdin,
                           capture_output=True,
                           env=dict(os.environ, DOCKER_HOST="unix://" + self.sock(node)))
        if check and r.returncode != 0:
            raise AssertionError(f"docker {' '.join(args)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
        return r

    def client(self, *args, timeout=15):
        return subprocess.run([LAB, "client", "--", *args], env=self.env, timeout=timeout, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)

    def get(self, node, port, path="/", seconds=3):
        r = self.client("curl", "-s", "--max-time", str(seconds),
                        f"http://{self.ip(node)}:{port}{path}", timeout=seconds + 10)
        return r.stdout if r.returncode == 0 else None

    # ---- what tests ask of a cluster ----

    def service(self, name, node=1):
        return self.api("GET", f"/services/{name}", node=node)

    def tasks(self, name, node=1, **filters):
        f = {"service": [name], **{k.replace("_", "-"): [v] for k, v in filters.items()}}
        return self.api("GET", "/tasks?filters=" + urllib.parse.quote(json.dumps(f)), node=node)

    def running(self, name, node=1):
        return [t for t in self.tasks(name, node, desired_state="running")
                if t["Status"]["State"] == "running"]

    def wait_running(self, name, n, timeout=30, node=1):
        def check():
            tasks = self.tasks(name, node, desired_state="running")
            return len(tasks) == n and all(t["Status"]["State"] == "running" for t in tasks) and tasks
        try:
            return wait_for(f"{n} running tasks of {name}", check, timeout)
        except AssertionError as e:
            states = [(t.get("Slot"), t["DesiredState"], t["Status"]["State"],
                       t["Status"].get("Err")) for t in self.tasks(name, node)]
            raise AssertionError(f"{e}; tasks: {states}") from None

    def create(self, name, image="busybox:1", command=("sleep", "100000"), replicas=1, node=1,
               networks=(), ports=(), **task):
        spec = {"Name": name, "TaskTemplate": {
            "ContainerSpec": {"Image": image, **({"Command": list(command)} if command else {})},
            "RestartPolicy": {"Condition": "any", "Delay": 100000000}, **task},
            "Mode": {"Replicated": {"Replicas": replicas}}}
        if networks:
            spec["TaskTemplate"]["Networks"] = [{"Target": n} for n in networks]
        if ports:
            spec["EndpointSpec"] = {"Ports": [{"PublishedPort": p, "TargetPort": t} for p, t in ports]}
        return self.api("POST", "/services/create", spec, node=node)["ID"]

    def update(self, name, change, node=1):
        """Read, change, write; again when somebody else was faster."""
        for _ in range(20):
            s = self.service(name, node)
            change(s["Spec"])
            try:
                return self.api("POST", f"/services/{s['ID']}/update?version={s['Version']['Index']}",
                                s["Spec"], node=node)
            except ApiError as e:
                if "out of sequence" not in str(e.message):
                    raise
        raise AssertionError("update out of sequence, twenty times")

    def nodes(self, node=1):
        return self.api("GET", "/nodes", node=node)

    def leader(self, nodes=(1, 2, 3)):
        """Number of the node that leads, as any living manager sees it."""
        for i in nodes:
            try:
                for n in self.api("GET", "/nodes", node=i, timeout=5):
                    if n.get("ManagerStatus", {}).get("Leader"):
                        return int(re.sub(r"\D", "", n["Description"]["Hostname"]))
            except (ApiError, OSError, http.client.HTTPException):
                continue
        return None

    def container_pid(self, task, node):
        cid = task["Status"]["ContainerStatus"]["ContainerID"]
        return self.api("GET", f"/containers/{cid}/json", node=node)["State"]["Pid"]

    def inside(self, pid, *cmd, timeout=15):
        return subprocess.run(["nsenter", "-t", str(pid), "-m", "-n", "-p", "-u", *cmd], text=True,
                              capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def number_of(self, node_id, node=1):
        for n in self.nodes(node):
            if n["ID"] == node_id:
                return int(re.sub(r"\D", "", n["Description"]["Hostname"]))
        raise AssertionError(f"no node {node_id}")


def make_lab(name, n, managers=None, join=True, images=("busybox",)):
    lab = Lab(name)
    lab.down()
    try:
        lab.up(n, managers, join)
        if images:
            lab.images(*images)
    except BaseException:
        lab.down()
        raise
    return lab


@pytest.fixture(scope="session", autouse=True)
def needs_root():
    if os.geteuid() != 0:
        pytest.exit("the lab needs root", returncode=1)
