#!/usr/bin/env python3
"""Tests of joey-scripted-model from outside: scripted_model_test.py PROGRAM

Each test starts its own server. Needs the Python standard library only.
"""

import base64
import contextlib
import csv
import http.client
import json
import os
import pathlib
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "joey-scripted-model"
HERE = pathlib.Path(__file__).resolve().parent
WIRES = ("anthropic", "openai")
TOOLS = ["read_file", "list_files", "search_files", "execute_command", "apply_diff", "update_todo_list",
         "attempt_completion"]


# --- the server -------------------------------------------------------------------------------------------------------

class Server:
    def __init__(self, script, *options):
        self.folder = tempfile.TemporaryDirectory()
        path = self.file("script.json")
        path.write_text(script if isinstance(script, str) else json.dumps(script))
        self.process = subprocess.Popen([PROGRAM, "--script", path, "--log", self.file("log"), *options],
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", ready)[1])

    def file(self, name):
        return pathlib.Path(self.folder.name, name)

    def log(self):
        return [json.loads(line) for line in self.file("log").read_text().splitlines()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        code = self.stop()
        self.folder.cleanup()
        assert code == 0, f"the server ended with status {code}"


def script(*turns, **more):
    return {"conversations": [{"turns": list(turns), **more}]}


# --- a small client of both wires -------------------------------------------------------------------------------------

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}


def request_body(wire, messages, stream, system="You are a test.", **more):
    if wire == "anthropic":
        body = {"model": "m", "max_tokens": 1000, "system": system, "stream": stream,
                "tools": [{"name": name, "input_schema": {"type": "object"}} for name in TOOLS]}
    else:
        messages = [{"role": "system", "content": system}, *messages]
        body = {"model": "m", "stream": stream,
                "tools": [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
                          for name in TOOLS]}
        if stream:
            body["stream_options"] = {"include_usage": True}
    return {**body, "messages": messages, **more}


def post(server, wire, body, connection=None, **headers):
    connection = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", PATHS[wire], data, {"content-type": "application/json", **headers})
    return connection.getresponse()


def events_of(text):
    """The payloads of a stream of server-sent events; each event must be well-formed."""
    assert text.endswith("\n\n"), "the stream ends within an event"
    for event in text[:-2].split("\n\n"):
        lines = event.split("\n")
        data = lines[-1].removeprefix("data: ")
        if data == "[DONE]":
            yield {"type": "done"}
            continue
        payload = json.loads(data)
        if len(lines) == 2:
            assert lines[0] == "event: " + payload["type"]
        yield payload


class Answer:
    """What a model said, whichever way it came."""

    def __init__(self):
        self.reasoning = self.text = self.signature = ""
        self.tools = []  # [id, name, arguments text]
        self.stop = self.usage = None
        self.deltas = 0
        self.finished = False

    @staticmethod
    def read(wire, stream, data):
        answer = Answer()
        reader = {("anthropic", True): answer.anthropic_stream, ("anthropic", False): answer.anthropic_message,
                  ("openai", True): answer.openai_stream, ("openai", False): answer.openai_message}[wire, stream]
        reader(data.decode())
        return answer

    def anthropic_message(self, text):
        message = json.loads(text)
        for block in message["content"]:
            if block["type"] == "text":
                self.text += block["text"]
            elif block["type"] == "thinking":
                self.reasoning, self.signature = block["thinking"], block["signature"]
            else:
                self.tools.append([block.get("id"), block["name"], json.dumps(block["input"])])
        self.stop, self.usage, self.finished = message["stop_reason"], message["usage"], True

    def anthropic_stream(self, text):
        open_block = None
        for event in events_of(text):
            kind = event["type"]
            if kind == "content_block_start":
                assert open_block is None
                open_block = event["index"]
                if event["content_block"]["type"] == "tool_use":
                    self.tools.append([event["content_block"].get("id"), event["content_block"]["name"], ""])
            elif kind == "content_block_delta":
                assert event["index"] == open_block
                self.deltas += 1
                delta = event["delta"]
                if delta["type"] == "text_delta":
                    self.text += delta["text"]
                elif delta["type"] == "thinking_delta":
                    self.reasoning += delta["thinking"]
                elif delta["type"] == "signature_delta":
                    self.signature += delta["signature"]
                else:
                    self.tools[-1][2] += delta["partial_json"]
            elif kind == "content_block_stop":
                assert event["index"] == open_block
                open_block = None
            elif kind == "message_delta":
                self.stop, self.usage = event["delta"]["stop_reason"], event["usage"]
            elif kind == "message_stop":
                self.finished = True

    def openai_message(self, text):
        choice = json.loads(text)["choices"][0]
        message = choice["message"]
        self.text, self.reasoning = message["content"] or "", message.get("reasoning_content", "")
        for call in message.get("tool_calls", []):
            self.tools.append([call.get("id"), call["function"]["name"], call["function"]["arguments"]])
        self.stop, self.usage, self.finished = choice["finish_reason"], json.loads(text)["usage"], True

    def openai_stream(self, text):
        for event in events_of(text):
            if event.get("type") == "done":
                self.finished = True
                continue
            self.usage = event.get("usage") or self.usage
            for choice in event["choices"]:
                self.deltas += 1
                delta = choice["delta"]
                self.text += delta.get("content") or ""
                self.reasoning += delta.get("reasoning_content") or ""
                for call in delta.get("tool_calls", []):
                    if "function" in call and "name" in call["function"]:
                        assert call["index"] == len(self.tools)
                        self.tools.append([call.get("id"), call["function"]["name"], ""])
                    self.tools[call["index"]][2] += call["function"]["arguments"]
                self.stop = choice["finish_reason"] or self.stop


def follow_up(wire, messages, answer, results):
    """The conversation after `answer` and the results of its tools."""
    if wire == "anthropic":
        content = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": answer.signature})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        content += [{"type": "tool_use", "id": i, "name": n, "input": json.loads(a)} for i, n, a in answer.tools]
        blocks = [{"type": "tool_result", "tool_use_id": tool[0], "content": result}
                  for tool, result in zip(answer.tools, results)]
        return [*messages, {"role": "assistant", "content": content},
                {"role": "user", "content": blocks or [{"type": "text", "text": "go on"}]}]
    calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in answer.tools]
    said = {"role": "assistant", "content": answer.text, **({"tool_calls": calls} if calls else {})}
    said_back = [{"role": "tool", "tool_call_id": tool[0], "content": result}
                 for tool, result in zip(answer.tools, results)]
    return [*messages, said, *(said_back or [{"role": "user", "content": "go on"}])]


