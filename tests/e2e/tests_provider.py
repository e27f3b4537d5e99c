"""What a provider may do to a client: refuse, fail, cut, lie, never end."""

import json
import pathlib
import threading

from harness import check, command, done, equal, on_both_wires, test, tool, turn, wait_until

# Answers that come a moment later when asked again.
PASSING = [{"status": status} for status in (408, 409, 429, 500, 502, 503, 529)] + [
    {"status": 429, "retry_after": 1}, {"status": 503, "html": True}, {"error_event": True}]
BROKEN = [{fault: offset} for fault in ("cut_after_bytes", "reset_after_bytes") for offset in (0, 1, 130, 400)] + [
    {"garbage_after_bytes": 100}, {"garbage_after_bytes": 0}, {"truncate_json": True}, {"huge_line_bytes": 20_000_000}]


def faulty(fault, **more):
    return turn(command("echo {turn}"), text="A line of text that is long enough to be cut.",
                fault={**fault, "times": 1}, **more)


@on_both_wires
def a_wrong_key_ends_with_one_clear_line(case, wire):
    case.model(done(), options=["--api-key", "the-right-one"])
    result = case.run(wire=wire, expect=1)
    equal(len(case.requests()), 1, "requests", result)
    message = case.ended()["message"]
    check("\n" not in message and ("key" in message or "401" in message), "the message", message)
    check(message.split("\n")[0] in result.out, "the message is not shown", result)


@on_both_wires
def an_unknown_model_ends_with_one_clear_line(case, wire):
    case.model(done(fault={"status": 404, "message": "model: scripted-1 does not exist"}))
    result = case.run(wire=wire, expect=1)
    check("scripted-1" in case.ended()["message"] and "scripted-1" in result.out, "the message", result)
    equal(len(case.requests()), 1, "requests")


@on_both_wires
def what_the_provider_refuses_is_not_asked_again(case, wire):
    for status in (400, 403, 413, 422):
        prompt = f"Do number {status}."
        case.model(done(fault={"status": status, "message": f"no, because {status}"}))
        result = case.run(prompt=prompt, wire=wire, expect=1)
        check(f"because {status}" in result.out, f"{status}: the message is not shown", result)
        equal(len(case.requests()), 1, f"requests after {status}")
    equal({case.ended(task["task"])["reason"] for task in case.tasks()}, {"failed"}, "reasons")


@on_both_wires
def failures_that_pass_are_waited_out(case, wire):
    case.model(*(faulty(fault) for fault in PASSING), done())
    case.run("--output", "jsonl", prompt="Go.", wire=wire, expect=0)
    failed = case.of_type("model.failed")
    equal(len(failed), len(PASSING), "failures", [event.get("message") for event in failed])
    requested = case.of_type("model.requested")
    for event in failed:
        again = next(request for request in requested if request["seq"] > event["seq"])
        equal((again["turn"], again["attempt"]), (event["turn"], event["attempt"] + 1), "the repetition")
        check(event["retry_at"] - event["at"] >= 700, "the wait is too short", event)
        check(again["at"] >= event["retry_at"], "asked again before the wait was over", event, again)


@test
def retry_after_is_honoured_to_the_millisecond(case):
    case.model(turn(command("echo 1"), fault={"status": 429, "retry_after": 2, "times": 1}),
               done(fault={"status": 529, "retry_after_ms": 1500, "times": 1}))
    case.run(expect=0)
    equal([event["retry_at"] - event["at"] for event in case.of_type("model.failed")], [2000, 1500], "waits")


@on_both_wires
def a_provider_that_never_recovers_is_given_up(case, wire):
    case.model(done(fault={"status": 503, "retry_after_ms": 1, "message": "out to lunch"}))
    result = case.run(wire=wire, expect=1)
    check("out to lunch" in case.ended()["message"] and "out to lunch" in result.out, "the message", result)
    equal(len(case.requests()), 9, "requests: one and eight repetitions")


