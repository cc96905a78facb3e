#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""raft_bench beside etcd in the same run: rounds alternate, medians and ratios are printed.

    tests/bench/raft.py BUILD_DIR [--rounds 3] [--seconds 3] [--inflight 1,16,256]

Needs etcd-server (Debian's). Both keep their logs in the same temporary directory. etcd is driven
through its HTTP gateway on the leader, ours in the leader's process: the client's hop is on etcd's
side only.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BASE = 21700


def start_etcd(directory):
    names = [f"e{i}" for i in range(3)]
    peers = ",".join(f"{n}=http://127.0.0.1:{BASE + 10 + i}" for i, n in enumerate(names))
    procs = []
    for i, name in enumerate(names):
        client = f"http://127.0.0.1:{BASE + i}"
        peer = f"http://127.0.0.1:{BASE + 10 + i}"
        procs.append(subprocess.Popen(
            ["etcd", "--name", name, "--data-dir", f"{directory}/{name}",
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", peers, "--log-level", "error"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return procs


def etcd_leader(timeout=30):
    """Port of the member that leads."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for i in range(3):
            try:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{BASE + i}/v3/maintenance/status", data=b"{}",
                    headers={"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=2) as answer:
                    status = json.load(answer)
                if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                    return BASE + i
            except OSError:
                pass
        time.sleep(0.2)
    sys.exit("etcd has no leader")


def run(command, results):
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout
    for line in out.decode().splitlines():
        point = json.loads(line)
        results.setdefault((point["bench"], point["metric"], point["unit"]), []).append(
            point["value"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", default="3")
    parser.add_argument("--inflight", default="1,16,256")
    args = parser.parse_args()
    if shutil.which("etcd") is None:
        sys.exit("etcd is not installed (apt-get install etcd-server)")
    loads = args.inflight.split(",")
    results = {}
    directory = tempfile.mkdtemp(prefix="raft-bench-")
    procs = start_etcd(directory)
    try:
        port = etcd_leader()
        for _ in range(args.rounds):
            for load in loads:
                run([f"{args.build}/bench/raft_bench", "--dir", directory, "--seconds",
                     args.seconds, load], results)
                run([f"{args.build}/bench/etcd_bench", str(port), "--seconds", args.seconds, load],
                    results)
    finally:
        for p in procs:
            p.send_signal(signal.SIGTERM)
        for p in procs:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
        shutil.rmtree(directory, ignore_errors=True)
    for (bench, metric, unit), values in results.items():
        print(json.dumps({"bench": bench, "metric": metric,
                          "value": round(statistics.median(values), 3), "unit": unit}))
    for load in loads:
        ours = statistics.median(results[("raft", f"entries_256B_x{load}", "1/s")])
        theirs = statistics.median(results[("etcd", f"entries_256B_x{load}", "1/s")])
        print(json.dumps({"bench": "raft", "metric": f"entries_256B_x{load}_over_etcd",
                          "value": round(ours / theirs, 2), "unit": "ratio"}))


if __name__ == "__main__":
    main()
