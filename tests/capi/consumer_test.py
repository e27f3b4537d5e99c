#!/usr/bin/env python3
"""consumer_test.py BUILD_DIR CMAKE CC CXX: a project outside builds and runs with joey as it is installed, found by CMake
and by pkg-config. Installs into a directory that is removed afterwards."""

import os
import pathlib
import shutil
import sys
import tempfile

from common import Checks, run, skip

build, cmake, cc, cxx = sys.argv[1:5]
source = pathlib.Path(__file__).resolve().parent / "consumer"
if not (pathlib.Path(build) / "bin/joey").exists():
    skip("not everything that is installed is built")
checks = Checks()
folder = pathlib.Path(tempfile.mkdtemp(prefix="joey-consumer."))
try:
    prefix = folder / "prefix"
    result = run(cmake, "--install", build, "--prefix", prefix)
    checks.check(result.returncode == 0, "joey is installed", result.stdout)
    [library] = prefix.rglob("libjoey.so.1")
    installed = sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file())
    checks.check("include/joey/joey.h" in installed and "include/joey/joey.hpp" in installed and "bin/joey" in installed,
                 "headers and program are where they belong", installed)
    checks.check(not [name for name in installed if name.startswith("include/") and not name.startswith("include/joey/joey.h")],
                 "nothing behind joey.h is installed", installed)

    result = run(cmake, "-S", source, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={cc}",
                 f"-DCMAKE_CXX_COMPILER={cxx}")
    checks.check(result.returncode == 0, "find_package(joey) finds it", result.stdout)
    result = run(cmake, "--build", folder / "build")
    checks.check(result.returncode == 0, "a project outside builds", result.stdout)
    for program in ("consumer_c", "consumer_cpp"):
        result = run(folder / "build" / program, cwd=source)
        checks.check(result.returncode == 0 and "consumer.c" in result.stdout, f"{program} runs", result.stdout)
    text = (source / "CMakeLists.txt").read_text().replace("joey 1.0", "joey 2.0")
    (folder / "next").mkdir()
    (folder / "next/CMakeLists.txt").write_text(text)
    result = run(cmake, "-S", folder / "next", "-B", folder / "next/build", f"-DCMAKE_PREFIX_PATH={prefix}")
    checks.check(result.returncode != 0 and "2.0" in result.stdout, "a project that wants version 2 is told", result.stdout)

    if shutil.which("pkg-config"):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(library.parent / "pkgconfig"), "LD_LIBRARY_PATH": str(library.parent)}
        flags = run("pkg-config", "--cflags", "--libs", "joey", env=environment)
        checks.check(flags.returncode == 0, "pkg-config finds it", flags.stdout)
        result = run(cc, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source / "consumer.c", *flags.stdout.split(),
                     "-o", folder / "by-pkg-config")
        checks.check(result.returncode == 0, "a C program builds with its flags", result.stdout)
        result = run(folder / "by-pkg-config", cwd=source, env=environment)
        checks.check(result.returncode == 0, "and runs", result.stdout)
        version = run("pkg-config", "--modversion", "joey", env=environment).stdout.strip()
        checks.check(version.split(".")[0] == "1", "it knows its version", version)
finally:
    shutil.rmtree(folder)
checks.end()
