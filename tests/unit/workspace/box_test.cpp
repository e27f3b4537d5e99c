// What works in a box, what is left of one, and what its report says.
#include "workspace/box.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "box_support.hpp"

namespace joey {
namespace {

using namespace test;

constexpr BoxKind kinds[] = {BoxKind::landlock, BoxKind::bubblewrap, BoxKind::oci};

// Runs `check` in a world of its own for every kind of box that this machine has.
template <class Check>
void in_every_box(Check check, bool guarded = false) {
  for (const BoxKind kind : kinds) {
    const std::string name(to_string(kind));
    CAPTURE(name);
    BoxWorld world;
    const auto box = try_box(kind, guarded ? world.rules() : world.plain_rules());
    if (box) check(world, box);
  }
}

bool has_program(const char* name) { return std::system(fmt::format("command -v {} >/dev/null 2>&1", name).c_str()) == 0; }

bool mentions(const std::vector<std::string>& lines, std::string_view text) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

// ---------------------------------------------------------------------------------------------------------------------
// Ordinary work

TEST_CASE("exit codes and signals are as without a box") {
  in_every_box([](BoxWorld& world, const auto& box) {
    for (const int code : {0, 1, 3, 126, 127, 130, 143, 255}) CHECK(world.run(box, fmt::format("exit {}", code)).exit.code == code);
    for (const int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGINT}) {
      const CommandExit exit = world.run(box, fmt::format("kill -{} $$; sleep 5", signal)).exit;
      CHECK(exit.signal == signal);
      CHECK(exit.code == -1);
    }
    CHECK(world.run(box, "no-such-program-anywhere").exit.code == 127);
    CommandSpec spec = world.spec_of("");
    spec.argv = {"/no/such/program"};
    spec.box = box;
    const BoxRun run = world.run(std::move(spec));
    CHECK(run.exit.code == 126);
    CHECK(run.output.find("/no/such/program") != run.output.npos);
  });
}

TEST_CASE("shells do in a box what they do") {
  in_every_box([](BoxWorld& world, const auto& box) {
    const auto says = [&](const char* command, std::string_view answer) {
      const BoxRun run = world.run(box, command);
      CHECK_MESSAGE(run.output == answer, std::string(command));
    };
    says("echo one | tr a-z A-Z | cat", "ONE\n");
    says("cat <<EOF\na $((1+1))\nEOF", "a 2\n");
    says("cat <(echo substituted) < /dev/null", "substituted\n");
    says("diff <(echo a) <(echo b) >/dev/null; echo $?", "1\n");
    says("(sleep 0.05; echo late) & wait; echo done", "late\ndone\n");
    says("echo x > src/new && cat src/new && rm src/new && ls src/new 2>/dev/null; echo $?", "x\n2\n");
    says("cd src && pwd | grep -o 'ws/src$'", "ws/src\n");
    says("mktemp >/dev/null && echo made", "made\n");
    says("echo $TMPDIR/x > $TMPDIR/x && [ -s $TMPDIR/x ] && echo kept", "kept\n");
    says("cd && echo h > file && cat ~/file", "h\n");
    says("echo to stderr >&2; echo to /dev/stderr > /dev/stderr; echo to stdout > /dev/stdout", "to stderr\nto /dev/stderr\nto stdout\n");
    says("head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo x > /dev/null", "3\n3\n");
    says("mkfifo src/p; (echo through > src/p &); cat src/p", "through\n");
    says("mkdir -p src/d/e; mv src/harmless src/d/e/; cat src/d/e/harmless; ln src/d/e/harmless src/h; rm -r src/d", "harmless\n");
    says("trap 'echo caught' USR1; kill -USR1 $$; sleep 0.01", "caught\n");
    says("timeout 0.1 sleep 5; echo $?", "124\n");
    says("nice true && echo nice", "nice\n");
    says("cat /proc/self/comm; grep -c processor /proc/cpuinfo >/dev/null && echo cpus", "cat\ncpus\n");
    says("cat nothing 2>&1", "cat: nothing: No such file or directory\n");
  });
}

TEST_CASE("temporary files of one command are there for the next, and not for another box") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CHECK(world.run(box, "echo kept > $TMPDIR/file; echo also > ~/file").exit.code == 0);
    CHECK(world.run(box, "cat $TMPDIR/file ~/file").output == "kept\nalso\n");
    const auto other = try_box(box->report().kind, world.plain_rules());
    CHECK(world.run(other, "cat $TMPDIR/file ~/file 2>/dev/null").output.empty());
  });
}

