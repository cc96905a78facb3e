# SPDX-License-Identifier: Apache-2.0
"""Two or more "hosts" in network namespaces, and swarm-netd on them, driven as swarmd does.

    c1 --veth-- br0 [h1] u0 ==underlay veth== u0 [h2] br0 --veth-- c2

Everything lives in namespaces with the lab's prefix; close() takes all of it away. Used by
overlay.py (measurements) and tests/integration/test_netd.py. Needs root, iproute2, ethtool, protoc.
"""
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def sh(*argv, check=True, timeout=30, **kw):
    return subprocess.run(argv, check=check, timeout=timeout, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def ns_argv(ns, *argv):
    return ("nsenter", "--net=/run/netns/" + ns) + argv


class InNamespace:
    """The calling thread inside a network namespace."""

    def __init__(self, ns):
        self.path = "/run/netns/" + ns

    def __enter__(self):
        self.old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._set(self.path)

    def __exit__(self, *exc):
        self._setfd(self.old)
        os.close(self.old)

    def _set(self, path):
        fd = os.open(path, os.O_RDONLY)
        self._setfd(fd)
        os.close(fd)

    @staticmethod
    def _setfd(fd):
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def esc(data):
    """Bytes as a string of protobuf's text format."""
    return '"' + "".join("\\%03o" % b for b in data) + '"'


def unesc(text):
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
        elif text[i + 1] in "01234567":
            n = 1
            while n < 3 and i + 1 + n < len(text) and text[i + 1 + n] in "01234567":
                n += 1
            out.append(int(text[i + 1:i + 1 + n], 8))
            i += 1 + n
        else:
            out += {"n": b"\n", "r": b"\r", "t": b"\t"}.get(text[i + 1], text[i + 1].encode())
            i += 2
    return bytes(out)


def protoc(direction, kind, data):
    return subprocess.run(
        ["protoc", "--%s=swarm.v1.%s" % (direction, kind), "-I" + ROOT + "/proto",
         ROOT + "/proto/swarm/v1/netd.proto"],
        input=data, stdout=subprocess.PIPE, check=True, timeout=20).stdout


class Signer:
    """A node's Ed25519 key, as common/crypto/keys.h signs: domain, zero byte, message."""

    def __init__(self):
        self.na = ctypes.CDLL("libsodium.so.23")
        self.na.sodium_init()
        self.public = ctypes.create_string_buffer(32)
        self.secret = ctypes.create_string_buffer(64)
        self.na.crypto_sign_keypair(self.public, self.secret)

    def sign(self, message):
        message = b"swarm-netd-key-1\0" + message
        sig = ctypes.create_string_buffer(64)
        self.na.crypto_sign_detached(sig, None, message, ctypes.c_ulonglong(len(message)),
                                     self.secret)
        return sig.raw


class Netd:
    """swarm-netd in one namespace, and swarmd's end of its control socket."""

    def __init__(self, lab, host, index, program):
        self.lab, self.host, self.index, self.program = lab, host, index, program
        self.path = os.path.join(lab.tmp, "netd%d.sock" % index)
        self.signer = Signer()
        self.id = bytes([index]) * 16
        self.keys = {}
        self.process = None
        self.sock = None
        self.seq = 0
        self.start()

    def start(self, extra=()):
        self.log = open(os.path.join(self.lab.tmp, "netd%d.log" % self.index), "ab")
        self.process = subprocess.Popen(
            ns_argv(self.host, self.program, "--socket", self.path, *self.lab.netd_args, *extra),
            stdout=self.log, stderr=self.log)
        self.connect()

    def connect(self):
        deadline = time.monotonic() + 10
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(10)
            try:
                self.sock.connect(self.path)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("swarm-netd does not start: " + self.read_log())
                time.sleep(0.02)
        self.hello = self.request("hello { version: 1 }")
        self.workers = int(re.search(r"workers: (\d+)", self.hello).group(1))
        self.suites = int(re.search(r"suites: (\d+)", self.hello).group(1))

    def read_log(self):
        with open(os.path.join(self.lab.tmp, "netd%d.log" % self.index)) as f:
            return f.read()

    def disconnect(self):
        self.sock.close()
        self.sock = None

    def request(self, text, fds=(), expect=0):
        self.seq += 1
        body = protoc("encode", "NetdRequest",
                      ("seq: %d fds: %d %s" % (self.seq, len(fds), text)).encode())
        frame = struct.pack("<I", len(body)) + body
        if fds:
            sent = socket.send_fds(self.sock, [frame], list(fds))
            self.sock.sendall(frame[sent:])
            for fd in fds:
                os.close(fd)
        else:
            self.sock.sendall(frame)
        while True:
            reply = self._read_reply()
            if re.search(r"^seq: %d$" % self.seq, reply, re.M):
                break
        code = re.search(r"^code: (-\d+)$", reply, re.M)
        code = int(code.group(1)) if code else 0
        if code != expect:
            raise RuntimeError("%s: %s" % (text, reply))
        return reply

    def _read_reply(self):
        head = self._read(4)
        return protoc("decode", "NetdReply", self._read(struct.unpack("<I", head)[0])).decode()

    def _read(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise RuntimeError("swarm-netd is gone: " + self.read_log())
            data += part
        return data

    def new_epoch(self, epoch):
        reply = self.request("new_epoch { epoch: %d }" % epoch)
        key = unesc(re.search(r'start_key: "((?:[^"\\]|\\.)*)"', reply).group(1))
        assert len(key) == 32, reply
        message = self.id + struct.pack("<Q", epoch) + key + struct.pack("<I", self.suites)
        self.keys[epoch] = (key, self.signer.sign(message))

    def data_peer(self):
        keys = " ".join(
            "keys { epoch: %d start_key: %s signature: %s suites: %d }"
            % (e, esc(k), esc(s), self.suites) for e, (k, s) in sorted(self.keys.items()))
        return ("peers { node: %d node_id: %s public_key: %s data_addr: \"%s\" data_port: 4789 "
                "workers: %d %s }" % (self.index, esc(self.id), esc(self.signer.public.raw),
                                      self.lab.underlay(self.index), self.workers, keys))

    def set_peers(self, netds, epochs, send):
        secrets = " ".join("epochs { epoch: %d secret: %s }" % (e, esc(bytes([e]) * 32))
                           for e in epochs)
        self.request("set_peers { node: %d node_id: %s keys { %s send_epoch: %d %s } }"
                     % (self.index, esc(self.id), secrets, send,
                        " ".join(n.data_peer() for n in netds)))

    def configure_udp(self):
        fds = []
        with InNamespace(self.host):
            for i in range(2 * self.workers):
                s = socket.socket(socket.AF_INET6 if self.lab.v6 else socket.AF_INET,
                                  socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                if self.lab.v6:
                    s.setsockopt(socket.IPPROTO_IPV6, 23, 3)  # IPV6_MTU_DISCOVER
                else:
                    s.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
                if i % 2 == 0:
                    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    s.setsockopt(17, 104, 1)  # SOL_UDP, UDP_GRO
                else:
                    s.setsockopt(socket.SOL_SOCKET, 32, 2 << 20)  # SO_SNDBUFFORCE
                s.bind((self.lab.underlay(self.index), 4789 if i % 2 == 0 else 0))
                fds.append(s.detach())
        self.request('configure_udp { local_addr: "%s" port: 4789 }'
                     % self.lab.underlay(self.index), fds)

    def add_network(self, key, vni, mtu, tap):
        fds = []
        with InNamespace(self.host):
            for _ in range(self.workers):
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
                # IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
                fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", tap.encode(), 0x5102))
                fcntl.ioctl(fd, 0x400454cb, 1)  # TUNSETPERSIST
                fds.append(fd)
        self.request("add_network { key: %d vni: %d mtu: %d }" % (key, vni, mtu), fds)

    def stats(self):
        return self.request("get_stats { }")

    def drops(self):
        text = re.search(r"drops \{(.*?)\n  \}", self.stats(), re.S)
        return {k: int(v) for k, v in re.findall(r"(\w+): (\d+)", text.group(1) if text else "")}

    def stop(self, sig=signal.SIGTERM):
        if self.sock is not None:
            self.sock.close()
            self.sock = None
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self.log.close()


def addr_of(container):
    return "10.90.0.%d" % container


def mac_of(container):
    return "02:42:0a:5a:00:%02x" % container


class Lab:
    VNI = 4097
    KEY = 77

    def __init__(self, prefix, hosts=2, mtu=1500, wire=True, v6=False):
        self.v6 = v6
        self.overhead = 102 if v6 else 82  # of the encrypted data plane
        self.tmp = tempfile.mkdtemp(prefix=prefix)
        self.prefix = prefix + str(os.getpid())
        self.hosts = hosts
        self.mtu = mtu
        self.netd_args = []
        self.processes = []
        self.namespaces = []
        self.netds = {}
        try:
            self._underlay(wire)
        except BaseException:
            self.close()
            raise

    def h(self, i):
        return "%sh%d" % (self.prefix, i)

    def c(self, i):
        return "%sc%d" % (self.prefix, i)

    def underlay(self, i):
        return "2001:db8::%d" % i if self.v6 else "192.0.2.%d" % i

    def ip(self, ns, *argv, **kw):
        return sh("ip", "-n", ns, *argv, **kw)

    def ns_add(self, ns):
        sh("ip", "netns", "add", ns)
        self.namespaces.append(ns)
        for key in ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"):
            sh(*ns_argv(ns, "sysctl", "-qw", key))
        self.ip(ns, "link", "set", "lo", "up")

    def _underlay(self, wire):
        for i in range(1, self.hosts + 1):
            self.ns_add(self.h(i))
            self.ns_add(self.c(i))
        if self.hosts == 2:
            self.ip(self.h(1), "link", "add", "u0", "mtu", str(self.mtu), "type", "veth", "peer",
                    "name", "u0", "netns", self.h(2), "mtu", str(self.mtu))
        else:
            self.sw = self.prefix + "sw"
            self.ns_add(self.sw)
            self.ip(self.sw, "link", "add", "b0", "mtu", str(self.mtu), "type", "bridge")
            self.ip(self.sw, "link", "set", "b0", "up")
            for i in range(1, self.hosts + 1):
                self.ip(self.h(i), "link", "add", "u0", "mtu", str(self.mtu), "type", "veth",
                        "peer", "name", "m%d" % i, "netns", self.sw, "mtu", str(self.mtu))
                self.ip(self.sw, "link", "set", "m%d" % i, "master", "b0", "up")
        for i in range(1, self.hosts + 1):
            self._host(i, wire)

    def _host(self, i, wire):
        h, c = self.h(i), self.c(i)
        if self.v6:
            sh(*ns_argv(h, "sysctl", "-qw", "net.ipv6.conf.u0.disable_ipv6=0"))
            self.ip(h, "addr", "add", self.underlay(i) + "/64", "dev", "u0", "nodad")
        else:
            self.ip(h, "addr", "add", self.underlay(i) + "/24", "dev", "u0")
        self.ip(h, "link", "set", "u0", "up", "txqueuelen", "1000")
        if wire:  # what really crosses a network: packets of the MTU, one by one
            sh("tc", "-n", h, "qdisc", "add", "dev", "u0", "root", "pfifo", "limit", "1000")
            for feature in ("gro on", "tso off", "tx-udp-segmentation off",
                            "tx-udp_tnl-segmentation off", "tx-udp_tnl-csum-segmentation off"):
                sh(*ns_argv(h, "ethtool", "-K", "u0", *feature.split()), check=False)
        sh(*ns_argv(h, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"), check=False)
        self.ip(h, "link", "add", "br0", "address", "02:aa:00:00:00:%02x" % i, "type", "bridge")
        self.ip(h, "link", "set", "br0", "up")
        self.ip(c, "link", "add", "eth0", "address", mac_of(i), "type", "veth", "peer", "name",
                "p0", "netns", h)
        self.ip(c, "addr", "add", addr_of(i) + "/24", "dev", "eth0")
        self.ip(h, "link", "set", "p0", "master", "br0", "up")
        self.ip(c, "link", "set", "eth0", "up")

    def container_mtu(self, mtu):
        for i in range(1, self.hosts + 1):
            self.ip(self.c(i), "link", "set", "eth0", "mtu", str(mtu))
            self.ip(self.h(i), "link", "set", "p0", "mtu", str(mtu))
            self.ip(self.h(i), "link", "set", "br0", "mtu", str(mtu))

    def program_bridge(self, i, port):
        """What agent/net does instead of flooding: entries for everybody else."""
        h = self.h(i)
        sh("bridge", "-n", h, "link", "set", "dev", port, "neigh_suppress", "on", "learning", "off",
           "flood", "off", "mcast_flood", "off", "bcast_flood", "off")
        for o in range(1, self.hosts + 1):
            if o != i:
                sh("bridge", "-n", h, "fdb", "replace", mac_of(o), "dev", port, "master", "static")
                self.ip(h, "neigh", "replace", addr_of(o), "lladdr", mac_of(o), "dev", "br0",
                        "nud", "permanent")

    def vxlan(self, dev="u0", address=None, overhead=50):
        address = address or self.underlay
        for i in (1, 2):
            h, o = self.h(i), 3 - i
            self.ip(h, "link", "add", "vx0", "mtu", str(self.mtu - overhead), "type", "vxlan",
                    "id", "4097", "dstport", "4789", "local", address(i), "dev",
                    dev.replace("%", str(i)), "nolearning", "noudpcsum")
            self.ip(h, "link", "set", "vx0", "master", "br0", "up")
            self.program_bridge(i, "vx0")
            sh("bridge", "-n", h, "fdb", "replace", mac_of(o), "dev", "vx0", "dst", address(o),
               "self", "permanent")
        self.container_mtu(self.mtu - overhead)

    def wireguard(self):
        """wireguard-go between the hosts, plain VXLAN inside."""
        program = os.environ.get("WGGO", "wireguard-go")
        for i in (1, 2):
            for name, argv in (("k", ("wg", "genkey")), ("p", ("wg", "pubkey"))):
                key = open(self.tmp + "/k%d" % i).read() if name == "p" else None
                with open(self.tmp + "/%s%d" % (name, i), "w") as f:
                    f.write(sh(*argv, input=key).stdout)
        for i in (1, 2):
            dev, h, o = "%sw%d" % (self.prefix[-9:], i), self.h(i), 3 - i
            self.spawn(h, "env", "LOG_LEVEL=error", program, "-f", dev)
            self.wait(lambda: self.ip(h, "link", "show", dev, check=False).returncode == 0)
            sh(*ns_argv(h, "wg", "set", dev, "private-key", self.tmp + "/k%d" % i, "listen-port",
                        "51820", "peer", open(self.tmp + "/p%d" % o).read().strip(), "endpoint",
                        "%s:51820" % self.underlay(o), "allowed-ips", "10.91.0.%d/32" % o))
            self.ip(h, "addr", "add", "10.91.0.%d/24" % i, "dev", dev)
            self.ip(h, "link", "set", dev, "mtu", str(self.mtu - 80), "up")
        self.vxlan("%sw%%" % self.prefix[-9:], lambda i: "10.91.0.%d" % i, 130)

    # ------------------------------------------------------------------------------ swarm-netd

    def table(self, owner=None):
        """The network's table; @owner: {container: host} where it differs from the truth."""
        owner = owner or {}
        endpoints = "".join(
            'endpoints { task: %d node: %d addr: %d container_name: "c%d" serving: true } '
            % (i, owner.get(i, i), 0x0a5a0000 + i, i) for i in range(1, self.hosts + 1))
        return ('set_table { key: %d name: "net" version: 1 subnet: %d subnet_len: 24 vni: %d '
                'encrypted: true %s }' % (self.KEY, 0x0a5a0000, self.VNI, endpoints))

    def netd(self, program, args=(), epochs=(1,)):
        self.netd_args = list(args)
        for i in range(1, self.hosts + 1):
            n = self.netds[i] = Netd(self, self.h(i), i, program)
            self.netd_devices(n)
            for e in epochs:
                n.new_epoch(e)
        self.tell_peers(epochs, epochs[-1])
        self.container_mtu(self.mtu - self.overhead)
        for i in range(1, self.hosts + 1):  # as agent/net: one super-frame fits one send
            self.ip(self.c(i), "link", "set", "eth0", "gso_max_size", "60000")

    def netd_devices(self, n):
        """Everything but keys, as after a start of netd."""
        n.configure_udp()
        n.add_network(self.KEY, self.VNI, self.mtu - self.overhead, "swt0")
        n.request(self.table())
        self.ip(n.host, "link", "set", "swt0", "mtu", str(self.mtu - self.overhead), "master", "br0", "up")
        self.program_bridge(n.index, "swt0")

    def tell_peers(self, epochs, send):
        for n in self.netds.values():
            n.set_peers(self.netds.values(), epochs, send)

    # ---------------------------------------------------------------------------------- helpers

    def spawn(self, ns, *argv, **kw):
        p = subprocess.Popen(ns_argv(ns, *argv), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, **kw)
        self.processes.append(p)
        return p

    @staticmethod
    def wait(predicate, seconds=10):
        deadline = time.monotonic() + seconds
        while not predicate():
            if time.monotonic() > deadline:
                raise RuntimeError("did not happen within %d s" % seconds)
            time.sleep(0.05)

    def ping(self, a=1, b=2, count=3, interval=0.1, size=56):
        r = sh(*ns_argv(self.c(a), "ping", "-q", "-c", str(count), "-i", str(interval), "-W", "1",
                        "-s", str(size), addr_of(b)), check=False, timeout=60)
        m = re.search(r"(\d+) received", r.stdout)
        return int(m.group(1)) if m else 0

    def close(self):
        for n in self.netds.values():
            n.stop()
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
        for p in self.processes:
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait(5)
        for ns in reversed(self.namespaces):
            sh("ip", "netns", "del", ns, check=False)
        shutil.rmtree(self.tmp, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
