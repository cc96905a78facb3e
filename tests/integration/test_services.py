# SPDX-License-Identifier: Apache-2.0
"""Services on three nodes: placement, scaling, updates, restarts, drain, the loss of a node."""
import pytest

from conftest import make_lab, wait_for


@pytest.fixture(scope="module")
def lab():
    lab = make_lab("t-services", 3, managers=1)
    yield lab
    lab.down()


def remove(lab, name):
    lab.api("DELETE", f"/services/{name}")


def spread(lab, tasks):
    out = {}
    for t in tasks:
        out[t["NodeID"]] = out.get(t["NodeID"], 0) + 1
    return sorted(out.values())


def set_availability(lab, number, availability):
    def once():
        n = next(n for n in lab.nodes() if n["Description"]["Hostname"] == f"node{number}")
        n["Spec"]["Availability"] = availability
        lab.api("POST", f"/nodes/{n['ID']}/update?version={n['Version']['Index']}", n["Spec"])
        return True
    wait_for(f"node{number} {availability}", once, 10)


def test_replicas_spread_over_nodes_and_an_image_of_one_node_reaches_all(lab):
    lab.create("spread", replicas=6)
    assert spread(lab, lab.wait_running("spread", 6)) == [2, 2, 2]
    assert sorted(t["Slot"] for t in lab.running("spread")) == [1, 2, 3, 4, 5, 6]


def test_scaling_up_and_down(lab):
    lab.update("spread", lambda s: s["Mode"]["Replicated"].update(Replicas=9))
    lab.wait_running("spread", 9)
    lab.update("spread", lambda s: s["Mode"]["Replicated"].update(Replicas=2))
    lab.wait_running("spread", 2)
    remove(lab, "spread")


def test_a_global_service_runs_once_on_each_node(lab):
    lab.api("POST", "/services/create", {"Name": "everywhere", "Mode": {"Global": {}},
                                         "TaskTemplate": {"ContainerSpec": {
                                             "Image": "busybox:1", "Command": ["sleep", "1000"]}}})
    assert spread(lab, lab.wait_running("everywhere", 3)) == [1, 1, 1]
    remove(lab, "everywhere")


def test_a_constraint_nobody_meets_leaves_the_task_pending_with_the_reason(lab):
    lab.create("nowhere", Placement={"Constraints": ["node.labels.gpu == yes"]})

    def reason():
        t = lab.tasks("nowhere")[0]
        return t["Status"]["State"] == "pending" and t["Status"].get("Err")
    err = wait_for("a reason", reason, 10)
    assert err.startswith("no suitable node") and "scheduling constraints not satisfied on 3 nodes" in err
    remove(lab, "nowhere")


def test_a_reservation_larger_than_any_node_waits(lab):
    lab.create("huge", Resources={"Reservations": {"NanoCPUs": 900 * 10**9}})
    err = wait_for("a reason", lambda: lab.tasks("huge")[0]["Status"].get("Err"), 10)
    assert "insufficient resources on 3 nodes" in err
    remove(lab, "huge")


def test_a_missing_image_is_said_in_the_task(lab):
    lab.create("missing", image="no/such:thing")

    def rejected():
        return [t for t in lab.tasks("missing") if t["Status"]["State"] == "rejected"]
    t = wait_for("a rejected task", rejected, 15)[0]
    assert "No such image: no/such:thing" in t["Status"]["Err"]
    remove(lab, "missing")


def test_a_task_that_ends_is_replaced(lab):
    lab.create("brief", command=("sh", "-c", "sleep 1; exit 3"))

    def failed():
        return [t for t in lab.tasks("brief") if t["Status"]["State"] == "failed"]
    t = wait_for("a failed task", failed, 15)[0]
    assert t["Status"]["ContainerStatus"]["ExitCode"] == 3
    assert "non-zero exit (3)" in t["Status"]["Err"]
    wait_for("a successor", lambda: len(lab.tasks("brief")) > 1, 10)
    remove(lab, "brief")


def test_limits_reach_the_control_group(lab):
    lab.create("limited", Resources={"Limits": {"NanoCPUs": 500000000, "MemoryBytes": 64 << 20,
                                                "Pids": 40}})
    t = lab.wait_running("limited", 1)[0]
    n = lab.number_of(t["NodeID"])
    pid = lab.container_pid(t, n)
    groups = dict(line.strip().split(":")[1:] for line in open(f"/proc/{pid}/cgroup"))
    mem = next(v for k, v in groups.items() if "memory" in k.split(","))
    with open(f"/sys/fs/cgroup/memory{mem}/memory.limit_in_bytes") as f:
        assert int(f.read()) == 64 << 20
    pids = next(v for k, v in groups.items() if "pids" in k.split(","))
    with open(f"/sys/fs/cgroup/pids{pids}/pids.max") as f:
        assert int(f.read()) == 40
    cpu = next(v for k, v in groups.items() if "cpu" in k.split(","))
    with open(f"/sys/fs/cgroup/cpu{cpu}/cpu.cfs_quota_us") as f:
        assert int(f.read()) == 50000
    remove(lab, "limited")