TEST_CASE("big outputs and inputs pass whole") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CHECK(world.run(box, "head -c 20000000 /dev/zero | tr '\\0' x").output.size() == 20'000'000);
    CommandSpec spec = world.spec_of("wc -c");
    spec.input = std::string(3'000'000, 'i');
    spec.box = box;
    CHECK(world.run(std::move(spec)).output == "3000000\n");
  });
}

TEST_CASE("errors can be told apart in a box") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CommandSpec spec = world.spec_of("echo out; echo err >&2");
    spec.separate_errors = true;
    spec.box = box;
    Recorder recorder;
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    CHECK(recorder.output == "out\n");
    CHECK(recorder.errors == "err\n");
  });
}

TEST_CASE("a terminal in a box is one") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CommandSpec spec = world.spec_of("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; stty size; echo typed > /dev/tty; "
                                     "ps -o sid= -p $$ 2>/dev/null | tr -d ' ' | grep -qx $$ && echo leads; read line; echo got $line");
    spec.terminal = TerminalSize{100, 30};
    spec.input = "text\n";
    spec.box = box;
    const BoxRun run = world.run(std::move(spec));
    for (const char* part : {"terminal\r\n", "30 100\r\n", "typed\r\n", "leads\r\n", "got text\r\n"}) {
      CHECK_MESSAGE(run.output.find(part) != run.output.npos, std::string(part), run.output);
    }
  });
}

TEST_CASE("compilers, build tools and interpreters work in a box") {
  in_every_box([](BoxWorld& world, const auto& box) {
    const auto works = [&](const char* program, const char* command, std::string_view answer) {
      if (!has_program(program)) {
        MESSAGE("skipped: there is no " << std::string(program));
        return;
      }
      const BoxRun run = world.run(box, command);
      CHECK_MESSAGE(run.exit.code == 0, std::string(program), ": ", run.output);
      CHECK_MESSAGE(run.output.ends_with(answer), std::string(program), ": ", run.output);
    };
    world.put("main.c", "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n");
    world.put("Makefile", "all: main\n\t./main\nmain: main.c\n\tgcc -pipe -O1 -o main main.c\n");
    works("gcc", "gcc -o main main.c && ./main", "compiled\n");
    works("make", "rm -f main; make -j4 -s", "compiled\n");
    works("g++", "echo 'int main() { try { throw 1; } catch (int) { return 0; } }' > t.cpp; g++ t.cpp -o t && ./t && echo thrown", "thrown\n");
    works("git", "git config --global user.email a@b.c; git config --global user.name n; rm -rf r; git init -q r && cd r && "
                 "echo x > f && git add f && git commit -qm one && echo y >> f && git commit -qam two && git log --oneline | wc -l && "
                 "git checkout -q -b b HEAD~1 && git stash list && git clone -q . ../r2 && echo cloned", "cloned\n");
    works("/usr/bin/python3", "/usr/bin/python3 -c 'import subprocess, tempfile, threading, os, json\n"
          "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
          "with tempfile.NamedTemporaryFile() as f: f.write(b\"x\")\n"
          "print(subprocess.check_output([\"echo\", \"child\"]).decode(), end=\"\")'", "child\n");
    works("/usr/bin/python3", "/usr/bin/python3 -c 'import concurrent.futures as c\nwith c.ThreadPoolExecutor(4) as e: print(sum(e.map(abs, range(10))))'", "45\n");
    works("node", "node -e 'require(\"child_process\").exec(\"echo node child\", (e, out) => process.stdout.write(out))'", "node child\n");
    works("node", "node -e 'new (require(\"worker_threads\").Worker)(\"console.log(1+1)\", {eval: true})'", "2\n");
    works("npm", "npm --version >/dev/null && npm init -y >/dev/null && npm ls >/dev/null && echo npm", "npm\n");
    works("perl", "perl -e 'print \"perl\\n\"'", "perl\n");
    works("tar", "tar czf $TMPDIR/a.tgz src && tar tzf $TMPDIR/a.tgz | grep -c main.c", "1\n");
  });
}

