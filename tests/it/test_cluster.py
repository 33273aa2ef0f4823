#!/usr/bin/env python3
"""test_cluster.py - a master and agents on the loopback: examples give the local answer, and whatever
dies, the rest says so, cleans up and goes on.
"""
import os
import shutil
import signal
import socket
import stat
import sys
import threading
import time

import cluster
import driver
import lib
import readme
import test_examples
import test_lua_random
import test_operators
import test_ranges

sys.path.insert(0, os.path.join(lib.ROOT, "tests", "oracle"))
import engine  # noqa: E402
import oracle  # noqa: E402

# Reads for ever, on every executor.
ENDLESS = ('gleam.New("endless"):Ints(1, 2^50):Map("idle", function(n) return n % 7 end)'
           ':Filter("none", function(n) return n < 0 end):Printlnf("%v"):Run()')
FLOWS = int(os.environ.get("GLEAM_TEST_CLUSTER_FLOWS", driver.scaled(100)))


class OnCluster(cluster.ClusterCase):
    """Runs what others run on this machine on a cluster of two agents of one core each: what has two
    executors moves its rows between nodes."""

    def setUp(self):
        super().setUp()
        self.start_cluster(agents=2, cores="0-0")

    def start(self, args, env=None, **more):
        args = [str(arg) for arg in args]
        if args[:2] == [cluster.GLEAM, "run"]:
            args[2:2] = self.options()
        elif "/examples/" in args[0] or "/tests/it/" in args[0]:
            args[1:1] = self.options()
        return super().start(args, env, **more)


class OnThree(OnCluster):
    """Three agents of two cores each: up to six executors, on as many nodes as they need."""

    def start_cluster(self, agents=2, cores="", **how):
        super().start_cluster(agents=3, cores="0-1", **how)


class Joins(OnThree, test_operators.Joins):
    pass


class Moves(OnThree, test_operators.Moves):
    pass


class Keyed(OnThree, test_operators.Keys):
    pass


class Ranges(OnThree, test_ranges.BehindEverything, test_ranges.InFrontOfEverything,
             test_ranges.Written):
    pass


class Examples(cluster.NothingIsKept, OnCluster, test_examples.Examples):
    """Every example in Lua and in C, on one executor and on two."""


class RandomFlows(OnCluster, test_lua_random.RandomFlows):
    pass


class Oracle(cluster.ClusterCase):
    """The flows of tests/oracle, beside the reference and SQLite."""

    def test_answers_are_those_of_the_reference(self):
        self.start_cluster(agents=2, cores="0-0")
        engine.Engine.cluster = self.options()
        try:
            found = oracle.Oracle()
            self.assertTrue(found.run(1, FLOWS), "\n".join(map(str, found.one_of_each())))
        finally:
            engine.Engine.cluster = None


