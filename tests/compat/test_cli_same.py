# SPDX-License-Identifier: Apache-2.0
"""Our command line, called as docker, beside the stock docker client on the same daemon: the same
bytes, the same exit status, the same specs. Only what all docker clients from 20.10 on print alike."""
import json
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from conftest import TOP, make_lab, wait_for  # noqa: E402

SWARM = os.path.join(os.environ.get("SWARM_BIN", os.path.join(TOP, "build/bin")), "swarm")
AGE = re.compile(r"((?:less than |about )?(?:an?|\d+) (?:second|minute|hour)s?) ago( *)", re.I)

FULL = """--replicas 1 --label tier=web --container-label c=1 --env MODE=prod --env EMPTY= --hostname h
 --workdir /tmp --user root --group 33 --mount type=volume,source=data,target=/data
 --mount type=bind,source=/etc,target=/hostetc,readonly --mount type=tmpfs,target=/scratch,tmpfs-size=1m
 --secret source=token1,target=tok,uid=33,mode=0400 --config source=page1,target=/www/p.html
 --constraint node.role==manager --placement-pref spread=node.labels.zone --replicas-max-per-node 2
 --limit-cpu 0.5 --limit-memory 64M --limit-pids 50 --reserve-cpu 0.1 --reserve-memory 16M
 --update-parallelism 2 --update-delay 1s --update-failure-action rollback --update-monitor 2s
 --update-max-failure-ratio 0.2 --update-order start-first --rollback-parallelism 1
 --restart-condition on-failure --restart-delay 2s --restart-max-attempts 3 --restart-window 30s
 --health-cmd true --health-interval 3s --health-timeout 2s --health-retries 2 --network name=on1,alias=a
 --dns 8.8.8.8 --dns-search example.com --dns-option ndots:2 --host h1:10.0.0.9 --stop-grace-period 2s
 --stop-signal SIGTERM --cap-add NET_ADMIN --cap-drop MKNOD --sysctl net.core.somaxconn=256 --init
 --read-only --endpoint-mode vip""".split()

UPDATES = [
    "--env-add C=3 --env-rm MODE", "--env-add MODE=9", "--label-add l3=z --label-rm tier",
    "--container-label-add d=2 --container-label-rm c",
    "--mount-add type=volume,source=v2,target=/v2 --mount-rm /data",
    "--secret-rm token1 --secret-add source=token2,target=tk", "--config-rm page1",
    "--network-add on2 --network-rm on1", "--publish-add 8303:83", "--publish-add mode=host,target=90,published=8390",
    "--constraint-add node.platform.os==linux --constraint-rm node.role==manager",
    "--cap-add SYS_TIME --cap-drop NET_ADMIN", "--cap-add MKNOD", "--host-add h2:10.0.0.2 --host-rm h1",
    "--dns-add 1.1.1.1 --dns-rm 8.8.8.8", "--group-add 44 --group-rm 33",
    "--sysctl-add net.ipv4.ip_forward=1 --sysctl-rm net.core.somaxconn",
    "--placement-pref-add spread=node.labels.rack --placement-pref-rm spread=node.labels.zone",
    "--no-healthcheck", "--health-interval 5s", "--replicas 2 --force", "--args", "--entrypoint",
    "--limit-memory 32M --reserve-cpu 0.05", "--restart-condition none", "--rollback-order start-first",
    "--log-driver json-file --log-opt max-size=1m", "--endpoint-mode dnsrr", "--replicas-max-per-node 3",
]

STACK = """
version: "3.8"
services:
  web:
    image: busybox:1
    command: sleep 100000
    environment: {MODE: "${NOPE:-prod}", LEVEL: 3}
    ports: ["8080:80"]
    networks: [front, back]
    secrets: [token]
    configs: [{source: page, target: /www/page.html}]
    healthcheck: {test: "true", interval: 5s, retries: 3}
    deploy:
      replicas: 2
      labels: {tier: web}
      update_config: {parallelism: 1, delay: 1s, order: start-first, failure_action: rollback}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 30s}
      resources: {limits: {cpus: "0.50", memory: 64M}, reservations: {memory: 16M}}
      placement: {constraints: ["node.platform.os == linux"], preferences: [{spread: node.labels.zone}]}
  db:
    image: busybox:1
    command: ["sleep", "100000"]
    volumes: ["data:/data", "/etc:/hostetc:ro"]
    networks: {back: {aliases: [database]}}
    deploy: {endpoint_mode: dnsrr}
  agent:
    image: busybox:1
    command: sh -c "exec sleep 100000"
    cap_add: [NET_ADMIN]
    dns: 8.8.8.8
    extra_hosts: ["somehost:162.242.195.82"]
    labels: [a=b]
    deploy: {mode: global}
networks: {front: , back: {attachable: true}}
volumes: {data: }
secrets: {token: {file: ./token.txt}}
configs: {page: {file: ./page.html}}
"""


