"""What the end-to-end tests stand on: a scripted model, the joey program, and the audit of every journal it left."""

import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Long enough for a slow machine under sanitizers; nothing waits for it unless something hangs.
PATIENCE_S = float(os.environ.get("JOEY_E2E_PATIENCE_S", "300"))
WIRES = ("anthropic", "openai")
# In no journal, event, output or message (invariant 13).
KEY = "sk-e2e-" + secrets.token_hex(16)

TESTS = []


def test(function):
    """Registers a test; its name is its true sentence."""
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def on_both_wires(function):
    for wire in WIRES:
        def bound(case, wire=wire):
            function(case, wire)
        TESTS.append((f"{function.__name__.replace('_', ' ')} [{wire}]", bound))
    return function


def check(condition, message, *details):
    if not condition:
        raise AssertionError("\n".join([message, *(str(detail) for detail in details)]))


def equal(actual, expected, what, *details):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}", *details)


# ---- What a model says -------------------------------------------------------------------------------------------------

def tool(name, **arguments):
    return {"name": name, "arguments": arguments}


def command(text, **more):
    return tool("execute_command", **{"command": text, "cwd": None, "timeout": None, **more})


def turn(*tools, **more):
    return {"tools": list(tools), **more} if tools else more


def done(result="Done.", **more):
    return turn(tool("attempt_completion", result=result), **more)


def conversation(*turns, match=None):
    return {"turns": list(turns), **({"match": match} if match else {})}


# ---- Processes ---------------------------------------------------------------------------------------------------------

class Result:
    def __init__(self, code, out, err, arguments):
        self.code, self.out, self.err, self.arguments = code, out, err, arguments

    def lines(self):
        """The objects of --output jsonl."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        words = " ".join(str(argument) for argument in self.arguments)
        return f"$ {words}\nexit {self.code}\n--- stdout\n{self.out[-3000:]}\n--- stderr\n{self.err[-3000:]}"


def processes_with(marker):
    """Ids of the processes whose command line holds `marker`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if marker.encode() in (entry / "cmdline").read_bytes() and "\nState:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def wait_until(condition, what, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


