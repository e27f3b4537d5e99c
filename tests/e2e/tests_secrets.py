"""Secrets that files, commands and errors bring: in no database, event, output or request."""

import base64
import http.server
import json
import os
import pathlib
import random
import re
import ssl
import string
import subprocess
import threading
import urllib.parse

from harness import check, command, done, equal, one_line, test, tool, turn

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


class EchoServer:
    """Answers what it got: in a header, and the whole request in the body. Over TLS, with a certificate."""

    def __init__(self, certificate=None):
        outer = self
        outer.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                text = f"{self.path}\n{self.headers}{body.decode()}"
                outer.received.append(text)
                self.send_response(200)
                self.send_header("X-Authorization", self.headers.get("Authorization", ""))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def make_certificates(case):
    """Those of an authority, and of a server on loopback with its key."""
    authority, key, server = case.file("authority.pem"), case.file("authority.key"), case.file("server.pem")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", key, "-out", authority, "-days", "2", "-subj", "/CN=authority of a test")
    request, extensions = case.file("server.csr"), case.file("server.cnf")
    extensions.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth\n")
    openssl("req", *new_key, "-keyout", case.file("server.key"), "-out", request, "-subj", "/CN=server of a test")
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", server)
    server.write_text(server.read_text() + case.file("server.key").read_text())
    return authority, server


@test
def a_secret_for_a_host_reaches_that_host_and_nobody_else(case):
    authority, certificate = make_certificates(case)
    approved, other, plain, other_plain = EchoServer(certificate), EchoServer(certificate), EchoServer(), EchoServer()
    servers = (approved, other, plain, other_plain)
    value = of(ALNUM, 20) + "/+&= %\"'" + of(ALNUM, 12)
    forms = all_forms(value) | {base64.b64encode(f"me:{value}".encode())}
    fetch = ("import os, urllib.request as u; t = os.environ['SERVICE_TOKEN']; "
             f"print(u.urlopen(u.Request('https://localhost:{approved.port}/python', headers={{'Authorization': t}})).read().decode())")
    try:
        for box in ("landlock", "bubblewrap", "oci"):
            probe = case.joey("tool", "--workspace", case.workspace, "--box", box, "execute_command", '{"command":"true"}')
            if probe.code != 0 and "box" in probe.out + probe.err:
                print(f"skipped: {box} is not to be had here: {probe.out.strip()}{probe.err.strip()}")
                continue
            for server in servers:
                server.received.clear()
            bearer = '-H "Authorization: Bearer $SERVICE_TOKEN"'
            case.model(turn(command("env")),
                       turn(command(f'curl -sS -i {bearer} -d "t=$SERVICE_TOKEN" "https://localhost:{approved.port}/a?k=$SERVICE_TOKEN"')),
                       turn(command(f'curl -sS -u "me:$SERVICE_TOKEN" https://localhost:{approved.port}/basic')),
                       turn(command(f'/usr/bin/python3 -c "{fetch}"')),
                       turn(command(f"curl -sS {bearer} http://localhost:{plain.port}/plain")),
                       turn(command(f"curl -sS {bearer} https://127.0.0.1:{other.port}/other")),
                       turn(command(f"curl -sS {bearer} http://127.0.0.1:{other_plain.port}/other")),
                       turn(command(f'curl -sS -i {bearer} -H "Host: other.example" https://localhost:{approved.port}/fronted')),
                       turn(command("env > environment.txt; cat $SSL_CERT_FILE > certificates.txt; echo >> $SSL_CERT_FILE")), done())
            hosts = f"localhost:{approved.port},localhost:{plain.port}"
            allowed = [f"{name}:{server.port}" for name, server in (("localhost", approved), ("localhost", plain), ("127.0.0.1", other),
                                                                     ("127.0.0.1", other_plain))]
            result = case.joey("run", *case.run_options(), "--auto-approve", "all", "--no-checkpoints", "--box", box,
                               *[option for host in allowed for option in ("--allow-host", host)],
                               "--host-secret", f"SERVICE_TOKEN={hosts}", "Do it.",
                               env=case.environment(SERVICE_TOKEN=value, SSL_CERT_FILE=str(authority)), expect=0)
            task = case.tasks()[0]["task"]
            results = [event["text"] for event in case.results(task)]
            stands = re.search(r"^SERVICE_TOKEN=(joey-secret-[0-9a-f]{32})$", results[0], re.M)
            check(stands, f"{box}: what stands for it", results[0])
            stands = stands[1]

            # What the servers got.
            coded = urllib.parse.quote(value, safe="")
            equal(len(approved.received), 3, f"{box}: requests to the approved server", approved.received)
            check(approved.received[0].startswith(f"/a?k={coded}\n") and f"Authorization: Bearer {value}\n" in approved.received[0] and
                  approved.received[0].endswith(f"\nt={coded}"), f"{box}: path, header and form", approved.received[0])
            check(f"Basic {base64.b64encode(f'me:{value}'.encode()).decode()}" in approved.received[1], f"{box}: Basic", approved.received[1])
            check(f"Authorization: {value}\n" in approved.received[2], f"{box}: Python", approved.received[2])
            check(f"Bearer {value}\n" in plain.received[0], f"{box}: plain HTTP", plain.received[0])
            for server in (other, other_plain):
                equal(len(server.received), 1, f"{box}: requests to another server")
                check(f"Bearer {stands}\n" in server.received[0], f"{box}: what another server got", server.received[0])

            # What the command, the model, and the disk have.
            for number, path in ((1, "/a?k="), (3, "/python"), (4, "/plain"), (5, "/other"), (6, "/other")):
                check(path in results[number] and stands in results[number], f"{box}: the answer to {path}", results[number])
            check("x-authorization: bearer " + stands in results[1].lower(), f"{box}: a header of the answer", results[1])
            check(f"Basic {base64.b64encode(f'me:{stands}'.encode()).decode()}" in results[2] or "[secret:" in results[2], f"{box}: Basic", results[2])
            check("HTTP/1.1 421 " in results[7] and "joey: " in results[7], f"{box}: another Host within the tunnel", results[7])
            variables = dict(line.split("=", 1) for line in (case.workspace / "environment.txt").read_text().splitlines() if "=" in line)
            equal(variables["SERVICE_TOKEN"], stands, f"{box}: the variable")
            certificates = (case.workspace / "certificates.txt").read_text()
            check(authority.read_text().strip() in certificates and certificates.count("BEGIN CERTIFICATE") == 2 and "KEY" not in certificates,
                  f"{box}: the certificates", certificates)
            check(re.search("Read-only|Permission denied", results[8]), f"{box}: the certificates can be changed", results[8])
            check(not pathlib.Path(variables["SSL_CERT_FILE"]).exists(), f"{box}: the certificates are left behind")
            places = [(path.name, path.read_bytes()) for path in [*case.directory.glob("joey.db*"), *case.workspace.iterdir()] if path.is_file()]
            places += [("the output", result.out.encode()), ("standard error", result.err.encode()),
                       ("the journal", "\n".join(case.event_lines(task)).encode()), ("the requests", case.models[-1].bodies_file.read_bytes())]
            for place, content in places:
                for form in forms:
                    check(form not in content, f"{box}: the value is in {place}", content[max(0, content.find(form) - 200):content.find(form) + 100])
            check("holds a placeholder of a secret" in case.models[-1].bodies_file.read_text(), f"{box}: the model is told")

            # What is recorded.
            closed = [event for event in case.of_type("egress", task) if event.get("stage") == "closed"]
            equal([(event["host"], event["port"], event.get("secrets", [])) for event in closed],
                  [("localhost", approved.port, ["SERVICE_TOKEN"])] * 3 + [("localhost", plain.port, ["SERVICE_TOKEN"])] +
                  [("127.0.0.1", other.port, []), ("127.0.0.1", other_plain.port, []), ("localhost", approved.port, [])], f"{box}: the events")
            check("network: SERVICE_TOKEN went to localhost" in result.out, f"{box}: the transcript", result)
            audit = case.joey("audit", "--db", case.database, task, expect=0).lines()
            check(any(line.get("secrets") == ["SERVICE_TOKEN"] for line in audit), f"{box}: the audit", audit)

            # A server that nobody vouches for gets nothing.
            case.model(turn(command(f"curl -sS -v {bearer} https://localhost:{approved.port}/unknown")), done())
            approved.received.clear()
            case.joey("run", *case.run_options(), "--auto-approve", "all", "--no-checkpoints", "--box", box, "--allow-host", allowed[0],
                      "--host-secret", f"SERVICE_TOKEN={hosts}", "Do it.", env=case.environment(SERVICE_TOKEN=value), expect=0)
            last = case.results(case.tasks()[0]["task"])[0]["text"]
            check("its certificate is not accepted" in last, f"{box}: the refusal", last)
            equal(approved.received, [], f"{box}: what the server got")
    finally:
        for server in servers:
            server.stop()