def say(server, wire, messages, stream=True, connection=None, **more):
    response = post(server, wire, request_body(wire, messages, stream, **more), connection)
    data = response.read()
    assert response.status == 200, data
    return Answer.read(wire, stream, data)


USER = [{"role": "user", "content": "Do the task."}]


def rejected(server, wire, body):
    """The message of the 400 that `body` gets."""
    response = post(server, wire, body)
    error = json.loads(response.read())
    assert response.status == 400, error
    assert error["error"]["type"] == "invalid_request_error"
    if wire == "anthropic":
        assert error["type"] == "error" and error["request_id"] == response.getheader("request-id")
    else:
        assert set(error["error"]) == {"message", "type", "param", "code"}
    return error["error"]["message"]


# --- tests ------------------------------------------------------------------------------------------------------------

def test_answers_are_the_same_streamed_and_not_on_both_wires():
    turn = {"reasoning": "Hm, schön.", "text": "Say \"hi\" to\n\u4f60\u597d \U0001f600 and {turn}!",
            "tools": [{"name": "read_file", "arguments": {"path": "a{turn}", "deep": [1, {"x": None}]}},
                      {"name": "list_files", "arguments": {"path": "."}, "id": "given_{turn}"}],
            "usage": {"input": 10, "output": 20, "cache_read": 30, "cache_write": 40}, "chunk_bytes": 3}
    with Server(script(turn)) as server:
        for wire in WIRES:
            for stream in (True, False):
                answer = say(server, wire, USER, stream)
                assert answer.finished
                assert answer.text == "Say \"hi\" to\n\u4f60\u597d \U0001f600 and 1!", answer.text
                assert answer.reasoning == "Hm, schön."
                assert [(n, json.loads(a)) for _, n, a in answer.tools] == [
                    ("read_file", {"path": "a1", "deep": [1, {"x": None}]}), ("list_files", {"path": "."})]
                assert answer.tools[1][0] == "given_1" and len(answer.tools[0][0]) > 20
                if wire == "anthropic":
                    assert answer.stop == "tool_use"
                    assert answer.usage == {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 30,
                                            "cache_creation_input_tokens": 40}
                else:
                    assert answer.stop == "tool_calls"
                    assert (answer.usage["prompt_tokens"], answer.usage["completion_tokens"]) == (80, 20)
                    assert answer.usage["prompt_tokens_details"] == {"cached_tokens": 30}
                assert not stream or answer.deltas > 20


def test_a_conversation_goes_on_turn_by_turn_and_after_a_restart():
    turns = [{"text": "t{turn}", "tools": [{"name": "read_file", "arguments": {"path": "{turn}"}}], "repeat": 5},
             {"text": "done"}]
    for wire in WIRES:
        for mode in ("full", "off"):
            messages = USER
            ids = set()
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(Server(script(*turns), "--validate", mode))
                for number in range(1, 7):
                    if number == 3:
                        server = stack.enter_context(Server(script(*turns), "--validate", mode))
                    answer = say(server, wire, messages)
                    again = say(server, wire, messages)
                    assert answer.text == (f"t{number}" if number < 6 else "done")
                    assert answer.tools == again.tools, "the same request gets the same answer"
                    ids.update(tool[0] for tool in answer.tools)
                    messages = follow_up(wire, messages, answer, ["ok \"role\": \"assistant\""])
                assert len(ids) == 5
                assert "the script ends before turn 7" in say(server, wire, messages).text