TEST_CASE("a leak checker works in a box that allows tracing, and debuggers do not in others") {
  in_every_box([](BoxWorld& world, const auto& box) {
    BoxRules rules = world.plain_rules();
    rules.tracing = true;
    const auto tracing = try_box(box->report().kind, rules);
    const char* trace = "sleep 5 & $P ptrace $!; kill $!";
    CHECK(world.run(tracing, trace).output.find("ESCAPED") != std::string::npos);
    CHECK(world.run(box, trace).output.find("ESCAPED") == std::string::npos);
    CHECK(world.run(tracing, "$P ptrace $VICTIM").output.find("ESCAPED") == std::string::npos);
  });
}

TEST_CASE("what a box may read and write besides is given exactly so") {
  in_every_box([](BoxWorld& world, const auto& box) {
    BoxRules rules = world.plain_rules();
    rules.readable = {world.out()};
    CHECK(world.run(try_box(box->report().kind, rules), "cat $OUT/secret; echo x > $OUT/target || echo refused").output.find("refused") != std::string::npos);
    CHECK(world.run(try_box(box->report().kind, rules), "cat $OUT/secret").output == outside_secret);
    rules = world.plain_rules();
    rules.writable = {world.out()};
    CHECK(world.run(try_box(box->report().kind, rules), "echo x > $OUT/target && cat $OUT/target").output == "x\n");
  });
}

TEST_CASE("what a box gives besides does not give what the workspace in it hides") {
  in_every_box([](BoxWorld& world, const auto& box) {
    const std::string parent = std::filesystem::path(world.root()).parent_path();
    for (const std::string& directory : {parent, std::filesystem::path(parent).parent_path().string()}) {
      for (const bool writable : {false, true}) {
        CAPTURE(directory);
        CAPTURE(writable);
        BoxRules rules = world.rules();
        (writable ? rules.writable : rules.readable) = {directory};
        const auto made = try_box(box->report().kind, rules);
        const std::string read = world.run(made, "cat " + world.root() + "/.env .env secrets/key " + world.root() + "/a/b/token; cat src/harmless; cat $OUT/secret").output;
        CHECK(read.find(hidden_secret) == std::string::npos);
        CHECK(read.find("harmless") != std::string::npos);
        CHECK(read.find(outside_secret) != std::string::npos);
      }
    }
  });
}

TEST_CASE("a box has its own home, a short environment, and no directory in PATH that it cannot read") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CommandSpec spec = world.spec_of("env; echo; echo $PATH");
    spec.environment = {{"PATH", "/usr/bin:/bin:/root/secret/bin:/usr/local/bin:relative"}, {"GIVEN", "yes"}};
    spec.box = box;
    const std::string output = world.run(std::move(spec)).output;
    CHECK(output.find("GIVEN=yes\n") != output.npos);
    CHECK(output.ends_with("\n/usr/bin:/bin:/usr/local/bin\n"));
    BoxRules rules = world.plain_rules();
    rules.environment = {"LANG"};
    spec = world.spec_of("env");
    spec.environment = {{"GIVEN", "yes"}};
    spec.box = try_box(box->report().kind, rules);
    const std::string scrubbed = world.run(std::move(spec)).output;
    CHECK(scrubbed.find("GIVEN") == scrubbed.npos);
    CHECK(scrubbed.find("LANG=C.UTF-8\n") != scrubbed.npos);
    CHECK(scrubbed.find("USER=") == scrubbed.npos);
  });
}

