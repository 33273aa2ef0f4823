"""fresh_root.py - a minimal Debian or Ubuntu that nobody has used yet, for as long as a test needs it.

    with fresh_root.FreshRoot() as root:         # raises NotHere with the reason, or Failed
        root.install_system()                    # about 60 MB from the mirror of this machine
        root.copy_checkout("/srv/gleam")
        subprocess.run(root.command(["./dev", "demo"], "/srv/gleam"))

The root is a tmpfs in mount and process namespaces of its own.  They are held by one process, which
the kernel kills when this one ends, however it ends; and with it go all processes inside, the mounts
and the memory.  Outside, there is only an empty folder.

Nothing names a mirror: sources, keys and how to fetch come from this machine's apt.
"""
import atexit
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple

ROOT_BYTES_MAX = 2 << 30     # the system, packages and a build take 0.7 GB
MEMORY_BYTES_MIN = 3 << 30   # that, and what compilers and a job need beside it
TRIES = 3
SECONDS_TO_BOOTSTRAP = 400
SECONDS_TO_ASK = 60

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("debootstrap", "unshare", "nsenter", "setpriv", "chroot", "tar", "apt-config")
APT_HELPER = "/usr/lib/apt/apt-helper"
SCRIPTS = "/usr/share/debootstrap/scripts"
# Process 1 in there: it takes in who lost its parent, and never ends by itself.
HOLDER = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
COMPONENTS = ("main", "universe")
SOURCE_OPTIONS = ("Signed-By", "Trusted", "Allow-Insecure", "Check-Valid-Until")

# Where packages come from.  options: {"Signed-By": ...}, as a .sources file has them.
Source = namedtuple("Source", "uris suites components options")


class NotHere(Exception):
    """This machine cannot make a root; says why."""


class Failed(Exception):
    """It should have worked; holds what was printed."""


# ---- what this machine's apt says ------------------------------------------------------------------

def source_of_stanza(stanza):
    """The Source of one stanza of a .sources file; None where it has no packages or is off."""
    fields = {}
    name = None
    for line in stanza.split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t":
            fields[name] = fields.get(name, "") + "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().title()
            fields[name] = value.strip()
    if "deb" not in fields.get("Types", "").split() or fields.get("Enabled", "yes") in ("no", "false"):
        return None
    options = {option: fields[option] for option in SOURCE_OPTIONS if option in fields}
    return Source(fields.get("Uris", "").split(), fields.get("Suites", "").split(),
                  fields.get("Components", "").split(), options)


def source_of_line(line):
    """The Source of one line of a .list file; None where it is none."""
    match = re.match(r"deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)", line.strip())
    if not match:
        return None
    words, uri, suite, components = match.groups()
    pairs = [word.partition("=") for word in (words or "").split()]
    options = {name.title(): value for name, _, value in pairs if name.title() in SOURCE_OPTIONS}
    return Source([uri], [suite], components.split(), options)


def sources_of(text, is_list):
    """The Sources of a file of apt's: a .list, or a .sources."""
    pieces = text.split("\n") if is_list else re.split(r"\n[ \t]*\n", text)
    found = [source_of_line(piece) if is_list else source_of_stanza(piece) for piece in pieces]
    return [source for source in found if source]


def all_sources(apt="/etc/apt"):
    found = []
    for path in sorted(glob.glob(apt + "/sources.list") + glob.glob(apt + "/sources.list.d/*")):
        if path.endswith((".list", ".sources")):
            with open(path, encoding="utf-8") as file:
                found += sources_of(file.read(), path.endswith(".list"))
    return found


def of_release(sources, codename):
    """The part of the sources that a new system of that release has."""
    suites = [codename + end for end in ("", "-updates", "-security", "/updates")]
    found = [source._replace(suites=[suite for suite in source.suites if suite in suites],
                             components=[c for c in source.components if c in COMPONENTS])
             for source in sources]
    return [source for source in found if source.suites and source.components]


def stanza_of(source):
    """A Source as a stanza of a .sources file."""
    fields = {"Types": "deb", "URIs": " ".join(source.uris), "Suites": " ".join(source.suites),
              "Components": " ".join(source.components), **source.options}
    return "".join("%s: %s\n" % (name, value) for name, value in fields.items()) + "\n"


def mirror_of(uri):
    """The address behind a URI of a source; a `mirror+file:` has a list of them."""
    if uri.startswith("mirror+file:"):
        with open(uri.partition(":")[2], encoding="utf-8") as file:
            uri = file.read().split()[0]
    return uri