@pytest.mark.parametrize("order", ["stop-first", "start-first"])
def test_a_rolling_update_replaces_every_task(lab, order):
    name = "roll-" + order
    lab.create(name, replicas=4)
    before = {t["ID"] for t in lab.wait_running(name, 4)}

    def change(spec):
        spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["GENERATION=2"]
        spec["UpdateConfig"] = {"Parallelism": 2, "Monitor": 100000000, "Order": order}
    lab.update(name, change)
    wait_for("the update is complete", lambda: lab.service(name).get("UpdateStatus", {}).get(
        "State") == "completed", 40)
    after = lab.wait_running(name, 4)
    assert not before & {t["ID"] for t in after}
    assert all(t["Spec"]["ContainerSpec"]["Env"] == ["GENERATION=2"] for t in after)
    remove(lab, name)


def test_a_failing_update_rolls_back(lab):
    lab.create("back", replicas=2)
    lab.wait_running("back", 2)

    def change(spec):
        spec["TaskTemplate"]["ContainerSpec"]["Command"] = ["sh", "-c", "exit 1"]
        spec["UpdateConfig"] = {"Parallelism": 1, "Monitor": 2000000000, "FailureAction": "rollback"}
    lab.update("back", change)
    wait_for("rolled back", lambda: lab.service("back").get("UpdateStatus", {}).get("State") ==
             "rollback_completed", 60)
    tasks = lab.wait_running("back", 2)
    assert all(t["Spec"]["ContainerSpec"]["Command"] == ["sleep", "100000"] for t in tasks)
    remove(lab, "back")


def test_a_drained_node_gives_its_tasks_away(lab):
    lab.create("drained", replicas=3)
    lab.wait_running("drained", 3)
    set_availability(lab, 3, "drain")
    node3 = next(n["ID"] for n in lab.nodes() if n["Description"]["Hostname"] == "node3")

    def gone():
        tasks = lab.running("drained")
        return len(tasks) == 3 and all(t["NodeID"] != node3 for t in tasks)
    wait_for("node 3 is empty", gone, 30)
    set_availability(lab, 3, "active")
    remove(lab, "drained")


def test_a_lost_node_is_replaced_and_stops_its_old_tasks_when_it_returns(lab):
    lab.create("lost", replicas=3)
    old = lab.wait_running("lost", 3)
    node3 = next(n["ID"] for n in lab.nodes() if n["Description"]["Hostname"] == "node3")
    assert any(t["NodeID"] == node3 for t in old)
    lab.run("partition", 3)
    try:
        def replaced():
            tasks = lab.running("lost")
            return len(tasks) == 3 and all(t["NodeID"] != node3 for t in tasks)
        wait_for("replacements elsewhere", replaced, 20)
        assert next(n for n in lab.nodes() if n["ID"] == node3)["Status"]["State"] == "down"
    finally:
        lab.run("heal")
    wait_for("node 3 is back", lambda: next(
        n for n in lab.nodes() if n["ID"] == node3)["Status"]["State"] == "ready", 20)
    gone = [t["ID"] for t in old if t["NodeID"] == node3]
    wait_for("its old tasks ended", lambda: all(
        t["Status"]["State"] not in ("running", "starting") for t in lab.tasks("lost")
        if t["ID"] in gone), 20)
    remove(lab, "lost")


def test_logs_come_from_every_node_with_details(lab):
    lab.create("chatty", replicas=3, command=("sh", "-c", "echo to stdout; echo to stderr >&2; sleep 1000"))
    lab.wait_running("chatty", 3)
    out = wait_for("logs of three tasks", lambda: (
        lambda r: r if r.stdout.count("to stdout") == 3 and r.stderr.count("to stderr") == 3 else None
    )(lab.docker("service", "logs", "chatty")), 20)
    assert "chatty.1." in out.stdout and "@node" in out.stdout
    remove(lab, "chatty")


def test_restarting_the_node_agent_touches_no_task(lab):
    lab.create("stay", replicas=3)
    before = {t["ID"]: t["Status"]["ContainerStatus"]["PID"] for t in lab.wait_running("stay", 3)}
    lab.run("kill", 2, "swarmd")
    lab.run("start", 2)
    wait_for("node 2 is back", lambda: len(lab.api("GET", "/containers/json", node=2)) >= 1, 20)
    lab.create("after", replicas=3)
    lab.wait_running("after", 3)
    after = {t["ID"]: t["Status"]["ContainerStatus"]["PID"] for t in lab.wait_running("stay", 3)}
    assert before == after
    remove(lab, "stay")
    remove(lab, "after")
