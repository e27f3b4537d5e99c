"""The program: the demo, its output, its exit codes, approvals, questions, limits."""

import hashlib
import http.server
import json
import shutil
import subprocess
import threading

from harness import (ROOT, check, command, conversation, done, equal, on_both_wires, one_line, test, tool, turn,
                     wait_until)


@on_both_wires
def the_demo_repository_is_repaired(case, wire):
    shutil.copytree(ROOT / "examples/demo-repo", case.workspace, dirs_exist_ok=True)
    shutil.rmtree(case.workspace / "build", ignore_errors=True)
    make = ["make", "-C", case.workspace, "test"]
    check(subprocess.run(make, capture_output=True, check=False).returncode != 0, "the tests pass already")
    case.model_of((ROOT / "examples/scripted-model/demo.json").read_text())
    result = case.run(prompt="The tests fail: mend them.", wire=wire, approve="read,edit,command", expect=0)
    check("All 8 tests pass" in result.out, "the result is not shown", result)
    tests = subprocess.run(make, capture_output=True, text=True, check=False)
    equal(tests.returncode, 0, "make test", tests.stdout)
    check(not any("mismatch" in line for line in case.requests()), "the model was surprised", case.requests())
    [task] = case.tasks()
    equal((task["status"], task["turns"]), ("completed", 7), "the task in the list")
    check(task["tokens_input"] > 0 and task["tokens_output"] > 0, "no tokens were counted", task)
    shown = case.joey("show", "--db", case.database, task["task"], expect=0)
    check("src/set.c" in shown.out and "\x1b" not in shown.out, "the transcript", shown)


@on_both_wires
def jsonl_is_the_journal_with_deltas_between(case, wire):
    (case.workspace / "a.txt").write_text("alpha\n")
    case.model(turn(tool("read_file", path="a.txt"), text="I read a file. Ünïcode, too: 🙂", reasoning="Hm."),
               turn(command("echo one; echo two"), text="And a command."), done("All done."))
    result = case.run("--output", "jsonl", prompt="Read.", wire=wire, expect=0)
    lines = result.out.splitlines()
    objects = [json.loads(line) for line in lines]
    durable = [line for line, value in zip(lines, objects) if not value.get("ephemeral")]
    equal(durable, case.event_lines(), "durable lines")
    deltas = [value for value in objects if value.get("ephemeral")]
    text = "".join(delta["text"] for delta in deltas if delta["type"] == "delta.text")
    equal(text, "I read a file. Ünïcode, too: 🙂And a command.", "text deltas")
    output = "".join(delta["text"] for delta in deltas if delta["type"] == "delta.tool_output")
    check("one" in output and "two" in output, "no output of the command came as deltas", output)
    seqs = {value["seq"]: value["type"] for value in objects if not value.get("ephemeral")}
    check(all(seqs[delta["seq"]] in ("model.requested", "tool.started") for delta in deltas), "a delta of no request or tool")
    for number in (1, 3, len(durable), len(durable) + 1):
        part = case.joey("events", "--db", case.database, "--from", number, objects[0]["task"], expect=0)
        equal(part.out.splitlines(), durable[number - 1:], f"events --from {number}")


@test
def events_can_be_followed_from_another_process(case):
    case.model(turn(command("true"), delay_ms=700), turn(command("echo 2"), delay_ms=700), done())
    process = case.start_run()
    task = wait_until(lambda: case.database.exists() and [task["task"] for task in case.tasks()], "a task")[0]
    followed = case.joey("events", "--db", case.database, "--follow", task, expect=0)
    equal(case.finish(process).code, 0, "the run")
    equal(followed.out.splitlines(), case.event_lines(task), "followed events")


