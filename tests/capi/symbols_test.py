#!/usr/bin/env python3
"""symbols_test.py LIBRARY: joey.map names the functions of joey.h and no other, the library exports exactly those, and
the C tests use every one."""

import pathlib
import re
import sys

from common import Checks, HEADER, ROOT, prototypes, run

library = pathlib.Path(sys.argv[1])
checks = Checks()
declared = [name for _, name in prototypes(HEADER.read_text())]
checks.check(len(declared) > 50 and len(declared) == len(set(declared)), "joey.h declares each function once", declared)

nodes = re.sub(r"/\*.*?\*/|#.*", "", (ROOT / "capi/joey.map").read_text(), flags=re.S)
mapped = re.findall(r"\b(joey_\w+);", nodes)
checks.check(sorted(mapped) == sorted(declared), "joey.map names the functions of joey.h and no other",
             set(mapped) ^ set(declared))
checks.check("local: *" in nodes, "everything else is local")

symbols = [line.split() for line in run("nm", "--dynamic", "--defined-only", library).stdout.splitlines()]
exported = [words[-1].split("@")[0] for words in symbols if words[-2] != "A"]
checks.check(sorted(exported) == sorted(declared), "the library exports those and no other", set(exported) ^ set(declared))
versions = {words[-1] for words in symbols if words[-2] == "A"}
checks.check(versions == set(re.findall(r"(JOEY_\d+\.\d+)\s*\{", nodes)), "under the map's versions", versions)
soname = re.search(r"soname: \[(.*)\]", run("readelf", "--dynamic", library).stdout)
checks.check(soname and soname[1] == "libjoey.so.1", "its soname is libjoey.so.1", soname)

used = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("*.c"))
unused = [name for name in declared if not re.search(rf"\b{name}\(", used)]
checks.check(not unused, "the C tests call every function", unused)
checks.end()