def test_the_conversation_is_chosen_by_the_first_message_then_the_system_prompt():
    conversations = {"conversations": [{"match": "sys \"one\"", "turns": [{"text": "by system"}]},
                                       {"turns": [{"text": "otherwise"}]},
                                       {"match": "alpha", "turns": [{"text": "by message"}]}]}
    for mode in ("full", "off"):
        with Server(conversations, "--validate", mode) as server:
            for wire in WIRES:
                for content in ("do alpha", [{"type": "text", "text": "x"}, {"type": "text", "text": "alpha"}]):
                    user = [{"role": "user", "content": content}]
                    assert say(server, wire, user, system="a sys \"one\" b").text == "by message"
                assert say(server, wire, USER, system="a sys \"one\" b").text == "by system"
                assert say(server, wire, USER).text == "otherwise"


def test_off_finds_the_turn_whatever_the_order_and_spacing_of_keys():
    with Server(script({"text": "t{turn}", "repeat": 9}), "--validate", "off") as server:
        history = [{"content": "Q \\\" \"role\":\"assistant\" ü", "role": "user"},
                   {"content": [{"type": "text", "text": "\\"}], "role": "assistant"}, {"role": "user", "content": "x"}]
        for indent in (None, 2):
            for order in (("model", "messages", "stream"), ("stream", "messages", "model")):
                body = {"model": "m", "messages": history, "stream": True}
                data = json.dumps({key: body[key] for key in order}, indent=indent).encode()
                response = post(server, "openai", data)
                assert Answer.read("openai", True, response.read()).text == "t2"


def test_expect_names_what_was_missing_and_counts_it():
    turns = [{"tools": [{"name": "execute_command", "arguments": {}}]}, {"expect": "8 \"passed\"", "text": "good"}]
    for mode in ("full", "off"):
        with Server(script(*turns), "--validate", mode) as server:
            for wire in WIRES:
                first = say(server, wire, USER)
                assert say(server, wire, follow_up(wire, USER, first, ["x 8 \"passed\" y"])).text == "good"
                wrong = say(server, wire, follow_up(wire, USER, first, ["7 passed"]))
                assert "expected \"8 \"passed\"\"" in wrong.text, wrong.text
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", "/healthz")
            assert json.loads(connection.getresponse().read())["mismatches"] == 2
            assert [entry.get("mismatch", False) for entry in server.log()] == [False, False, True] * 2


def test_stop_reasons():
    for stop, anthropic, openai in (("end_turn", "end_turn", "stop"), ("max_tokens", "max_tokens", "length"),
                                    ("refusal", "refusal", "content_filter")):
        with Server(script({"text": "x", "stop": stop})) as server:
            for stream in (True, False):
                assert say(server, "anthropic", USER, stream).stop == anthropic
                assert say(server, "openai", USER, stream).stop == openai


def test_scripted_tool_calls_may_be_wrong():
    turn = {"tools": [{"name": "read_file", "arguments_raw": "{\"path\": "},
                      {"name": "read_file", "arguments": {}, "id": None}]}
    with Server(script(turn)) as server:
        for wire in WIRES:
            tools = say(server, wire, USER).tools
            assert tools[0][2] == "{\"path\": " and tools[1][0] is None
        assert json.loads(say(server, "anthropic", USER, False).tools[0][2]) == "{\"path\": "


def test_usage_is_left_out_of_openai_streams_unless_asked_for():
    with Server(script({"text": "x"})) as server:
        body = request_body("openai", USER, True)
        del body["stream_options"]
        text = post(server, "openai", body).read().decode()
        assert "usage" not in text and text.endswith("data: [DONE]\n\n")


def test_status_faults_end_after_their_times():
    faults = [{"status": 529, "times": 2, "retry_after": 3}, {"status": 429, "times": 1, "retry_after_ms": 250},
              {"status": 400, "times": 1, "message": "prompt is too long", "code": "context_length_exceeded"},
              {"status": 502, "times": 1, "html": True}]
    with Server(script({"text": "ok", "fault": faults})) as server:
        for wire in WIRES:
            body = request_body(wire, [{"role": "user", "content": wire}], True)
            statuses = []
            for attempt in range(6):
                response = post(server, wire, body)
                statuses.append(response.status)
                data = response.read()
                if response.status == 529:
                    assert response.getheader("retry-after") == "3"
                    assert json.loads(data)["error"]["type"] == {"anthropic": "overloaded_error",
                                                                 "openai": "server_error"}[wire]
                elif response.status == 429:
                    assert response.getheader("retry-after-ms") == "250"
                    assert json.loads(data)["error"]["type"] == {"anthropic": "rate_limit_error",
                                                                 "openai": "requests"}[wire]
                elif response.status == 400:
                    assert json.loads(data)["error"]["message"] == "prompt is too long"
                elif response.status == 502:
                    assert response.getheader("content-type") == "text/html" and data.startswith(b"<html>")
            assert statuses == [529, 529, 429, 400, 502, 200]
            assert [entry["attempt"] for entry in server.log()[-6:]] == [1, 2, 3, 4, 5, 6]


