#!/usr/bin/env python3
"""Keeps journals of this version for later ones to read: for whoever releases a version, once.

    tests/e2e/freeze_journals.py BIN_DIR VERSION

writes tests/e2e/journals/VERSION/: `joey.db`, and `events.jsonl` with every event as `joey events` shows it. A version that
has been released is never written again: tests_journals.py opens all of them with the program of today.
"""

import pathlib
import signal
import sqlite3
import sys

from harness import Case, command, conversation, done, tool, turn, wait_until


def run_tasks(case):
    """Tasks that between them leave every kind of event that a person's work leaves."""
    (case.workspace / "a.txt").write_text("one\n")
    ask = {"question": "Which?", "follow_up": [{"text": "This.", "mode": None}, {"text": "That.", "mode": "ask"}]}
    case.model(turn(tool("read_file", path="a.txt"), text="I read.", reasoning="Hm."),
               turn(tool("write_to_file", path="a.txt", content="two\n"), command("echo out; echo err >&2; exit 3")),
               turn(tool("update_todo_list", todos="[x] read\n[-] write\n[ ] rest")),
               turn(tool("switch_mode", mode_slug="ask", reason="to look")), turn(tool("no_such_tool")), turn(text="No call."),
               turn(tool("ask_followup_question", **ask)), done("All done."), done("And more."))
    case.run(expect=3)
    case.resume("--answer", "That.", expect=0)
    case.resume("Go on.", expect=0)
    case.model(turn(command("touch never")), done("Then not."))
    case.run(approve="read", expect=3)
    case.resume("--deny", "no", task=case.tasks()[0]["task"], expect=0)
    case.model_of([conversation(turn(tool("new_task", mode="ask", message="Find out.", todos=None)), done("Asked."), match="Ask."),
                   conversation(done("Found."), match="Find out.")])
    case.run(prompt="Ask.", expect=0)
    case.model(turn(command("true"), delay_ms=60_000))
    process = case.start_run()
    wait_until(lambda: case.of_type("model.requested", case.tasks()[0]["task"]), "a request")
    process.send_signal(signal.SIGINT)
    case.finish(process)


def main():
    programs, version = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    target = pathlib.Path(__file__).resolve().parent / "journals" / version
    target.mkdir(parents=True)
    case = Case(programs)
    try:
        run_tasks(case)
        with open(target / "events.jsonl", "w", encoding="utf-8") as file:
            for task in sorted(task["task"] for task in case.tasks()):
                file.writelines(line + "\n" for line in case.event_lines(task))
        database = sqlite3.connect(case.database)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM INTO ?", (str(target / "joey.db"),))
        database.close()
    finally:
        case.close()


if __name__ == "__main__":
    main()