class Failures(cluster.ClusterCase):

    def start_endless(self, agents=2, executors=4, **how):
        self.start_cluster(agents, **how)
        process = self.start([*self.gleam_run(), "-e", ENDLESS])
        self.wait_for_executors(executors)
        self.wait_for_job("running")
        return process

    def refused(self, process, *words):
        begin = time.monotonic()
        status, err = cluster.finish(process)
        self.assertNotEqual(status, 0, err)
        for word in words:
            self.assertIn(word, err)
        self.assertLess(time.monotonic() - begin, cluster.END_SECONDS * lib.SLOWER)
        self.assert_no_orphans()
        return err

    def test_an_executor_is_killed(self):
        process = self.start_endless()
        os.kill(self.executors()[0], signal.SIGKILL)
        err = self.refused(process, "agent 127.0.0.1:", "executor ", "signal 9")
        self.assertRegex(err, r"in step '(idle|none)' \(|while reading 'ints'|before its first")
        self.assertEqual(self.wait_for_job("failed")["name"], "endless")
        self.assert_next_job_runs()

    def test_the_process_of_a_job_is_killed(self):
        process = self.start_endless()
        victim = next(pid for pid, name in self.job_processes() if name.startswith("gleam-job"))
        os.kill(victim, signal.SIGKILL)
        self.refused(process, "agent 127.0.0.1:", "killed by signal 9")
        self.assert_next_job_runs()

    def test_an_agent_is_killed(self):
        process = self.start_endless()
        self.agents[1].kill()
        self.refused(process, self.agents[1].address)
        self.wait_for_agents(1)
        self.assert_next_job_runs()

    def test_an_agent_is_stopped(self):
        process = self.start_endless()
        self.assertEqual(self.agents[0].stop(), 0)
        err = self.refused(process, self.agents[0].address)
        # Its own word, or, where its connections broke before that could be heard, that of others.
        self.assertRegex(err, "the agent was stopped|is lost")

    def test_an_agent_that_hangs_is_lost(self):
        process = self.start_endless(master=("--heartbeat", "200", "--lost-after", "600"))
        os.kill(self.agents[1].process.pid, signal.SIGSTOP)
        try:
            status, err = cluster.finish(process)
            self.assertNotEqual(status, 0)
            self.assertIn(self.agents[1].address, err)
            self.wait_for_agents(1)
        finally:
            os.kill(self.agents[1].process.pid, signal.SIGCONT)
        self.wait_for_agents(2)
        self.assert_no_orphans()

    def test_the_driver_is_killed(self):
        process = self.start_endless(master=("--heartbeat", "200", "--lost-after", "1000"))
        process.kill()
        process.wait()
        self.assert_no_orphans()
        self.wait_for_job("lost")
        self.assert_next_job_runs()

    def test_the_driver_is_interrupted(self):
        process = self.start_endless()
        process.send_signal(signal.SIGINT)
        status, err = cluster.finish(process)
        self.assertEqual(status, 128 + signal.SIGINT, err)
        self.assert_no_orphans()
        self.assertEqual(self.wait_for_job("cancelled")["name"], "endless")

    def test_the_master_is_killed_and_comes_back(self):
        process = self.start_endless(master=("--heartbeat", "200", "--lost-after", "1000"))
        job = self.wait_for_job("running")
        self.master.kill()
        self.master = self.start_master(port=self.master.port,
                                        more=("--heartbeat", "200", "--lost-after", "1000"))
        self.wait_for_agents(2)
        again = self.wait_for_job("running")
        self.assertEqual((again["id"], again["nodes"]), (job["id"], job["nodes"]))
        self.assertIsNone(process.poll())
        # It has learned who has what: nothing is free.
        waiting = self.start([*self.gleam_run("--executors", "1"), "-e",
                              'gleam.New("second"):Ints(1, 3):Printlnf("%v"):Run()'])
        self.assertEqual(self.wait_for_job("waiting")["queue_position"], 1)
        self.run_ok([cluster.GLEAM, "kill", job["id"], *self.options()])
        self.refused(process, "cancelled")
        self.assertEqual(cluster.finish(waiting)[0], 0)

    def test_a_job_is_cancelled(self):
        process = self.start_endless()
        job = self.wait_for_job("running")
        self.run_ok([cluster.GLEAM, "kill", job["id"], *self.options()])
        err = self.refused(process, "job %s was cancelled" % job["id"])
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, err)
        self.assertIn("cancelled", self.run_ok([cluster.GLEAM, "ps", *self.options()]).out)
        self.run_bad([cluster.GLEAM, "kill", job["id"], *self.options()], "has ended before")
        self.assert_next_job_runs()

    def test_a_function_fails(self):
        self.start_cluster()
        flow = ('gleam.New():Ints(1, 100):Map("trip", function(n) if n == 50 then error("no 50") end '
                'return n end):Printlnf("%v"):Run()')
        self.run_bad([*self.gleam_run(), "-e", flow], "agent 127.0.0.1:", "no 50", "trip")
        self.assert_no_orphans()
        self.assert_next_job_runs()

    def test_a_file_that_is_not_there(self):
        self.start_cluster()
        self.run_bad([*self.gleam_run(), "-e",
                      'gleam.New():TextFile("/no/such"):Printlnf("%v"):Run()'], "/no/such")
        self.assert_next_job_runs()

    def test_what_a_cluster_cannot_do_is_said(self):
        self.start_cluster(agents=1)
        for flow, words in (
                ('local f = gleam.New() f:Ints(1, 4):Cache():Printlnf("%v"):Run()', "cached dataset"),
                ('gleam.New():TextFile("-"):Printlnf("%s"):Run()', "descriptor of the driver")):
            self.run_bad([*self.gleam_run(), "-e", flow], words)
        for option in (["--cores", "1"], ["--in-process"], ["--hugepages", "off"]):
            self.run_bad([*self.gleam_run(*option), "-e", ENDLESS], option[0], "--executors")
        self.assert_next_job_runs()

    def test_what_a_step_prints_is_in_the_log(self):
        self.start_cluster()
        flow = ('gleam.New():Ints(1, 3):Map(function(n) io.stderr:write("row ", n, "\\n") return n end)'
                ':Printlnf("%v"):Run()')
        self.run_ok([*self.gleam_run(), "-e", flow])
        out = self.run_ok([cluster.GLEAM, "logs", self.wait_for_job("done")["id"],
                           *self.options()]).out
        self.assertIn("row 1\n", out)
        self.assertIn("row 2\n", out)
        self.assertIn("==> %s <==" % self.agents[0].address, out)


