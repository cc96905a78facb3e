# SPDX-License-Identifier: Apache-2.0
"""Overlay, names, VIPs, the mesh - and that none of it can be read or is lost on the way."""
import json
import subprocess
import threading
import time

import pytest

from conftest import LAB, make_lab, wait_for

MARK = "PLAINTEXT-MARKER-7391"


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-network", 3, managers=1, images=("busybox", "web", "redis"))
    lab.api("POST", "/networks/create", {"Name": "net1", "Driver": "overlay"})
    lab.create("web", image="web:1", command=None, replicas=3, networks=["net1"], ports=[(8081, 80)])
    lab.create("redis", image="redis:7", command=None, networks=["net1"])
    lab.create("probe", networks=["net1"])
    lab.wait_running("web", 3)
    lab.wait_running("redis", 1)
    lab.wait_running("probe", 1)
    yield lab
    lab.down()


def probe_pid(lab):
    t = lab.running("probe")[0]
    return lab.container_pid(t, lab.number_of(t["NodeID"]))


def resolve(lab, name):
    out = lab.inside(probe_pid(lab), "/bin/busybox", "nslookup", "-type=a", name).stdout
    return sorted(line.split()[1] for line in out.split("Name:", 1)[-1].splitlines()
                  if line.startswith("Address:") and ":53" not in line)


