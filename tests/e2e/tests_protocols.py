"""Every provider's protocol, against a server that somebody else wrote: aimock, an npm package that speaks them all.

It needs a newer Node than Debian 12 has; where there is none its tests are left out, and that is said."""

import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import urllib.parse
import zlib

from harness import check, command, done, equal, test, turn

HERE = pathlib.Path(__file__).resolve().parent / "protocols"
NODE_MIN = (20, 15)
fetching = threading.Lock()

WRITES_AND_ENDS = [
    {"match": {"userMessage": "Write the greeting", "hasToolResult": False},
     "response": {"content": "I write it.", "toolCalls": [
         {"name": "write_to_file", "arguments": {"path": "greeting.txt", "content": "hello\n"}},
         {"name": "list_files", "arguments": {"path": "."}}]}},
    {"match": {"hasToolResult": True},
     "response": {"toolCalls": [{"name": "attempt_completion", "arguments": {"result": "The greeting is written."}}]}}]


def node_is_new_enough():
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        version = "none"
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) >= NODE_MIN:
        return True
    print(f"left out: tests with aimock, which needs Node {'.'.join(map(str, NODE_MIN))}; here is {version}", flush=True)
    return False


def test_with_aimock(function):
    return test(function) if node_is_new_enough() else function


def installed():
    """The program, fetched once per user as the lock file pins it."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "joey" / f"aimock-{digest}"
    with fetching:
        if not cache.exists():
            cache.parent.mkdir(parents=True, exist_ok=True)
            work = pathlib.Path(tempfile.mkdtemp(dir=cache.parent))
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, work)
            fetched = subprocess.run(["npm", "ci", "--ignore-scripts", "--loglevel=error"], cwd=work, capture_output=True, text=True)
            check(fetched.returncode == 0, "npm could not fetch aimock", fetched.stderr)
            work.rename(cache)
    return cache / "node_modules" / ".bin" / "llmock"


class Aimock:
    def __init__(self, case, fixtures):
        script = case.file("aimock.json")
        script.write_text(json.dumps({"fixtures": fixtures}))
        self.process = subprocess.Popen(["node", installed(), "-p", "0", "-f", script], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.url = None
        for line in self.process.stdout:
            if match := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                self.url = match[1]
                break
        check(self.url, "aimock did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def log(self):
        return []

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def providers(case):
    rows = json.loads(case.joey("models", "--json", expect=0).out)["providers"]
    return [row for row in rows if row["wire"] != "vertex-anthropic"]  # which aimock does not speak


def environment(case, rows):
    """As a person would set it: a key where one is needed, and what the addresses leave open."""
    names = [row["key_variable"] for row in rows] + re.findall(r"{(\w+)}", " ".join(row["base_url"] for row in rows))
    return case.environment(**{name: "a-key" for name in names if name})


def run_row(case, row, database, prompt, resume=None):
    # Vertex serves the models of a project, in its place.
    base_url = case.models[-1].url + ("/v1/projects/a-project/locations/a-place" if row["wire"] == "vertex" else "")
    words = ["resume", resume, prompt] if resume else ["run", "--workspace", case.workspace, "--auto-approve", "all", prompt]
    return case.joey(*words, "--db", database, "--provider", row["name"], "--model", "some-model", "--base-url", base_url,
                     env=environment(case, [row]))


@test_with_aimock
def a_task_goes_to_its_end_through_every_provider(case):
    case.models.append(Aimock(case, WRITES_AND_ENDS))
    rows = providers(case)
    check(len(rows) >= 30, "rows", rows)
    for row in rows:
        database = case.file(f"{row['name']}.db")
        result = run_row(case, row, database, "Write the greeting")
        equal(result.code, 0, row["name"], result)
        check("The greeting is written." in result.out, row["name"], result)
        equal((case.workspace / "greeting.txt").read_text(), "hello\n", row["name"])
        (case.workspace / "greeting.txt").unlink()


@test_with_aimock
def a_task_is_handed_from_provider_to_provider(case):
    case.models.append(Aimock(case, WRITES_AND_ENDS))
    by_wire = {row["wire"]: row for row in providers(case)}
    rows = [*by_wire.values(), *reversed(by_wire.values())]
    task = None
    for row in rows:
        result = run_row(case, row, case.database, "Write the greeting", task)
        equal(result.code, 0, row["name"], result)
        task = case.task()
    changes = [(event["model"]["provider"], event["model"]["wire"]) for event in case.of_type("model.changed")]
    # The two in the middle are one.
    equal(len(changes), len(rows) - 2, "changes", changes)
    case.joey("replay", "--db", case.database, task, expect=0)


@test
def a_task_goes_on_with_another_provider_whose_api_is_strict(case):
    case.model(turn(command("echo one"), text="First.", reasoning="Why not."), done("One."), turn(command("echo two"), text="Then."),
               done("Two."), done("Three."))
    case.run(wire="anthropic", expect=0)
    url = case.models[-1].url
    result = case.resume("--provider", "openai-chat", "--model", "scripted-1", "--base-url", url, "Again.", expect=0)
    check("goes on with scripted-1 of openai-chat" in result.out, "nothing is said", result)
    equal(case.ended()["result"], "Two.", "the result")
    result = case.resume("--provider", "anthropic", "--model", "scripted-1", "--base-url", url, "Once more.", expect=0)
    case.joey("replay", "--db", case.database, case.task(), expect=0)


@test_with_aimock
def a_conversation_that_outgrows_its_window_is_summed_up(case):
    case.models.append(Aimock(case, [
        {"match": {"userMessage": "about to outgrow your context window"}, "response": {"content": "We wrote a lot, and never SACRED."}},
        {"match": {"userMessage": "has left your context window"},
         "response": {"toolCalls": [{"name": "attempt_completion", "arguments": {"result": "It went on."}}]}},
        {"match": {"userMessage": "Go on for long"},
         "response": {"content": "word " * 2400, "toolCalls": [{"name": "list_files", "arguments": {"path": "."}}]}}]))
    result = case.joey("run", *case.run_options("openai"), "--auto-approve", "all", "--context-window", "20000", "--condense-at", "50", "Go on for long",
                       expect=0)
    reduced = case.of_type("context.reduced")
    equal([event["method"] for event in reduced], ["summary"], "reductions", result)
    text = reduced[0]["text"]
    check("We wrote a lot, and never SACRED." in text and "Go on for long" in text, "what the window begins with", text)
    check("is summed up" in result.out and "never SACRED" not in result.out, "what the person sees", result)
    equal(case.ended()["result"], "It went on.", "the result")


def aws_frame(event, payload):
    """A frame of an AWS event stream."""
    name, kind = b":event-type", event.encode()
    headers = bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(kind)) + kind
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack(">I", zlib.crc32(message))


def aws_signature(secret, region, request, body):
    """As AWS computes it of a request that it got."""
    stated = dict(re.findall(r"(\w+)=([^, ]+)", request.headers["Authorization"]))
    names = stated["SignedHeaders"].split(";")
    canonical = "\n".join(["POST", urllib.parse.quote(request.path, safe="/-_.~"), "",
                           *(f"{name}:{request.headers[name]}" for name in names), "", ";".join(names), hashlib.sha256(body).hexdigest()])
    moment = request.headers["X-Amz-Date"]
    scope = f"{moment[:8]}/{region}/bedrock/aws4_request"
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return stated["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@test
def requests_to_bedrock_are_signed_and_its_frames_read(case):
    seen = []

    class Bedrock(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["X-Amz-Security-Token"], *aws_signature("a+secret/key", "us-east-1", self, body), json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.amazon.eventstream")
            self.end_headers()
            self.wfile.write(aws_frame("messageStart", {"role": "assistant"})
                             + aws_frame("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", "name": "attempt_completion"}}})
                             + aws_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"result":"Signed."}'}}})
                             + aws_frame("contentBlockStop", {"contentBlockIndex": 0}) + aws_frame("messageStop", {"stopReason": "tool_use"})
                             + aws_frame("metadata", {"usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}}))

    with http.server.HTTPServer(("127.0.0.1", 0), Bedrock) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        case.joey("run", "--workspace", case.workspace, "--db", case.database, "--provider", "bedrock",
                  "--model", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "--base-url", f"http://127.0.0.1:{server.server_port}", "Go.",
                  env=case.environment(AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY="a+secret/key", AWS_SESSION_TOKEN="a:token"),
                  expect=0)
        server.shutdown()
    equal(len(seen), 1, "requests")
    path, token, stated, computed, body = seen[0]
    equal(path, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream", "the path")
    equal((token, stated), ("a:token", computed), "the signature")
    check({"cachePoint": {"type": "default"}} in body["messages"][-1]["content"], "no mark for the cache", body["messages"])
    equal(case.ended()["result"], "Signed.", "the result")