TEST_CASE("what preloads libraries for a command has no say before its box is closed") {
  in_every_box([](BoxWorld& world, const auto& box) {
    if (!has_program("gcc")) return;
    world.put("p.c", "#include <fcntl.h>\n#include <unistd.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void go(void) {\n"
                     "  int f = open(getenv(\"MARK\"), O_CREAT | O_WRONLY, 0600); if (f >= 0) write(f, \"x\", 1); }\n");
    REQUIRE(world.run(box, "gcc -shared -fPIC -w -o p.so p.c").exit.code == 0);
    CommandSpec spec = world.spec_of("true");
    spec.environment = {{"LD_PRELOAD", world.root() + "/p.so"}, {"MARK", world.out() + "/mark"}};
    world.run(spec);
    CHECK(std::filesystem::exists(world.out() + "/mark"));  // without a box
    std::filesystem::remove(world.out() + "/mark");
    spec.box = box;
    world.run(spec);
    CHECK(!std::filesystem::exists(world.out() + "/mark"));
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// Guarded paths

TEST_CASE("read-only paths can be read, and their neighbours used as far as the box allows") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CHECK(world.run(box, "cat AGENTS.md").output == "rules\n");
    CHECK(world.run(box, "cat .git/hooks/sample").output == "#!/bin/sh\n");
    CHECK(world.run(box, "echo new > src/file && cat src/file").output == "new\n");
    CHECK(world.run(box, "echo changed > a/open && cat a/open").output == "changed\n");
    CHECK(world.run(box, "ls -A").output.find("AGENTS.md") != std::string::npos);
    const bool takes_names = world.run(box, "echo new > top && cat top").output == "new\n";
    CHECK(takes_names == (box->report().kind != BoxKind::landlock));
    CHECK(mentions(box->report().restricted, "nothing new can be made") == !takes_names);
  }, true);
}

TEST_CASE("git commits beside guarded hooks, where the box can guard them so") {
  in_every_box([](BoxWorld& world, const auto& box) {
    if (box->report().kind == BoxKind::landlock || !has_program("git")) return;
    std::filesystem::remove_all(world.root() + "/.git");
    REQUIRE(std::system(fmt::format("cd {} && git init -q . && git config user.email a@b.c && git config user.name n", world.root()).c_str()) == 0);
    const BoxRun run = world.run(box, "git add src && git commit -qm one && git status --short 2>/dev/null | grep .roo; git log --oneline | wc -l");
    CHECK_MESSAGE(run.output == "1\n", run.output);  // and no placeholder shows
  }, true);
}

TEST_CASE("Landlock lets go of read-only paths when told so, and says it") {
  BoxWorld world;
  BoxRules rules = world.plain_rules();
  rules.read_only = {"AGENTS.md"};
  rules.landlock_keeps_read_only = false;
  const auto box = try_box(BoxKind::landlock, rules);
  if (!box) return;
  CHECK(mentions(box->report().reduced, "AGENTS.md"));
  CHECK(world.run(box, "echo new > top && cat top").output == "new\n");
  rules.hidden = {".env"};
  CHECK(world.run(try_box(BoxKind::landlock, rules), "cat .env").exit.code != 0);
}

TEST_CASE("a guarded path that is a symlink guards what it leads to") {
  in_every_box([](BoxWorld& world, const auto& box) {
    ::symlink("src/harmless", (world.root() + "/link").c_str());
    ::symlink("a/b/token", (world.root() + "/hidden-link").c_str());
    BoxRules rules = world.plain_rules();
    rules.read_only = {"link"};
    rules.hidden = {"hidden-link"};
    const auto guarding = try_box(box->report().kind, rules);
    CHECK(world.run(guarding, "echo x > src/harmless; cat src/harmless").output.find("harmless\n") != std::string::npos);
    CHECK(world.get("src/harmless") == "harmless\n");
    CHECK(world.run(guarding, "cat a/b/token").output.find(hidden_secret) == std::string::npos);
  });
}

TEST_CASE("what commands of one box do meanwhile does not free guarded paths") {
  in_every_box([](BoxWorld& world, const auto& box) {
    Recorder first;
    CommandSpec spec = world.spec_of("while :; do mv a z; mv z a; rm -rf src/x; mkdir -p src/x; done 2>/dev/null");
    spec.box = box;
    const auto busy = world.start(spec, first);
    for (int i = 0; i < 20; ++i) {
      CHECK(world.run(box, "cat a/b/token z/b/token .env; echo evil > .roo; mkdir .roo; echo evil > .roo/x").output.find(hidden_secret) == std::string::npos);
    }
    const Snapshot now = world.guarded();
    CHECK(now.count(world.root() + "/.roo/x") == 0);
    CHECK(now.count(world.root() + "/.roo") == 0);
    busy->terminate(0ms);
    CHECK(world.loop().run_until([&] { return first.ended; }));
  }, true);
}