class Queue(cluster.ClusterCase):

    def test_two_jobs_at_once_and_one_that_waits(self):
        self.start_cluster(agents=2)
        first = self.start([*self.gleam_run("--executors", "2"), "-e", ENDLESS])
        self.wait_for_job("running")
        second = self.start([*self.gleam_run("--executors", "2"), "-e", ENDLESS])
        self.wait_for_executors(4)
        third = self.start([*self.gleam_run("--executors", "3"), "-e",
                            'gleam.New("third"):Ints(1, 3):Printlnf("%v"):Run()'])
        job = self.wait_for_job("waiting", "third")
        self.assertEqual(job["queue_position"], 1)
        # Nobody overtakes it.
        fourth = self.start([*self.gleam_run("--executors", "1"), "-e",
                             'gleam.New("fourth"):Ints(1, 3):Printlnf("%v"):Run()'])
        self.assertEqual(self.wait_for_job("waiting", "fourth")["queue_position"], 2)
        for process in (first, second):
            process.send_signal(signal.SIGTERM)
            self.assertEqual(cluster.finish(process)[0], 128 + signal.SIGTERM)
        for place, process in enumerate((third, fourth), 1):
            status, err = cluster.finish(process)
            self.assertEqual(status, 0, err)
            self.assertIn("waits for agents, as number %d of the queue" % place, err)

    def test_more_than_there_is_says_so_and_can_be_stopped(self):
        self.start_cluster(agents=1)
        process = self.start([*self.gleam_run("--executors", "64"), "-e", ENDLESS])
        self.assertIn("fewer cores", lib.wait_until(
            lambda: next((job["error"] for job in self.jobs() if job["error"]), None)))
        process.send_signal(signal.SIGINT)
        status, err = cluster.finish(process)
        self.assertEqual(status, 128 + signal.SIGINT)
        self.assertIn("waits for agents, as number 1 of the queue: the agents that are there have "
                      "fewer cores", err)

    def test_a_driver_without_a_master_says_so(self):
        self.run_bad([cluster.GLEAM, "run", "--master", "127.0.0.1:1", "-e", ENDLESS],
                     "127.0.0.1:1", "refused")


