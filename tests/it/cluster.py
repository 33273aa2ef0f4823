"""cluster.py - a master and agents on the loopback, for tests of real processes.

    class Mine(cluster.ClusterCase):
        def test_it(self):
            self.start_cluster(agents=2)
            done = self.run_ok([*self.gleam_run(), "-e", "..."])

Each daemon has a port that the system chose, a folder of its own below the case's, and a file for what
it says; a case waits for the lines that say that it is ready.
"""
import hashlib
import hmac
import json
import os
import re
import signal
import time
import urllib.request

import driver
import lib

GLEAM = lib.binary("gleam")
AGENT_MEMORY = "1G"
READY_SECONDS = 20
ORPHAN_SECONDS = 20  # by which nobody of a job is left whose driver or agent cannot say so any more
END_SECONDS = 10  # by which everything of a job that failed is gone, with an error


def sign(key_path, method, path, body):
    """The header that proves the key, as docs/cluster.md describes it."""
    with open(key_path, encoding="ascii") as file:
        key = bytes.fromhex(file.read().strip())
    words = ["%d" % time.time(), os.urandom(16).hex(), hashlib.sha256(body).hexdigest()]
    text = "\n".join(["gleam request", method, path, *words, ""])
    return "Gleam %s:%s" % (":".join(words), hmac.new(key, text.encode(), "sha256").hexdigest())


class NothingIsKept:
    """In front of test_examples.Examples: the executors of a cluster end with their job, so examples
    that keep datasets are refused there, in words."""

    def refused(self, name, *arguments):
        path = os.path.join(lib.ROOT, "examples", name)
        done = self.run_it([GLEAM, "run", "--quiet", path, *arguments])
        self.assertEqual(done.status, 1, done.err)
        self.assertIn("run it without --master", done.err)

    def test_page_rank(self):
        self.refused("page_rank.lua")

    def test_k_means(self):
        self.refused("k_means.lua", self.file("1,2\n3,4\n5,6\n", "points.csv"), "2")


class Daemon:
    """A running `gleam master` or `gleam agent`."""

    def __init__(self, process, log, address):
        self.process, self.log, self.address = process, log, address

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(READY_SECONDS)


class ClusterCase(driver.DriverCase):
    master = None
    agents = ()
    key = None

    # ---- daemons ----

    def key_options(self):
        return ["--key", self.key] if self.key else []

    def start_daemon(self, name, args, env=None, prefix=()):
        log = os.path.join(self.dir, name + ".log")
        with open(log, "ab") as file:
            at = file.tell()
            process = self.start([*prefix, *args], env, stdout=file, stderr=file)

        def ready():
            if process.poll() is not None:
                return True
            with open(log, "rb") as said:
                said.seek(at)
                return re.search(rb": ready at (\S+)", said.read())
        found = lib.wait_until(ready, READY_SECONDS)
        if not found or found is True:
            with open(log, encoding="utf-8") as said:
                self.fail("%s did not get ready:\n%s" % (name, said.read()))
        return Daemon(process, log, found.group(1).decode())

    def start_master(self, port=0, more=(), host="127.0.0.1", **how):
        return self.start_daemon(
            "master", [GLEAM, "master", "--address", "%s:%d" % (host, port), "--dir",
                       os.path.join(self.dir, "history"), *self.key_options(), *more], **how)

    def start_agent(self, name, port=0, cores="0-0", memory=AGENT_MEMORY, more=(), **how):
        return self.start_daemon(
            name, [GLEAM, "agent", "--dir", os.path.join(self.dir, name), "--master",
                   self.master.address, "--port", str(port), "--cores", cores, "--memory", memory,
                   *self.key_options(), *more], **how)

    def start_cluster(self, agents=2, cores="0-0,1-1", master=(), **how):
        self.master = self.start_master(more=master)
        self.agents = [self.start_agent("agent%d" % i, cores=cores, **how) for i in range(agents)]
        self.wait_for_agents(agents)

    def wait_for_agents(self, count):
        self.assertTrue(lib.wait_until(lambda: len(self.living_agents()) == count, READY_SECONDS),
                        "the master knows %s" % self.api("/v1/agents"))

    # ---- the API ----

    def api(self, path, address=None, method="GET", body=None, seconds=10):
        request = urllib.request.Request("http://%s%s" % (address or self.master.address, path),
                                         data=body, method=method)
        if self.key:
            request.add_header("Authorization", sign(self.key, method, path, body or b""))
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return json.loads(reply.read())

    def living_agents(self):
        return [agent for agent in self.api("/v1/agents")["agents"] if not agent["lost"]]

    def jobs(self):
        return self.api("/v1/jobs")["jobs"]

    def wait_for_job(self, state, name=None):
        """The first job in that state."""
        def found():
            return next((job for job in self.jobs()
                         if job["state"] == state and name in (None, job["name"])), None)
        job = lib.wait_until(found, READY_SECONDS)
        self.assertTrue(job, "no job is %s: %s" % (state, self.jobs()))
        return job

    def health(self, address):
        return self.api("/healthz", address)

    # ---- jobs ----

    def options(self):
        return ["--master", self.master.address, *self.key_options()]

    def gleam_run(self, *more):
        return [GLEAM, "run", *self.options(), *more]

    def job_processes(self):
        """[(pid, name)] of job processes and executors of this case."""
        return [(pid, command) for pid, command in lib.processes_with(self.mark)
                if command.startswith(("gleam-job", "gleam-executor"))]

    def executors(self):
        return [pid for pid, command in self.job_processes()
                if command.startswith("gleam-executor")]

    def wait_for_executors(self, count):
        self.assertTrue(lib.wait_until(lambda: len(self.executors()) == count, READY_SECONDS),
                        "%d executors, not %d" % (len(self.executors()), count))
        return self.executors()

    def assert_no_orphans(self):
        self.assertTrue(lib.wait_until(lambda: not self.job_processes(),
                                       ORPHAN_SECONDS * lib.SLOWER),
                        "still there: %s" % self.job_processes())

    def assert_next_job_runs(self):
        """At once, and well."""
        begin = time.monotonic()
        done = self.run_ok([*self.gleam_run("--quiet"), "-e",
                            'gleam.New():Ints(1, 4):Printlnf("%v"):Run()'])
        self.assertEqual(sorted(done.out.split()), ["1", "2", "3"])
        self.assertLess(time.monotonic() - begin, END_SECONDS * lib.SLOWER)


def finish(process, seconds=END_SECONDS):
    """The exit status and the words of a driver that shall end by itself."""
    try:
        _, err = process.communicate(timeout=seconds * lib.SLOWER)
    except Exception:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, err.decode(errors="replace")