@test
def a_secret_for_hosts_that_cannot_be_one_is_refused(case):
    case.model(done())
    box = ["--box", "bubblewrap", "--allow-host", "api.example"]
    for options, value, words in (
            ([*box, "--host-secret", "TOKEN"], "of a service", ["VARIABLE=HOST"]),
            ([*box, "--host-secret", "TOKEN="], "of a service", ["TOKEN", "no host"]),
            ([*box, "--host-secret", "TOKEN=api.example"], "", ["TOKEN", "not set"]),
            ([*box, "--host-secret", "TOKEN=api.example"], "short", ["8 bytes"]),
            ([*box, "--host-secret", "TOKEN=api.example"], "of two\nlines", ["TOKEN", "line break"]),
            ([*box, "--host-secret", "TOKEN=https://api.example"], "of a service", ["https://api.example"]),
            ([*box, "--host-secret", "TOKEN=*"], "of a service", ["TOKEN", "every host"]),
            (["--host-secret", "TOKEN=api.example"], "of a service", ["TOKEN", "box"]),
            (["--box", "bubblewrap", "--host-secret", "TOKEN=api.example"], "of a service", ["TOKEN", "allow hosts"])):
        result = case.joey("run", *case.run_options(), *options, "Go.", env=case.environment(TOKEN=value))
        if "box \"bubblewrap\"" in result.err or "bwrap" in result.err:
            print(f"skipped: bubblewrap is not to be had here: {result.err.strip()}")
            return
        check(result.code in (1, 2), "the exit code", result)
        one_line(result.err, *words)
        check(not value or value.splitlines()[0] not in result.err, "the value", result)


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
