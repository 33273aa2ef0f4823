"""net.py - two nodes of one core each, over the loopback and over a veth pair, beside iperf3."""
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import runner

SPACES = ("gleam-bench-a", "gleam-bench-b")
ADDRESS = "10.231.17.1"  # of the first, in a network of their own
ROW_BYTES = (16, 64, 1024)
ROW_WANTED = {16: (0.7, 1.1), 64: (1.8, 2.6), 1024: (3.0, 4.5)}  # GiB/s sent per node


class Way:
    """How two programs reach each other."""

    def __init__(self, name, address, prefixes):
        self.name, self.address, self.prefixes = name, address, prefixes


def ip(*arguments):
    subprocess.run(("ip",) + arguments, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def veth_pair():
    """Two network namespaces with a veth pair between them."""
    first, second = SPACES
    for space in SPACES:
        subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
    try:
        for space in SPACES:
            ip("netns", "add", space)
        ip("link", "add", "gleam-a", "netns", first, "type", "veth", "peer", "name", "gleam-b",
           "netns", second)
        for space, end, host in ((first, "gleam-a", 1), (second, "gleam-b", 2)):
            ip("-n", space, "addr", "add", f"10.231.17.{host}/24", "dev", end)
            ip("-n", space, "link", "set", end, "up")
        yield Way("veth", ADDRESS, [["ip", "netns", "exec", space] for space in SPACES])
    finally:
        for space in SPACES:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def bench(build, way, row_bytes, mib):
    """What the program prints: {"gib_per_s_per_node": ..., "cpu_s_per_gb": ...}"""
    program = os.path.join(build, "benchmarks", "bench_net")
    # What 2 MiB of frames under way are worth, iperf3 has in its socket buffers.
    common = ["--rows", str(row_bytes), "--mib", str(mib), "--quota", "32", "--credit", "32"]
    with subprocess.Popen(way.prefixes[0] + [program, "--listen", way.address, "--json", "--core",
                                             "0"] + common,
                          stdout=subprocess.PIPE, text=True) as listener:
        port = listener.stdout.readline().split()[-1]
        other = subprocess.run(way.prefixes[1] + [program, "--connect", f"{way.address}:{port}",
                                                  "--core", "1"] + common,
                               check=False, timeout=runner.TIMEOUT_SECONDS)
        answer = listener.stdout.read()
    if listener.returncode != 0 or other.returncode != 0:
        raise runner.Failed("bench_net failed")
    return json.loads(answer)


def iperf_once(way, seconds):
    """A finished client of a server for it alone; it may have come before the server listened."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with subprocess.Popen(way.prefixes[0] + ["iperf3", "-s", "-1", "-p", port, "-A", "0", "-B",
                                             way.address], stdout=subprocess.DEVNULL) as server:
        time.sleep(0.3)
        try:
            return subprocess.run(way.prefixes[1] + [
                "iperf3", "-c", way.address, "-p", port, "-l", "64K", "-C", "cubic", "-t",
                str(seconds), "-A", "1", "--json"], check=False, capture_output=True, text=True,
                timeout=runner.TIMEOUT_SECONDS)
        finally:
            server.kill()


def iperf(way, seconds):
    """(GiB/s, CPU seconds per GB of both ends)"""
    for _ in range(5):
        done = iperf_once(way, seconds)
        if done.returncode == 0:
            break
    else:
        raise runner.Failed(f"iperf3: {done.stdout}{done.stderr}")
    end = json.loads(done.stdout)["end"]
    bytes_per_s = end["sum_received"]["bits_per_second"] / 8
    cpu = end["cpu_utilization_percent"]
    return (bytes_per_s / 2**30,
            (cpu["host_total"] + cpu["remote_total"]) / 100 / (bytes_per_s / 1e9))


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def compare_frames(setting, way, rounds, mib, rows, figures):
    """By turns; the peer is left out where it is not installed."""
    ours, theirs = [], []
    for _ in range(rounds):
        found = bench(setting.build, way, 0, mib)
        ours.append((found["gib_per_s_per_node"], found["cpu_s_per_gb"]))
        if shutil.which("iperf3") is not None:
            theirs.append(iperf(way, 1 if setting.small else 3))
    for at, unit in enumerate(("GiB/s", "CPU s/GB")):
        row = {"name": f"frames of 64 KiB, {way.name}", "unit": unit,
               "gleam": spread([one[at] for one in ours])}
        if theirs:
            row["iperf3"] = spread([one[at] for one in theirs])
            # More is better: for CPU it is the peer's by ours.
            row["ratio"] = spread([b[1] / a[1] if at == 1 else a[0] / b[0]
                                   for a, b in zip(ours, theirs)])
            least, aim = ((0.85, 1.0), (1 / 1.4, 1 / 1.15))[at]
            figures.append({"what": f"frames over {way.name} against iperf3, {unit}",
                            "kind": "speed", "least_wanted": least, "aim": aim, **row["ratio"]})
        rows.append(row)


def measure_rows(setting, way, rounds, mib, rows):
    for row_bytes in ROW_BYTES:
        values = [bench(setting.build, way, row_bytes, mib)["gib_per_s_per_node"]
                  for _ in range(rounds)]
        least, aim = ROW_WANTED[row_bytes]
        rows.append({"name": f"rows of {row_bytes} bytes, {way.name}, sent per node (wanted {least}, "
                             f"aim {aim})", "unit": "GiB/s", "gleam": spread(values)})


def run_net(setting):
    rounds, mib = (1, 32) if setting.small else (setting.rounds or 5, 4096)
    rows, figures = [], []
    ways = [contextlib.nullcontext(Way("the loopback", "127.0.0.1", [[], []]))]
    if os.geteuid() == 0 and shutil.which("ip") is not None:
        ways.append(veth_pair())
    for opened in ways:
        with opened as way:
            compare_frames(setting, way, rounds, mib, rows, figures)
            measure_rows(setting, way, rounds, mib, rows)
    return {"rounds": rounds, "ring_rows": rows, "figures": figures}
