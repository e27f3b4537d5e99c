"""Ctrl-C and kill -9 at any moment."""

import collections
import json
import random
import signal
import threading
import time

from harness import check, command, conversation, done, equal, on_both_wires, test, tool, turn, wait_until

TURNS = 300
KILLS = 20


def pause(process, seconds):
    """Sleeps, but not longer than the process lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)


@on_both_wires
def ctrl_c_at_any_moment_ends_with_4_and_resume_goes_on(case, wire):
    generator = random.Random(wire)
    case.model(*(turn(command(f"echo {index} >> log.txt; sleep 0.05"), text="Some words before the call. " * 4,
                      delay_ms=30, chunk_delay_ms=3) for index in range(25)), done())
    arguments, task, ends = None, None, []
    for _ in range(8):
        if task is None:
            process = case.start_run("--output", "jsonl", "--durability", "process", prompt="Go.", wire=wire)
        else:
            process = case.start("resume", "--db", case.database, "--output", "jsonl", "--durability", "process", task)
        pause(process, generator.uniform(0.0, 1.2))
        process.send_signal(signal.SIGINT)
        result = case.finish(process, 30)
        ends.append(result.code)
        tasks = case.tasks() if case.database.exists() else []
        # A signal that comes before the program is up ends it as any other.
        check(result.code in (0, 4) or (result.code == -signal.SIGINT and not result.out), "exit code", result)
        task = tasks[0]["task"] if tasks else None
        if task and tasks[0]["status"] == "completed":
            break
        if task and result.code == 4:
            equal(tasks[0]["status"], "cancelled", "the task after ctrl-C", result)
    check(4 in ends, "no signal came while it ran", ends)
    if case.tasks()[0]["status"] != "completed":
        case.resume("--durability", "process", task=task, expect=0)
    check_log(case, task, 25, statuses=("cancelled", "interrupted"))


@test
def ctrl_c_while_the_model_is_silent_or_slow_ends_at_once(case):
    for index, slow in enumerate(({"delay_ms": 60_000}, {"chunk_delay_ms": 500}, {"fault": {"stall_after_bytes": 100}},
                                  {"fault": {"status": 503, "retry_after": 600}})):
        prompt = f"Number {index}."
        case.model(turn(command("echo 1"), text="Words " * 100, **slow), done())
        process = case.start_run(prompt=prompt)
        wait_until(lambda: case.database.exists() and any(task["title"] == prompt for task in case.tasks()), "the task")
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        result = case.finish(process, 30)
        equal(result.code, 4, f"exit code, {slow}", result)
        check(time.monotonic() - began < 10, f"{slow}: it took {time.monotonic() - began:.1f} s to end")


def check_log(case, task, turns, statuses):
    """No line doubled; every line that is missing is reported to the model as not done for certain."""
    log = collections.Counter((case.workspace / "log.txt").read_text().split())
    check(all(count == 1 for count in log.values()), "a command ran twice", {line: n for line, n in log.items() if n > 1})
    events = case.events(task)
    lines = {}
    for event in events:
        if event["type"] == "model.finished":
            for block in event["blocks"]:
                if block.get("name") == "execute_command":
                    arguments = block["arguments"]
                    arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
                    lines[block["id"]] = arguments["command"].split()[1]
    uncertain = {lines[event["call"]] for event in events
                 if event["type"] == "tool.finished" and event.get("status") in statuses and event["call"] in lines}
    missing = set(lines.values()) - set(log)
    check(missing <= uncertain, "lines that are missing without a word", missing - uncertain)
    equal(len(lines), turns, "commands asked for")
    check(set(log) <= set(lines.values()), "lines that nobody asked for")


class Reader(threading.Thread):
    """What a process printed, up to its end, and whole lines only."""

    def __init__(self, process):
        super().__init__()
        self.process, self.lines = process, []
        self.start()

    def run(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.lines.append(line.decode().rstrip("\n"))


def kill_and_resume(case, wire, durability):
    generator = random.Random(f"{wire} {durability}")
    case.model(turn(command("echo {turn} >> log.txt"), repeat=TURNS), done())
    options = ["--output", "jsonl", "--durability", durability]
    task, told, kills = None, {}, 0
    while kills < KILLS:
        if task is None:
            process = case.start_run(*options, prompt="Append.", wire=wire)
        else:
            process = case.start("resume", "--db", case.database, *options, task)
        reader = Reader(process)
        if generator.random() < 0.3:
            pause(process, generator.uniform(0, 0.3))  # in the start, mostly
        else:
            target = generator.randrange(1, 60)
            wait_until(lambda: len(reader.lines) >= target or process.poll() is not None, "events")
            pause(process, generator.uniform(0, 0.02))
        process.kill()
        process.wait()
        reader.join()
        for line in reader.lines:
            event = json.loads(line)
            if not event.get("ephemeral"):
                told[event["seq"]] = line
                task = event["task"]
        kills += 1
        if any('"type":"task.ended"' in line for line in told.values()):
            break
        if task is None and case.database.exists():
            task = next((task["task"] for task in case.tasks()), None)
    process = case.start("resume", "--db", case.database, *options, task)
    reader = Reader(process)
    equal(process.wait(), 0, "the last resume")
    reader.join()
    check(kills >= KILLS // 2, f"only {kills} kills")
    lines = case.event_lines(task)
    for seq, line in told.items():
        equal(lines[seq - 1], line, f"the event {seq} that was handed out before a kill")
    equal(case.events(task)[-1].get("reason", "completed"), "completed", "the end")
    check_log(case, task, TURNS, statuses=("interrupted",))


@test
def kill_9_twenty_times_loses_and_repeats_nothing_durability_full(case):
    kill_and_resume(case, "anthropic", "full")


@test
def kill_9_twenty_times_loses_and_repeats_nothing_durability_process(case):
    kill_and_resume(case, "openai", "process")


@test
def kill_9_while_a_subtask_runs_lets_both_go_on(case):
    case.model_of([
        conversation(turn(tool("new_task", mode="code", message="Count for me.", todos=None)), done(expect="counted"),
                     match="Delegate"),
        conversation(*(turn(command(f"echo {index} >> log.txt; sleep 0.05")) for index in range(8)), done("counted"), match="Count")])
    process = case.start_run(prompt="Delegate.")
    log = case.workspace / "log.txt"
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= 3, "the subtask")
    process.kill()
    process.wait()
    case.resume(expect=0)
    check(not any("mismatch" in line for line in case.requests()), "the parent did not get the result")
    lines = log.read_text().split()
    equal(len(lines), len(set(lines)), "commands that ran once", lines)
    check(len(lines) >= 7, "commands", lines)


@test
def kill_9_while_a_call_waits_keeps_it_waiting(case):
    case.model(turn(tool("write_to_file", path="a", content="x")), done())
    case.run(approve="read", expect=3)
    for _ in range(3):
        process = case.start("resume", "--db", case.database, case.task())
        pause(process, 0.02)
        process.kill()
        process.wait()
    check(not (case.workspace / "a").exists(), "it ran without approval")
    case.resume("--approve", expect=0)
    equal((case.workspace / "a").read_text(), "x", "the file")