@test
def a_provider_that_asks_for_an_hour_is_not_waited_for(case):
    case.model(done(fault={"status": 429, "retry_after": 3600}))
    case.run(expect=1)
    equal(len(case.requests()), 1, "requests")


@on_both_wires
def broken_streams_are_asked_for_again(case, wire):
    case.model(*(faulty(fault) for fault in BROKEN), done())
    case.run("--output", "jsonl", prompt="Go.", wire=wire, expect=0)
    equal(case.ended()["reason"], "completed", "reason")
    # What is broken is never taken for an answer.
    equal(len(case.of_type("model.finished")), len(BROKEN) + 1, "answers")
    equal([result["status"] for result in case.results()[:-1]], ["ok"] * len(BROKEN), "results")


@on_both_wires
def oddities_that_lose_nothing_are_tolerated(case, wire):
    case.model(turn(command("echo 1"), fault={"wrong_content_type": True}), turn(command("echo 2"), fault={"no_done": True, "times": 1}),
               turn(command("echo 3"), command("echo 4"), fault={"duplicate_ids": True}),
               turn(command("echo 5"), command("echo 6"), fault={"missing_ids": True}),
               turn({**command("echo 7"), "id": None}, {**command("echo 8"), "id": "x"}, {**command("echo 9"), "id": "x"}),
               turn({**command("echo 10"), "id": "with spaces / and 'quotes' " + "y" * 300}), done())
    case.run(wire=wire, expect=0)
    equal([result["status"] for result in case.results()[:10]], ["ok"] * 10, "results")
    for number, result in enumerate(case.results()[:10], 1):
        check(f"\n{number}" in "\n" + result["text"] or str(number) in result["text"], "a result of another call", result)


