"""Secrets that files, commands and errors bring: in no database, event, output or request."""

import base64
import json
import os
import random
import string
import urllib.parse

from harness import check, command, done, equal, test, tool, turn

ALNUM = string.ascii_letters + string.digits
URL64 = ALNUM + "-_"
BASE64 = ALNUM + "+/"
HEX = "0123456789abcdef"


def of(characters, size):
    return "".join(random.SystemRandom().choice(characters) for _ in range(size))


# Each gives the text that is planted, and the part of it that nobody may see.
def whole(secret):
    return secret, secret


def labelled(before, secret, after=""):
    return before + secret + after, secret


def private_key():
    lines = [of(BASE64, 64) for _ in range(8)]
    return ("-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END RSA PRIVATE KEY-----", lines[4])


SHAPES = {
    "anthropic": lambda: whole("sk-ant-" + "api03-" + of(URL64, 93) + "AA"),
    "openai": lambda: whole("sk-proj-" + of(URL64, 120) + "x"),
    "openai legacy": lambda: whole("sk-" + of(ALNUM, 48)),
    "google": lambda: whole("AI" + "za" + of(URL64, 34) + "x"),
    "github": lambda: whole("gh" + "p_" + of(ALNUM, 36)),
    "github fine-grained": lambda: whole("github_" + "pat_" + of(ALNUM, 22) + "_" + of(ALNUM, 59)),
    "gitlab": lambda: whole("glpat-" + of(URL64, 19) + "x"),
    "npm": lambda: whole("np" + "m_" + of(ALNUM, 36)),
    "pypi": lambda: whole("pypi-" + "AgEIcHlwaS5vcmc" + of(URL64, 120) + "x"),
    "slack": lambda: whole("xo" + "xb-" + of(string.digits, 12) + "-" + of(string.digits, 12) + "-" + of(ALNUM, 24)),
    "stripe": lambda: whole("sk_" + "live_" + of(ALNUM, 24)),
    "sendgrid": lambda: whole("SG" + "." + of(URL64, 21) + "x." + of(URL64, 42) + "x"),
    "twilio": lambda: whole("S" + "K" + of(HEX, 32)),
    "aws id": lambda: whole("AK" + "IA" + of(string.ascii_uppercase + "234567", 16)),
    "aws secret": lambda: labelled("aws_secret_access_key = ", of(BASE64, 40)),
    "azure": lambda: labelled("AccountName=x;AccountKey=", of(BASE64, 86) + "==", ";"),
    "digitalocean": lambda: whole("dop_" + "v1_" + of(HEX, 64)),
    "vault": lambda: whole("hv" + "s." + of(URL64, 89) + "x"),
    "jwt": lambda: whole("ey" + "J" + of(URL64, 33) + ".ey" + "J" + of(URL64, 60) + "." + of(URL64, 42) + "x"),
    "database": lambda: labelled("postgres://app:", of(ALNUM, 18), "@db.internal/app"),
    "bearer": lambda: labelled("Authorization: Bearer ", of(URL64, 38) + "7x"),
    "private key": private_key,
}


def wrapped(text):
    return "\n".join(text[at:at + 64] for at in range(0, len(text), 64))


DISGUISES = {
    "plain": lambda value: value,
    "base64": lambda value: base64.b64encode(("user:" + value).encode()).decode(),
    "base64 of a group's second byte": lambda value: base64.b64encode(("x" + value).encode()).decode(),
    "base64 in lines": lambda value: wrapped(base64.b64encode((80 * "-" + value + 80 * "-").encode()).decode()),
    "base64 for urls": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "hexadecimal": lambda value: value.encode().hex(),
    "HEXADECIMAL": lambda value: value.encode().hex().upper(),
    "percent": lambda value: urllib.parse.quote(value, safe=""),
    "json": lambda value: json.dumps({"value": value}),
    "shell": lambda value: "'" + value.replace("'", "'\\''") + "'",
}


