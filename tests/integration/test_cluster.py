# SPDX-License-Identifier: Apache-2.0
"""Init, join, leave, tokens, roles: what must work and what must be refused, clearly and in time."""
import time

import pytest

from conftest import ApiError, make_lab, wait_for

WRONG_SECRET = "0" * 24 + "1"


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-cluster", 4, join=False, images=())
    yield lab
    lab.down()


def init(lab, node=1):
    return lab.api("POST", "/swarm/init", {"ListenAddr": "0.0.0.0:2377",
                                           "AdvertiseAddr": lab.ip(node)}, node=node)


def join(lab, node, token, remote="192.168.150.1:2377"):
    return lab.api("POST", "/swarm/join", {
        "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": lab.ip(node), "RemoteAddrs": [remote],
        "JoinToken": token}, node=node)


def tokens(lab):
    return lab.api("GET", "/swarm")["JoinTokens"]


def refused(call, limit=10):
    start = time.monotonic()
    with pytest.raises(ApiError) as e:
        call()
    assert time.monotonic() - start < limit
    return e.value


def state(lab, node):
    return lab.api("GET", "/info", node=node)["Swarm"]["LocalNodeState"]


def test_a_node_alone_refuses_cluster_calls_and_says_what_to_do(lab):
    e = refused(lambda: lab.api("GET", "/nodes"))
    assert e.status == 503 and e.message.startswith("This node is not a swarm manager. Use")


def test_init_makes_a_leader(lab):
    node_id = init(lab)
    nodes = lab.nodes()
    assert [n["ID"] for n in nodes] == [node_id]
    assert nodes[0]["ManagerStatus"]["Leader"] and nodes[0]["Status"]["State"] == "ready"


def test_init_twice_is_refused(lab):
    e = refused(lambda: init(lab))
    assert e.status == 503 and "already part of a swarm" in e.message


def test_a_wrong_secret_is_refused_and_nothing_is_left_half_joined(lab):
    token = tokens(lab)["Worker"]
    e = refused(lambda: join(lab, 2, token.rsplit("-", 1)[0] + "-" + WRONG_SECRET))
    assert e.status == 400 and "A valid join token is necessary to join this cluster" in e.message
    assert state(lab, 2) == "inactive"
    assert len(lab.nodes()) == 1


def test_a_wrong_digest_is_refused_before_the_secret_is_sent(lab):
    parts = tokens(lab)["Worker"].split("-")
    parts[2] = "1" * 50
    e = refused(lambda: join(lab, 2, "-".join(parts)))
    assert state(lab, 2) == "inactive"
    assert "token" in e.message or "root" in e.message


def test_no_token_at_all_is_refused(lab):
    assert "token" in refused(lambda: join(lab, 2, "nonsense")).message
    assert state(lab, 2) == "inactive"


def test_an_unreachable_manager_is_named(lab):
    e = refused(lambda: join(lab, 2, tokens(lab)["Worker"], "192.168.150.99:2377"), limit=12)
    assert "192.168.150.99" in e.message
    assert state(lab, 2) == "inactive"


def test_workers_and_managers_join_by_their_tokens(lab):
    t = tokens(lab)
    join(lab, 2, t["Manager"])
    join(lab, 3, t["Worker"])
    roles = sorted(n["Spec"]["Role"] for n in lab.nodes())
    assert roles == ["manager", "manager", "worker"]
    assert all(n["Status"]["State"] == "ready" for n in lab.nodes())


def test_joining_twice_is_refused(lab):
    e = refused(lambda: join(lab, 3, tokens(lab)["Worker"]))
    assert e.status == 503 and "already part of a swarm" in e.message


def test_a_worker_says_that_it_is_one(lab):
    e = refused(lambda: lab.api("GET", "/nodes", node=3))
    assert e.status == 503 and "Worker nodes can't be used" in e.message


def test_a_follower_answers_like_the_leader(lab):
    assert {n["ID"] for n in lab.nodes(2)} == {n["ID"] for n in lab.nodes(1)}


def test_a_rotated_token_no_longer_admits(lab):
    old = tokens(lab)["Worker"]
    version = lab.api("GET", "/swarm")["Version"]["Index"]
    spec = lab.api("GET", "/swarm")["Spec"]
    lab.api("POST", f"/swarm/update?version={version}&rotateWorkerToken=true", spec)
    assert tokens(lab)["Worker"] != old
    assert refused(lambda: join(lab, 4, old)).status == 400
    join(lab, 4, tokens(lab)["Worker"])


def set_role(lab, number, role):
    n = next(n for n in lab.nodes() if n["Description"]["Hostname"] == f"node{number}")
    n["Spec"]["Role"] = role
    lab.api("POST", f"/nodes/{n['ID']}/update?version={n['Version']['Index']}", n["Spec"])


def test_promotion_starts_a_manager(lab):
    set_role(lab, 3, "manager")
    wait_for("node 3 leads the API", lambda: len(lab.nodes(3)) == 4, 20)
    wait_for("three managers reachable", lambda: [
        n["ManagerStatus"]["Reachability"] for n in lab.nodes() if "ManagerStatus" in n
    ] == ["reachable"] * 3, 20)


def test_demotion_ends_it(lab):
    set_role(lab, 3, "worker")
    wait_for("node 3 is a worker again", lambda: all(
        "ManagerStatus" not in n for n in lab.nodes()
        if n["Description"]["Hostname"] == "node3"), 20)

    def refuses():
        try:
            lab.api("GET", "/nodes", node=3)
        except ApiError as e:
            return e.status == 503
        return False
    wait_for("node 3 refuses manager calls", refuses, 20)


def test_a_ready_node_is_not_removed_without_force(lab):
    n = next(n for n in lab.nodes() if n["Description"]["Hostname"] == "node4")
    e = refused(lambda: lab.api("DELETE", f"/nodes/{n['ID']}"))
    assert "is not down and can't be removed" in e.message


def test_leaving_and_removal(lab):
    lab.api("POST", "/swarm/leave", node=4, timeout=40)
    assert state(lab, 4) == "inactive"
    n = next(n for n in lab.nodes() if n["Description"]["Hostname"] == "node4")
    wait_for("node 4 is down", lambda: lab.api("GET", f"/nodes/{n['ID']}")["Status"]["State"] ==
             "down", 15)
    lab.api("DELETE", f"/nodes/{n['ID']}")
    assert len(lab.nodes()) == 3


def test_a_manager_leaves_only_by_force(lab):
    e = refused(lambda: lab.api("POST", "/swarm/leave", node=2))
    assert e.status == 503 and "--force" in e.message
