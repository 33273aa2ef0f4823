"""netns.py - network namespaces with veth pairs, on one bridge: machines of a cluster, as root.

    lab = netns.Lab(["m", "n1", "n2"])       # 10.86.0.1, 10.86.0.2, ...
    lab.prefix("n1")                         # what runs a command there
    lab.cut("n1")                            # its cable is pulled
    lab.close()
"""
import os
import shutil
import subprocess
import uuid

import lib


def needs_namespaces():
    """Skips where they cannot be made, with the reason."""
    lib.needs_root()
    lib.needs(shutil.which("ip"), "needs ip (iproute2)")
    name = "gleam-probe-%s" % uuid.uuid4().hex[:6]
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    lib.needs(done.returncode == 0, "needs network namespaces: %s" % done.stderr.strip())
    done = subprocess.run(["ip", "-n", name, "link", "add", "name", "va", "type", "veth", "peer",
                           "name", "vb"],
                          capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", name], check=True)
    lib.needs(done.returncode == 0, "needs veth pairs: %s" % done.stderr.strip())


class Lab:

    def __init__(self, names):
        self.id = uuid.uuid4().hex[:5]
        self.names = list(names)
        self.made = []
        self.hub = self.add("hub")
        self.ip("-n", self.hub, "link", "add", "name", "br0", "type", "bridge")
        self.ip("-n", self.hub, "link", "set", "br0", "up")
        for number, name in enumerate(self.names, 1):
            space = self.add(name)
            port = "p%d" % number
            self.ip("-n", self.hub, "link", "add", "name", port, "type", "veth", "peer", "name",
                    "eth0", "netns", space)
            self.ip("-n", self.hub, "link", "set", port, "master", "br0", "up")
            self.ip("-n", space, "link", "set", "lo", "up")
            self.ip("-n", space, "addr", "add", "%s/24" % self.address(name), "dev", "eth0")
            self.ip("-n", space, "link", "set", "eth0", "up")

    @staticmethod
    def ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True)

    def space(self, name):
        return "gleam-%s-%s" % (self.id, name)

    def add(self, name):
        self.ip("netns", "add", self.space(name))
        self.made.append(self.space(name))
        return self.space(name)

    def address(self, name):
        return "10.86.0.%d" % (1 + self.names.index(name))

    def prefix(self, name):
        return ["ip", "netns", "exec", self.space(name)]

    def cut(self, name):
        self.ip("-n", self.hub, "link", "set", "p%d" % (1 + self.names.index(name)), "down")

    def mend(self, name):
        self.ip("-n", self.hub, "link", "set", "p%d" % (1 + self.names.index(name)), "up")

    def close(self):
        for space in self.made:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
        assert not any(os.path.exists("/run/netns/" + space) for space in self.made)