@test
def each_model_is_offered_the_editing_tools_that_suit_it(case):
    def offered(*arguments):
        listed = json.loads(case.joey("tools", "--mode", "code", "--json", *arguments, expect=0).out)
        names = [tool["name"] for tool in listed]
        editing = ("write_to_file", "apply_diff", "apply_patch", "edit", "search_replace", "search_and_replace")
        return [name for name in editing if name in names]
    equal(offered(), ["write_to_file", "apply_diff"], "what most models get")
    equal(offered("--model", "openai/gpt-5.2"), ["apply_patch"], "OpenAI's")
    equal(offered("--model", "gemini-3.1-pro"), ["write_to_file", "edit"], "Google's")
    equal(offered("--model", "gpt-5.2", "--tools", "+apply_diff,-apply_patch"), ["apply_diff"], "as the person wants")
    (case.workspace / "a.txt").write_text("one\n")
    case.model(turn(tool("apply_patch", patch="*** Begin Patch\n*** Update File: a.txt\n-one\n+two\n*** End Patch")), done())
    case.run("--tools=-write_to_file,+apply_patch", prompt="Patch.", approve="edit", expect=0)
    equal((case.workspace / "a.txt").read_text(), "two\n", "the file")
    [finished] = [event for event in case.events() if event["type"] == "tool.finished" and event["tool"] == "apply_patch"]
    equal(finished["paths"], ["a.txt"], "the files it says it changed")


@test
def a_command_runs_unasked_only_when_all_it_would_run_is_allowed(case):
    rules = ("--auto-approve", "command:echo", "--auto-approve", "command:git status", "--deny", "command:rm")

    def explained(line, code):
        return json.loads(case.joey("policy", "explain", "--json", *rules, line, expect=code).out)
    allowed = explained("echo one && git status --short", 0)
    equal((allowed["verdict"], allowed["rule"]), ("allow", "allow:echo, allow:git status"), "what is allowed")
    equal([part["text"] for part in allowed["parts"]], ["echo one", "git status --short"], "its parts")
    inside = explained('echo "a $(touch pwned) b"', 3)
    check({"text": "touch pwned", "kind": "command", "verdict": "ask", "rule": "default"} in inside["parts"],
          "defect 25: a substitution inside double quotes is looked at", inside)
    equal(explained("echox", 3)["verdict"], "ask", "defect 25: a rule is of whole words")
    for line in ("sudo rm -rf x", "/bin/rm x", "( r'm' x )", "echo ok; env A=1 \\rm x"):
        equal(explained(line, 1)["verdict"], "deny", f"defect 25: {line}")
    shown = case.joey("policy", "explain", *rules, "git status; rm x", expect=1).out
    check("deny   command    rm x" in shown and shown.endswith("deny: deny:rm\n"), "the explanation for a person", shown)

    case.model(turn(command("echo fine")), turn(command("echo ok | rm x")), turn(command('echo "$(touch pwned)"')), done())
    result = case.joey("run", *case.run_options(), *rules, "Go.", expect=3)
    check("touch pwned" in result.out, "what waits is not shown", result)
    equal([(event["allowed"] if "allowed" in event else False, event["rule"]) for event in case.of_type("approval")],
          [(True, "allow:echo"), (False, "deny:rm")], "decisions")
    equal([event["rule"] for event in case.of_type("approval.requested")], ["default"], "what made it ask")
    check("deny:rm" in case.results()[1]["text"], "the model is told which rule denied", case.results()[1])
    check(not (case.workspace / "pwned").exists(), "it ran without being allowed")
    case.resume("--deny", expect=0)
    check(not (case.workspace / "pwned").exists(), "it ran although it was denied")