def all_forms(value):
    """What a value that is known must not be found as."""
    forms = {value, value.encode().hex(), value.encode().hex().upper(), urllib.parse.quote(value, safe="")}
    for before in range(3):
        # Without the digits that are also its neighbours'.
        encoded = base64.b64encode(b"\0" * before + value.encode()).decode().rstrip("=")
        inside = encoded[(8 * before + 5) // 6:(8 * (before + len(value))) // 6]
        forms |= {inside, inside.replace("+", "-").replace("/", "_")}
    return {form.encode() for form in forms}


class Planted:
    """`count` secrets, of every shape and in every disguise in turn; half of them are known, the others have a shape."""

    def __init__(self, count):
        self.known, self.texts, self.forms, self.kinds = {}, [], [], set()
        shapes, disguises = list(SHAPES.items()), list(DISGUISES.items())
        for number in range(count):
            if number % 2 == 0:
                kind, make = shapes[number // 2 % len(shapes)]
                text, secret = make()
                forms = {secret.encode()}
            else:
                kind, hide = disguises[number // 2 % len(disguises)]
                # The values that are known have a size that all together a session can know.
                value = self.known.setdefault(f"SECRET_{number % 40}", of(ALNUM + "'\"/+&<% ", 20) + of(ALNUM, 20))
                text, forms = hide(value), all_forms(value)
            self.kinds.add(kind)
            self.texts.append(text)
            self.forms.append((f"{number} ({kind})", forms))

    def found_in(self, bytes_of_place, place):
        for name, forms in self.forms:
            for form in forms:
                check(form not in bytes_of_place, f"secret {name} is in {place}",
                      bytes_of_place[max(0, bytes_of_place.find(form) - 200):bytes_of_place.find(form) + 100])


def planted_count():
    return int(os.environ.get("JOEY_E2E_SECRETS", "120"))


# Writes what it is given in pieces that cut everything somewhere.
DRIBBLE = """import os, sys, time
text = open(sys.argv[1], 'rb').read()
sizes, at = [1, 2, 3, 5, 7, 11, 64, 4096, 17, 65536], 0
for number in range(10**9):
    piece = text[at:at + sizes[number % len(sizes)]]
    if not piece: break
    os.write(1 if len(sys.argv) < 3 else 2, piece)
    at += len(piece)
    if number < 300: time.sleep(0.001)
"""


@test
def planted_secrets_are_on_no_disk_and_in_no_event_or_request(case):
    planted = Planted(planted_count())
    check(len(planted.kinds) >= 20, "formats", planted.kinds)
    lines = [f"entry {number}: {text}" for number, text in enumerate(planted.texts)]
    per_file = 40
    files = [lines[at:at + per_file] for at in range(0, len(lines), per_file)]
    for number, content in enumerate(files):
        (case.workspace / f"settings{number}.txt").write_text("\n".join(content) + "\n")
    (case.workspace / "all.txt").write_text("\n".join(lines) + "\n")
    (case.workspace / "dribble.py").write_text(DRIBBLE)
    failing = case.workspace / ".roo" / "tools" / "leak"
    failing.mkdir(parents=True)
    (failing / "tool.json").write_text(json.dumps({
        "name": "leak", "description": "Fails with much to say.", "parameters": {"type": "object", "properties": {}},
        "command": ["./run"]}))
    (failing / "run").write_text("#!/bin/sh\ncat all.txt >&2\nhead -c 3000 all.txt\nexit 3\n")
    (failing / "run").chmod(0o755)

    turns = [turn(tool("read_file", path=f"settings{number}.txt")) for number in range(len(files))]
    turns += [turn(tool("search_files", path=".", regex="entry [0-9]*[05]:", file_pattern="settings*.txt")),
              turn(command("python3 dribble.py all.txt")),
              turn(command("python3 dribble.py all.txt err; exit 7")),
              turn(tool("read_command_output", artifact_id="cmd-none.txt")),
              turn(command("for i in 1 2 3; do cat all.txt; done")),
              turn(command("base64 all.txt")),
              turn(command("git init -q . && git add settings0.txt && git diff --cached")),
              turn(command("python3 dribble.py all.txt", timeout=1)),
              turn(command("sleep 2")),
              turn(tool("leak")),
              turn(tool("apply_diff", path="settings0.txt", diff="<<<<<<< SEARCH\nentry 0\n=======\nentry 1\n>>>>>>> REPLACE")),
              turn(tool("write_to_file", path="settings0.txt", content="[secret:anthropic-key:00000000]"))]
    case.model(*turns, done())
    before = (case.workspace / "settings0.txt").read_bytes()
    result = case.joey("run", *case.run_options(), "--auto-approve", "all", "--output", "jsonl", "--no-checkpoints",
                       *[option for name in planted.known for option in ("--secret", name)],
                       f"Read @/settings0.txt and mind {planted.texts[0]} and {planted.texts[1]}",
                       env=case.environment(**planted.known))
    equal(result.code, 0, "exit code", result)
    texts = " ".join(event.get("text", "") for event in case.results())
    check(texts.count("[secret:") > 3 * len(planted.texts), "placeholders", texts.count("[secret:"), texts[:3000])
    equal((case.workspace / "settings0.txt").read_bytes(), before, "the file that was not to be written")

    planted.found_in(result.out.encode(), "the output")
    planted.found_in(result.err.encode(), "standard error")
    bodies = case.models[-1].bodies_file.read_bytes()
    check(bodies.count(b"[secret:") > 3 * len(planted.texts), "placeholders in the requests")
    planted.found_in(bodies, "the model's requests")
    for value in set(value for body in bodies.splitlines() for value in strings_of(json.loads(body))):
        planted.found_in(value.encode(), "a request")
    for path in case.directory.glob("joey.db*"):
        if path.is_file():
            planted.found_in(path.read_bytes(), path.name)
    for line in case.event_lines():
        for value in strings_of(json.loads(line)):
            planted.found_in(value.encode(), "an event")


def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_of(item)


@test
def a_file_keeps_its_secrets_when_a_model_edits_it(case):
    secret = SHAPES["github"]()[1]
    (case.workspace / "app.env").write_text(f"A=1\nTOKEN={secret}\nB=2\n")
    case.model(turn(tool("read_file", path="app.env")),
               turn(tool("apply_diff", path="app.env", diff="<<<<<<< SEARCH\nB=2\n=======\nB=3\n>>>>>>> REPLACE")), done())
    case.run(expect=0)
    equal((case.workspace / "app.env").read_text(), f"A=1\nTOKEN={secret}\nB=3\n", "the file")
    check("[secret:github-token:" in case.results()[0]["text"], "what was read", case.results()[0])
    case.model(done())
    case.run("--show-keys", expect=0, prompt=f"It is {secret}.")
    check(secret.encode() in case.models[-1].bodies_file.read_bytes(), "with --show-keys the model sees it")


@test
def a_secret_that_is_too_short_or_not_set_is_refused(case):
    case.model(done())
    for value, words in (("short", ("fewer than 8 bytes", "pin")), ("", ("PIN", "not set"))):
        result = case.joey("run", *case.run_options(), "--secret", "PIN", "Go.", env=case.environment(PIN=value))
        check(result.code in (1, 2) and all(word.lower() in result.err.lower() for word in words), "the refusal", result)
        check("short" not in result.err, "the value", result)


@test
def an_encrypted_database_tells_nothing_without_its_key(case):
    keys = {name: f"{name} {of(HEX, 64)}\n" for name in ("k1", "k2")}

    def key_file(*names):
        path = case.file("-".join(names) + ".keys")
        path.write_text("".join(keys[name] for name in names))
        return path

    case.audits = False  # which has no key
    case.model(turn(command("for i in $(seq 20000); do echo marmalade $i; done")), done("Marmalade."))
    case.run("--key-file", key_file("k1"), prompt="About marmalade.", expect=0)
    for path in case.directory.glob("joey.db*"):
        if path.is_file():
            check(b"armalade" not in path.read_bytes(), f"plain text in {path.name}")
    tasks = case.joey("tasks", "--db", case.database, "--key-file", key_file("k1"), "--output", "jsonl", expect=0).lines()
    equal([task["title"] for task in tasks], ["About marmalade."], "the list")
    task = tasks[0]["task"]
    case.joey("replay", "--db", case.database, "--key-file", key_file("k1"), task, expect=0)
    case.joey("show", "--db", case.database, "--key-file", key_file("k2", "k1"), task, expect=0)
    refused = case.joey("show", "--db", case.database, "--key-file", key_file("k1"), task)
    check(refused.code != 0 and '"k2"' in refused.err, "the missing key is named", refused)
    wrong = case.file("wrong.keys")
    wrong.write_text(keys["k1"][:-3] + "00\n" + keys["k2"])
    refused = case.joey("tasks", "--db", case.database, "--key-file", wrong)
    check(refused.code != 0 and '"k1"' in refused.err and keys["k1"].split()[1][:8] not in refused.err, "the wrong key is named", refused)
