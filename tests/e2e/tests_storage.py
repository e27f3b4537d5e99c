"""Workspaces and databases that are missing, read-only, damaged, newer or in use."""

import os
import pathlib
import random
import shutil
import sqlite3

from harness import check, command, digest, done, equal, one_line, test, tool, turn, wait_until


@test
def a_workspace_that_is_missing_or_a_file_is_named(case):
    case.model(done())
    (case.directory / "file").write_text("")
    for name in ("none", "file"):
        options = case.run_options()
        options[options.index("--workspace") + 1] = case.directory / name
        result = case.joey("run", *options, "x")
        check(result.code in (1, 2), "exit code", result)
        one_line(result.err, name)
    equal(case.requests(), [], "requests")


@test
def a_workspace_that_vanishes_is_told_to_the_model(case):
    case.model(turn(command("rm -rf ../workspace")), turn(tool("write_to_file", path="a", content="x")),
               turn(command("echo alive"), tool("list_files", path=".", recursive=True)), done())
    case.run(expect=0)
    equal(case.results()[1]["status"], "error", "writing into nothing")


@test
def a_read_only_workspace_is_told_to_the_model(case):
    if os.geteuid() == 0:
        case.workspace = pathlib.Path("/sys/kernel")  # refuses new files to anybody
    else:
        case.workspace.chmod(0o555)
    case.model(turn(tool("write_to_file", path="joey-e2e.txt", content="x"), tool("list_files", path=".", recursive=False)), done())
    case.run(expect=0)
    result = case.results()[0]
    equal(result["status"], "error", "the result", result)


@test
def a_file_that_is_no_database_is_left_as_it_was(case):
    case.model(done())
    header = b"SQLite format 3\0"
    for content in (b"", None, random.Random(1).randbytes(50_000), header + random.Random(2).randbytes(50_000), b"hello\n", header):
        case.database.unlink(missing_ok=True)
        if content is None:
            sqlite3.connect(case.database).executescript("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)")
        else:
            case.database.write_bytes(content)
        before = digest(case.database)
        result = case.run()
        if content == b"":
            equal(result.code, 0, "an empty file is an empty database", result)
            continue
        check(result.code in (1, 2), "exit code", result)
        one_line(result.err, "joey.db")
        equal(digest(case.database), before, "the file")
    case.audits = False


@test
def a_database_of_a_newer_version_is_left_as_it_was(case):
    case.model(done())
    case.run(expect=0)
    task = case.task()
    with sqlite3.connect(case.database) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA user_version = 9999")
    database.close()
    before = digest(case.database)
    for arguments in (["run", *case.run_options(), "x"], ["tasks", "--db", case.database], ["resume", "--db", case.database, task, "x"]):
        result = case.joey(*arguments, expect=1)
        one_line(result.err, "newer")
    equal(digest(case.database), before, "the file")
    case.audits = False


@test
def a_damaged_database_is_never_a_crash(case):
    (case.workspace / "a").write_text("a\n")
    case.model(turn(tool("read_file", path="a"), command("echo {turn}"), repeat=30), done())
    case.run("--output", "jsonl", "--durability", "process", prompt="Go.", expect=0)
    task = case.task()
    with sqlite3.connect(case.database) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    whole = case.directory / "whole.db"
    shutil.copy(case.database, whole)
    good = case.event_lines(task)
    for seed in range(12):
        generator = random.Random(seed)
        content = bytearray(whole.read_bytes())
        if seed % 3 == 0:
            content = content[:generator.randrange(len(content))]
        else:
            for _ in range(1 if seed % 3 == 1 else 40):
                at = generator.randrange(len(content))
                content[at:at + 64] = generator.randbytes(len(content[at:at + 64]))
        for path in case.directory.glob("joey.db*"):
            if path.is_file():
                path.unlink()
        case.database.write_bytes(content)
        result = case.joey("events", "--db", case.database, task)
        lines = result.out.splitlines()
        if result.code == 0:
            equal(lines, good, f"seed {seed}: another journal without a word")
        else:
            one_line(result.err)
            equal(lines, good[:len(lines)], f"seed {seed}: events that were never written")
        for arguments in (["tasks"], ["show", task], ["replay", task], ["resume", task, "Go on."]):
            case.joey(arguments[0], "--db", case.database, *arguments[1:])
    case.audits = False


@test
def of_two_processes_one_gets_the_task(case):
    case.model(turn(command("touch started; until [ -e go ]; do sleep 0.05; done")), done())
    process = case.start_run()
    wait_until((case.workspace / "started").exists, "the command")
    task = case.task()
    for words in ([], ["Hurry up."]):
        result = case.resume(*words, task=task, expect=1)
        one_line(result.err, "another")
    case.joey("show", "--db", case.database, task, expect=0)
    (case.workspace / "go").touch()
    equal(case.finish(process).code, 0, "the first")
    equal(len(case.requests()), 2, "requests")


@test
def a_database_in_a_directory_that_does_not_exist_is_named(case):
    case.model(done())
    options = case.run_options()
    options[1] = case.directory / "none" / "joey.db"
    result = case.joey("run", *options, "x")
    check(result.code in (1, 2), "exit code", result)
    one_line(result.err, "none/joey.db")