@test
def a_rule_for_files_holds_for_tools_and_commands_alike(case):
    (case.workspace / ".env").write_text("TOKEN-OF-THE-TEST\n")
    (case.workspace / "app.lock").write_text("old\n")
    (case.workspace / "sub").mkdir()
    (case.workspace / "sub/notes.txt").write_text("TOKEN-OF-THE-TEST is elsewhere\n")
    rules = ("--auto-approve", "all", "--deny", "read:.env,edit:*.lock", "--ask", "edit:sub/")

    def explained(*arguments, code):
        return json.loads(case.joey("policy", "explain", "--json", *rules, *arguments, expect=code).out)
    by_tool = explained("--tool", "read_file", '{"path":".env"}', code=1)
    by_command = explained("cat ./.env", code=1)
    equal((by_tool["verdict"], by_tool["rule"]), ("deny", "deny:read:.env"), "the tool's verdict")
    equal((by_command["verdict"], by_command["rule"]), ("deny", "deny:read:.env"), "the command's verdict")
    equal(explained("echo x > sub/a", code=3)["rule"], "ask:edit:sub/", "a redirection's rule")
    shown = case.joey("policy", "explain", *rules, "--tool", "write_to_file", '{"path":"app.lock","content":"x"}', expect=1).out
    check("deny   edit       app.lock" in shown and shown.endswith("deny: deny:edit:*.lock\n"), "the explanation for a person", shown)

    case.model(turn(tool("search_files", path=".", regex="TOKEN", file_pattern=None)), turn(tool("list_files", path=".", recursive=True)),
               turn(tool("apply_patch", patch="*** Begin Patch\n*** Update File: app.lock\n@@\n-old\n+new\n*** End Patch")),
               turn(command("cat .env")), turn(command("echo x > sub/made.txt")), done())
    case.joey("run", *case.run_options(), *rules, "Go, and see @/.env", expect=3)
    everything = json.dumps(case.requests()) + json.dumps(case.events())
    check("TOKEN-OF-THE-TEST is elsewhere" in everything, "what may be read is found")
    check("TOKEN-OF-THE-TEST\\n" not in everything.replace("is elsewhere", ""), "the hidden file was shown")
    decisions = [(event.get("allowed", False), event["rule"]) for event in case.of_type("approval")]
    equal(decisions, [(True, "allow:all"), (True, "allow:all"), (False, "deny:edit:*.lock"), (False, "deny:read:.env")], "decisions")
    equal([event["rule"] for event in case.of_type("approval.requested")], ["ask:edit:sub/"], "what a person decides")
    equal((case.workspace / "app.lock").read_text(), "old\n", "the lock file")
    case.resume("--approve", "--arguments", '{"command":"echo y > sub/mine.txt"}', expect=0)
    equal((case.workspace / "sub/mine.txt").read_text(), "y\n", "what the person wanted instead")
    check(not (case.workspace / "sub/made.txt").exists(), "the model's own command ran")
    approval = case.of_type("approval")[-1]
    equal((approval["by"], json.loads(approval["edited"])["command"]), ("person", "echo y > sub/mine.txt"), "the event of the change")
    check("changed the arguments" in case.results()[-2]["text"], "the model is told", case.results()[-2])

    for box in ("landlock", "bubblewrap", "oci"):
        run_tool = ("tool", "--workspace", case.workspace, "--box", box, *rules[2:], "execute_command")
        if case.joey(*run_tool, '{"command":"true"}').code != 0:
            print(f"skipped: {box} is not to be had here")
            continue
        (case.workspace / "app.lock").write_text("old\n")
        # By a way that no rule could see in the line.
        said = case.joey(*run_tool, json.dumps({"command": "n=env; cat .$n; l=lock; echo broken > app.$l"})).out
        check("TOKEN" not in said, f"{box}: the hidden file was read", said)
        if box != "landlock":  # which keeps it only where all is demanded, at a price, and says so
            equal((case.workspace / "app.lock").read_text(), "old\n", f"{box}: the file that may not be changed")


