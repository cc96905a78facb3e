# SPDX-License-Identifier: Apache-2.0
"""The stock docker client against our daemons, as a person types it."""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from conftest import make_lab, wait_for  # noqa: E402

STACK = """
version: "3.8"
services:
  front:
    image: busybox:1
    command: sh -c 'echo front > /www/index.html; exec httpd -f -p 80 -h /www'
    ports: ["8090:80"]
    networks: [inner]
    deploy:
      replicas: 2
      resources: {limits: {cpus: "0.5", memory: 64M}}
  back:
    image: busybox:1
    command: sleep 100000
    networks: [inner]
    deploy:
      placement: {constraints: [node.role == manager]}
networks:
  inner:
"""


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-compat", 2, join=False)
    yield lab
    lab.down()


def test_version_and_info(lab):
    assert "1.44" in lab.docker("version").stdout
    assert "Swarm: inactive" in lab.docker("info").stdout


def test_swarm_init_prints_the_join_command_and_it_works(lab):
    out = lab.docker("swarm", "init", "--advertise-addr", lab.ip(1)).stdout
    assert out.startswith("Swarm initialized: current node (")
    token = re.search(r"docker swarm join --token (SWMTKN-1-\S+) (\S+)", out)
    out = lab.docker("swarm", "join", "--token", token[1], "--advertise-addr", lab.ip(2), token[2],
                     node=2).stdout
    assert "This node joined a swarm as a worker." in out
    assert lab.docker("swarm", "join-token", "-q", "worker").stdout.strip() == token[1]


def test_nodes(lab):
    rows = lab.docker("node", "ls", "--format",
                      "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}").stdout
    assert sorted(rows.split("\n"))[1:] == ["node1 Ready Active Leader", "node2 Ready Active "]
    assert "Swarm: active" in lab.docker("info").stdout
    assert lab.docker("node", "update", "--label-add", "zone=a", "node2").stdout.strip()
    assert lab.docker("node", "inspect", "node2", "--format",
                      "{{.Spec.Labels.zone}}").stdout.strip() == "a"


def test_a_service_from_create_to_rm(lab):
    out = lab.docker("service", "create", "--name", "one", "--replicas", "2", "--constraint",
                     "node.labels.zone == a", "--limit-memory", "64M", "--env", "A=1", "busybox:1",
                     "sleep", "100000", timeout=90)
    assert "converged" in out.stdout
    assert lab.docker("service", "ls", "--format", "{{.Name}} {{.Mode}} {{.Replicas}}").stdout.strip() \
        == "one replicated 2/2"
    nodes = lab.docker("service", "ps", "one", "--format", "{{.Node}} {{.DesiredState}}").stdout
    assert nodes.split("\n")[:2] == ["node2 Running"] * 2
    assert "one scaled to 1" in lab.docker("service", "scale", "one=1", timeout=90).stdout
    lab.docker("service", "update", "--env-add", "A=2", "--update-monitor", "1s", "one", timeout=90)
    assert "A=2" in lab.docker("service", "inspect", "--pretty", "one").stdout
    lab.docker("service", "rollback", "one", timeout=90)
    assert "A=1" in lab.docker("service", "inspect", "--pretty", "one").stdout
    assert lab.docker("service", "rm", "one").stdout.strip() == "one"


def test_a_stack_from_deploy_to_rm(lab):
    out = lab.docker("stack", "deploy", "-c", "-", "st", stdin=STACK).stdout
    assert "Creating network st_inner" in out and "Creating service st_front" in out
    wait_for("both services run", lambda: sorted(lab.docker(
        "stack", "services", "st", "--format", "{{.Name}} {{.Replicas}}").stdout.split("\n")) ==
        ["", "st_back 1/1", "st_front 2/2"], 40)
    wait_for("the port answers", lambda: (lab.get(2, 8090) or "").strip() == "front", 10)
    assert lab.docker("stack", "ls", "--format", "{{.Name}} {{.Services}}").stdout.strip() == "st 2"
    assert lab.docker("stack", "ps", "st", "-q").stdout.count("\n") == 3
    wait_for("all of it is gone", lambda: lab.docker("stack", "rm", "st", check=False).returncode == 0
             and "st_inner" not in lab.docker("network", "ls").stdout, 60, 1)


def test_networks(lab):
    lab.docker("network", "create", "-d", "overlay", "--subnet", "10.44.0.0/24", "ov")
    assert lab.docker("network", "inspect", "ov", "--format",
                      "{{(index .IPAM.Config 0).Subnet}} {{.Scope}}").stdout.strip() == \
        "10.44.0.0/24 swarm"
    r = lab.docker("network", "create", "-d", "overlay", "ov", check=False)
    assert r.returncode == 1 and "already exists" in r.stderr
    lab.docker("network", "rm", "ov")


def test_what_is_not_there_yet_says_so(lab):
    r = lab.docker("pull", "nothing.example/x", check=False)
    assert r.returncode != 0 and "not supported" in r.stderr


def test_leave(lab):
    assert "Node left the swarm." in lab.docker("swarm", "leave", node=2).stdout
    assert "--force" in lab.docker("swarm", "leave", check=False).stderr
    assert "Node left the swarm." in lab.docker("swarm", "leave", "--force").stdout
    assert "Swarm: inactive" in lab.docker("info").stdout