class Keys(cluster.ClusterCase):

    def make_key(self, name):
        path = os.path.join(self.dir, name)
        self.run_ok([cluster.GLEAM, "keygen", path])
        return path

    def test_keygen(self):
        path = self.make_key("a.key")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.run_bad([cluster.GLEAM, "keygen", path], "is there already")
        os.chmod(path, 0o644)
        self.run_bad([cluster.GLEAM, "ps", "--key", path], "chmod 600")

    def test_the_right_key_and_a_wrong_one(self):
        self.key = self.make_key("right.key")
        wrong = self.make_key("wrong.key")
        self.start_cluster(agents=2)
        self.assert_next_job_runs()
        address = ["--master", self.master.address]
        flow = ["-e", "gleam.New():Ints(1, 3):Printlnf('%v'):Run()"]
        self.run_bad([cluster.GLEAM, "run", *address, *flow], "has a key", "--key")
        self.run_bad([cluster.GLEAM, "run", *address, "--key", wrong, *flow],
                     "key is not the one of this cluster")
        self.run_bad([cluster.GLEAM, "ps", *address], "has a key")
        done = self.run_ok([cluster.GLEAM, "ps", *address], env={"GLEAM_KEY_FILE": self.key})
        self.assertIn(" done ", done.out)
        self.assertGreaterEqual(self.health(self.master.address)["refused_key_count"], 3)
        # An agent with another key is told so, and lives on.
        key, self.key = self.key, wrong
        stranger = self.start_agent("stranger")
        self.key = key
        self.assertTrue(lib.wait_until(lambda: "key is not the one" in stranger.said()))
        self.assertEqual(len(self.living_agents()), 2)

    def test_without_a_key_the_loopback_alone(self):
        master = self.start_master(host="")
        self.assertIn("it listens at the loopback alone: there is no key", master.said())
        self.run_bad([cluster.GLEAM, "master", "--address", "0.0.0.0:0"], "without a key")

    def test_a_request_that_comes_again_is_refused(self):
        self.key = self.make_key("right.key")
        self.start_cluster(agents=1)
        heard = []
        with socket.create_server(("127.0.0.1", 0)) as between:
            def forward():
                end, _ = between.accept()
                with end:
                    heard.append(end.recv(65536))
                    with socket.create_connection(("127.0.0.1", self.master.port)) as there:
                        there.sendall(heard[0])
                        end.sendall(there.recv(65536))
            thread = threading.Thread(target=forward)
            thread.start()
            self.run_it([cluster.GLEAM, "kill", "abcdef", "--key", self.key, "--master",
                         "127.0.0.1:%d" % between.getsockname()[1]])
            thread.join()
        with socket.create_connection(("127.0.0.1", self.master.port)) as again:
            again.sendall(heard[0])
            self.assertIn(b" 401 ", again.recv(65536).split(b"\r\n")[0])
        self.assertEqual(self.health(self.master.address)["refused_replay_count"], 1)


class Documented(cluster.ClusterCase):

    def run_blocks(self, job, env):
        """The blocks of docs/cluster.md that say how to talk to it."""
        with open(os.path.join(lib.ROOT, "docs", "cluster.md"), encoding="utf-8") as file:
            blocks = [block for block in readme.blocks(file.read()) if not block.reason]
        env = {"MASTER": self.master.address, "AGENT": self.agents[0].address, "JOB": job, **env}
        return blocks, lambda block: self.run_ok(
            ["bash", "-euo", "pipefail", "-c", block.text], env=env).out

    def test_the_blocks_with_curl(self):
        lib.needs(shutil.which("curl"), "needs curl")
        self.start_cluster(agents=1)
        self.assert_next_job_runs()
        blocks, run = self.run_blocks(self.wait_for_job("done")["id"], {})
        out = run(blocks[0])
        for word in ('"status":"ok"', '"agents":[', '"jobs":[', "has ended before"):
            self.assertIn(word, out)

    def test_a_signature_made_by_hand(self):
        lib.needs(shutil.which("curl") and shutil.which("openssl"), "needs curl and openssl")
        self.key = os.path.join(self.dir, "key")
        self.run_ok([cluster.GLEAM, "keygen", self.key])
        self.start_cluster(agents=1)
        blocks, run = self.run_blocks("1", {"GLEAM_KEY_FILE": self.key})
        self.assertIn('"agents":[', run(blocks[1]))

    def test_the_script_of_a_whole_cluster(self):
        example = os.path.join(lib.ROOT, "examples", "cluster.sh")
        path = self.file("a b a\n" * 1000)
        flow = [os.path.join(lib.ROOT, "examples", "word_count.lua"), path]
        done = self.run_ok([example, *flow], env={"GLEAM": cluster.GLEAM})
        self.assertEqual(sorted(done.out.splitlines()), ["a\t2000", "b\t1000"])
        self.assertIn("\t", self.run_ok([example], env={"GLEAM": cluster.GLEAM}).out)
        self.run_bad([example, "/no/such.lua"], "/no/such.lua", env={"GLEAM": cluster.GLEAM})


