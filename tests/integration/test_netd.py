# SPDX-License-Identifier: Apache-2.0
"""swarm-netd on real devices: what crosses the wire, and what an attacker there can do.

Three hosts on one switch. The attacker sits in the switch: he sees and sends whatever he likes.
"""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
from overlay_lab import InNamespace, Lab, addr_of, ns_argv, sh  # noqa: E402

PROGRAM = os.path.join(os.environ.get("SWARM_BUILD", os.path.join(ROOT, "build")), "bin",
                       "swarm-netd")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason="swarm-netd is not built"),
]


@pytest.fixture
def lab():
    with Lab("ntd", hosts=3) as made:
        made.netd(PROGRAM)
        made.lab_epochs = (1,)
        yield made
        for n in made.netds.values():
            assert n.process.poll() is None, n.read_log()


@pytest.fixture
def pair():
    with Lab("ntp") as made:
        made.netd(PROGRAM)
        yield made
        for n in made.netds.values():
            assert n.process.poll() is None, n.read_log()


class Tap:
    """Raw packets of one port of the switch."""

    def __init__(self, lab, port):
        with InNamespace(lab.sw):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
            self.sock.bind((port, 0))
        self.sock.settimeout(0.3)

    def drain(self, most=100000):
        out = []
        try:
            while len(out) < most:
                out.append(self.sock.recv(65600))
        except TimeoutError:
            pass
        return out

    def send(self, frame):
        self.sock.send(frame)


def data_packets(frames):
    """Of the frames of a port: UDP to the data port -> (frame, payload)."""
    out = []
    for f in frames:
        if f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == struct.pack(">H", 4789):
            out.append((f, f[42:]))
    return out


def with_payload(frame, payload):
    """The same outer packet around another payload; a zero UDP checksum is none."""
    f = bytearray(frame[:42] + payload)
    f[16:18] = struct.pack(">H", len(f) - 14)
    f[38:40] = struct.pack(">H", len(f) - 34)
    f[40:42] = b"\0\0"
    f[24:26] = b"\0\0"
    total = sum(struct.unpack(">10H", f[14:34]))
    total = (total & 0xffff) + (total >> 16)
    f[24:26] = struct.pack(">H", ~(total + (total >> 16)) & 0xffff)
    return bytes(f)


def received(netd):
    m = re.search(r"rx_packets: (\d+)", netd.stats())
    return int(m.group(1)) if m else 0


def test_containers_reach_each_other_in_both_directions(lab):
    for a, b in ((1, 2), (2, 3), (3, 1)):
        assert lab.ping(a, b) == 3
        assert lab.ping(b, a, size=1390) == 3  # 1418 bytes of IP: the whole MTU
    for n in lab.netds.values():
        assert n.drops() == {}


def test_nothing_readable_crosses_the_wire(lab):
    tap = Tap(lab, "m2")
    marker = b"this is what a neighbour must not read"
    with InNamespace(lab.c(2)):
        server = socket.create_server((addr_of(2), 7777))
    server.settimeout(5)
    with InNamespace(lab.c(1)):
        client = socket.create_connection((addr_of(2), 7777), 5)
    conn, _ = server.accept()
    client.sendall(marker * 400)
    got = b""
    while len(got) < len(marker) * 400:
        got += conn.recv(65536)
    assert got == marker * 400
    for s in (client, conn, server):
        s.close()
    frames = tap.drain()
    payloads = data_packets(frames)
    assert sum(len(p) for _, p in payloads) > len(got)
    inner = bytes.fromhex("02420a5a0002") + bytes.fromhex("02420a5a0001")
    for f in frames:
        assert marker[:12] not in f
        assert inner not in f
        if f[23] == 2 and f[6:8] != b"\x02\x42":
            continue  # the hosts' kernels announce their own multicast groups (IGMP) now and then
        if f[12:14] == b"\x08\x00":  # no other IP than between the hosts' own addresses
            assert f[26:29] == f[30:33] == bytes((192, 0, 2)), f[:60].hex()


def test_replayed_packets_are_dropped(lab):
    tap = Tap(lab, "m2")
    assert lab.ping(1, 2, count=20, interval=0.02) == 20
    packets = [f for f, _ in data_packets(tap.drain()) if f[33] == 2]
    assert len(packets) >= 20
    before = received(lab.netds[2])
    for f in packets:
        tap.send(with_payload(f, f[42:]))
    time.sleep(0.3)
    assert lab.netds[2].drops() == {"replayed": len(packets)}
    assert received(lab.netds[2]) == before
    # From another port of the sender's address the copy may reach another worker: no difference.
    for i, f in enumerate(packets):
        f = bytearray(f)
        f[34:36] = struct.pack(">H", 40000 + i)
        tap.send(with_payload(bytes(f), bytes(f[42:])))
    time.sleep(0.3)
    assert lab.netds[2].drops() == {"replayed": 2 * len(packets)}
    assert received(lab.netds[2]) == before