def fetch(lab, ip, path="/"):
    r = lab.inside(probe_pid(lab), "/bin/busybox", "sh", "-c",
                   f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 {ip} 80")
    return r.stdout


def vip(lab, service):
    net = lab.api("GET", "/networks/net1")["Id"]
    s = lab.service(service)
    return next(v["Addr"].split("/")[0] for v in s["Endpoint"]["VirtualIPs"] if v["NetworkID"] == net)


def test_the_service_name_is_its_vip(lab):
    assert resolve(lab, "web") == [vip(lab, "web")]
    assert resolve(lab, "WEB") == [vip(lab, "web")]


def test_tasks_dot_name_lists_every_task(lab):
    net = lab.api("GET", "/networks/net1")["Id"]
    want = sorted(a["Addresses"][0].split("/")[0] for t in lab.running("web")
                  for a in t["NetworksAttachments"] if a["Network"]["Id"] == net)
    assert resolve(lab, "tasks.web") == want and len(want) == 3


def test_the_vip_balances_over_all_tasks(lab):
    hosts = {line for _ in range(30) for line in fetch(lab, vip(lab, "web")).splitlines()
             if line.startswith("Hostname:")}
    assert len(hosts) == 3


def test_services_find_each_other_and_count_visits(lab):
    first = lab.get(1, 8081)
    assert "Visits: " in first
    n = int(first.split("Visits: ")[1].split()[0])
    assert int(lab.get(2, 8081).split("Visits: ")[1].split()[0]) == n + 1


def test_every_node_answers_on_the_published_port(lab):
    for node in (1, 2, 3):
        assert lab.get(node, 8081).startswith("Hello World!")


def test_a_port_nobody_serves_is_refused_at_once(lab):
    start = time.monotonic()
    assert lab.get(1, 8099) is None
    assert time.monotonic() - start < 2


def test_containers_reach_the_outside_and_not_each_others_bridge(lab):
    r = lab.inside(probe_pid(lab), "/bin/busybox", "ping", "-c", "1", "-W", "2", lab.ip(250))
    assert r.returncode == 0, r.stdout


def test_the_underlay_shows_no_plaintext_of_the_overlay(lab):
    lab.create("echo", command=("sh", "-c", "while true; do busybox nc -l -p 7000 -e cat; done"),
               networks=["net1"], Placement={"Constraints": ["node.hostname == node3"]})
    lab.wait_running("echo", 1)
    t = lab.running("echo")[0]
    net = lab.api("GET", "/networks/net1")["Id"]
    ip = next(a["Addresses"][0].split("/")[0] for a in t["NetworksAttachments"]
              if a["Network"]["Id"] == net)
    lab.update("probe", lambda s: s["TaskTemplate"].update(
        Placement={"Constraints": ["node.hostname == node2"]}))
    wait_for("the probe is on node 2", lambda: [
        lab.number_of(x["NodeID"]) for x in lab.running("probe")] == [2], 20)
    pcap = f"/tmp/swarm-test-{lab.name}.pcap"
    dump = subprocess.Popen(["nsenter", f"--net=/run/netns/swl-{lab.name}-2", "tcpdump", "-i", "eth0",
                             "-U", "-s", "0", "-w", pcap, "udp", "port", "4789"],
                            stderr=subprocess.PIPE, text=True)
    try:
        assert "listening on" in dump.stderr.readline()
        got = wait_for("an echo", lambda: MARK in lab.inside(
            probe_pid(lab), "/bin/busybox", "sh", "-c",
            f"(echo {MARK}; sleep 1) | busybox nc -w 3 {ip} 7000").stdout, 15)
        assert got
        wait_for("packets in the capture", lambda: len(open(pcap, "rb").read()) > 500, 10)
    finally:
        dump.terminate()
        dump.wait(10)
    with open(pcap, "rb") as f:
        data = f.read()
    assert MARK.encode() not in data
    subprocess.run(["rm", "-f", pcap], check=True)
    lab.api("DELETE", "/services/echo")


class Load(threading.Thread):
    """Requests through the mesh, one after the other, from a host that is no node."""

    def __init__(self, lab, nodes=(1, 2, 3)):
        super().__init__(daemon=True)
        urls = " ".join(f"http://{lab.ip(n)}:8081/" for n in nodes)
        self.stop_file = f"/tmp/swarm-load-{lab.name}-{id(self)}"
        # One process for all requests: starting one for each would measure the test's own machinery.
        self.script = (f"ok=0; bad=0; while [ ! -e {self.stop_file} ] && [ $((ok+bad)) -lt 20000 ]; do "
                       f"for u in {urls}; do if curl -sf --max-time 4 -o /dev/null $u; then "
                       "ok=$((ok+1)); else bad=$((bad+1)); echo \"failed $u $?\" >&2; fi; done; done; "
                       "echo $ok $bad")
        self.lab = lab
        self.result = None

    def run(self):
        r = subprocess.run([LAB, "client", "--", "sh", "-c", self.script], env=self.lab.env, text=True,
                           capture_output=True, timeout=180, stdin=subprocess.DEVNULL)
        self.result = (*map(int, r.stdout.split()), r.stderr)

    def finish(self):
        open(self.stop_file, "w").close()
        self.join(60)
        subprocess.run(["rm", "-f", self.stop_file], check=True)
        return self.result


def test_no_request_is_lost_during_a_start_first_update(lab):
    load = Load(lab)
    load.start()

    def change(spec):
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = "web:2"
        spec["UpdateConfig"] = {"Parallelism": 1, "Monitor": 500000000, "Order": "start-first"}
    lab.update("web", change)
    wait_for("the update is complete", lambda: lab.service("web").get("UpdateStatus", {}).get(
        "State") == "completed", 60)
    ok, bad, errors = load.finish()
    assert bad == 0, errors
    assert ok > 30
    assert "Version: 2" in lab.get(1, 8081)


@pytest.mark.parametrize("program", ["swarmd", "swarm-netd"])
def test_restarts_under_traffic(lab, program):
    load = Load(lab, nodes=(2,))
    load.start()
    wait_for("the load runs", load.is_alive, 5)
    lab.run("kill", 2, program)
    if program == "swarmd":
        lab.run("start", 2)
    lab.create("beat-" + program.split("-")[-1], replicas=3)
    lab.wait_running("beat-" + program.split("-")[-1], 3)
    ok, bad, errors = load.finish()
    assert ok > 0
    if program == "swarmd":
        assert bad == 0, errors
    else:
        assert bad <= ok / 4, errors  # its packets wait for the successor; most requests ride it out
    lab.api("DELETE", "/services/beat-" + program.split("-")[-1])


def test_the_vip_and_the_address_of_tasks_are_stable_json(lab):
    s = lab.service("web")
    assert json.dumps(s["Endpoint"]["VirtualIPs"])
    assert {p["PublishedPort"] for p in s["Endpoint"]["Ports"]} == {8081}