// ---------------------------------------------------------------------------------------------------------------------
// The network

TEST_CASE("a server on loopback works in a box with a network of its own, and nowhere else") {
  in_every_box([](BoxWorld& world, const auto& box) {
    const BoxRun run = world.run(box, "$P tcp_both");
    CHECK((run.output.find("ESCAPED") != std::string::npos) == (box->report().kind != BoxKind::landlock));
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// The end

TEST_CASE("background processes of a box go on, and end with the command") {
  in_every_box([](BoxWorld& world, const auto& box) {
    CHECK(world.run(box, "(sleep 0.3; echo late) & echo soon").output == "soon\nlate\n");
    Recorder recorder;
    CommandSpec spec = world.spec_of("trap '' TERM; (setsid sleep 613 &); setsid sleep 613 & echo up; sleep 613");
    spec.box = box;
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.output == "up\n"; }));
    world.loop().run_for(50ms);
    command->terminate(200ms);
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    CHECK(recorder.exit->signal == SIGKILL);
    CHECK(std::system("pgrep -fx 'sleep 613' >/dev/null") != 0);
  });
}

TEST_CASE("a command in a box is asked to end before it is made to") {
  in_every_box([](BoxWorld& world, const auto& box) {
    Recorder recorder;
    CommandSpec spec = world.spec_of("trap 'echo asked; exit 7' TERM; echo up; while :; do sleep 0.01; done");
    spec.box = box;
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.output == "up\n"; }));
    command->terminate(10s);
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    CHECK(recorder.output.find("asked\n") != std::string::npos);
    CHECK(recorder.exit->code == 7);
  });
}

TEST_CASE("a command in a box with an init ends also if its supervisor is killed") {
  in_every_box([](BoxWorld& world, const auto& box) {
    if (box->report().kind == BoxKind::landlock) return;
    const std::string sleep = fmt::format("615.{}", ::getpid());
    Recorder recorder;
    CommandSpec spec = world.spec_of("(setsid sleep " + sleep + " &); echo up; sleep " + sleep);
    spec.box = box;
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.output == "up\n"; }));
    REQUIRE(std::system(fmt::format("pkill -9 -P {} -x joey-supervisor", ::getpid()).c_str()) == 0);
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    bool gone = false;
    for (int i = 0; i < 1'000 && !gone; ++i) {
      gone = std::system(fmt::format("pgrep -fx 'sleep {}' >/dev/null", sleep).c_str()) != 0;
      if (!gone) ::usleep(10'000);
    }
    CHECK(gone);
  });
}