class Model:
    """A scripted model server on a free port of loopback."""

    def __init__(self, case, conversations, options):
        self.log_file = case.file(f"model-{len(case.models)}.log")
        self.bodies_file = case.file(f"model-{len(case.models)}.bodies")
        script = case.file(f"script-{len(case.models)}.json")
        script.write_text(json.dumps({"conversations": conversations}) if isinstance(conversations, list) else conversations)
        self.process = subprocess.Popen(
            [case.programs / "joey-scripted-model", "--script", script, "--log", self.log_file,
             "--bodies", self.bodies_file, *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ready = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", ready)
        check(match, "the scripted model did not start", ready)
        self.url = match[1]

    def log(self):
        return [json.loads(line) for line in self.log_file.read_text().splitlines()] if self.log_file.exists() else []

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class RawServer:
    """Says what no well-behaved server would: answers each request with the next of `answers`, iterables of bytes that
    are sent as they come after a head of Server-Sent Events, until the client goes away."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.answer(connection)
                except OSError:
                    pass

    def answer(self, connection):
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head, _, body = request.partition(b"\r\n\r\n")
        size = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        while len(body) < size:
            body += connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for piece in self.answers.pop(0):
            connection.sendall(piece)

    def log(self):
        return []

    def stop(self):
        self.listener.close()


class Case:
    """One test: a directory with a workspace and a database, and everything it starts."""

    def __init__(self, programs):
        self.programs = programs
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="joey-e2e."))
        self.workspace = self.directory / "workspace"
        self.workspace.mkdir()
        self.database = self.directory / "joey.db"
        self.models = []
        self.running = []
        self.wire = "anthropic"
        self.audits = True
        self.refusals_expected = False

    def file(self, name):
        return self.directory / name

    def unique(self):
        """A number of seconds that no other process sleeps."""
        return f"300.{secrets.randbelow(10**9):09d}"

    # -- the model

    def model(self, *turns, options=()):
        return self.model_of([conversation(*turns)], options=options)

    def model_of(self, conversations, options=()):
        self.models.append(Model(self, conversations, [str(option) for option in options]))
        return self.models[-1]

    def raw_model(self, *answers):
        self.models.append(RawServer(answers))
        return self.models[-1]

    def requests(self):
        return self.models[-1].log()

    # -- the program

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LANG": "C.UTF-8",
                "ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY,
                **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}, **more}

    def start(self, *arguments, env=None, stdout=subprocess.PIPE):
        process = subprocess.Popen([self.programs / "joey", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                   stdout=stdout, stderr=subprocess.PIPE, env=env or self.environment(), cwd=self.directory)
        process.arguments = ["joey", *arguments]
        self.running.append(process)
        return process

    def finish(self, process, seconds=PATIENCE_S):
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"still running after {seconds} s\n" + str(Result(
                None, (out or b"").decode(errors="replace"), err.decode(errors="replace"), process.arguments))) from None
        result = Result(process.returncode, (out or b"").decode("utf-8", "replace"), err.decode("utf-8", "replace"),
                        process.arguments)
        check(KEY not in result.out and KEY not in result.err, "the key was printed", result)
        return result

    def joey(self, *arguments, expect=None, env=None, seconds=PATIENCE_S):
        result = self.finish(self.start(*arguments, env=env), seconds)
        if expect is not None:
            check(result.code == expect, f"exit code: expected {expect}, got {result.code}", result)
        check(result.code in range(0, 5), "no exit code of joey's", result)
        return result

    def run_options(self, wire=None):
        return ["--db", self.database, "--workspace", self.workspace, "--provider", wire or self.wire,
                "--model", "scripted-1", "--base-url", self.models[-1].url]

    def run(self, *options, prompt="Do it.", expect=None, wire=None, approve="all"):
        return self.joey("run", *self.run_options(wire), "--auto-approve", approve, *options, prompt, expect=expect)

    def start_run(self, *options, prompt="Do it.", wire=None, approve="all"):
        return self.start("run", *self.run_options(wire), "--auto-approve", approve, *options, prompt)

    def resume(self, *options, task=None, expect=None):
        return self.joey("resume", "--db", self.database, task or self.task(), *options, expect=expect)

    def tasks(self):
        return [json.loads(line) for line in
                self.joey("tasks", "--db", self.database, "--output", "jsonl", "--limit", 0, expect=0).out.splitlines()]

    def task(self):
        tasks = self.tasks()
        equal(len(tasks), 1, "tasks in the store", tasks)
        return tasks[0]["task"]

    def event_lines(self, task=None):
        return self.joey("events", "--db", self.database, task or self.task(), expect=0).out.splitlines()

    def events(self, task=None):
        """The journal, with the defaults that it leaves out where the tests look."""
        events = [json.loads(line) for line in self.event_lines(task)]
        for event in events:
            if event["type"] == "tool.finished":
                event.setdefault("status", "ok")
            if event["type"] == "task.ended":
                event.setdefault("reason", "completed")
        return events

    def of_type(self, kind, task=None):
        return [event for event in self.events(task) if event["type"] == kind]

    def ended(self, task=None):
        return self.of_type("task.ended", task)[-1]

    def results(self, task=None):
        """What the tools gave the model, in order."""
        return self.of_type("tool.finished", task)

    # -- the end

    def audit(self):
        """Every journal is whole and without secrets, every request can be rebuilt byte for byte, and the model's API
        refused none."""
        for model in self.models:
            refused = [line for line in model.log() if line.get("error") and line["status"] == 400]
            if not self.refusals_expected:
                check(not refused, "the model's API refused a request as malformed", refused[:2])
        if not self.database.exists():
            return 0
        for path in self.directory.glob("joey.db*"):
            if path.is_file():
                check(KEY.encode() not in path.read_bytes(), f"the key is in {path.name}")
        waiting, count = [task["task"] for task in self.tasks()], 0
        while waiting:
            task = waiting.pop()
            lines = self.event_lines(task)
            events = [json.loads(line) for line in lines]
            check(len(set(event["type"] + str(event["seq"]) for event in events)) == len(lines), "an event twice")
            equal([event["seq"] for event in events], list(range(1, len(events) + 1)), f"sequence numbers of {task}")
            check(all(event["task"] == task for event in events), f"an event of another task in {task}")
            times = [event["at"] for event in events]
            check(times == sorted(times), f"the times of {task} go back")
            started = [event["call"] for event in events if event["type"] == "tool.started" and not event.get("read_only")]
            equal(len(started), len(set(started)), f"calls of {task} with effects that started once", started)
            self.joey("replay", "--db", self.database, task, expect=0)
            waiting += [event["child"] for event in events if event["type"] == "subtask.started"]
            count += 1
        return count

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        for model in self.models:
            model.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def one_line(text, *words):
    """What a person reads of a failure: one line on standard error that names the fault."""
    lines = text.strip().splitlines()
    equal(len(lines), 1, "lines on standard error", text)
    for word in words:
        check(word.lower() in text.lower(), f"\"{word}\" is not in the message", text)
