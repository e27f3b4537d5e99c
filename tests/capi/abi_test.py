#!/usr/bin/env python3
"""abi_test.py LIBRARY CXX [--record]: the ABI of the library, built with debug information, is the one recorded in
capi/abi, or that with additions. The check itself is checked: twins of the library whose header is broken must fail it.

--record writes the baseline anew: for a new major version, or after additions, never to silence a failure.
"""

import pathlib
import platform
import re
import shutil
import sys
import tempfile
import xml.etree.ElementTree

from common import Checks, HEADER, ROOT, prototypes, run, skip

library, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]
architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
baseline = ROOT / f"capi/abi/joey-1.{architecture}.abi"
suppressions = ROOT / "capi/abi/additive.abignore"

for program in ("abidw", "abidiff"):
    if not shutil.which(program):
        skip(f"{program} is missing: the ABI is not compared (Debian: abigail-tools)")



def dump(library, include, to):
    """The public types and functions of a library, as XML. They are compared in this form: given the headers, abidiff
    itself takes a change from one type of the C library to another for one of a private type."""
    result = run("abidw", "--headers-dir", include, "--drop-private-types", "--exported-interfaces-only",
                 "--no-comp-dir-path", "--no-corpus-path", "--no-show-locs", "--out-file", to, library)
    if result.returncode != 0:
        sys.exit(f"abidw: {result.stdout}")
    return to


if "--record" in sys.argv:
    baseline.parent.mkdir(exist_ok=True)
    dump(library, ROOT / "include", baseline)
    sys.exit(0)
if not baseline.exists():
    skip(f"no ABI is recorded for {architecture}: {baseline.name}")


def growing_structs(abi):
    """{struct: [(member, offset, type)]} of those that may grow at their end."""
    root = xml.etree.ElementTree.parse(abi).getroot()
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}

    def name_of(type_id, depth=0):
        element = by_id[type_id]
        if element.get("name"):
            return element.get("name")
        inner = [name_of(child.get("type-id"), depth + 1) for child in element if child.get("type-id")] if depth < 9 else []
        own = name_of(element.get("type-id"), depth + 1) if element.get("type-id") and depth < 9 else ""
        return f"{element.tag}<{element.get('const', '')}{own}({','.join(inner)})>"

    structs = {}
    for element in root.iter("class-decl"):
        if element.get("is-declaration-only") or not re.fullmatch(r"joey_.*_(options|vtable)", element.get("name", "")):
            continue
        structs[element.get("name")] = [
            (member.find("var-decl").get("name"), member.get("layout-offset-in-bits"), name_of(member.find("var-decl").get("type-id")))
            for member in element.findall("data-member")]
    return structs


def compare(old, new):
    """What keeps programs that were built with `old` from running with `new`; "" when nothing does."""
    result = run("abidiff", "--no-added-syms", "--suppressions", suppressions, old, new)
    problems = "" if result.returncode == 0 else f"abidiff ends with {result.returncode}:\n{result.stdout}\n"
    # What the suppression passes over: it looks at no member that was there before.
    now = growing_structs(new)
    for struct, members in growing_structs(old).items():
        if now.get(struct, [])[:len(members)] != members:
            problems += f"{struct} has changed before its end\n"
    return problems


checks = Checks()
folder = pathlib.Path(tempfile.mkdtemp(prefix="joey-abi."))
present = dump(library, ROOT / "include", folder / "library.abi")
problems = compare(baseline, present)
checks.check(not problems, "the library's ABI is the recorded one, or adds to it", problems)

# A twin is every function of a header, with an empty body: its ABI is the header's. abidiff compares twins with a twin of
# the header as it is, so that a difference is the header's and nothing else's.