@test
def an_audit_names_every_decision_and_shows_tampering(case):
    case.model(turn(tool("write_to_file", path="a.txt", content="one\n")), turn(command("echo two")), done())
    case.joey("run", *case.run_options(), "--user", "ann", "--auto-approve", "edit,read", "Go.", expect=3)
    early = case.joey("audit", "--db", case.database, expect=0).out.splitlines()
    case.resume("--approve", expect=0)
    case.joey("run", *case.run_options(), "--user", "bob", "--auto-approve", "all", "--deny", "edit", "Again.", expect=0)
    out = case.joey("audit", "--db", case.database, expect=0).out
    lines = [json.loads(line) for line in out.splitlines()]
    equal(out.splitlines()[:len(early) - 1], early[:-1], "an earlier export's lines")
    equal([line["user"] for line in lines if line["kind"] == "task"], ["ann", "bob"], "for whom")
    equal([(line["tool"], line["allowed"], line["by"], line["rule"]) for line in lines if line["kind"] == "decision"],
          [("write_to_file", True, "policy", "allow:edit"), ("execute_command", True, "person", ""), ("write_to_file", False, "policy", "deny:edit"),
           ("execute_command", True, "policy", "allow:all")], "decisions")
    equal([line["arguments"]["command"] for line in lines if line["kind"] == "command"], ["echo two"] * 2, "commands")
    equal([line["files"] for line in lines if "files" in line], [["a.txt"]], "files")
    # As anybody can check it, without joey.
    head = {}
    for text, line in zip(out.splitlines(), lines):
        equal(hashlib.blake2b(text[:text.rindex(',"hash":')].encode(), digest_size=32).hexdigest(), line["hash"], "a line's hash")
        if line["kind"] != "end":
            first = hashlib.blake2b(line["task"].encode(), digest_size=32).hexdigest()
            equal(line["prev"], head.get(line["task"], first), "the line before")
            head[line["task"]] = line["hash"]
    export = case.directory / "audit.jsonl"
    export.write_text(out)
    check("as they were written" in case.joey("audit", "--verify", export, expect=0).out, "a whole export")
    export.write_text(out.replace('"allowed":true,"by":"person"', '"allowed":true,"by":"policy"'))
    check("was changed" in case.joey("audit", "--verify", export, expect=1).out, "a changed line")
    export.write_text("".join(line + "\n" for line in out.splitlines() if "echo two" not in line))
    check("was dropped" in case.joey("audit", "--verify", export, expect=1).out, "a dropped line")
    case.joey("audit", "--db", case.database, "task_none", expect=2)
    case.joey("audit", "--verify", case.directory / "none.jsonl", expect=2)