class Garbage(cluster.ClusterCase):
    """What is no message of ours is refused, counted, and hurts nobody."""

    def throw(self, port, data, wait=True):
        """Sends bytes and returns what comes back until the end."""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as thrown:
            try:
                thrown.sendall(data)
                thrown.shutdown(socket.SHUT_WR)
                return thrown.recv(65536) if wait else b""
            except OSError:
                return b""

    def test_garbage_on_every_port(self):
        self.start_cluster(agents=1)
        before = [self.health(daemon.address)["refused_garbage_count"]
                  for daemon in (self.master, self.agents[0])]
        things = [b"\0" * 9, b"\xff" * 4096, b"GLMD", b"GLMD" + b"\0" * 300, os.urandom(100000),
                  b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"", b"A" * 100000,
                  b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
                  b"GET /%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"]
        for daemon in (self.master, self.agents[0]):
            for thing in things:
                self.throw(daemon.port, thing)
            self.assertIsNone(daemon.process.poll(), daemon.said())
        after = [self.health(daemon.address)["refused_garbage_count"]
                 for daemon in (self.master, self.agents[0])]
        for i in range(2):
            self.assertGreater(after[i], before[i])
        self.assert_next_job_runs()

    def test_messages_that_make_no_sense(self):
        self.start_cluster(agents=1)
        for daemon, path in ((self.master, "/v1/agents"), (self.master, "/v1/jobs"),
                             (self.master, "/v1/jobs/1/beat"), (self.master, "/v1/jobs/1/end"),
                             (self.agents[0], "/v1/jobs/1/start")):
            for body in (b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"id": 1}', b"{}\n" * 10,
                         b'{"host": "' + b"x" * 5000 + b'"}', b"[" * 100000):
                text = (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                        % (path.encode(), len(body))) + body
                self.assertRegex(self.throw(daemon.port, text).split(b"\r\n")[0],
                                 rb"HTTP/1.1 4\d\d ", (path, body[:50]))
            self.assertIsNone(daemon.process.poll(), daemon.said())
        self.assert_next_job_runs()

    def test_oversized_bodies(self):
        self.start_cluster(agents=1)
        for daemon in (self.master, self.agents[0]):
            head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
            self.assertIn(b" 413 ", self.throw(daemon.port, head).split(b"\r\n")[0])
            self.assertGreater(self.health(daemon.address)["refused_oversize_count"], 0)
        self.assert_next_job_runs()

    def test_slow_and_silent_connections(self):
        self.start_cluster(agents=1)
        with socket.create_connection(("127.0.0.1", self.master.port)) as silent, \
                socket.create_connection(("127.0.0.1", self.master.port)) as slow:
            slow.sendall(b"GET / HT")
            stop = threading.Event()

            def drip():  # a byte now and then: never silent, never done
                while not stop.wait(0.5):
                    try:
                        slow.sendall(b"x")
                    except OSError:
                        return
            thread = threading.Thread(target=drip)
            thread.start()
            self.assert_next_job_runs()
            count = lib.wait_until(
                lambda: self.health(self.master.address)["refused_slow_count"] >= 2 and 2, 15)
            stop.set()
            thread.join()
            self.assertEqual(count, 2)
            silent.settimeout(10)
            self.assertEqual(silent.recv(1), b"")

    def test_another_protocol(self):
        self.start_cluster(agents=1)
        for daemon in (self.master, self.agents[0]):
            text = b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nGleam-Protocol: 7 9.9\r\n\r\n"
            said = self.throw(daemon.port, text)
            self.assertIn(b" 426 ", said.split(b"\r\n")[0])
            self.assertIn(b"protocol 1", said)
            self.assertIn(b"protocol 7", said)


if __name__ == "__main__":
    lib.main()
