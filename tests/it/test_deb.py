#!/usr/bin/env python3
"""test_deb.py - `./dev deb`: the package builds, installs, runs and goes away again.

It is built beside this build folder, from the sources; the first time takes as long as a build.
"""
import os
import re
import shutil
import subprocess
import unittest

import driver
import lib

SECONDS_TO_BUILD = 500
PROGRAM = b"""#include <gleam.h>
int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    struct gleam_flow *flow = gleam_flow_new("three");
    gleam_printlnf(gleam_ints(flow, 1, 4), "%d");
    return gleam_run(flow);
}
"""


class Deb(driver.DriverCase):

    @classmethod
    def setUpClass(cls):
        if not (shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps")):
            raise unittest.SkipTest("needs dpkg-deb and dpkg-shlibdeps (dpkg-dev)")
        done = subprocess.run([os.path.join(lib.ROOT, "dev"), "deb"], capture_output=True, text=True,
                              check=False, timeout=SECONDS_TO_BUILD, stdin=subprocess.DEVNULL,
                              env={**os.environ, "GLEAM_BUILD": lib.BIN_DIR})
        assert done.returncode == 0, done.stdout + done.stderr
        cls.said = done.stderr
        cls.package = os.path.join(lib.ROOT, done.stdout.strip())

    def field(self, name):
        return self.run_ok(["dpkg-deb", "--field", self.package, name]).out.strip()

    def unpacked(self):
        root = os.path.join(self.dir, "root")
        self.run_ok(["dpkg-deb", "-x", self.package, root])
        return root

    def library_folder(self, root):
        folder = os.path.join(root, "usr/lib")
        return os.path.join(folder, [n for n in os.listdir(folder) if "-linux-" in n][0])

    def test_it_says_what_it_is_and_needs(self):
        version = re.search(r"version: '([\d.]+)'", open(os.path.join(lib.ROOT, "meson.build"),
                                                         encoding="utf-8").read()).group(1)
        self.assertEqual(self.field("Package"), "gleam")
        self.assertEqual(self.field("Version"), version)
        self.assertEqual(self.field("Architecture"),
                         self.run_ok(["dpkg", "--print-architecture"]).out.strip())
        needed = self.field("Depends")
        linked = self.run_ok(["ldd", os.path.join(self.unpacked(), "usr/bin/gleam")]).out
        for library, package in (("libc.so.6", "libc6"), ("liburing", "liburing2"),
                                 ("libjemalloc", "libjemalloc2"),
                                 ("libluajit", "libluajit-5.1-2")):
            self.assertEqual(library in linked, package + " " in needed, needed)
        self.assertNotIn("dpdk", needed)
        self.assertNotIn("warning", self.said)

    def test_everything_is_in_its_place(self):
        root = self.unpacked()
        folder = self.library_folder(root)
        for path in ("usr/bin/gleam", "usr/include/gleam.h", "usr/share/man/man1/gleam.1.gz",
                     "usr/share/man/man1/gleam-doctor.1.gz", "usr/share/doc/gleam/copyright",
                     "usr/share/bash-completion/completions/gleam",
                     "usr/share/zsh/vendor-completions/_gleam"):
            self.assertTrue(os.path.isfile(os.path.join(root, path)), path)
        for name in ("libgleam.so", "libgleam.so.0", "pkgconfig/gleam.pc"):
            self.assertTrue(os.path.exists(os.path.join(folder, name)), name)
        self.assertEqual(sorted(os.listdir(root)), ["usr"])
        listed = self.run_ok(["dpkg-deb", "-c", self.package]).out.splitlines()
        self.assertFalse([line for line in listed if " root/root " not in line])
        self.assertFalse([line for line in listed if re.match(r".....w|........w", line) and
                          not line.startswith("l")])

    def test_what_was_unpacked_runs(self):
        root = self.unpacked()
        gleam = os.path.join(root, "usr/bin/gleam")
        self.assertIn(self.field("Version"), self.run_ok([gleam, "version"]).out)
        done = self.run_ok([gleam, "bench", "wordcount", "--quiet", self.file("a b a\n")])
        self.assertEqual(done.out, "a\t2\nb\t1\n")
        done = self.run_ok([gleam, "run", "--quiet", "-e",
                            'gleam.New():Ints(1, 3):Printlnf("%v"):Run()'])
        self.assertEqual(sorted(done.out.split()), ["1", "2"])

    def test_a_program_is_built_with_it(self):
        lib.needs(shutil.which("pkg-config") and shutil.which("cc"), "needs cc and pkg-config")
        root = self.unpacked()
        folder = self.library_folder(root)
        env = {"PKG_CONFIG_PATH": os.path.join(folder, "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": root,
               "LD_LIBRARY_PATH": folder}
        flags = self.run_ok(["pkg-config", "--cflags", "--libs", "gleam"], env=env).out.split()
        program = os.path.join(self.dir, "three")
        self.run_ok(["cc", self.file(PROGRAM, "three.c"), "-o", program] + flags +
                    ["-L" + folder, "-I" + os.path.join(root, "usr/include")])
        done = self.run_ok([program, "--quiet", "--cores", "1"], env=env)
        self.assertEqual(done.out, "1\n2\n3\n")

    def test_dpkg_installs_and_removes_it(self):
        lib.needs_root()
        root = os.path.join(self.dir, "scratch")
        for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
            os.makedirs(os.path.join(root, folder))
        open(os.path.join(root, "var/lib/dpkg/status"), "w", encoding="utf-8").close()
        dpkg = ["dpkg", "--root=" + root, "--force-depends", "--log=/dev/null"]
        self.run_ok(dpkg + ["-i", self.package])
        self.assertIn("Status: install ok installed",
                      self.run_ok(["dpkg", "--root=" + root, "-s", "gleam"]).out)
        self.assertEqual(self.run_ok(["dpkg", "--root=" + root, "--verify", "gleam"]).out, "")
        self.run_ok([os.path.join(root, "usr/bin/gleam"), "version"])
        self.run_ok(dpkg + ["--purge", "gleam"])
        self.assertFalse(os.path.exists(os.path.join(root, "usr/bin/gleam")))


if __name__ == "__main__":
    lib.main()
