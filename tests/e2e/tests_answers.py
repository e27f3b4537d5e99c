"""Answers that make no sense: arguments that are no JSON, tools that do not exist, no call at all, the same for ever."""

from harness import check, command, done, equal, on_both_wires, test, tool, turn


def raw(name, text):
    return {"name": name, "arguments_raw": text}


@on_both_wires
def arguments_that_make_no_sense_are_told_to_the_model(case, wire):
    bad = [raw("read_file", "not json"), raw("read_file", '{"path":'), raw("read_file", "[1,2]"), raw("read_file", '"a"'),
           raw("read_file", ""), raw("read_file", "null"), raw("read_file", '{"path":"a"}{"path":"b"}'),
           raw("read_file", '{"path":"\\ud800"}'), raw("read_file", "[" * 5000), tool("read_file"), tool("read_file", path=5),
           tool("read_file", path=["a"]), tool("read_file", path=""), tool("read_file", path="a\u0000b"),
           tool("read_file", path="x" * 10000), tool("execute_command", command=7, cwd=None, timeout=None),
           tool("write_to_file", path="a"), tool("apply_diff", path="a", diff="no blocks"),
           tool("search_files", path=".", regex="(", file_pattern=None), tool("update_todo_list", todos=3),
           tool("ask_followup_question", follow_up=[]), tool("switch_mode", mode_slug="poet", reason=""),
           tool("new_task", mode="poet", message="x", todos=None), tool("attempt_completion"), tool("fly", height=3)]
    (case.workspace / "a").write_text("a\n")
    # One good call among them: so that it is not the same mistake over and over.
    case.model(*(turn(call, command(f"echo {index}")) for index, call in enumerate(bad)), done())
    case.run("--output", "jsonl", prompt="Go.", wire=wire, expect=0)
    results = case.results()
    equal(len(results), 2 * len(bad) + 1, "results")
    for call, result in zip(bad, results[::2]):
        equal(result["status"], "error", f"{call}", result)
    equal({result["status"] for result in results[1:-1:2]}, {"ok"}, "the good calls")


@on_both_wires
def an_answer_without_a_call_is_reminded_of_it(case, wire):
    case.model(turn(text="I think, therefore I talk."), done(expect="attempt_completion"))
    case.run(wire=wire, expect=0)
    check(not any("mismatch" in line for line in case.requests()), "no reminder", case.requests())


@on_both_wires
def a_model_that_only_talks_ends_with_4(case, wire):
    case.model(turn(text="Blah {turn}.", repeat=100))
    case.run(wire=wire, expect=4)
    equal(case.ended()["reason"], "limit_mistakes", "reason")
    check(len(case.requests()) <= 6, "requests", case.requests())


@on_both_wires
def the_same_call_over_and_over_ends_with_4(case, wire):
    (case.workspace / "a").write_text("a\n")
    case.model(turn(tool("read_file", path="a"), repeat=100))
    case.run(wire=wire, expect=4)
    equal(case.ended()["reason"], "limit_repetition", "reason")
    check(len(case.requests()) <= 10, "requests", len(case.requests()))


@test
def nothing_but_mistakes_ends_with_4(case):
    case.model(turn(tool("read_file", path="none-{turn}"), repeat=100))
    case.run(expect=4)
    equal(case.ended()["reason"], "limit_mistakes", "reason")


@test
def a_hundred_calls_in_one_answer_each_have_their_result(case):
    calls = [command(f"echo {index}") for index in range(100)]
    case.model(turn(*calls), done())
    case.run("--output", "jsonl", prompt="Go.", expect=0)
    results = case.results()
    equal(len(results), 101, "results")
    for index, result in enumerate(results[:100]):
        check(str(index) in result["text"], "the order of results", result)


@test
def completion_beside_other_calls_does_not_hide_their_failure(case):
    case.model(turn(tool("read_file", path="none"), tool("attempt_completion", result="All good.")), done("Really."))
    result = case.run(expect=0)
    check("Really." in result.out or "All good." in result.out, "the result", result)
