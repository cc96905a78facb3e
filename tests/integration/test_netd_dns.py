# SPDX-License-Identifier: Apache-2.0
"""The containers' resolver: asked from a container's namespace, with nameservers made of Python."""
import os
import socket
import struct
import sys
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
from overlay_lab import InNamespace, Lab, Netd  # noqa: E402

PROGRAM = os.path.join(os.environ.get("SWARM_BUILD", os.path.join(ROOT, "build")), "bin",
                       "swarm-netd")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason="swarm-netd is not built"),
]
A, PTR, AAAA = 1, 12, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def query(name, kind=A, ident=0x1234, edns=0):
    q = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 1 if edns else 0)
    for label in name.split("."):
        q += bytes([len(label)]) + label.encode()
    q += b"\0" + struct.pack(">HH", kind, 1)
    return q + (b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns else b"")


def parse(reply):
    """(id, rcode, truncated, [addresses]) of an answer whose records point at the question."""
    ident, flags, qd, an, _, _ = struct.unpack(">HHHHHH", reply[:12])
    at = 12
    while reply[at]:
        at += 1 + reply[at]
    at += 5
    addrs = []
    for _ in range(an):
        at += 2
        kind, _, ttl, n = struct.unpack(">HHIH", reply[at:at + 10])
        if kind == A:
            addrs.append((socket.inet_ntoa(reply[at + 10:at + 14]), ttl))
        at += 10 + n
    return ident, flags & 15, bool(flags & 0x200), sorted(addrs)


class Nameserver:
    """Answers every A with one address, after a pause; or with an error; or not at all."""

    def __init__(self, ns, addr, answer="198.51.100.7", rcode=0, pause=0, garble=None, big=0):
        self.answer, self.rcode, self.pause, self.garble, self.big = answer, rcode, pause, garble, big
        self.seen = []
        with InNamespace(ns):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((addr, 53))
            self.tcp = socket.create_server((addr, 53))
        for target in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def make(self, q, tcp):
        end = 12
        while q[end]:
            end += 1 + q[end]
        end += 5
        n = self.big if self.big and tcp else 1
        cut = self.big and not tcp
        flags = 0x8180 | (0x200 if cut else 0) | self.rcode
        body = b"" if self.rcode or cut else b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) +
            socket.inet_aton(self.answer) for i in range(n))
        return q[:2] + struct.pack(">HHHHH", flags, 1, len(body) // 16, 0, 0) + q[12:end] + body

    def serve_udp(self):
        while True:
            try:
                q, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not q:
                return
            self.seen.append((q, peer))
            if self.pause is None:
                continue
            time.sleep(self.pause)
            if self.garble:
                for bad in self.garble(self.make(q, False)):
                    self.udp.sendto(bad, peer)
            self.udp.sendto(self.make(q, False), peer)

    def serve_tcp(self):
        while True:
            try:
                c, peer = self.tcp.accept()
            except OSError:
                return
            n = struct.unpack(">H", c.recv(2))[0]
            q = c.recv(n)
            self.seen.append((q, peer))
            r = self.make(q, True)
            c.sendall(struct.pack(">H", len(r)) + r)
            c.close()

    def close(self):
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


class Resolver:
    """swarm-netd on host 1, container 1 attached to the network of overlay_lab and another one."""

    def __init__(self, lab):
        self.lab = lab
        self.netd = lab.netds[1] = Netd(lab, lab.h(1), 1, PROGRAM)
        self.servers = []
        self.netd.request(
            'set_table { key: 77 name: "net" version: 1 subnet: %d subnet_len: 24 '
            'services { key: 1 name: "web" vip: %d aliases: "www" } '
            'services { key: 2 name: "many" } '
            'endpoints { service: 1 node: 1 addr: %d container_name: "web.1.x" serving: true } '
            '%s }' % (0x0a5a0000, 0x0a5a0002, 0x0a5a000b,
                      "".join('endpoints { service: 2 node: 1 addr: %d container_name: "many.%d" '
                              'serving: true } ' % (0x0a5a0100 + i, i) for i in range(100))))

    def attach(self, nameservers="", forward=True, own_socket=False, fds=True):
        made = []
        if fds:
            with InNamespace(self.lab.c(1)):
                u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                u.bind(("127.0.0.11", 53))
                t = socket.create_server(("127.0.0.11", 53))
                t.setblocking(False)
                made = [u.detach(), t.detach()]
                if own_socket:
                    made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM |
                                              socket.SOCK_NONBLOCK).detach())
        self.netd.request('dns_attach { container_id: "c1" container_name: "web.1.x" networks: 77 '
                          'forward: %s %s }' % ("true" if forward else "false", nameservers), made)

    def ask(self, name, kind=A, timeout=15, **kw):
        with InNamespace(self.lab.c(1)):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            s.settimeout(timeout)
            s.sendto(query(name, kind, **kw), ("127.0.0.11", 53))
            return parse(s.recv(65536))

    def ask_tcp(self, name, kind=A, timeout=15):
        with InNamespace(self.lab.c(1)):
            s = socket.create_connection(("127.0.0.11", 53), timeout)
        with s:
            q = query(name, kind)
            s.sendall(struct.pack(">H", len(q)) + q)
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
                part = s.recv(65536)
                if not part:
                    raise ConnectionError("closed")
                data += part
            return parse(data[2:])

    def nameserver(self, where, addr, **kw):
        self.servers.append(Nameserver(where, addr, **kw))
        return self.servers[-1]