def sse(*values):
    return b"".join((f"event: {value['type']}\n" if "type" in value else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"
                    for value in values)


def answer_of(wire, kind, pieces):
    """An answer that is one text, or one completion, in pieces."""
    if wire == "anthropic":
        block = {"type": "text", "text": ""} if kind == "text" else {"type": "tool_use", "id": "t1", "name": "attempt_completion", "input": {}}
        yield sse({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
                                                        "stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
                  {"type": "content_block_start", "index": 0, "content_block": block})
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece} if kind == "text" else {"type": "input_json_delta", "partial_json": piece}
            yield sse({"type": "content_block_delta", "index": 0, "delta": delta})
        yield sse({"type": "content_block_stop", "index": 0},
                  {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}, {"type": "message_stop"})
        return
    for index, piece in enumerate(pieces):
        call = {"index": 0, "function": {"arguments": piece}, **({"id": "t1", "type": "function"} if index == 0 else {})}
        if index == 0:
            call["function"]["name"] = "attempt_completion"
        delta = {"content": piece} if kind == "text" else {"tool_calls": [call]}
        yield sse({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield sse({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    yield b"data: [DONE]\n\n"


def for_ever(piece):
    while True:
        yield piece


@on_both_wires
def an_answer_without_end_is_cut_and_grows_no_memory(case, wire):
    case.raw_model(answer_of(wire, "text", for_ever("and on it goes, " * 4096)),
                   answer_of(wire, "call", for_ever("{" * 65536)),
                   for_ever(b"data: " + b"x" * 65536),  # a line without end
                   for_ever(b"data: {}" + b" " * 65536 + b"\n"),  # an event without end
                   answer_of(wire, "call", ['{"result":', '"Done."}']))
    process = case.start_run(prompt="Go.", wire=wire)
    peak, results = [0], []

    def watch():
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak[0] = max([peak[0]] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
        except OSError:
            pass
        return process.poll() is not None

    reader = threading.Thread(target=lambda: results.append(case.finish(process)))
    reader.start()
    wait_until(watch, "the end of the run")
    reader.join()
    equal(results[0].code, 0, "exit code", results[0].err)
    failed = case.of_type("model.failed")
    equal(len(failed), 4, "failures", failed)
    check(0 < peak[0] < 400_000, f"memory grew to {peak[0]} kB")
    check(case.database.stat().st_size < 8_000_000, "the journal grew")


@test
def a_refusal_ends_the_task(case):
    case.model(turn(text="I would rather not.", stop="refusal"))
    case.run(expect=1)
    equal(case.ended()["reason"], "failed", "reason")


@test
def nobody_listens(case):
    model = case.model(done())
    model.stop()
    process = case.start_run()
    task = wait_until(lambda: case.database.exists() and [task["task"] for task in case.tasks()], "a task")[0]
    failed = wait_until(lambda: case.of_type("model.failed", task), "a failure")
    process.send_signal(2)
    equal(case.finish(process).code, 4, "exit code")
    check("connect" in failed[0]["message"].lower(), "the message", failed[0])


@on_both_wires
def another_model_stands_in_for_one_that_keeps_failing(case, wire):
    spare = case.model(turn(command("echo never")), done("The spare was here."))
    case.model(turn(command("echo one"), text="First.", reasoning="Why not."), done(fault={"status": 500, "times": 3}), done("Well again."))
    other = "openai-chat" if wire == "anthropic" else "anthropic"
    result = case.run("--fallback", f"{other}/scripted-2@{spare.url}", "--output", "jsonl", wire=wire, expect=0)
    equal(case.ended()["result"], "The spare was here.", "the result", result)
    equal(len(case.requests()), 4, "requests of the first")
    equal([(event["model"]["model"], event["cause"]) for event in case.of_type("model.changed")], [("scripted-2", "failed")], "changes")
    bill = json.loads(case.joey("bill", "--db", case.database, case.task(), "--output", "jsonl", expect=0).out)
    equal([attempt["outcome"] for attempt in bill["attempts"]], ["answered", "server", "server", "server", "answered"], "the bill")
    equal([attempt["model"] for attempt in bill["attempts"]], ["scripted-1"] * 4 + ["scripted-2"], "models")
    shown = case.joey("bill", "--db", case.database, case.task(), expect=0).out
    check(len(shown.splitlines()) == 5 and f"{other} scripted-2" in shown and "(model)" in shown, "the bill for a reader", shown)
    # Its own model has the next word again.
    result = case.resume("--fallback", f"{other}/scripted-2@{spare.url}", "Go on.", expect=0)
    equal(case.ended()["result"], "Well again.", "the result", result)
    check("goes on with scripted-1" in result.out, "nothing is said", result)
    equal(len(spare.log()), 1, "requests of the spare")
    case.joey("replay", "--db", case.database, case.task(), expect=0)


@on_both_wires
def a_second_key_stands_in_for_one_that_is_refused(case, wire):
    provider = "openai-chat" if wire == "openai" else wire
    case.model(done("With the second."), options=["--api-key", "the-second-key"])
    result = case.joey("run", "--db", case.database, "--workspace", case.workspace, "--provider", provider, "--model", "scripted-1",
                       "--base-url", case.models[-1].url, "--fallback", f"{provider}/scripted-1@{case.models[-1].url}=SECOND_KEY",
                       "--auto-approve", "all", "Do it.", env=case.environment(SECOND_KEY="the-second-key"), expect=0)
    check("goes on with scripted-1" in result.out and "401" in result.out, "what the person sees", result)
    check("the-second-key" not in result.out, "the key was printed", result)
    equal([event["model"]["profile"] for event in case.of_type("model.changed")], ["SECOND_KEY"], "profiles")


@test
def a_model_that_cannot_stand_in_is_refused(case):
    url = case.model(done()).url
    for words, message in [("nobody/some-model", 'there is no provider "nobody"'), ("/some-model", "write PROVIDER"),
                           ("openrouter/a/model", "OPENROUTER_API_KEY is not set"), (f"anthropic/m@{url}=NO_KEY", "NO_KEY is not set"),
                           (f"anthropic/scripted-1@{url}", "the session has model \"scripted-1\" of \"anthropic\" already")]:
        result = case.run("--fallback", words, expect=2)
        check(message in result.err and len(result.err.splitlines()) == 1, words, result)
    equal(len(case.requests()), 0, "requests")