@test
def commands_in_a_box_reach_the_workspace_and_nothing_else(case):
    (case.workspace / ".rooignore").write_text("secret.txt\n")
    (case.workspace / "secret.txt").write_text("KEPT-FROM-IT\n")
    (case.workspace / "sub").mkdir()  # landlock lets nothing new appear beside what it hides
    outside = case.directory / "outside.txt"
    outside.write_text("OUTSIDE\n")
    tries = ["echo inside > sub/made.txt; cat sub/made.txt", "cat secret.txt", f"cat {outside}", "f=AGENTS.md; echo x >> $f",
             f"echo x > {case.directory}/new.txt", "d=.git/hooks; mkdir -p $d && echo x > $d/pre-commit"]
    for box in ("landlock", "bubblewrap", "oci"):
        probe = case.joey("tool", "--workspace", case.workspace, "--box", box, "execute_command", '{"command":"true"}')
        if probe.code != 0 and "box" in probe.out + probe.err:
            print(f"skipped: {box} is not to be had here: {probe.out.strip()}{probe.err.strip()}")
            continue
        # What a command may have, and read besides.
        tool = ("tool", "--workspace", case.workspace, "--box", box)
        greedy = case.joey(*tool, "--box-memory", "100MB", "execute_command",
                           json.dumps({"command": "python3 -c 'print(len(bytearray(400000000)))'"}))
        check("400000000" not in greedy.out, f"{box}: memory beyond the limit", greedy)
        shown = case.joey(*tool, "--box-readable", case.directory, "execute_command", json.dumps({"command": f"cat {outside}"}), expect=0)
        check("OUTSIDE" in shown.out, f"{box}: what may be read", shown)
        (case.workspace / "sub/made.txt").unlink(missing_ok=True)
        (case.workspace / "AGENTS.md").write_text("Be kind.\n")
        shutil.rmtree(case.workspace / ".git", ignore_errors=True)
        case.model(turn(*[command(each) for each in tries]), done(), turn(command("cat secret.txt")), done())
        case.run("--box", box, expect=0)
        task = case.tasks()[0]["task"]
        equal(case.of_type("task.created", task)[0]["config"]["box"], box, "the box is part of the task")
        results = [event["text"] for event in case.of_type("tool.finished", task) if event["tool"] == "execute_command"]
        check("inside" in results[0], "the workspace can be written", results[0])
        check("KEPT-FROM-IT" not in results[1], f"{box}: what .rooignore forbids was read", results[1])
        check("OUTSIDE" not in results[2], f"{box}: a file outside was read", results[2])
        check(not (case.directory / "new.txt").exists(), f"{box}: a file outside was made")
        equal(outside.read_text(), "OUTSIDE\n", "the file outside")
        if box != "landlock":  # of landlock this is among what it says it does not guarantee
            equal((case.workspace / "AGENTS.md").read_text(), "Be kind.\n", "a protected file")
            check(not (case.workspace / ".git/hooks/pre-commit").exists(), "a hook was written")
        # A task keeps its box.
        case.resume("--auto-approve", "all", "--box", "none", "Again.", task=task, expect=0)
        last = [event["text"] for event in case.of_type("tool.finished", task) if event["tool"] == "execute_command"][-1]
        check("commands of this task run in box" in last and box in last and "KEPT-FROM-IT" not in last, "the box was opened", last)
    one_line(case.joey("run", *case.run_options(), "--box", "cardboard", "x", expect=2).err, "cardboard")
    one_line(case.joey("run", *case.run_options(), "--box", "landlock", "--box-root", "/", "x", expect=2).err, "oci")


class CountingServer:
    """Says hello on loopback, and to how many."""

    def __init__(self):
        outer = self
        outer.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"HELLO-FROM-SERVER")

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@test
def commands_reach_the_hosts_that_are_allowed_and_no_others(case):
    allowed, other = CountingServer(), CountingServer()
    try:
        for box in ("landlock", "bubblewrap", "oci"):
            probe = case.joey("tool", "--workspace", case.workspace, "--box", box, "execute_command", '{"command":"true"}')
            if probe.code != 0 and "box" in probe.out + probe.err:
                print(f"skipped: {box} is not to be had here: {probe.out.strip()}{probe.err.strip()}")
                continue
            case.model(turn(command(f"curl -sS http://localhost:{allowed.port}/plain"),
                            command(f"curl -sS -p http://localhost:{allowed.port}/tunnel"),
                            command(f"curl -sS http://localhost:{other.port}/"),
                            command(f"curl -sS -m 5 --noproxy '*' http://127.0.0.1:{other.port}/; env | grep -i _proxy=")),
                       done(), turn(command(f"curl -sS http://localhost:{allowed.port}/again")), done())
            result = case.run("--box", box, "--allow-host", f"localhost:{allowed.port}", "--deny-host", "*.evil.example", expect=0)
            task = case.tasks()[0]["task"]
            results = [event["text"] for event in case.of_type("tool.finished", task) if event["tool"] == "execute_command"]
            check("HELLO-FROM-SERVER" in results[0], f"{box}: plain HTTP", results[0])
            check("HELLO-FROM-SERVER" in results[1], f"{box}: a tunnel", results[1])
            check(f"joey: localhost:{other.port} is not allowed" in results[2], f"{box}: the refusal is told", results[2])
            check("HELLO" not in results[3] and "HTTPS_PROXY=http://127.0.0.1:" in results[3], f"{box}: past the proxy", results[3])
            equal(other.paths, [], f"{box}: what reached the other server")
            config = case.of_type("task.created", task)[0]["config"]
            equal((config["hosts_allow"], config["hosts_deny"]), ([f"localhost:{allowed.port}"], ["*.evil.example"]), "the task's rules")

            events = case.of_type("egress", task)
            calls = [event["call"] for event in case.of_type("tool.started", task) if event["tool"] == "execute_command"]
            opened = [event for event in events if event.get("stage") == "opened"]
            closed = [event for event in events if event.get("stage") == "closed"]
            refused = [event for event in events if "stage" not in event and event.get("host")]
            equal([event["call"] for event in opened], calls[:2], "the calls whose connections were opened")
            equal([(event["method"], event["host"], event["port"], event["address"]) for event in opened],
                  [("GET", "localhost", allowed.port, "127.0.0.1"), ("CONNECT", "localhost", allowed.port, "127.0.0.1")], "opened")
            equal(len(closed), 2, "closed connections")
            check(all(event["bytes_up"] > 0 and event["bytes_down"] > 0 for event in closed), "the bytes are counted", closed)
            equal([(event["call"], event["port"]) for event in refused], [(calls[2], other.port)], "refused")
            check(f"network: localhost:{other.port} is not allowed" in result.out, "the transcript shows what was refused", result)
            check(f"network: localhost:{allowed.port}" not in result.out, "and not what was allowed", result)
            replayed = case.joey("replay", "--db", case.database, task, expect=0)
            check("mismatch" not in replayed.out, "the journal is replayed", replayed)

            # A task keeps its hosts.
            case.resume("--auto-approve", "all", "Again.", task=task, expect=0)
            last = [event["text"] for event in case.of_type("tool.finished", task) if event["tool"] == "execute_command"][-1]
            check("HELLO-FROM-SERVER" in last, f"{box}: after it went on", last)
    finally:
        allowed.stop()
        other.stop()
    one_line(case.joey("run", *case.run_options(), "--allow-host", "a.b", "x", expect=2).err, "box")
    one_line(case.joey("run", *case.run_options(), "--box", "landlock", "--allow-host", "http://a.b", "x", expect=2).err, "http://a.b")