class Pair:
    """Both clients on one daemon."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = folder
        self.ours = os.path.join(folder, "docker")
        os.symlink(SWARM, self.ours)

    def run(self, program, *args, stdin=None):
        return subprocess.run([program, *args], text=True, input=stdin or "", capture_output=True, timeout=60,
                              cwd=self.folder, env=dict(os.environ, DOCKER_HOST="unix://" + self.lab.sock(1)))

    def same(self, *args):
        """Ages may differ by a second between the two calls, and with them the width of their column."""
        def plain(text):
            return re.sub(r" {2,}", "  ", AGE.sub("AGE ago  ", text))
        theirs, mine = self.run("docker", *args), self.run(self.ours, *args)
        assert plain(mine.stdout) == plain(theirs.stdout)
        assert plain(mine.stderr) == plain(theirs.stderr)
        assert mine.returncode == theirs.returncode
        return mine.stdout

    def settled(self, name):
        """The stock client gives up when the allocator is faster than it."""
        wait_for("an allocated service", lambda: self.lab.tasks(name))

    def spec(self, name):
        spec = json.loads(self.lab.docker("service", "inspect", name).stdout)[0]["Spec"]
        container = spec["TaskTemplate"]["ContainerSpec"]
        container.get("Env", []).sort()  # the stock client does not keep their order, and orders
        container.get("Mounts", []).sort(key=str)  # these at any update
        for key in ("Secrets", "Configs"):
            for ref in container.get(key) or []:
                ref.pop(key[:-1] + "ID")
            container.get(key, []).sort(key=str)
        for network in spec["TaskTemplate"].get("Networks", []):
            if len(network["Target"]) == 25:
                network["Target"] = self.lab.api("GET", "/networks/" + network["Target"])["Name"]
        spec["TaskTemplate"].get("Networks", []).sort(key=str)
        del spec["Name"]
        return spec


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    lab = make_lab("t-cli", 1)
    folder = tmp_path_factory.mktemp("cli")
    (folder / "stack.yml").write_text(STACK)
    (folder / "token.txt").write_text("s3cr3t")
    (folder / "page.html").write_text("<p>\n")
    pair = Pair(lab, str(folder))
    lab.images("busybox")
    for net in ("on1", "on2"):
        lab.docker("network", "create", "-d", "overlay", net)
    lab.docker("secret", "create", "token1", "-", stdin="one")
    lab.docker("secret", "create", "-l", "a=b", "token2", "-", stdin="two")
    lab.docker("config", "create", "page1", "-", stdin="<p>")
    lab.docker("service", "create", "-d", "--no-resolve-image", "--name", "web", "--replicas", "2", "-p", "8301:80",
               "busybox:1", "sleep", "100000")
    lab.wait_running("web", 2)
    yield pair
    lab.down()


@pytest.mark.parametrize("command", [
    "node ls", "node ls -q", "node ls --format {{.Hostname}}/{{.Self}}", "node inspect self", "node inspect nosuch",
    "node ps", "service ls", "service ls -q", "service ps web", "service ps --no-trunc web", "service ps nosuch",
    "service inspect nosuch", "service inspect --format {{.Spec.Name}} web",
    "service inspect --format {{json_.Spec.Mode}} web", "service inspect --pretty web", "service rm nosuch",
    "service logs nosuch", "service scale web=x", "network ls", "network inspect on1", "network inspect nosuch",
    "network ls --filter driver=overlay -q", "secret ls", "secret inspect token2", "secret inspect --pretty token2",
    "secret rm nosuch", "config ls", "config inspect page1", "config inspect --pretty page1", "images -q",
    "images --no-trunc --format {{.ID}}", "image inspect busybox:1", "volume inspect nosuch", "stack ls",
    "stack services nosuch", "stack ps nosuch", "ps", "ps --no-trunc -q", "inspect web", "inspect nosuch",
    "swarm join-token -q worker", "swarm join-token worker", "swarm join-token foo", "swarm unlock-key",
    "node update --label-rm nosuch node1", "service update --replicas 2 nosuch", "service rollback nosuch",
])
def test_prints_the_same(pair, command):
    pair.same(*[word.replace("_", " ") for word in command.split()])


def test_inspect_of_a_service_is_the_same_json(pair):
    """The stock client orders the members as its own types do, ours as the daemon does."""
    mine, theirs = (pair.run(p, "service", "inspect", "web").stdout for p in (pair.ours, "docker"))
    assert json.loads(mine) == json.loads(theirs)


def test_create_makes_the_same_service(pair):
    args = ["service", "create", "-d", "--no-resolve-image", *FULL]
    made = {}
    for name, program in (("theirs", "docker"), ("mine", pair.ours)):
        r = pair.run(program, *args, "--name", name, "busybox:1", "sleep", "1000")
        assert r.returncode == 0, r.stderr
        made[name] = pair.spec(name)
        pair.lab.docker("service", "rm", name)
    assert made["mine"] == made["theirs"]


@pytest.mark.parametrize("flags", UPDATES)
def test_update_changes_the_same(pair, flags):
    words = flags.split()
    if words == ["--args"]:
        words = ["--args", "a 'b c'"]
    elif words == ["--entrypoint"]:
        words = ["--entrypoint", "x y"]
    made = {}
    for name, program in (("theirs", "docker"), ("mine", pair.ours)):
        pair.lab.docker("service", "create", "-d", "--no-resolve-image", *FULL, "--name", name, "--constraint",
                        "node.labels.zone==nowhere", "busybox:1", "sleep", "1000")
        pair.settled(name)
        r = pair.run(program, "service", "update", "-d", "--no-resolve-image", *words, name)
        made[name] = pair.spec(name)
        pair.lab.docker("service", "rm", name)
        assert r.returncode == 0, r.stderr
    assert made["mine"] == made["theirs"]


def test_stack_deploy_makes_the_same_services(pair):
    made = {}
    for program in ("docker", pair.ours):
        r = pair.run(program, "stack", "deploy", "--resolve-image", "never", "-c", "stack.yml", "demo")
        assert r.returncode == 0, r.stderr
        made[program] = {s: pair.spec("demo_" + s) for s in ("web", "db", "agent")}
        # Ours waits until the networks can go; for the stock client we have to.
        assert pair.run(pair.ours, "stack", "rm", "demo").returncode == 0
        assert "demo" not in pair.run(pair.ours, "network", "ls").stdout
    assert made[pair.ours] == made["docker"]


def test_mistakes_in_a_stack_name_their_line(pair):
    with open(os.path.join(pair.folder, "bad.yml"), "w") as f:
        f.write("services:\n  web:\n    image: x\n    foo: 1\n")
    r = pair.run(SWARM, "stack", "deploy", "-c", "bad.yml", "demo")
    assert (r.returncode, r.stderr) == (1, "bad.yml:4: services.web Additional property foo is not allowed\n")


def test_called_as_swarm_the_swarm_words_come_first(pair):
    token = pair.run(SWARM, "join-token", "worker").stdout
    assert "    swarm join --token SWMTKN-1-" in token
    assert pair.run(SWARM, "swarm", "join-token", "worker").stdout == token


def test_service_create_waits_until_it_runs(pair):
    r = pair.run(SWARM, "service", "create", "--no-resolve-image", "--name", "waited", "--replicas", "2",
                 "--update-monitor", "1s", "busybox:1", "sleep", "1000")
    lines = r.stdout.splitlines()
    assert r.returncode == 0
    assert lines[1] == "overall progress: 0 out of 2 tasks"
    assert "overall progress: 2 out of 2 tasks" in lines
    assert lines[-1] == f"verify: Service {lines[0]} converged"
    assert len(pair.lab.running("waited")) == 2
    pair.lab.docker("service", "rm", "waited")


def test_nobody_answers(pair):
    r = subprocess.run([SWARM, "-H", "unix:///nonexistent.sock", "node", "ls"], text=True, capture_output=True)
    assert r.returncode == 1
    assert r.stderr.startswith("Cannot connect to the swarm daemon at unix:///nonexistent.sock. Is swarmd running?")