def fetch_settings(dump):
    """The lines of `apt-config dump` that say how to fetch: proxies, retries, checks."""
    return [line for line in dump.splitlines()
            if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")]


def codename_here():
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            fields = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except OSError:
        return ""
    return fields.get("VERSION_CODENAME", "").strip('"')


# ---- what this machine has -------------------------------------------------------------------------

def search_path():
    return os.environ.get("PATH", "") + ":" + PATH


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable:\s*(\d+)", file.read()).group(1)) << 10


def run(args, seconds, stdin=b"", env=None):
    """(whether it ended well in time, what it printed)"""
    try:
        done = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False, env=env)
    except subprocess.TimeoutExpired as error:
        text = (error.output or b"").decode(errors="replace")
        return False, text + "\nnot done after %d s" % seconds
    return done.returncode == 0, done.stdout.decode(errors="replace")


def need_tools():
    """Raises NotHere unless a root could be made here, as far as that shows without trying."""
    if os.geteuid() != 0:
        raise NotHere("needs root")
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=search_path())]
    if missing:
        raise NotHere("needs %s: ./dev deps more" % ", ".join(missing))
    if memory_available() < MEMORY_BYTES_MIN:
        raise NotHere("needs %d MB of memory for a system in memory, %d MB are available"
                      % (MEMORY_BYTES_MIN >> 20, memory_available() >> 20))


def checkout_files(top):
    """The paths of the checkout as it is now: what git has or would take, else all but builds."""
    ok, text = run(["git", "-C", top, "-c", "safe.directory=*", "ls-files", "-z", "--cached",
                    "--others", "--exclude-standard"], SECONDS_TO_ASK) \
        if shutil.which("git") else (False, "")
    if ok:
        return sorted({path for path in text.split("\0")
                       if path and os.path.lexists(os.path.join(top, path))})
    found = []
    for folder, folders, files in os.walk(top):
        folders[:] = [f for f in folders if f not in (".git", "__pycache__")
                      and not (folder == top and f.startswith("build"))]
        found += [os.path.relpath(os.path.join(folder, name), top) for name in files]
    return sorted(found)


# ---- the root --------------------------------------------------------------------------------------