def twin(name, text):
    include = folder / name / "include"
    (include / "joey").mkdir(parents=True)
    (include / "joey/joey.h").write_text(text)
    source = folder / name / "twin.cpp"
    bodies = []
    for whole, function in prototypes(text):
        head = whole.removeprefix("JOEY_API ").removesuffix(";")
        bodies.append(head + (" {}" if head.startswith("void " + function) else " { return 0; }"))
    source.write_text("#include <joey/joey.h>\n" + "\n".join(bodies) + "\n")
    built = folder / name / "libjoey.so.1"
    result = run(compiler, "-std=c++20", "-g", "-O0", "-w", "-fPIC", "-shared", "-Wl,-soname,libjoey.so.1",
                 f"-Wl,--version-script={ROOT / 'capi/joey.map'}", "-Wl,--undefined-version", "-I", include, source, "-o", built)
    if result.returncode != 0:  # an older ld allows undefined versions, and does not know the option
        result = run(compiler, "-std=c++20", "-g", "-O0", "-w", "-fPIC", "-shared", "-Wl,-soname,libjoey.so.1",
                     f"-Wl,--version-script={ROOT / 'capi/joey.map'}", "-I", include, source, "-o", built)
    if result.returncode != 0:
        sys.exit(f"the twin \"{name}\" does not build:\n{result.stdout}")
    return dump(built, include, folder / name / "twin.abi")


def change(pattern, replacement):
    text, count = re.subn(pattern, replacement, HEADER.read_text(), count=1)
    if count != 1:
        sys.exit(f"joey.h has nothing like {pattern}: mend this test")
    return text


try:
    original = twin("original", HEADER.read_text())
    problems = compare(original, twin("same", HEADER.read_text()))
    checks.check(not problems, "a twin of the same header passes", problems)
    problems = compare(original, present)
    checks.check(not problems, "the header's ABI is the library's", problems)

    ADDITIONS = {
        "an option at the end": (r"(\n)(\} joey_session_options;)", r"\1  uint32_t new_at_end;\n\2"),
        "a function in a vtable at the end": (r"(int64_t \(\*now\)\(void \*user_data\);\n  void \(\*destroy\)\(void \*user_data\);\n)",
                                              r"\1  void (*new_at_end)(void *user_data);\n"),
    }
    BREAKS = {
        "an option in the middle": (r"(  uint32_t retries_max;)", r"  uint64_t new_in_the_middle;\n\1"),
        "an option that is gone": (r"  uint32_t mistakes_max;.*\n", ""),
        "an option of another type": (r"uint32_t turns_max;", "uint64_t turns_max;"),
        "two options that change places": (r"const char \*workspace;(.*)\n(  const char \*)mode;", r"const char *mode;\1\n\2workspace;"),
        "a field in the middle of an event": (r"(  const char \*text; /\*\*< What a person)", r"  uint64_t new_in_the_middle;\n\1"),
        "a function in the middle of a vtable": (r"(  void \(\*cancel\)\(void \*user_data, joey_tool_call \*call\);)",
                                                 r"  void (*pause)(void *user_data);\n\1"),
        "a function with one argument more": (r"joey_task_pause\(joey_task \*task\)", "joey_task_pause(joey_task *task, int32_t now)"),
        "a function that returns something else": (r"JOEY_API size_t joey_text_size", "JOEY_API int32_t joey_text_size"),
        "a function that is gone": (r"JOEY_API joey_status joey_task_cancel\(joey_task \*task\);", ""),
        "a status of another width": (r"typedef int32_t joey_status;", "typedef int64_t joey_status;"),
    }
    for name, (pattern, replacement) in ADDITIONS.items():
        problems = compare(original, twin(name.replace(" ", "_"), change(pattern, replacement)))
        checks.check(not problems, f"{name} is an addition", problems)
    for name, (pattern, replacement) in BREAKS.items():
        problems = compare(original, twin(name.replace(" ", "_"), change(pattern, replacement)))
        checks.check(problems, f"{name} is a break", "nothing was noticed")
finally:
    shutil.rmtree(folder)
checks.end()
