"""runner.py - starts contenders by turns, takes their time, samples their memory.

Each round runs every contender once, in an order that rotates, so that a machine that grows slower
is slow for all of them.  What is timed is the whole process, from before its start until it has
been waited for.  Memory is the proportional share (Pss) of all processes of the tree plus their
huge pages, at its highest; a page that two processes share counts once.

What other programs take of the processors meanwhile is measured, too.  Rounds in which that was
much are run again, up to twice as many in all, and the quietest are kept: chosen by what others
did, never by the result.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SAMPLE_SECONDS = 0.02
TIMEOUT_SECONDS = 1800
QUIET_SHARE = 0.1  # of one core, taken by others
SHORT_SECONDS = 0.2  # the kernel counts in hundredths: what others took meanwhile is not known


class Failed(Exception):
    """A contender did not do what it was asked to; the text is for the person."""


class LeftOut(Exception):
    """What a comparison needs is not installed; the text says what."""


@dataclasses.dataclass
class Run:
    seconds: float
    cpu_seconds: float  # of all its processes
    peak_bytes: int  # 0 when not sampled
    others: float  # cores that other programs used meanwhile
    answer: object


def busy_seconds():
    """What all processors did so far, and what the machine below them took away."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, hard, soft, stolen = map(int, fields[:8])
    return (user + nice + system + hard + soft + stolen) / os.sysconf("SC_CLK_TCK")


def process_tree(root):
    """The process `root` and all its descendants that are alive."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = pathlib.Path("/proc", entry, "stat").read_text()
            # The command's name is in brackets and may hold anything.
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    tree, queue = [], [root]
    while queue:
        process = queue.pop()
        tree.append(process)
        queue += children.get(process, [])
    return tree


def memory_bytes(root):
    """Pss of the tree plus huge pages, which Pss leaves out; shared ones are one region."""
    total = shared_huge = 0
    for process in process_tree(root):
        with contextlib.suppress(OSError):
            rollup = pathlib.Path("/proc", str(process), "smaps_rollup").read_text()
            fields = {line.split(":")[0]: int(line.split()[1])
                      for line in rollup.splitlines()[1:]}
            total += fields.get("Pss", 0) + fields.get("Private_Hugetlb", 0)
            shared_huge = max(shared_huge, fields.get("Shared_Hugetlb", 0))
    return (total + shared_huge) * 1024


def sample_until_end(process):
    """The highest memory of the tree until `process` is there to be waited for."""
    peak, start = 0, time.monotonic()
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = max(peak, memory_bytes(process))
        # Densely at first, so that a short run is seen at all.
        time.sleep(min(SAMPLE_SECONDS, 0.001 + (time.monotonic() - start) / 20))
    return peak


@contextlib.contextmanager
def on_cores(count):
    """What is started inside may run on the first `count` of our processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def too_long(_signal, _frame):
    raise Failed(f"took more than {TIMEOUT_SECONDS} seconds")


def start_and_wait(command, out, err, sample):
    """Returns the exit status, seconds, CPU seconds and peak bytes."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
               (os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
    path = shutil.which(command[0])
    signal.alarm(TIMEOUT_SECONDS)
    start = time.monotonic()
    process = os.posix_spawn(path, command, os.environ, file_actions=actions, setpgroup=0)
    try:
        peak = sample_until_end(process) if sample else 0
        _, status, usage = os.wait4(process, 0)
        seconds = time.monotonic() - start
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
        raise
    finally:
        signal.alarm(0)
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, peak


def run_once(contender, task, sample=False):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = busy_seconds()
        with on_cores(contender.cores):
            status, seconds, cpu, peak = start_and_wait(contender.command(task), out, err, sample)
        foreign = max(0.0, busy_seconds() - before - cpu)
        others = foreign / seconds if seconds >= SHORT_SECONDS else 0.0
        out.seek(0)
        err.seek(0)
        if status != 0:
            message = err.read().decode(errors="replace").strip()
            raise Failed(f"{contender.name} ended with status {status}: {message}")
        return Run(seconds, cpu, peak, others, contender.read_answer(out.read().decode(), task))


def reason_to_leave_out(contender):
    """Why it cannot run here, or ''.  Our own programs have to be there: Failed."""
    cores = len(os.sched_getaffinity(0))
    for need in contender.needs:
        if not shutil.which(need) and not os.path.isfile(need):
            if not contender.peer:
                raise Failed(f"{need} is not there: ./dev build makes it")
            # Without the path of this machine: the page keeps what is said here.
            return contender.hint or f"{os.path.basename(need)} is not there"
    if contender.cores > cores:
        return f"it is for {contender.cores} cores, not for {cores}"
    return ""


def available(contenders):
    """([contender that can run here], ["name: reason" of the others])"""
    chosen, left_out = [], []
    for contender in contenders:
        reason = reason_to_leave_out(contender)
        if reason:
            print(f"{contender.name}: left out, {reason}", file=sys.stderr)
            left_out.append(f"{contender.name}: {reason}")
        else:
            chosen.append(contender)
    return chosen, left_out


def version_of(contender):
    """The first number with a point that its program says of itself; '' for our own."""
    if not contender.version:
        return ""
    ended = subprocess.run(contender.version, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", ended.stdout + ended.stderr)
    return found.group() if found else "of an unknown version"


def wait_for_quiet(patience):
    """Until others leave the processors alone for half a second, at most `patience` seconds.
    Returns what is left of them."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before, start = busy_seconds(), time.monotonic()
        time.sleep(0.5)
        if busy_seconds() - before <= QUIET_SHARE * (time.monotonic() - start):
            break
    return max(0.0, end - time.monotonic())


def run_round(contenders, number, task, sample):
    """One run of each, beginning with another one each time; [Run] in the order of `contenders`."""
    runs = {}
    turn = number % len(contenders)
    for contender in contenders[turn:] + contenders[:turn]:
        runs[contender.name] = run = run_once(contender, task, sample)
        if run.seconds >= SHORT_SECONDS:
            print(f"round {number + 1} {contender.name}: {run.seconds:.3f} s, others took "
                  f"{run.others:.2f} cores", file=sys.stderr)
    return [runs[contender.name] for contender in contenders]


def run_rounds(contenders, task, rounds, patience=0, sample=False):
    """Returns {name: [Run]} of the quietest rounds; each round has one of each."""
    signal.signal(signal.SIGALRM, too_long)

    def disturbance(runs):
        return max(run.others for run in runs)

    kept, number = [], 0
    while number < rounds or (number < 2 * rounds and disturbance(kept[rounds - 1]) > QUIET_SHARE):
        patience = wait_for_quiet(patience)
        kept.append(run_round(contenders, number, task, sample))
        kept.sort(key=disturbance)
        number += 1
    return {contender.name: [runs[index] for runs in kept[:rounds]]
            for index, contender in enumerate(contenders)}


def check_answers(runs):
    """The answer that all gave; Failed when one differs."""
    first_name, first = None, None
    for name, list_of_runs in runs.items():
        for run in list_of_runs:
            if run.answer is None:
                continue
            if first is None:
                first_name, first = name, run.answer
            elif run.answer != first:
                raise Failed(f"{name} found {run.answer}, but {first_name} found {first}")
    return first
