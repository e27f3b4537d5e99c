#!/usr/bin/env python3
"""End-to-end tests: the joey program against joey-scripted-model, over real HTTP on loopback.

    tests/e2e/run_e2e.py BIN_DIR [--jobs N] [WORD ...]

BIN_DIR holds both programs. With words, only the tests whose name holds one of them. Each test has its own directory,
database and server. After each, every journal it made is audited: sequence numbers without gaps, no secret, no tool with
effects started twice, and `joey replay` exact. Needs the Python standard library only, and for tests_protocols Node.
"""

import argparse
import concurrent.futures
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
import tests_answers  # noqa: E402,F401
import tests_commands  # noqa: E402,F401
import tests_crashes  # noqa: E402,F401
import tests_journals  # noqa: E402,F401
import tests_program  # noqa: E402,F401
import tests_protocols  # noqa: E402,F401
import tests_provider  # noqa: E402,F401
import tests_repository  # noqa: E402,F401
import tests_secrets  # noqa: E402,F401
import tests_storage  # noqa: E402,F401


def run(programs, function):
    """The failure, or None; the time it took; the journals audited."""
    began = time.monotonic()
    case = harness.Case(programs)
    journals, failure = 0, None
    try:
        function(case)
        if case.audits:
            journals = case.audit()
    except AssertionError as error:
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests_" in frame.filename]
        place = f"{pathlib.Path(where[-1].filename).name}:{where[-1].lineno}: " if where else ""
        failure = place + str(error)
    except Exception:  # pylint: disable=broad-except
        failure = traceback.format_exc()
    finally:
        case.close()
    return failure, time.monotonic() - began, journals


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    programs = arguments.programs.resolve()
    chosen = [(name, function) for name, function in harness.TESTS
              if not arguments.words or any(word in name for word in arguments.words)]
    passed = failed = journals = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {pool.submit(run, programs, function): name for name, function in chosen}
        for future in concurrent.futures.as_completed(futures):
            failure, seconds, audited = future.result()
            journals += audited
            passed, failed = passed + (failure is None), failed + (failure is not None)
            print(f"{'ok  ' if failure is None else 'FAIL'} {futures[future]} ({seconds:.1f} s)", flush=True)
            if failure is not None:
                print("    " + failure.rstrip().replace("\n", "\n    "), flush=True)
    print(f"{journals} journals replayed")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
