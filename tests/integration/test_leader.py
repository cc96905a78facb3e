# SPDX-License-Identifier: Apache-2.0
"""The leader is killed: writes are not lost, updates go on, nodes stay."""
import pytest

from conftest import ApiError, make_lab, wait_for


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-leader", 3, managers=3)
    yield lab
    lab.down()


def alive(lab, dead):
    return next(i for i in (1, 2, 3) if i != dead)


def kill_leader(lab):
    leader = wait_for("a leader", lab.leader, 20)
    lab.run("kill", leader, "swarm-manager")
    other = alive(lab, leader)
    new = wait_for("a new leader", lambda: (lambda l: l if l not in (None, leader) else None)(
        lab.leader([other])), 15)
    return leader, new


def test_acknowledged_writes_survive_the_leader(lab):
    made = []
    for round_ in range(3):
        node = wait_for("a leader", lab.leader, 20)
        for i in range(5):
            name = f"w{round_}-{i}"
            lab.create(name, replicas=0, node=node)
            made.append(name)
        dead, new = kill_leader(lab)
        names = {s["Spec"]["Name"] for s in lab.api("GET", "/services", node=new)}
        assert set(made) <= names
        wait_for("the killed manager is back", lambda: len(lab.api("GET", "/nodes", node=dead)) == 3, 20)
    for name in made:
        lab.api("DELETE", f"/services/{name}", node=wait_for("a leader", lab.leader, 20))


def test_an_update_goes_on_when_its_leader_dies(lab):
    node = wait_for("a leader", lab.leader, 20)
    lab.create("roll", replicas=10, node=node)
    lab.wait_running("roll", 10, node=node)

    def change(spec):
        spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["GENERATION=2"]
        spec["UpdateConfig"] = {"Parallelism": 2, "Monitor": 500000000}
    lab.update("roll", change, node=node)
    wait_for("it has begun", lambda: any(
        "Env" in t["Spec"]["ContainerSpec"] for t in lab.running("roll", node)), 20)
    _, new = kill_leader(lab)
    wait_for("the update is complete", lambda: lab.service("roll", new).get("UpdateStatus", {}).get(
        "State") == "completed", 90)
    tasks = lab.wait_running("roll", 10, node=new)
    assert all(t["Spec"]["ContainerSpec"].get("Env") == ["GENERATION=2"] for t in tasks)
    assert sorted(t["Slot"] for t in tasks) == list(range(1, 11))


def test_without_a_quorum_writes_fail_clearly_and_tasks_go_on(lab):
    node = wait_for("a leader", lab.leader, 20)
    others = [i for i in (1, 2, 3) if i != node]
    lab.create("calm", replicas=3, node=node)
    lab.wait_running("calm", 3, node=node)
    for i in others:
        lab.run("partition", i)
    try:
        def refused():
            try:
                lab.create("never", replicas=0, node=node)
            except ApiError as e:
                return e.status >= 500 and str(e.message)
            return None
        message = wait_for("a refusal", refused, 40)
        assert "does not have a leader" in message or "may or may not" in message or "still happen" in message
        assert lab.api("GET", "/containers/json", node=node)
    finally:
        lab.run("heal")
    wait_for("a leader again", lab.leader, 20)
