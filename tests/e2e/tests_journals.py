"""Journals that earlier versions wrote: read, replayed and gone on with (invariant 12)."""

import json
import pathlib
import shutil

from harness import check, command, done, equal, test, turn

JOURNALS = pathlib.Path(__file__).resolve().parent / "journals"


@test
def journals_of_every_earlier_version_are_read_and_replayed(case):
    versions = sorted(path for path in JOURNALS.iterdir() if path.is_dir())
    check(versions, "there are no journals of earlier versions")
    for version in versions:
        shutil.copy(version / "joey.db", case.database)
        lines = (version / "events.jsonl").read_text(encoding="utf-8").splitlines()
        tasks = sorted({json.loads(line)["task"] for line in lines})
        equal(sorted(task["task"] for task in case.tasks()), tasks, f"the tasks of {version.name}")
        for task in tasks:
            equal(case.event_lines(task), [line for line in lines if json.loads(line)["task"] == task], f"{version.name}: events")
            case.joey("replay", "--db", case.database, task, expect=0)
            check(case.joey("show", "--db", case.database, task, expect=0).out, f"{version.name}: an empty transcript")
        # A finished one goes on: that in which a call was denied.
        [task] = [json.loads(line)["task"] for line in lines if json.loads(line)["type"] == "approval.requested"]
        model = case.model(turn(command("touch never")), done("Then not."), done("Years later."))
        case.joey("resume", "--db", case.database, "--workspace", case.workspace, "--base-url", model.url, task,
                  "Still there?", expect=0)
        equal(case.ended(task)["result"], "Years later.", f"{version.name}: the task went on")