LONG = {"text": "a long answer " * 50}


def raw_answer(server, wire, stream=True):
    """Everything the server sends before it ends the connection, head included, and how it ended."""
    body = json.dumps(request_body(wire, USER, stream)).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {PATHS[wire]} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        try:
            while received := connection.recv(1 << 20):
                data += received
        except ConnectionResetError:
            return data, "reset"
    return data, "closed"


def unchunk(data):
    payload = b""
    rest = data.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        payload += rest[:int(size, 16)]
        rest = rest[int(size, 16) + 2:]
    return payload


def test_streams_are_cut_and_reset_where_the_script_says():
    for wire in WIRES:
        for fault, ending in (({"cut_after_bytes": 500}, "closed"), ({"reset_after_bytes": 500}, "reset")):
            with Server(script({**LONG, "fault": fault})) as server:
                data, ended = raw_answer(server, wire)
                assert ended == ending and not data.endswith(b"0\r\n\r\n")
                assert len(unchunk(data)) == 500 or ended == "reset"
                data, ended = raw_answer(server, wire, stream=False)
                assert ended == ending
                assert len(data.partition(b"\r\n\r\n")[2]) == 500 or ended == "reset"


def test_a_stalled_stream_stays_open_and_its_end_is_noticed():
    for wire in WIRES:
        with Server(script({**LONG, "fault": {"stall_after_bytes": 300}})) as server:
            body = json.dumps(request_body(wire, USER, True)).encode()
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=0.3)
            connection.sendall(f"POST {PATHS[wire]} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            data = b""
            try:
                while received := connection.recv(1 << 20):
                    data += received
                raise AssertionError("the connection was closed")
            except TimeoutError:
                assert len(unchunk(data)) == 300
            descriptors = f"/proc/{server.process.pid}/fd"
            before = len(os.listdir(descriptors))
            connection.close()
            time.sleep(0.1)
            assert len(os.listdir(descriptors)) == before - 1


def test_an_error_event_comes_in_mid_stream():
    with Server(script({**LONG, "fault": {"error_event": True, "times": 1}})) as server:
        data = unchunk(raw_answer(server, "anthropic")[0]).decode()
        assert data.endswith('event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
                             '"message":"Overloaded"}}\n\n') and "text_delta" in data
    with Server(script({**LONG, "fault": {"error_event": True, "message": "boo", "type": "t", "code": "c"}})) as server:
        last = list(events_of(unchunk(raw_answer(server, "openai")[0]).decode()))[-1]
        assert last == {"error": {"message": "boo", "type": "t", "param": None, "code": "c"}}
        assert "error" in json.loads(post(server, "openai", request_body("openai", USER, False)).read())


def test_other_faults_of_the_stream():
    for wire in WIRES:
        with Server(script({**LONG, "fault": {"no_done": True}})) as server:
            answer = Answer.read(wire, True, unchunk(raw_answer(server, wire)[0]))
            assert answer.text == LONG["text"] and answer.stop and not answer.finished
        with Server(script({**LONG, "fault": {"garbage_after_bytes": 700}})) as server:
            data = unchunk(raw_answer_keep_alive(server, wire))
            assert data[700:702] == b"\xff\xfe" and data.rstrip().endswith((b"[DONE]", b"}"))
        with Server(script({**LONG, "fault": {"truncate_json": True}})) as server:
            bad = 0
            for event in unchunk(raw_answer_keep_alive(server, wire)).decode().strip().split("\n\n"):
                data = event.split("data: ")[1]
                try:
                    json.loads(data if data != "[DONE]" else "{}")
                except ValueError:
                    bad += 1
            assert bad == 1
        with Server(script({"fault": {"huge_line_bytes": 3_000_000}})) as server:
            answer = say(server, wire, USER)
            assert answer.text == "x" * 3_000_000 + "..." and answer.finished
        with Server(script({**LONG, "fault": {"wrong_content_type": True}})) as server:
            response = post(server, wire, request_body(wire, USER, True))
            assert response.getheader("content-type").startswith("text/html") and response.read()


def raw_answer_keep_alive(server, wire):
    body = json.dumps(request_body(wire, USER, True)).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {PATHS[wire]} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += connection.recv(1 << 20)
    return data


def test_an_endless_stream_does_not_end_and_does_not_disturb_others():
    turns = {"conversations": [{"match": "endless", "turns": [{"text": "x", "fault": {"endless": True}}]},
                               {"turns": [{"text": "fine"}]}]}
    with Server(turns) as server:
        body = request_body("anthropic", [{"role": "user", "content": "endless"}], True)
        response = post(server, "anthropic", body)
        read = 0
        while read < 2_000_000:
            read += len(response.read(100_000))
        assert say(server, "openai", USER).text == "fine"
        response.close()


def test_ids_may_be_duplicate_or_missing():
    tools = [{"name": "read_file", "arguments": {}}] * 3
    for wire in WIRES:
        with Server(script({"tools": tools, "fault": [{"duplicate_ids": True, "times": 1},
                                                      {"missing_ids": True, "times": 1}]})) as server:
            assert len({tool[0] for tool in say(server, wire, USER).tools}) == 1
            assert [tool[0] for tool in say(server, wire, USER).tools] == [None] * 3
            assert len({tool[0] for tool in say(server, wire, USER).tools}) == 3


def test_delays_are_kept():
    with Server(script({"text": "x" * 160, "delay_ms": 150, "chunk_delay_ms": 10})) as server:
        begin = time.monotonic()
        response = post(server, "openai", request_body("openai", USER, True))
        first = time.monotonic() - begin
        response.read()
        assert 0.15 <= first and first + 0.1 <= time.monotonic() - begin < 3


def test_anthropic_requests_are_validated():
    turns = [{"reasoning": "why", "text": "a", "tools": [{"name": "read_file", "arguments": {}}] * 2}, {"text": "b"}]
    with Server(script(*turns)) as server:
        answer = say(server, "anthropic", USER)
        good = follow_up("anthropic", USER, answer, ["1", "2"])
        assert say(server, "anthropic", good).text == "b"

        def changed(change, **more):
            messages = json.loads(json.dumps(good))
            change(messages)
            return rejected(server, "anthropic", request_body("anthropic", messages, True, **more))

        results = lambda messages: messages[2]["content"]
        uses = lambda messages: messages[1]["content"]
        assert "without `tool_result`" in changed(lambda m: results(m).pop())
        assert "without `tool_result`" in changed(lambda m: results(m).insert(0, {"type": "text", "text": "x"}))
        assert "unexpected `tool_use_id`" in changed(lambda m: results(m)[0].update(tool_use_id="toolu_other"))
        assert "single result" in changed(lambda m: results(m).append(results(m)[0]))
        assert "must be unique" in changed(lambda m: uses(m)[3].update(id=uses(m)[2]["id"]))
        assert "valid dictionary" in changed(lambda m: uses(m)[2].update(input="{"))
        assert "pattern" in changed(lambda m: uses(m)[2].update(id="a b"))
        assert "is not in `tools`" in changed(lambda m: uses(m)[2].update(name="invented"))
        assert "Invalid `signature`" in changed(lambda m: uses(m)[0].update(thinking="other"))
        assert "must be non-empty" in changed(lambda m: uses(m)[1].update(text=""))
        assert "non-whitespace" in changed(lambda m: uses(m)[1].update(text=" \n"))
        assert "roles must alternate" in changed(lambda m: m.append({"role": "user", "content": "x"}))
        assert "prefill" in changed(lambda m: m.append({"role": "assistant", "content": "x"}))
        assert "first message" in changed(lambda m: m.pop(0))
        assert "'user' or 'assistant'" in changed(lambda m: m[0].update(role="system"))
        assert "non-empty content" in changed(lambda m: m[0].update(content=[]))
        assert "max_tokens: Field required" in changed(lambda m: None, max_tokens=None)
        assert "greater than" in changed(lambda m: None, thinking={"type": "enabled", "budget_tokens": 2000})
        assert "unique" in changed(lambda m: None, tools=[{"name": "a", "input_schema": {"type": "object"}}] * 2)
        mark = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
        assert "maximum of 4 blocks" in changed(lambda m: results(m).extend([mark] * 3), system=[mark] * 2)
        assert "must define tools" in changed(lambda m: None, tools=None)
        assert "not valid JSON" in rejected(server, "anthropic", b'{"model":"m","max_tokens":1,"messages":[}')
        assert "at least one message" in rejected(server, "anthropic", request_body("anthropic", [], True))
        assert [entry["status"] for entry in server.log()][2:] == [400] * 23


def test_openai_requests_are_validated():
    turns = [{"text": "a", "tools": [{"name": "read_file", "arguments": {}}] * 2}, {"text": "b"}]
    with Server(script(*turns)) as server:
        answer = say(server, "openai", USER)
        good = follow_up("openai", USER, answer, ["1", "2"])
        assert say(server, "openai", good).text == "b"

        def changed(change, **more):
            messages = json.loads(json.dumps(good))
            change(messages)
            return rejected(server, "openai", request_body("openai", messages, True, **more))

        call = lambda messages, index: messages[1]["tool_calls"][index]
        assert "did not have response messages" in changed(lambda m: m.pop())
        assert "did not have response messages" in changed(lambda m: m.insert(3, {"role": "user", "content": "x"}))
        assert "must be a response to a preceeding" in changed(lambda m: m[2].update(tool_call_id="call_other"))
        assert "must be a response to a preceeding" in changed(lambda m: m.pop(1))
        assert "Duplicate value" in changed(lambda m: m.append(m[2]))
        assert "Duplicate value" in changed(lambda m: call(m, 1).update(id=call(m, 0)["id"]))
        assert "not a JSON object" in changed(lambda m: call(m, 0)["function"].update(arguments="{\"pa"))
        assert "is not in 'tools'" in changed(lambda m: call(m, 0)["function"].update(name="invented"))
        assert "empty array" in changed(lambda m: m[1].update(tool_calls=[]))
        assert "expected a string" in changed(lambda m: m[0].update(content=None))
        assert "Supported values" in changed(lambda m: m[0].update(role="robot"))
        assert "only allowed when 'tools'" in changed(lambda m: None, tools=None, parallel_tool_calls=True)
        unstreamed = {**request_body("openai", good, False), "stream_options": {"include_usage": True}}
        assert "'stream_options'" in rejected(server, "openai", unstreamed)
        assert "empty array" in changed(lambda m: None, tools=[])
        assert "could not parse" in rejected(server, "openai", b"{")
        assert "empty array" in rejected(server, "openai", {"model": "m", "messages": []})


def test_a_key_is_asked_for_when_there_is_one():
    with Server(script({"text": "x"}), "--api-key", "secret") as server:
        for wire, kind in (("anthropic", "authentication_error"), ("openai", "invalid_request_error")):
            body = request_body(wire, USER, True)
            for headers in ({}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}):
                response = post(server, wire, body, **headers)
                assert response.status == 401 and json.loads(response.read())["error"]["type"] == kind
            for headers in ({"x-api-key": "secret"}, {"authorization": "Bearer secret"}):
                assert post(server, wire, body, **headers).status == 200


