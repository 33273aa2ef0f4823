#!/usr/bin/env python3
"""test_cluster_net.py - a master and three agents in network namespaces of their own, on veth pairs.

As root; skipped with the reason where namespaces cannot be made.  Every example and random flows give the
local answer; each kind of process is killed, and cables are pulled, at seeded moments.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

import cluster
import driver
import lib
import netns
import test_cluster
import test_examples
import test_lua_random

AGENTS = ("n1", "n2", "n3")
ROUNDS = int(os.environ.get("GLEAM_TEST_KILLS", driver.scaled(12)))
SEED = int(os.environ.get("GLEAM_TEST_SEED", "1"))
ASK = """import sys, urllib.request
request = urllib.request.Request(sys.argv[1], method=sys.argv[2])
if sys.argv[3]: request.add_header("Authorization", sys.argv[3])
sys.stdout.write(urllib.request.urlopen(request, timeout=10).read().decode())"""


class NetCase(cluster.ClusterCase):
    """The driver runs beside the master."""

    def setUp(self):
        netns.needs_namespaces()
        super().setUp()
        self.lab = netns.Lab(("m",) + AGENTS)
        self.addCleanup(self.lab.close)
        self.key = os.path.join(self.dir, "key")
        self.run_ok([cluster.GLEAM, "keygen", self.key])
        # Processes go before the namespaces, in which they are.
        self.start_cluster()

    def start_cluster(self, cores="0-0", master=("--heartbeat", "300", "--lost-after", "1500"), **how):
        self.master = self.start_master(host=self.lab.address("m"), more=master,
                                        prefix=self.lab.prefix("m"))
        self.agents = [self.start_agent(name, cores=cores, prefix=self.lab.prefix(name),
                                        more=("--host", self.lab.address(name)), **how)
                       for name in AGENTS]
        self.wait_for_agents(len(AGENTS))

    def api(self, path, address=None, method="GET", body=None, seconds=10):
        url = "http://%s%s" % (address or self.master.address, path)
        done = subprocess.run([*self.lab.prefix("m"), sys.executable, "-c", ASK, url, method,
                               cluster.sign(self.key, method, path, b"")],
                              capture_output=True, text=True, check=True, timeout=seconds)
        return json.loads(done.stdout)

    def start(self, args, env=None, **more):
        args = [str(arg) for arg in args]
        if args[0] != "ip" and "keygen" not in args:
            args = [*self.lab.prefix("m"), *args]
        return super().start(args, env, **more)


class OnThree(NetCase):
    """What others run on one and two executors, on one and three, each on an agent of its own."""

    def start(self, args, env=None, **more):
        args = [str(arg) for arg in args]
        run = args[:2] == [cluster.GLEAM, "run"]
        if run or "/examples/" in args[0]:
            if "--executors" in args and args[args.index("--executors") + 1] == "2":
                args[args.index("--executors") + 1] = "3"
            args[1 + run:1 + run] = self.options()
        return super().start(args, env, **more)


class Examples(cluster.NothingIsKept, OnThree, test_examples.Examples):
    pass


class RandomFlows(OnThree, test_lua_random.RandomFlows):
    pass


class Accidents(NetCase):

    def start_endless(self):
        process = self.start([*self.gleam_run(), "-e", test_cluster.ENDLESS])
        self.wait_for_executors(len(AGENTS))
        return process

    def fails_with(self, process, *words):
        begin = time.monotonic()
        status, err = cluster.finish(process)
        self.assertNotEqual(status, 0, err)
        for word in words:
            self.assertIn(word, err)
        self.assertLess(time.monotonic() - begin, cluster.END_SECONDS * lib.SLOWER, err)
        self.assert_no_orphans()

    def test_a_cable_is_pulled(self):
        process = self.start_endless()
        self.lab.cut("n2")
        self.fails_with(process, self.agents[1].address)
        self.wait_for_agents(2)
        self.assert_next_job_runs()
        self.lab.mend("n2")
        self.wait_for_agents(3)
        self.assert_next_job_runs()

    def test_somebody_dies_at_any_moment(self):
        for seed in range(SEED, SEED + ROUNDS):
            with self.subTest(seed=seed):
                self.kill_somebody(random.Random(seed))

    def kill_somebody(self, dice):
        process = self.start([*self.gleam_run(), "-e", test_cluster.ENDLESS])
        kind = dice.choice(("driver", "executor", "job", "agent", "master"))
        # Of no event, but of time: before, while and after the job begins.
        lib.wait_until(lambda: False, dice.random() * 0.4 / lib.SLOWER)
        if kind == "driver":
            process.kill()
        elif kind == "agent":
            number = dice.randrange(3)
            self.agents[number].kill()
            self.agents[number] = self.start_agent(
                AGENTS[number], port=self.agents[number].port,
                prefix=self.lab.prefix(AGENTS[number]),
                more=("--host", self.lab.address(AGENTS[number])))
        elif kind == "master":
            self.master.kill()
            self.master = self.start_master(
                port=self.master.port, host=self.lab.address("m"), prefix=self.lab.prefix("m"),
                more=("--heartbeat", "300", "--lost-after", "1500"))
        else:
            victims = [pid for pid, name in self.job_processes()
                       if name.startswith("gleam-" + kind)]
            if victims:
                os.kill(dice.choice(victims), signal.SIGKILL)
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # it had not begun, or goes on without a master
        status, err = cluster.finish(process)
        self.assertNotEqual(status, 0, kind + err)
        self.assert_no_orphans()
        self.wait_for_agents(3)
        self.assert_next_job_runs()


if __name__ == "__main__":
    lib.main()