@pytest.fixture
def resolver():
    with Lab("ntn") as lab:
        r = Resolver(lab)
        for i in range(1, 4):
            lab.ip(lab.h(1), "addr", "add", "203.0.113.%d/32" % i, "dev", "lo")
        yield r
        for s in r.servers:
            s.close()
        assert r.netd.process.poll() is None, r.netd.read_log()


def ns(i, in_container=False):
    return ' nameservers { addr: "203.0.113.%d" %s }' % (
        i, "in_container: true" if in_container else "")


def test_names_of_the_network_are_answered_inside_the_container(resolver):
    resolver.attach(forward=False)
    assert resolver.ask("web") == (0x1234, NOERROR, False, [("10.90.0.2", 600)])
    assert resolver.ask("WWW.net") == (0x1234, NOERROR, False, [("10.90.0.2", 600)])
    assert resolver.ask("tasks.web") == (0x1234, NOERROR, False, [("10.90.0.11", 5)])
    assert resolver.ask("web", AAAA) == (0x1234, NOERROR, False, [])
    assert resolver.ask("example.org") == (0x1234, NXDOMAIN, False, [])
    assert resolver.ask_tcp("web") == (0x1234, NOERROR, False, [("10.90.0.2", 600)])


def test_the_stock_resolver_of_libc_works(resolver):
    resolver.attach(forward=False)
    code = ("import ctypes,socket,os;"
            "libc=ctypes.CDLL(None);libc.unshare(0x20000);"
            "libc.mount(b'none',b'/',None,0x44000,None);"
            "open('%s/resolv.conf','w').write('nameserver 127.0.0.11\\noptions ndots:0\\n');"
            "assert libc.mount(b'%s/resolv.conf',b'/etc/resolv.conf',None,0x1000,None)==0;"
            "print(socket.gethostbyname('web'), len(socket.gethostbyname_ex('many')[2]))"
            % (resolver.lab.tmp, resolver.lab.tmp))
    from overlay_lab import ns_argv, sh
    out = sh(*ns_argv(resolver.lab.c(1), "unshare", "-m", "/usr/bin/python3", "-c", code))
    assert out.stdout.split() == ["10.90.0.2", "100"]


def test_long_answers_are_cut_and_whole_over_tcp(resolver):
    resolver.attach(forward=False)
    ident, rcode, cut, addrs = resolver.ask("many")
    assert cut and 0 < len(addrs) < 35
    assert len(resolver.ask("many", edns=4096)[3]) == 100
    assert len(resolver.ask_tcp("many")[3]) == 100


def test_unknown_names_are_asked_of_the_nameservers(resolver):
    up = resolver.nameserver(resolver.lab.h(1), "203.0.113.1")
    resolver.attach(ns(1))
    assert resolver.ask("example.org", ident=77) == (77, NOERROR, False, [("198.51.100.7", 60)])
    assert resolver.ask_tcp("example.org") == (0x1234, NOERROR, False, [("198.51.100.7", 60)])
    for _ in range(20):
        resolver.ask("example.org")
    ids = {q[:2] for q, _ in up.seen}
    ports = {peer[1] for _, peer in up.seen}
    assert len(ids) > 15 and len(ports) > 15  # neither can be guessed from the last
    assert resolver.ask("web")[3] == [("10.90.0.2", 600)]
    assert len(up.seen) == 22  # our own names never left