@test
def wrong_use_ends_with_2_and_one_line(case):
    case.model(done())
    options = case.run_options()
    for arguments, word in [
            ([], "command"), (["fly"], ""), (["run"], "PROMPT"), (["run", "--nonsense", "x"], "nonsense"),
            (["run", *options, "--mode", "poet", "x"], "poet"), (["run", *options, "--output", "xml", "x"], "output"),
            (["run", *options, "--max-turns", "many", "x"], "max-turns"), (["run", *options, "--max-cost", "-1", "x"], "max-cost"),
            (["run", *options, "--auto-approve", "raed", "x"], "raed"), (["run", *options, "--durability", "some", "x"], "durability"),
            (["run", *options, "  "], "message"), (["run", "--provider", "nobody", "--model", "m", "--db", case.database, "x"], "nobody"),
            (["run", *options[:2], "--workspace", case.directory / "none", *options[4:], "x"], "none"),
            (["resume", "--db", case.database, "task_none"], "task_none"), (["events", "--db", case.database, "task_none"], "task_none"),
            (["show", "--db", case.database, "task_none"], "task_none"), (["replay", "--db", case.database, "task_none"], "task_none"),
            (["events", "--db", case.directory / "none.db", "t"], "none.db"),
            (["policy"], "subcommand"), (["policy", "explain", "--deny", "commands", "x"], "--deny"),
            (["policy", "explain", "--ask", "command:", "x"], "command:"), (["policy", "explain", "--deny", "edit:!a", "x"], "edit:!a"),
            (["tools", "--mode", "poet"], "poet"), (["tools", "--tools", "edit"], "+NAME"),
            (["run", *options, "--tools", "+a b", "x"], "+NAME")]:
        result = case.joey(*arguments, expect=2)
        one_line(result.err, word)
        equal(result.out, "", "standard output", result)
    result = case.joey("run", "--db", case.database, "x", expect=2, env={**case.environment(), "ANTHROPIC_API_KEY": "", "OPENAI_API_KEY": ""})
    one_line(result.err, "ANTHROPIC_API_KEY")
    equal(case.requests(), [], "requests to the model")
    for arguments in (["--help"], ["run", "--help"], ["--version"], ["tools"], ["tools", "--json"], ["tasks", "--db", case.database]):
        case.joey(*arguments, expect=0)