// What this machine has of what boxes use.
struct Counts {
  std::size_t descriptors, processes, mounts, cgroups;
  bool operator==(const Counts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counts& counts) {
  return out << fmt::format("{} descriptors, {} children, {} mounts, {} cgroups", counts.descriptors, counts.processes, counts.mounts, counts.cgroups);
}
std::size_t count_lines(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::size_t lines = 0;
  for (int c; (c = std::fgetc(pipe)) != EOF;) lines += c == '\n';
  ::pclose(pipe);
  return lines;
}
Counts count_everything() {
  Counts counts{};
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++counts.descriptors;
  counts.processes = count_lines(fmt::format("pgrep -P {} | grep -v pgrep", ::getpid()));
  counts.mounts = count_lines("cat /proc/self/mountinfo");
  counts.cgroups = count_lines(fmt::format("find /sys/fs/cgroup -type d -name 'joey-box-{}-*' 2>/dev/null", ::getpid()));
  return counts;
}

TEST_CASE("100 commands in a box leave no process, mount, cgroup, descriptor or placeholder") {
  in_every_box([](BoxWorld& world, const auto& box) {
    world.run(box, "true");
    const Counts before = count_everything();
    for (int i = 0; i < 100; ++i) CHECK(world.run(box, fmt::format("(sleep 0.001 &); echo {}", i)).output == fmt::format("{}\n", i));
    world.loop().run_for(20ms);
    CHECK(count_everything() == before);
    CHECK(!std::filesystem::exists(world.root() + "/.roo"));
  }, true);
}

TEST_CASE("a box takes its private directory along") {
  const TemporaryDirectory shared("/var/tmp");
  in_every_box([&](BoxWorld& world, const auto& box) {
    BoxRules rules = world.plain_rules();
    rules.temporary_parent = shared.path();
    auto own = try_box(box->report().kind, rules);
    CHECK(shared.count("") == 1);
    world.run(own, "mkdir -p $TMPDIR/a/b ~/c; touch $TMPDIR/a/b/f; ln -s / $TMPDIR/link; chmod 000 $TMPDIR/a/b");
    const auto another = try_box(box->report().kind, rules);
    CHECK(shared.count("") == 2);
    CHECK(world.run(own, "ls $TMPDIR").output == "a\nlink\n");
    own = nullptr;
    world.loop().run_for(20ms);
    CHECK(shared.count("") == 1);
  });
  CHECK(shared.count("") == 0);
}

TEST_CASE("nothing of a box outlives an engine that is killed, but what the next box removes") {
  for (const BoxKind kind : kinds) {
    const std::string name(to_string(kind));
    CAPTURE(name);
    const TemporaryDirectory shared("/var/tmp");
    const std::string sleep = fmt::format("614.{}", ::getpid());
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    std::fflush(nullptr);
    const pid_t engine = ::fork();
    if (engine == 0) {
      BoxWorld world(shared.path());
      BoxRules rules = world.rules();
      rules.temporary_parent = shared.path();
      const auto box = prepare_box(kind, rules);
      if (box) {
        Recorder recorder;
        CommandSpec spec = world.spec_of("trap '' TERM; (setsid sleep " + sleep + " &); echo up; sleep " + sleep);
        spec.box = *box;
        const auto command = world.start(std::move(spec), recorder);
        world.loop().run_until([&] { return recorder.output == "up\n"; });
        world.loop().run_for(20ms);
        static_cast<void>(!::write(ready[1], "x", 1));
        world.loop().run_for(60s);
      }
      static_cast<void>(!::write(ready[1], "-", 1));
      ::_exit(0);
    }
    ::close(ready[1]);
    char byte = 0;
    CHECK(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::kill(engine, SIGKILL);
    ::waitpid(engine, nullptr, 0);
    if (byte == '-') continue;
    bool gone = false;
    for (int i = 0; i < 500 && !gone; ++i) {
      gone = std::system(fmt::format("pgrep -fx 'sleep {}' >/dev/null", sleep).c_str()) != 0;
      if (!gone) ::usleep(10'000);
    }
    CHECK(gone);
    CHECK(count_lines(fmt::format("ls -d {}/joey-box-*", shared.path())) == 1);
    BoxWorld world(shared.path());
    BoxRules rules = world.rules();
    rules.temporary_parent = shared.path();
    const auto next = prepare_box(kind, rules);
    REQUIRE(next);
    CHECK(count_lines(fmt::format("ls -d {}/joey-box-*", shared.path())) == 1);
    CHECK(count_lines(fmt::format("find /sys/fs/cgroup -type d -name 'joey-box-{}-*' 2>/dev/null", engine)) == 0);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rules and reports

TEST_CASE("a box that cannot give all that is demanded is refused, with the reason") {
  BoxWorld world;
  BoxRules rules = world.plain_rules();
  rules.demands_all = true;
  const auto landlock = probe_box(BoxKind::landlock, rules);
  REQUIRE(!landlock);
  CHECK(landlock.error().code == ErrorCode::unsupported);
  CHECK(!prepare_box(BoxKind::landlock, rules));
  CHECK(!prepare_box(BoxKind::none, rules));
  rules.demands_all = false;
  CHECK(prepare_box(BoxKind::none, rules).value() == nullptr);
  CHECK(!probe_box(BoxKind::none, rules)->reduced.empty());
}

TEST_CASE("a limit that is not kept is in the report") {
  in_every_box([](BoxWorld& world, const auto& box) {
    BoxRules rules = world.plain_rules();
    rules.limits.disk = 1 << 30;
    const auto report = probe_box(box->report().kind, rules);
    REQUIRE(report);
    CHECK(mentions(report->reduced, "disk:"));
    rules.demands_all = true;
    CHECK(!probe_box(box->report().kind, rules));
  });
}

TEST_CASE("a command has no more of the processors than its box says, or the report does") {
  in_every_box([](BoxWorld& world, const auto& box) {
    BoxRules rules = world.plain_rules();
    rules.limits.cpu_percent = 50;
    const auto slow = try_box(box->report().kind, rules);
    if (mentions(slow->report().reduced, "CPU:")) return;
    Recorder recorder;
    CommandSpec spec = world.spec_of("echo up; sleep 600");
    spec.box = slow;
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.output == "up\n"; }));
    const std::string files = fmt::format("/sys/fs/cgroup -path '*joey-box-{}-*' 2>/dev/null", ::getpid());
    CHECK(count_lines(fmt::format("find {} -name cpu.cfs_quota_us -exec grep -x 50000 {{}} +; find {} -name cpu.max -exec grep -x '50000 100000' {{}} +", files, files)) == 1);
    command->terminate(0ms);
    CHECK(world.loop().run_until([&] { return recorder.ended; }));
  });
}

TEST_CASE("rules that make no sense are refused") {
  BoxWorld world;
  const auto is_refused = [&](auto change) {
    BoxRules rules = world.plain_rules();
    change(rules);
    for (const BoxKind kind : kinds) {
      const auto box = prepare_box(kind, rules);
      REQUIRE(!box);
      CHECK(box.error().code == ErrorCode::invalid_argument);
    }
  };
  is_refused([](BoxRules& rules) { rules.workspace = "/"; });
  is_refused([](BoxRules& rules) { rules.workspace = ""; });
  is_refused([](BoxRules& rules) { rules.workspace += "/"; });
  is_refused([](BoxRules& rules) { rules.workspace += "/../ws"; });
  is_refused([](BoxRules& rules) { rules.workspace += "/missing"; });
  is_refused([](BoxRules& rules) { rules.hidden = {""}; });
  is_refused([](BoxRules& rules) { rules.hidden = {"."}; });
  is_refused([](BoxRules& rules) { rules.hidden = {"../out/secret"}; });
  is_refused([](BoxRules& rules) { rules.read_only = {"/etc/passwd"}; });
  is_refused([](BoxRules& rules) { rules.read_only = {std::string("a\0b", 3)}; });
  is_refused([](BoxRules& rules) { rules.readable = {"relative"}; });
  is_refused([](BoxRules& rules) { rules.writable = {"/no/such/directory"}; });
  is_refused([](BoxRules& rules) { rules.readable = {rules.workspace}; });
  const TemporaryDirectory links;
  std::filesystem::create_directory_symlink(std::filesystem::path(world.root()).parent_path(), links / "up");
  is_refused([&](BoxRules& rules) { rules.readable = {links / "up"}; });
  is_refused([&](BoxRules& rules) { rules.writable = {rules.workspace + "/.."}; });
  is_refused([](BoxRules& rules) { rules.readable = {rules.workspace + "/secrets"}; });
  is_refused([](BoxRules& rules) { rules.hidden.assign(300, "x"); });
  const auto box = try_box(BoxKind::landlock, world.plain_rules());
  if (!box) return;
  BoxWorld other;
  Recorder recorder;
  CommandSpec spec = other.spec_of("true");
  spec.box = box;
  const auto command = other.workspace().start(std::move(spec), recorder);
  REQUIRE(!command);
  CHECK(command.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("a command keeps its box, whoever else lets it go") {
  in_every_box([](BoxWorld& world, std::shared_ptr<const Box> box) {
    Recorder recorder;
    CommandSpec spec = world.spec_of("sleep 0.2; echo x > $TMPDIR/x && cat $TMPDIR/x");
    spec.box = try_box(box->report().kind, world.plain_rules());
    const auto command = world.start(std::move(spec), recorder);
    REQUIRE(world.loop().run_until([&] { return recorder.ended; }));
    CHECK(recorder.output == "x\n");
  });
}

}  // namespace
}  // namespace joey