def test_a_packet_with_one_bit_turned_over_is_dropped(lab):
    tap = Tap(lab, "m2")
    assert lab.ping(1, 2, count=1) == 1
    frame, payload = [p for p in data_packets(tap.drain()) if p[0][33] == 2][0]
    before = received(lab.netds[2])
    for bit in range(len(payload) * 8):
        bad = bytearray(payload)
        bad[bit // 8] ^= 1 << bit % 8
        tap.send(with_payload(frame, bytes(bad)))
        if bit % 64 == 63:
            time.sleep(0.002)
    time.sleep(0.5)
    drops = lab.netds[2].drops()
    assert received(lab.netds[2]) == before
    # Type, flags and zeros: 31 of 32 bits are shape, the last flag is authenticated; 32 of index.
    assert drops["malformed"] == 31
    assert drops["unknown_index"] == 32
    assert drops["bad_tag"] + drops.get("replayed", 0) == len(payload) * 8 - 63
    assert lab.ping(1, 2) == 3  # and no forgery did any harm


def test_clear_text_is_never_taken_for_a_packet(lab):
    tap = Tap(lab, "m2")
    assert lab.ping(1, 2, count=1) == 1
    frame = [f for f, _ in data_packets(tap.drain()) if f[33] == 2][0]
    before = received(lab.netds[2])
    inner = bytes.fromhex("02420a5a000202420a5a00010800") + b"E" + bytes(60)
    tap.send(with_payload(frame, struct.pack(">II", 0x08000000, Lab.VNI << 8) + inner))
    time.sleep(0.2)
    assert lab.netds[2].drops() == {"malformed": 1}
    assert received(lab.netds[2]) == before


def test_a_node_cannot_speak_for_another_nodes_container(lab):
    """Host 3 takes over container 1's addresses: only host 2 stands between."""
    assert lab.ping(1, 2) == 3
    lab.netds[3].request(lab.table({1: 3, 3: 3}).replace("version: 1", "version: 2"))
    c3 = lab.c(3)
    lab.ip(c3, "addr", "flush", "dev", "eth0")
    lab.ip(c3, "link", "set", "eth0", "down")
    lab.ip(c3, "link", "set", "eth0", "address", "02:42:0a:5a:00:01", "up")
    lab.ip(c3, "addr", "add", "10.90.0.1/24", "dev", "eth0")
    assert lab.ping(3, 2, count=2) == 0
    assert lab.netds[2].drops()["bad_source"] >= 2
    # Own MAC, foreign address.
    lab.ip(c3, "link", "set", "eth0", "down")
    lab.ip(c3, "link", "set", "eth0", "address", "02:42:0a:5a:00:03", "up")
    before = lab.netds[2].drops()["bad_source"]
    assert lab.ping(3, 2, count=2) == 0
    assert lab.netds[2].drops()["bad_source"] >= before + 2
    assert lab.ping(1, 2) == 3


def test_a_node_that_is_no_member_is_not_heard(lab):
    assert lab.ping(1, 2) == 3
    table = re.sub(r"endpoints \{ task: 1 .*?\} ", "", lab.table())
    assert "task: 1" not in table
    lab.netds[2].request(table)
    assert lab.ping(1, 2, count=2) == 0
    assert lab.netds[2].drops()["bad_source"] >= 2
    lab.netds[2].request("remove_network { key: %d }" % Lab.KEY)
    assert lab.ping(1, 2, count=2) == 0
    assert lab.netds[2].drops()["bad_network"] >= 2


def test_without_a_key_nothing_leaves_the_node(lab):
    tap = Tap(lab, "m1")
    assert lab.ping(1, 2) == 3
    tap.drain()
    lab.netds[1].set_peers([lab.netds[1], lab.netds[3]], (1,), 1)
    assert lab.ping(1, 2, count=2) == 0
    assert data_packets([f for f in tap.drain() if f[29] == 1]) == []
    assert lab.netds[1].drops()["no_key"] >= 2
    assert lab.ping(1, 3) == 3


def start_iperf(lab, seconds):
    server = lab.spawn(lab.c(2), "timeout", str(seconds + 20), "iperf3", "-s", "-1", "-p", "5201")
    lab.wait(lambda: "5201" in sh(*ns_argv(lab.c(2), "ss", "-Hltn", "sport", "=", ":5201")).stdout)
    client = subprocess.Popen(
        ns_argv(lab.c(1), "iperf3", "-J", "-c", addr_of(2), "-p", "5201", "-t", str(seconds), "-P",
                "4", "-i", "0.5"), stdout=subprocess.PIPE, text=True)
    lab.processes.append(client)
    return client, server


def finish_iperf(client, seconds):
    out, _ = client.communicate(timeout=seconds + 30)
    result = json.loads(out)
    assert "error" not in result, result["error"]
    return [i["sum"]["bits_per_second"] for i in result["intervals"]]


def test_it_runs_over_ipv6_too():
    with Lab("nt6", v6=True) as lab:
        lab.netd(PROGRAM)
        assert lab.ping(size=1370) == 3  # 1398 bytes of IP: the whole MTU
        client, _ = start_iperf(lab, 2)
        assert max(finish_iperf(client, 2)) > 1e7
        assert lab.netds[1].drops() == lab.netds[2].drops() == {}


def test_without_checksum_offload_packets_go_one_by_one(pair):
    """The kernel refuses UDP_SEGMENT (EIO) on such a device."""
    for i in (1, 2):
        sh(*ns_argv(pair.h(i), "ethtool", "-K", "u0", "tx", "off"))
    client, _ = start_iperf(pair, 2)
    assert max(finish_iperf(client, 2)) > 1e6
    assert pair.netds[1].drops() == {}


def test_a_path_that_became_narrower_is_reported_not_suffered_in_silence(pair):
    assert pair.ping(size=1390) == 3
    for i in (1, 2):
        pair.ip(pair.h(i), "link", "set", "u0", "mtu", "1400")
    assert pair.ping(size=1390, count=2) == 0
    assert pair.ping(size=1000) == 3
    assert pair.netds[1].drops()["too_big"] >= 2
    pair.wait(lambda: "packet does not fit the path" in pair.netds[1].read_log(), 3)


def test_keys_change_under_traffic_without_losing_a_connection(pair):
    client, _ = start_iperf(pair, 6)
    time.sleep(1)
    for epoch in (2, 3, 4):
        for n in pair.netds.values():
            n.new_epoch(epoch)
        pair.tell_peers((epoch - 1, epoch), epoch - 1)  # receive state first
        pair.tell_peers((epoch - 1, epoch), epoch)      # then send
        time.sleep(1)
    rates = finish_iperf(client, 6)
    assert min(rates[1:]) > 1e6, rates
    stats = pair.netds[2].stats()
    assert "rx_epoch: 4" in stats
    assert pair.netds[2].drops() == {}


def test_a_restart_of_one_end_is_survived_by_connections(pair):
    client, _ = start_iperf(pair, 8)
    time.sleep(1.5)
    n = pair.netds[2]
    n.sock.close()
    n.process.send_signal(signal.SIGKILL)
    n.process.wait(5)
    n.keys = {}
    n.start()
    pair.netd_devices(n)
    n.new_epoch(1)
    pair.tell_peers((1,), 1)
    rates = finish_iperf(client, 8)
    assert rates[-2] > 1e6, rates
    assert pair.ping() == 3


def test_traffic_goes_on_without_swarmd_and_nothing_need_be_passed_again(pair):
    first = re.search(r"instance: (.*)", pair.netds[1].hello).group(1)
    for n in pair.netds.values():
        n.disconnect()
    assert pair.ping(count=5) == 5
    n = pair.netds[1]
    n.connect()
    assert re.search(r"instance: (.*)", n.hello).group(1) == first
    assert "udp: true" in n.hello
    assert re.search(r"networks \{\s+key: 77\s+taps: 2\s+version: 1", n.hello)
    n.request('configure_udp { local_addr: "192.0.2.1" port: 4789 }')
    n.request("add_network { key: 77 vni: 4097 mtu: 1418 }")
    n.request(pair.table())
    assert pair.ping(count=3) == 3


def test_a_second_connection_takes_the_place_of_the_first(pair):
    n = pair.netds[1]
    old = n.sock
    n.connect()
    old.settimeout(5)
    assert old.recv(1) == b""
    old.close()
    assert pair.ping() == 3


def test_nonsense_on_the_control_socket_ends_the_connection_only(pair):
    n = pair.netds[1]
    for junk in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\4\0\0\0\xff\xff\xff\xff", b"\2\0\0\0\x08\0"):
        n.sock.sendall(junk)
        assert n.sock.recv(1) == b""
        n.sock.close()
        n.connect()
    n.request("add_network { key: 5 vni: 0 mtu: 1418 }", expect=-10000)
    n.request("add_network { key: 5 vni: 4097 mtu: 1418 }", expect=-10000)
    n.request("configure_udp { }", [os.open("/dev/null", os.O_RDONLY)], expect=-10000)
    assert pair.ping() == 3


def test_the_process_has_no_privileges_left(pair):
    pid = pair.netds[1].process.pid
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[caps], 16) == 0, caps
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