@on_both_wires
def a_call_that_needs_approval_waits_for_it(case, wire):
    case.model(turn(tool("write_to_file", path="new.txt", content="hello\n")), done())
    result = case.run(approve="read", wire=wire, expect=3)
    check("--approve" in result.out, "how to go on is not said", result)
    check(not (case.workspace / "new.txt").exists(), "the file was written without approval")
    case.resume(expect=3)
    check(not (case.workspace / "new.txt").exists(), "the file was written without approval")
    case.resume("--answer", "yes", expect=2)
    case.resume("--approve", expect=0)
    equal((case.workspace / "new.txt").read_text(), "hello\n", "the file")
    [approval] = case.of_type("approval")
    equal((approval["allowed"], approval.get("by")), (True, "person"), "the approval")
    case.resume("--approve", expect=2)
    case.resume(expect=0)


@test
def approval_can_come_with_words_for_the_model(case):
    case.model(turn(tool("write_to_file", path="a", content="x")), done(expect="use tabs next time"))
    result = case.run("--output", "jsonl", approve="read", expect=3)
    one_line(result.err, "--approve")
    case.resume("--approve", "use tabs next time", expect=0)
    check(not any("mismatch" in line for line in case.requests()), "the model did not get the words")


@on_both_wires
def a_denied_call_does_nothing_and_the_model_learns_why(case, wire):
    case.model(turn(tool("write_to_file", path="a", content="x"), tool("write_to_file", path="b", content="x")),
               done(expect="not in my house"))
    case.run(approve="read", wire=wire, expect=3)
    case.resume("--deny", "not in my house", expect=0)
    check(not list(case.workspace.iterdir()), "a denied call wrote")
    equal([event["status"] for event in case.results()][:2], ["denied", "skipped"], "results")
    check(not any("mismatch" in line for line in case.requests()), "the model did not get the words")


@test
def a_question_is_answered_by_a_message_or_an_option(case):
    ask = turn(tool("ask_followup_question", question="Which colour?", follow_up=[{"text": "red", "mode": None}]))
    for index, words in enumerate((["a deep blue"], ["--answer", "a deep blue"])):
        prompt = f"Paint it, number {index}."
        case.model_of([conversation(ask, done(expect="a deep blue"), match=prompt)])
        result = case.run(prompt=prompt, approve="read", expect=3)
        check("Which colour?" in result.out, "the question is not shown", result)
        task = next(task["task"] for task in case.tasks() if task["title"] == prompt)
        case.resume("--approve", task=task, expect=2)
        case.resume(*words, task=task, expect=0)
        check(not any("mismatch" in line for line in case.requests()), "the model did not get the answer")


@test
def a_completed_task_goes_on_with_a_message(case):
    case.model(done("First."), turn(command("echo more"), expect="Now the rest"), done("Second."))
    case.run(expect=0)
    result = case.resume("Now the rest", expect=0)
    check("Second." in result.out, "the second result is not shown", result)
    equal(len(case.of_type("task.ended")), 2, "ends")


@on_both_wires
def the_limit_of_turns_ends_with_4_and_resume_goes_on(case, wire):
    case.model(turn(command("echo {turn}"), repeat=5), done())
    case.run("--max-turns", 3, prompt="Count.", wire=wire, expect=4)
    equal(case.ended()["reason"], "limit_turns", "reason")
    equal(len(case.requests()), 3, "requests")
    case.resume(expect=0)
    equal(len(case.requests()), 6, "requests")