class FreshRoot:
    """See the top of this file.  Made by one thread, which must live as long as the root."""

    def __init__(self):
        need_tools()
        self.holder = None
        self.codename = codename_here()
        self.path = tempfile.mkdtemp(prefix="gleam-root-")
        atexit.register(self.close)
        try:
            self.hold()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends everything in there and waits for it; may be called again."""
        if self.holder:
            self.holder.kill()
            self.holder.communicate()
            self.holder = None
        if os.path.isdir(self.path):
            os.rmdir(self.path)  # which fails, were something left in it

    def hold(self):
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
             "--pid", "--fork", "--kill-child", sys.executable, "-c", HOLDER],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env={**os.environ, "PATH": search_path()})
        if self.holder.stdout.readline() != b"ready\n":
            raise NotHere("no namespaces here: " + self.holder.stderr.readline().decode().strip())
        ok, said = self.mount()
        if ok:
            ok, said = self.inside("mknod probe c 1 3 && echo >probe && rm probe")
        if not ok:
            raise NotHere("may not mount, or make devices: " + said.strip())

    def mount(self):
        return run(self.enter() + ["mount", "-t", "tmpfs", "-o", "size=%d,mode=755" % ROOT_BYTES_MAX,
                                   "gleam-root", self.path], SECONDS_TO_ASK)

    def enter(self):
        """The command that starts what follows in the namespaces, still with this machine's files."""
        names = "/proc/%d/ns/" % self.holder.pid
        return ["nsenter", "--mount=" + names + "mnt", "--pid=" + names + "pid_for_children"]

    def inside(self, script, seconds=SECONDS_TO_ASK, stdin=b"", env=None):
        """Runs a line of shell in the folder of the root, with this machine's programs."""
        line = "cd %s && { %s; }" % (shlex.quote(self.path), script)
        return run(self.enter() + ["sh", "-c", line], seconds, stdin,
                   {**os.environ, "PATH": search_path(), **(env or {})})

    def must(self, script, **more):
        ok, said = self.inside(script, **more)
        if not ok:
            raise Failed("%s\n%s" % (script, said))

    def command(self, args, folder="/", env=None):
        """The arguments that run a command in there, as its root user, with a new environment."""
        proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
        new = {"HOME": "/root", "TERM": "dumb", "PATH": PATH, **proxies, **(env or {})}
        return self.enter() + ["chroot", self.path, "/usr/bin/env", "-i"] + \
            ["%s=%s" % pair for pair in new.items()] + \
            ["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder] + list(args)

    # -- a system in it

    def sources(self):
        """(where the release's packages come from, and the one with the system itself)"""
        found = of_release(all_sources(), self.codename)
        for source in found:
            if self.codename in source.suites and "main" in source.components:
                return found, source
        raise NotHere("apt has no source for the release %r" % self.codename)

    def need_mirror(self, mirror):
        script = os.path.join(SCRIPTS, self.codename)
        if not os.path.exists(script):
            raise NotHere("debootstrap does not know the release %r" % self.codename)
        release = "%s/dists/%s/InRelease" % (mirror.rstrip("/"), self.codename)
        for _ in range(TRIES):
            ok, said = self.inside("%s download-file %s probe && rm probe" % (
                APT_HELPER, shlex.quote(release)))
            if ok:
                return
        raise NotHere("the package mirror does not answer: " + " ".join(said.split()))

    def proxies_of_apt(self):
        """Proxies for debootstrap, which does not ask apt."""
        found = {}
        for scheme in ("http", "https"):
            ok, value = run(["apt-config", "shell", "proxy", "Acquire::%s::Proxy" % scheme],
                            SECONDS_TO_ASK)
            value = "".join(shlex.split(value.partition("=")[2])) if ok else ""
            if value and value != "DIRECT" and scheme + "_proxy" not in os.environ:
                found[scheme + "_proxy"] = value
        return found

    def install_system(self):
        """Lays a minimal system of this machine's release.  Raises NotHere or Failed."""
        sources, base = self.sources()
        mirror = mirror_of(base.uris[0])
        self.need_mirror(mirror)
        key = base.options.get("Signed-By", "")
        words = ["debootstrap", "--variant=minbase", "--components=" + ",".join(base.components)]
        words += ["--keyring=" + key] if os.path.isfile(key) else []
        line = " ".join(map(shlex.quote, words + [self.codename, self.path, mirror]))
        for _ in range(TRIES):
            ok, said = self.inside(line, SECONDS_TO_BOOTSTRAP, env=self.proxies_of_apt())
            if ok:
                break
            run(self.enter() + ["umount", "-R", self.path], SECONDS_TO_ASK)
            self.mount()
        else:
            raise Failed("%s\n%s" % (line, said))
        self.must("mount -t proc proc proc; mount --rbind /sys sys; mount -t tmpfs shm dev/shm;"
                  "mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts")
        self.configure_apt(sources)

    def copy(self, path):
        """A file of this machine, to where it is here, unless the new system has its own."""
        self.must("test -e .%s || install -D -m 644 %s .%s" % ((shlex.quote(path),) * 3))

    def write(self, path, text):
        self.must("rm -f ./{0} && cat >./{0}".format(path), stdin=text.encode())

    def configure_apt(self, sources):
        """As in an image for containers: sources, but no lists and no packages in store."""
        ok, dump = run(["apt-config", "dump"], SECONDS_TO_ASK)
        settings = fetch_settings(dump) if ok else []
        named = [text for line in settings for text in re.findall(r'"(/[^"]*)"', line)]
        named += [source.options.get("Signed-By", "") for source in sources]
        named += ["/etc/ssl/certs/ca-certificates.crt"]
        named += glob.glob("/etc/apt/auth.conf") + glob.glob("/etc/apt/auth.conf.d/*.conf")
        for uri in [uri for source in sources for uri in source.uris]:
            named += [uri.partition(":")[2]] if uri.startswith("mirror+file:") else []
        for path in sorted(set(named)):
            if os.path.isfile(path):
                self.copy(path)
        self.write("etc/apt/apt.conf.d/90fetch", "\n".join(settings) + "\n")
        self.must("rm -rf etc/apt/sources.list var/lib/apt/lists/* var/cache/apt/archives/*.deb")
        self.write("etc/apt/sources.list.d/system.sources", "".join(map(stanza_of, sources)))
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            with open(path, encoding="utf-8") as file:
                self.write(path[1:], file.read())

    def copy_checkout(self, top, folder):
        """Copies the checkout at `top`, without what was built, to a folder of the root."""
        names = "\0".join(checkout_files(top)).encode()
        self.must("mkdir -p .{1} && tar -C {0} --null -T - -c | tar -C .{1} --no-same-owner -x".format(
            shlex.quote(top), shlex.quote(folder)), stdin=names)
