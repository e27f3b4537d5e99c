"""Commands that never end, flood, print binary, or leave children behind; paths that lead outside."""

import json
import os
import shutil
import signal
import threading
import time

from harness import check, command, done, equal, processes_with, test, tool, turn, wait_until


def gone(marker):
    wait_until(lambda: not processes_with(marker), f"the end of every process with {marker}", 30)


@test
def a_command_that_never_ends_ends_with_the_task(case):
    seconds = case.unique()
    case.model(turn(command(f"sleep {seconds}", timeout=1)), done())
    began = time.monotonic()
    case.run(expect=0)
    check(time.monotonic() - began < 60, "the task waited for the command")
    gone(seconds)


@test
def ctrl_c_ends_a_command_that_never_ends(case):
    for start in ("", "trap '' INT TERM HUP; ", "exec "):
        seconds = case.unique()
        prompt = f"Sleep {seconds}."
        case.model(turn(command(f"{start}sleep {seconds}")), done())
        process = case.start_run(prompt=prompt)
        wait_until(lambda: processes_with(f"sleep\0{seconds}"), "the command")
        process.send_signal(signal.SIGINT)
        equal(case.finish(process, 30).code, 4, f"exit code, {start}")
        gone(seconds)
        task = next(task["task"] for task in case.tasks() if task["title"] == prompt)
        equal(case.ended(task)["reason"], "cancelled", "reason")
        equal([result["status"] for result in case.results(task)], ["cancelled"], "results")


@test
def kill_9_of_joey_leaves_no_command_behind(case):
    seconds = case.unique()
    case.model(turn(command(f"sleep {seconds} & sleep {seconds}")), done())
    process = case.start_run()
    wait_until(lambda: len(processes_with(f"sleep\0{seconds}")) == 2, "the commands")
    process.kill()
    process.wait()
    gone(seconds)
    case.resume(expect=0)
    equal(case.results()[0]["status"], "interrupted", "the result")


@test
def floods_of_output_are_cut_in_the_middle(case):
    case.model(turn(command("yes 'a line of text' | head -c 60000000; echo THE-END")),
               turn(command("head -c 3000000 /dev/zero | tr '\\0' x; echo THE-END")), done())
    case.run("--durability", "process", prompt="Flood.", expect=0)
    for result in case.results()[:2]:
        check("THE-END" in result["text"] and len(result["text"]) < 500_000, "the result", len(result["text"]))
    # The whole of it is kept beside the journal, and can be read piece by piece.
    check(sum(map(len, case.event_lines())) < 500_000, "the journal is small")
    check(case.database.stat().st_size > 60_000_000, "the output is kept whole")
    check("Artifact ID: cmd-" in case.results()[0]["text"], "the result names the artifact", case.results()[0]["text"][-400:])


@test
def binary_output_becomes_text(case):
    case.model(turn(command("head -c 200000 /dev/urandom")), turn(command("printf 'a\\000b\\377\\033[31mred\\033[0m\\r\\n'")), done())
    result = case.run(prompt="Print.", expect=0)
    check("\x00" not in result.out and "\x1b[31m" not in result.out, "raw bytes on standard output")
    for line in case.event_lines():
        json.loads(line)
    equal([result["status"] for result in case.results()[:2]], ["ok", "ok"], "results")


@test
def children_that_hold_the_pipes_do_not_hold_the_task(case):
    for form in ("sleep {0} & echo started", "(sleep {0} &) ; echo started", "nohup sleep {0} & echo started",
                 "setsid sleep {0} & echo started", "setsid -f sleep {0}; echo started",
                 "(setsid sh -c 'sleep {0} & sleep {0}' &) ; echo started",
                 "setsid -f sh -c 'trap \"\" TERM; sleep {0}; sleep {0}' </dev/null >/dev/null 2>&1; echo started"):
        seconds = case.unique()
        prompt = f"Do {form[:40]} {seconds}"
        case.model(turn(command(form.format(seconds))), done())
        began = time.monotonic()
        case.run(prompt=prompt, expect=0)
        check(time.monotonic() - began < 60, f"the task waited for {form}")
        gone(seconds)
        task = next(task["task"] for task in case.tasks() if seconds in task["title"])
        check("started" in case.results(task)[0]["text"], "the output", case.results(task)[0])