@test
def no_request_is_sent_that_could_pass_the_limit_of_cost(case):
    model = ["--model", "claude-sonnet-4-5"]
    case.model(turn(command("echo {turn}"), usage={"input": 100_000, "output": 1_000}, repeat=20), done())
    options = case.run_options()
    options[options.index("--model"):options.index("--model") + 2] = model
    case.joey("run", *options, "--auto-approve", "all", "--max-cost", "0.0001", "One.", expect=4)
    equal(len(case.requests()), 0, "requests with no money")
    case.joey("run", *options, "--auto-approve", "all", "--max-cost", "1", "Two.", expect=4)
    rich, poor = case.tasks()
    equal(poor.get("cost_usd", 0), 0, "cost of the first")
    check(0 < rich["cost_usd"] <= 1, "cost of the second", rich)
    for task in (rich, poor):
        equal(case.ended(task["task"])["reason"], "limit_cost", "reason")
    for event in case.of_type("model.requested", rich["task"]):
        check(0 < event["reserved_usd"] <= 1, "reserved", event)


@test
def a_subtask_runs_in_its_mode_and_reports_to_its_parent(case):
    case.model_of([
        conversation(turn(tool("new_task", mode="ask", message="Find the answer to everything.", todos=None)),
                     done(expect="It is 42"), match="Ask a colleague"),
        conversation(turn(tool("list_files", path=".", recursive=False)), done("It is 42"), match="Find the answer")])
    case.run(prompt="Ask a colleague.", expect=0)
    [started] = case.of_type("subtask.started")
    equal(case.events(started["child"])[-1]["reason"], "completed", "the subtask")
    equal(len(case.tasks()), 1, "tasks of their own")


@test
def a_mode_switch_changes_the_tools_and_declares_the_broken_cache(case):
    case.model(turn(tool("switch_mode", mode_slug="ask", reason="no edits")),
               turn(tool("write_to_file", path="a", content="x")), done())
    case.run(expect=0)
    check(not (case.workspace / "a").exists(), "a tool that the mode lacks wrote a file")
    equal([event["mode"] for event in case.of_type("mode.changed")], ["ask"], "modes")
    equal(len(case.of_type("cache.broken")), 1, "broken caches")
    case.refusals_expected = True  # the scripted model calls a tool that the request does not offer


@test
def a_tool_runs_without_a_model(case):
    (case.workspace / "a.txt").write_text("alpha\n")
    where = ["--workspace", case.workspace]
    result = case.joey("tool", *where, "read_file", '{"path":"a.txt"}', expect=0)
    [value] = result.lines()
    check(value["ok"] and "alpha" in value["text"], "the result", result)
    for name, arguments, error in [("read_file", '{"path":"none"}', None), ("read_file", "{", "invalid_argument"),
                                   ("read_file", "[]", "invalid_argument"), ("fly", "{}", "not_found"), ("switch_mode", "{}", None)]:
        result = case.joey("tool", *where, name, arguments, expect=1)
        [value] = result.lines()
        equal((value["ok"], value.get("error")), (False, error), f"{name} {arguments}", result)
    [value] = case.joey("tool", *where, "--auto-approve", "read", "execute_command",
                        '{"command":"touch x","cwd":null,"timeout":null}', expect=1).lines()
    equal(value.get("error"), "denied", "a tool that would ask")
    check(not (case.workspace / "x").exists(), "it ran all the same")


@test
def each_of_two_hundred_requests_begins_with_the_one_before(case):
    (case.workspace / "a.txt").write_text("alpha\n")
    case.model(turn(tool("read_file", path="a.txt"), command("echo {turn}"), repeat=199), done())
    case.run("--output", "jsonl", "--durability", "process", prompt="Go far.", expect=0)
    log = case.requests()
    equal(len(log), 200, "requests")
    for before, after in zip(log, log[1:]):
        # All but the end of the body, which closes the list of messages.
        check(after["prefix_shared"] >= before["bytes"] - 4096 and after["prefix_shared"] > 0.8 * before["bytes"] - 200,
              "a request does not begin with the one before", before, after)