def test_the_next_nameserver_is_asked_when_one_fails(resolver):
    resolver.nameserver(resolver.lab.h(1), "203.0.113.2", rcode=SERVFAIL)
    resolver.nameserver(resolver.lab.h(1), "203.0.113.3", answer="198.51.100.9")
    resolver.attach(ns(1) + ns(2) + ns(3))  # 1: nobody listens, 2: fails
    begin = time.monotonic()
    assert resolver.ask("example.org")[3] == [("198.51.100.9", 60)]
    assert time.monotonic() - begin < 2


def test_a_silent_nameserver_costs_four_seconds(resolver):
    resolver.nameserver(resolver.lab.h(1), "203.0.113.1", pause=None)
    resolver.nameserver(resolver.lab.h(1), "203.0.113.2")
    resolver.attach(ns(1) + ns(2))
    begin = time.monotonic()
    assert resolver.ask("example.org")[3] == [("198.51.100.7", 60)]
    assert 3.5 < time.monotonic() - begin < 6


def test_when_all_nameservers_fail_the_answer_says_so(resolver):
    resolver.attach(ns(1) + ns(2))
    assert resolver.ask("example.org") == (0x1234, SERVFAIL, False, [])
    resolver.attach("", fds=False)
    assert resolver.ask("example.org") == (0x1234, SERVFAIL, False, [])


def test_forged_answers_are_not_taken(resolver):
    def garble(good):
        yield bytes([good[0] ^ 1]) + good[1:]             # another id
        yield good[:13] + b"X" + good[14:]                # another question
        yield good[:2] + bytes([good[2] & 0x7f]) + good[3:]  # a query
        yield good[:11]
    resolver.nameserver(resolver.lab.h(1), "203.0.113.1", garble=garble)
    resolver.attach(ns(1))
    assert resolver.ask("example.org") == (0x1234, NOERROR, False, [("198.51.100.7", 60)])


def test_cut_answers_lead_the_client_to_tcp(resolver):
    resolver.nameserver(resolver.lab.h(1), "203.0.113.1", big=200)
    resolver.attach(ns(1))
    assert resolver.ask("example.org")[2] is True
    assert len(resolver.ask_tcp("example.org")[3]) == 200


def test_nameservers_of_the_container_are_asked_from_its_namespace(resolver):
    lab = resolver.lab
    lab.ip(lab.c(1), "addr", "add", "203.0.113.9/32", "dev", "lo")
    up = resolver.nameserver(lab.c(1), "203.0.113.9")
    resolver.attach(' nameservers { addr: "203.0.113.9" in_container: true }', own_socket=True)
    assert resolver.ask("example.org")[3] == [("198.51.100.7", 60)]
    assert resolver.ask_tcp("example.org")[3] == [("198.51.100.7", 60)]
    assert len(up.seen) == 2


def test_many_questions_at_a_time(resolver):
    resolver.nameserver(resolver.lab.h(1), "203.0.113.1", pause=0.002)
    resolver.attach(ns(1))
    with InNamespace(resolver.lab.c(1)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)
    for i in range(250):
        s.sendto(query("n%d.example.org" % i, ident=i), ("127.0.0.11", 53))
    got = {parse(s.recv(65536))[0] for _ in range(250)}
    assert got == set(range(250))
    s.close()


def test_detached_and_attached_again(resolver):
    resolver.attach(forward=False)
    assert resolver.ask("web")[1] == NOERROR
    resolver.netd.request('dns_detach { container_id: "c1" }')
    time.sleep(0.1)
    resolver.attach(forward=False)
    assert resolver.ask("web")[1] == NOERROR
    resolver.netd.request('dns_attach { container_id: "nobody" }', expect=-10001)
    resolver.netd.disconnect()
    assert resolver.ask("web")[1] == NOERROR  # swarmd is not needed
    resolver.netd.connect()
    assert 'dns: "c1"' in resolver.netd.hello
