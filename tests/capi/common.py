"""What the tests of the ABI share."""

import pathlib
import re
import subprocess
import sys

SKIPPED = 77
ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "include/joey/joey.h"


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def prototypes(text):
    """(whole, name) of each function that joey.h declares."""
    return [(re.sub(r"\s+", " ", match[0]), match[2]) for match in
            re.finditer(r"^JOEY_API\s+([^;()]*?)\b(joey_\w+)\s*\([^;]*\);", without_comments(text), flags=re.M)]


def run(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, condition, name, detail=""):
        print(f"{'ok  ' if condition else 'FAIL'} {name}", flush=True)
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print("    " + str(detail).strip().replace("\n", "\n    "))

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)