def test_the_other_paths():
    with Server({**script({"text": "x"}), "model": "m-7"}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for headers, kind in (({}, "object"), ({"anthropic-version": "2023-06-01"}, "has_more")):
            connection.request("GET", "/v1/models?limit=9", headers=headers)
            models = json.loads(connection.getresponse().read())
            assert kind in models and models["data"][0]["id"] == "m-7"
        connection.request("GET", "/v1/nothing")
        assert connection.getresponse().status == 404


def image_request(server, path, body, content_type="application/json", **headers):
    """The status and the JSON of an answer, with its picture decoded where it has one."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {"content-type": content_type, **headers})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return response.status, base64.b64decode(answer["data"][0]["b64_json"], validate=True) if "data" in answer else answer


def pixels_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, []
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        data = png[at + 8:at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + data)
        chunks.append((kind, data))
        at += 12 + size
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (16, 16, 8, 2, 0, 0, 0)
    rows = zlib.decompress(chunks[1][1])
    assert len(rows) == 16 * (1 + 16 * 3)
    return rows


def form(*parts, boundary="b"):
    """A multipart/form-data body of (name, bytes) and, for files, (name, bytes, media type)."""
    body = b""
    for name, data, *media_type in parts:
        file = f'; filename="f"\r\nContent-Type: {media_type[0]}' if media_type else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def test_images_follow_from_the_request_and_are_whole():
    with Server(script({"text": "x"}), "--api-key", "k") as server:
        key = {"authorization": "Bearer k"}
        pictures = []
        for path in ("/v1/images", "/v1/images/generations"):
            for prompt in ("fox", "fox", "owl"):
                status, png = image_request(server, path, {"model": "m", "prompt": prompt}, **key)
                assert status == 200
                pictures.append(pixels_of(png))
        fox, _, owl = pictures[:3]
        assert pictures == [fox, fox, owl, fox, fox, owl] and fox != owl
        status, png = image_request(server, "/v1/images/edits", *form(
            ("model", b"m"), ("prompt", b"fox"), ("image", b"\x89PNG\r\n--x\0", "image/png")), **key)
        assert status == 200 and pixels_of(png) not in (fox, owl)
        reference = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
        status, png = image_request(server, "/images", {"model": "m", "prompt": "fox", "input_references": [reference]}, **key)
        assert status == 200 and pixels_of(png) not in (fox, owl)
        assert image_request(server, "/v1/images", {"model": "m", "prompt": "fox"})[0] == 401
        assert [entry["status"] for entry in server.log()] == [200] * 8 + [401]
        assert {entry["wire"] for entry in server.log()} == {"images"}


def test_image_requests_are_validated():
    with Server(script({"text": "x"})) as server:
        for path in ("/v1/images", "/v1/images/generations"):
            for body in (b"", b"{", b"[]", b"{}", {"model": "m"}, {"prompt": "p"}, {"model": 1, "prompt": "p"}):
                status, answer = image_request(server, path, body)
                assert status == 400 and answer["error"]["message"], body
        for url in ("http://127.0.0.1/x.png", "data:text/plain;base64,eA==", ""):
            reference = {"type": "image_url", "image_url": {"url": url}}
            assert image_request(server, "/v1/images", {"model": "m", "prompt": "p", "input_references": [reference]})[0] == 400
        image = ("image", b"x", "image/png")
        for parts in ((), (("model", b"m"), ("prompt", b"p")), (("model", b"m"), image), (("prompt", b"p"), image),
                      (("model", b"m"), ("prompt", b"p"), ("image", b"x")),
                      (("model", b"m"), ("prompt", b"p"), ("image", b"", "image/png")),
                      (("model", b"m"), ("prompt", b"p"), ("image", b"x", "text/plain"))):
            assert image_request(server, "/v1/images/edits", *form(*parts))[0] == 400, parts
        assert image_request(server, "/v1/images/edits", {"model": "m", "prompt": "p"})[0] == 400
        body, content_type = form(("model", b"m"), ("prompt", b"p"), image)
        for cut in range(len(body)):
            image_request(server, "/v1/images/edits", body[:cut], content_type)
        assert image_request(server, "/v1/images/edits", body, content_type)[0] == 200


def test_connections_are_kept_alive_and_pipelined():
    with Server(script({"text": "x{turn}"})) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(50):
            assert say(server, "anthropic", USER, connection=connection).text == "x1"
        body = json.dumps(request_body("openai", USER, False)).encode()
        one = f"POST /chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        last = one.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(one * 20 + last)
            assert raw.makefile("rb").read().count(b"HTTP/1.1 200") == 21


def test_request_bodies_may_be_chunked_at_any_place():
    with Server(script({"text": "x"})) as server:
        body = json.dumps(request_body("openai", USER, False)).encode()
        for size in (1, 7, 100_000):
            chunks = b"".join(f"{len(body[i:i + size]):X};a=b\r\n".encode() + body[i:i + size] + b"\r\n"
                              for i in range(0, len(body), size)) + b"0\r\ntrailer: t\r\n\r\n"
            data = b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                step = 997 if size == 1 else len(data)
                for i in range(0, len(data), step):
                    raw.sendall(data[i:i + step])
                answer = raw.recv(1 << 16)
                assert answer.startswith(b"HTTP/1.1 200") and b'"content":"x"' in answer, answer


def test_large_bodies_wait_for_100_continue():
    with Server(script({"text": "x"})) as server:
        body = json.dumps(request_body("anthropic", [{"role": "user", "content": "y" * 5_000_000}], False)).encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(f"POST /v1/messages HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
                        .encode())
            assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            raw.sendall(body)
            assert raw.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert server.log()[0]["bytes"] == len(body)


def test_what_is_not_http_is_refused():
    with Server(script({"text": "x"})) as server:
        for data, status in ((b"GET / HTTP/1.0\r\n\r\n", b"505"), (b"hello\r\n\r\n", b"505"),
                             (b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
                             (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", b"413"),
                             (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", b"501"),
                             (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
                             (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000, b"431")):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
                with contextlib.suppress(ConnectionError):
                    raw.sendall(data)
                with contextlib.suppress(ConnectionResetError):
                    assert raw.recv(1 << 16)[9:12] == status, data[:60]
        assert say(server, "openai", USER).text == "x"


def test_a_thousand_connections_at_once():
    with Server(script({"text": "hello", "delay_ms": 100})) as server:
        body = json.dumps(request_body("anthropic", USER, True)).encode()
        request = f"POST /v1/messages HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        selector = selectors.DefaultSelector()
        received = {}
        for _ in range(1000):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            connection.sendall(request)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
            received[connection] = b""
        deadline = time.monotonic() + 30
        waiting = set(received)
        while waiting and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                received[key.fileobj] += key.fileobj.recv(1 << 16)
                if received[key.fileobj].endswith(b"\r\n0\r\n\r\n"):
                    waiting.discard(key.fileobj)
        for connection, data in received.items():
            connection.close()
            assert Answer.read("anthropic", True, unchunk(data)).text == "hello"


def test_log_and_timing_tell_about_each_request():
    folder = tempfile.TemporaryDirectory()
    timing = pathlib.Path(folder.name, "timing.csv")
    with Server(script({"text": "x", "repeat": 3}), "--turn-timing", str(timing)) as server:
        messages = USER
        for _ in range(3):
            answer = say(server, "anthropic", messages)
            messages = follow_up("anthropic", messages, answer, [])
        log = server.log()
        assert [(entry["n"], entry["turn"], entry["attempt"], entry["status"]) for entry in log] == [
            (1, 1, 1, 200), (2, 2, 1, 200), (3, 3, 1, 200)]
        assert "prefix_shared" not in log[0]
        assert log[1]["prefix_shared"] == log[0]["bytes"] - len("]}")
        body = json.dumps(request_body("anthropic", USER, True)).encode()
        hashed = 0xcbf29ce484222325
        for byte in body:
            hashed = (hashed ^ byte) * 0x100000001b3 % 2**64
        assert log[0]["fnv64"] == f"{hashed:016x}"
        server.process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        assert len(timing.read_text().splitlines()) == 4
    with timing.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["turn"] for row in rows] == ["1", "2", "3"] and rows[0]["client_ns"] == "-1"
    for before, row in zip(rows, rows[1:]):
        assert int(row["client_ns"]) == int(row["request_first_byte_ns"]) - int(before["answer_last_byte_ns"]) > 0
        assert int(row["request_first_byte_ns"]) <= int(row["request_last_byte_ns"]) < int(row["answer_last_byte_ns"])
    folder.cleanup()


def test_bad_scripts_are_refused_in_one_line():
    turn = {"text": "x"}
    cases = [("{", "line 1, column 2: not valid JSON"), ('{\n "model": nope}', "line 2, column 11: not valid JSON"),
             ({}, "at least one entry in \"conversations\""),
             (script(), "conversations[0]: a conversation needs"),
             (script({"txt": "x"}), "conversations[0].turns[0].txt: unknown key"),
             (script(turn, {"tools": [{"name": 1}]}), "conversations[0].turns[1].tools[0].name: expected a string"),
             (script({"tools": [{"name": "x"}]}), "tools[0]: a tool call needs \"arguments\""),
             (script({"fault": {"status": 200}}), "fault.status: expected an integer from 400 to 599"),
             (script({"fault": [{"nope": 1}]}), "fault[0].nope: unknown key"),
             (script({"stop": "never"}), "turns[0].stop: expected \"end_turn\"")]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "bad.json")
        for content, expected in cases:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            result = subprocess.run([PROGRAM, "--script", path], capture_output=True, text=True, timeout=20)
            assert result.returncode == 2, result
            assert str(path) in result.stderr and expected in result.stderr, result.stderr
            assert result.stderr.count("\n") == 1
        missing = subprocess.run([PROGRAM, "--script", folder + "/none"], capture_output=True, text=True, timeout=20)
        assert missing.returncode == 2 and "none: cannot be read" in missing.stderr
    for arguments in ([], ["--port", "99999"], ["--nope", "1"], ["--script"]):
        assert subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=20).returncode == 2
    assert b"--turn-timing" in subprocess.run([PROGRAM, "--help"], capture_output=True, timeout=20).stdout


def test_the_demo_script_repairs_the_demo_repository():
    demo = (HERE / "demo.json").read_text()
    for wire in WIRES:
        with Server(demo) as server, tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cp", "-r", str(HERE.parent / "demo-repo") + "/.", folder], check=True)
            messages = USER
            names = []
            for _ in range(7):
                answer = say(server, wire, messages)
                results = [run_tool(folder, name, json.loads(arguments)) for _, name, arguments in answer.tools]
                names.append([name for _, name, _ in answer.tools])
                messages = follow_up(wire, messages, answer, results)
            assert names == [["update_todo_list", "list_files"], ["read_file", "read_file"], ["search_files"],
                             ["execute_command"], ["apply_diff"], ["execute_command"],
                             ["update_todo_list", "attempt_completion"]]
            assert not any(entry.get("mismatch") for entry in server.log())


def run_tool(folder, name, arguments):
    path = pathlib.Path(folder, arguments.get("path", "."))
    if name == "read_file":
        return path.read_text()
    if name == "execute_command":
        done = subprocess.run(arguments["command"], shell=True, cwd=folder, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr
    if name == "search_files":
        texts = [file.read_text() for file in sorted(path.glob(arguments["file_pattern"]))]
        found = [line for text in texts for line in text.splitlines() if re.search(arguments["regex"], line)]
        assert found
        return "\n".join(found)
    if name == "apply_diff":
        block = r"<<<<<<< SEARCH\n:start_line:(\d+)\n-------\n(.*)\n=======\n(.*)\n>>>>>>> REPLACE"
        line, old, new = re.fullmatch(block, arguments["diff"], re.DOTALL).groups()
        lines = path.read_text().split("\n")
        assert lines[int(line) - 1] == old
        lines[int(line) - 1] = new
        path.write_text("\n".join(lines))
    return "ok"


def main():
    wanted = sys.argv[2:]
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (wanted and not any(word in name for word in wanted)):
            continue
        try:
            test()
            passed += 1
        except Exception as error:  # a test's failure must not hide the others
            failed += 1
            traceback.print_exc()
            print(f"FAILED {name[5:].replace('_', ' ')}: {error!r}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
