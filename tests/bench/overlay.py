#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Overlay throughput and round trip next to plain kernel VXLAN and wireguard-go, all on one machine.

Both hosts, both containers and the wire share the processors, so trust the ratios: all variants are
up at once, each round measures them one after the other, and a ratio is the median over the rounds
of own/peer. "wire" mode: packets cross the underlay one by one at its MTU.

    overlay.py [--build DIR] [--rounds N] [--seconds S] [--wireguard] [--realtime] [--only NAME]
Prints one JSON line for each metric and peer: {"bench","metric","value","unit","peer",...}.
"""
import argparse
import json
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from overlay_lab import ROOT, Lab, addr_of, ns_argv, sh  # noqa: E402


def iperf(lab, seconds, *argv):
    server = lab.spawn(lab.c(2), "timeout", str(seconds + 10), "iperf3", "-s", "-1", "-p", "5201")
    lab.wait(lambda: "5201" in sh(*ns_argv(lab.c(2), "ss", "-Hltn", "sport", "=", ":5201")).stdout)
    r = sh(*ns_argv(lab.c(1), "iperf3", "-J", "-c", addr_of(2), "-p", "5201", "-t", str(seconds),
                    *argv), check=False, timeout=seconds + 20)
    server.wait(15)
    try:
        return json.loads(r.stdout)["end"]
    except (ValueError, KeyError):
        return None


def tcp(lab, streams, seconds):
    end = iperf(lab, seconds, "-P", str(streams), "-C", "cubic", "-O", "1")
    return end["sum_received"]["bits_per_second"] / 1e9 if end else 0.0


def udp(lab, seconds):
    end = iperf(lab, seconds, "-u", "-b", "0", "-l", "64")
    s = end["sum"] if end else {"packets": 0, "lost_packets": 0, "seconds": 1}
    return (s["packets"] - s["lost_packets"]) / s["seconds"] / 1000


def rtt(lab):
    r = sh(*ns_argv(lab.c(1), "ping", "-q", "-i", "0.002", "-c", "600", addr_of(2)), timeout=30)
    return float(re.search(r"= [\d.]+/([\d.]+)/", r.stdout).group(1)) * 1000


METRICS = {
    "tcp_1_stream": (lambda lab, s: tcp(lab, 1, s), "Gbit/s"),
    "tcp_4_streams": (lambda lab, s: tcp(lab, 4, s), "Gbit/s"),
    "udp_64_received": (udp, "kpps"),
    "rtt": (lambda lab, s: rtt(lab), "us"),
}


def setup(name, args):
    lab = Lab({"netd": "ovn", "vxlan": "ovv", "wireguard": "ovw"}[name], wire=not args.offload)
    try:
        if name == "netd":
            lab.netd(os.path.join(args.build, "bin", "swarm-netd"), args.netd_arg)
        elif name == "vxlan":
            lab.vxlan()
        else:
            lab.wireguard()
        if lab.ping(count=5) < 4:
            raise RuntimeError(name + ": containers do not reach each other")
    except BaseException:
        lab.close()
        raise
    return lab


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--wireguard", action="store_true", help="wireguard-go carrying VXLAN as well")
    p.add_argument("--offload", action="store_true", help="underlay takes 64 KB super-frames")
    p.add_argument("--realtime", action="store_true",
                   help="keep other load out altogether; not for UDP, whose sender never sleeps")
    p.add_argument("--only", choices=METRICS, action="append")
    p.add_argument("--netd-arg", action="append", default=[])
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    if args.realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    else:
        os.nice(-20)  # all variants alike: what else runs on the machine disturbs less
    names = ["vxlan", "netd"] + (["wireguard"] if args.wireguard else [])
    labs = {}
    samples = {}
    try:
        for name in names:
            labs[name] = setup(name, args)
        for _ in range(args.rounds):
            for metric, (measure, _unit) in METRICS.items():
                if args.only and metric not in args.only:
                    continue
                for name in names:
                    value = measure(labs[name], args.seconds)
                    samples.setdefault((metric, name), []).append(value)
                    if args.verbose:
                        print("# %s %s %.2f" % (metric, name, value), file=sys.stderr)
        if args.verbose:
            print(labs["netd"].netds[1].drops(), labs["netd"].netds[2].drops(), file=sys.stderr)
    finally:
        for lab in labs.values():
            lab.close()
    for metric, (_measure, unit) in METRICS.items():
        own = samples.get((metric, "netd"))
        for peer in names:
            other = samples.get((metric, peer))
            if peer == "netd" or not own:
                continue
            ratios = [a / b for a, b in zip(own, other) if b > 0]
            print(json.dumps({
                "bench": "overlay", "metric": metric, "value": round(statistics.median(own), 3),
                "unit": unit, "peer": "plain kernel VXLAN" if peer == "vxlan"
                else "wireguard-go with VXLAN",
                "peer_value": round(statistics.median(other), 3),
                "ratio": round(statistics.median(ratios), 3) if ratios else None,
                "rounds": len(own)}), flush=True)


if __name__ == "__main__":
    main()
