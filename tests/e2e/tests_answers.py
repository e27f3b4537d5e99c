"""Answers that make no sense: arguments that are no JSON, tools that do not exist, no call at all, the same for ever."""

import json

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


@on_both_wires
def a_result_that_does_not_fit_its_schema_is_given_again(case, wire):
    schema = case.file("schema.json")
    schema.write_text(json.dumps({"type": "object", "properties": {"count": {"type": "integer"}, "names": {"type": "array", "items": {"$ref": "#/$defs/name"}}},
                                  "required": ["count"], "additionalProperties": False, "$defs": {"name": {"type": "string"}}}))
    case.model(turn(tool("attempt_completion", result="There are three.")), turn(tool("attempt_completion", count="3")),
               turn(tool("attempt_completion", count=3, names=["a", "b", "c"])))
    result = case.run("--result-schema", schema, wire=wire, expect=0)
    equal(json.loads(case.ended()["result"]), {"count": 3, "names": ["a", "b", "c"]}, "the result", result)
    check('{"count":3,"names":["a","b","c"]}' in result.out, "what the person sees", result)
    told = [event["text"] for event in case.of_type("tool.finished")]
    check('\\"count\\" is missing' in told[0] and "/count: is a string, and must be an integer" in told[1], "what the model is told", told)
    case.joey("replay", "--db", case.database, case.task(), expect=0)


@test
def a_schema_that_is_none_is_refused(case):
    case.model(done())
    schema = case.file("schema.json")
    for text, message in [("{", "no JSON"), ('{"type":"string"}', "results are objects"), ('{"type":"object","$ref":"http://a/b"}', "leads elsewhere")]:
        schema.write_text(text)
        result = case.run("--result-schema", schema, expect=2)
        check(message in result.err and len(result.err.splitlines()) == 1, text, result)
    result = case.run("--result-schema", case.file("none.json"), expect=2)
    check("cannot be read" in result.err, "a file that is not there", result)
    equal(len(case.requests()), 0, "requests")


@on_both_wires
def a_model_that_calls_no_tools_calls_them_in_words(case, wire):
    def call(name, **arguments):
        return f'<tool_call>\n{json.dumps({"name": name, "arguments": arguments})}\n</tool_call>'

    case.model(turn(text="I look.\n" + call("list_files", path=".")),
               turn(text='<tool_call>\n{"name": "write_to_file", "arguments": {path: a}}\n</tool_call>'),
               turn(text=call("write_to_file", path="a.txt", content="written\n")), turn(text=call("attempt_completion", result="In words.")))
    result = case.run("--tools-as-text", wire=wire, expect=0)
    equal(case.ended()["result"], "In words.", "the result", result)
    equal((case.workspace / "a.txt").read_text(), "written\n", "the file")
    check("<tool_call>" not in result.out and "I look." in result.out, "what the person sees", result)
    finished = case.of_type("tool.finished")
    equal([event.get("status", "ok") for event in finished], ["ok", "error", "ok", "ok"], "results", finished)
    equal(case.of_type("task.created")[0]["config"]["wire"].endswith("+text"), True, "the wire")
    case.joey("replay", "--db", case.database, case.task(), expect=0)