@test
def commands_that_cannot_run_are_results(case):
    case.model(turn(command("exit 3")), turn(command("no-such-program-here")), turn(command("kill -9 $$")),
               turn(command("echo x", cwd="none"), command("true")), turn(command("echo x", cwd="../.."), command("true")),
               turn(command(""), command("true")), done())
    case.run(expect=0)
    results = case.results()
    check("3" in results[0]["text"], "the exit code", results[0])
    check("127" in results[1]["text"], "the exit code", results[1])
    for result in (results[3], results[5], results[7]):
        equal(result["status"], "error", "a command that did not run", result)


@test
def the_keys_are_not_in_the_environment_of_commands(case):
    case.model(turn(command("env; cat /proc/$PPID/environ | tr '\\0' '\\n'")), done())
    case.run(expect=0)
    text = case.results()[0]["text"]
    check("PATH=" in text, "the environment", text)
    # The audit looks for the key in the journal; here it was offered on a plate.
    check("_API_KEY=sk-e2e" not in text, "the key is in the environment of commands")


# ---- Paths -------------------------------------------------------------------------------------------------------------

def escapes(case):
    outside = case.directory / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("SECRET-CONTENT\n")
    (case.workspace / "sub").mkdir()
    os.symlink(outside, case.workspace / "dirlink")
    os.symlink(outside / "secret.txt", case.workspace / "filelink")
    os.symlink("../outside/secret.txt", case.workspace / "relative")
    os.symlink("loop", case.workspace / "loop")
    os.symlink(outside / "new.txt", case.workspace / "dangling")
    return outside, ["../outside/secret.txt", "sub/../../outside/secret.txt", str(outside / "secret.txt"), "dirlink/secret.txt",
                     "filelink", "relative", "loop", "./.././outside/secret.txt", "/proc/self/root" + str(outside / "secret.txt"),
                     "dangling", "dirlink/new.txt", "../outside/new.txt", "/etc/passwd"]


@test
def no_path_leads_outside_the_workspace(case):
    outside, paths = escapes(case)
    for path in paths:
        for name, arguments in (("read_file", {"path": path}), ("write_to_file", {"path": path, "content": "OVERWRITTEN"}),
                                ("apply_diff", {"path": path, "diff": "<<<<<<< SEARCH\nSECRET-CONTENT\n=======\nOVERWRITTEN\n>>>>>>> REPLACE"})):
            result = case.joey("tool", "--workspace", case.workspace, name, json.dumps(arguments), expect=1)
            check("SECRET-CONTENT" not in result.out, "the secret was read", result)
    for path in ("..", "../outside", "dirlink", str(outside), "/"):
        for name, arguments in (("list_files", {"path": path, "recursive": True}),
                                ("search_files", {"path": path, "regex": "SECRET", "file_pattern": None})):
            result = case.joey("tool", "--workspace", case.workspace, name, json.dumps(arguments))
            check("SECRET-CONTENT" not in result.out and "secret.txt" not in result.out, "outside was shown", result)
    result = case.joey("tool", "--workspace", case.workspace, "search_files", '{"path":".","regex":"SECRET","file_pattern":null}')
    check("SECRET-CONTENT" not in result.out, "search followed a link", result)
    equal({path.name: path.read_text() for path in outside.iterdir()}, {"secret.txt": "SECRET-CONTENT\n"}, "the outside")


@test
def a_directory_that_becomes_a_link_meanwhile_leads_nowhere(case):
    outside = case.directory / "outside"
    outside.mkdir()
    (case.workspace / "real").mkdir()
    stop, flips = threading.Event(), []

    def flip():
        spot, real, link = case.workspace / "spot", case.workspace / "real", case.workspace / "link"
        while not stop.is_set():
            try:
                os.symlink(outside, link)
                os.rename(link, spot)  # a link to outside
                flips.append(1)
                os.unlink(spot)
                os.rename(real, spot)  # a directory
                os.rename(spot, real)
            except OSError:  # the tool made the directory itself
                link.unlink(missing_ok=True)
                shutil.rmtree(spot, ignore_errors=True)
                real.mkdir(exist_ok=True)

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        case.model(*(turn(*(tool("write_to_file", path=f"spot/{index}-{part}.txt", content="x") for part in range(20)),
                          command(f"echo {index}")) for index in range(10)), done())
        case.run("--output", "jsonl", "--durability", "process", prompt="Race.", expect=0)
    finally:
        stop.set()
        flipper.join()
    equal(list(outside.iterdir()), [], "files outside")
    check(len(flips) > 100, f"only {len(flips)} flips")
