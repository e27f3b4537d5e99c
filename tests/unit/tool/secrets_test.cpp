// Secrets of files and commands: what the model is shown, what is kept, and what is in files afterwards.
#include "redact/redact.hpp"
#include "tool/execute_command.hpp"
#include "tool_world.hpp"

using namespace joey;

namespace {

const std::string password = "correct horse 'battery' staple";
const std::string other_password = "wrong-horse-battery";

struct SecretWorld : ToolWorld {
  SecretWorld() {
    RedactionKey key{};
    redactor = std::make_shared<const Redactor>(
        key, std::vector<KnownSecret>{{"db", password}, {"other", other_password}});
    artifacts = std::make_shared<Artifacts>(loop, make_memory_chunks(loop, 64U << 20));
  }
  std::shared_ptr<ToolContext> guarded() {
    auto result = context();
    result->redactor = redactor;
    return result;
  }
  ToolOutcome use(std::string_view name, std::string arguments) {
    for (const auto& tool : workspace_tools()) {
      if (tool->spec().name == name) return run(*tool, std::move(arguments), guarded());
    }
    FAIL("no such tool");
    return {};
  }
  [[nodiscard]] std::string mark(std::string_view secret) const { return redactor->redact(secret); }

  std::shared_ptr<const Redactor> redactor;
};

std::string config(const std::string& first, const std::string& second = "") {
  return "[db]\r\nname = app\r\npassword = " + first + "\r\nport = 1\r\n" + second;
}

}  // namespace

TEST_CASE("a file is read without its secrets, wherever its lines are cut") {
  SecretWorld world;
  world.file("a.ini", config(password));
  world.file("long.txt", std::string(1990, 'x') + " " + other_password + "\n");
  const ToolOutcome read = world.use("read_file", R"({"path":"a.ini"})");
  CHECK(holds(read.text, "3 | password = " + world.mark(password)));
  CHECK(read.text.find("horse") == std::string::npos);
  CHECK(world.use("read_file", R"({"path":"long.txt"})").text.find("wrong") == std::string::npos);
  const ToolOutcome found = world.use("search_files", R"({"path":".","regex":"password","file_pattern":null})");
  CHECK(holds(found.text, "3 | password = " + world.mark(password)));
  CHECK(found.text.find("horse") == std::string::npos);
}

TEST_CASE("a file that is too large to be read at once is read without its secrets") {
  SecretWorld world;
  std::string text;
  while (text.size() < (17U << 20)) text += std::string(99, 'x') + "\n";
  text.insert((1U << 20) - 8, other_password);  // across two pieces
  world.file("large.txt", text);
  const ToolOutcome read = world.use("read_file", R"({"path":"large.txt","offset":10484,"limit":5})");
  CHECK(holds(read.text, world.mark(other_password)));
  CHECK(read.text.find("horse") == std::string::npos);
}

TEST_CASE("every tool that edits keeps the secrets of a file, and finds text with placeholders in it") {
  const std::string before = config(password);
  const std::string after = config(password, "");
  struct Edit {
    std::string tool;
    std::function<std::string(const SecretWorld&, const std::string& line)> arguments;
  };
  const std::string changed = "port = 2\r\n";
  const Edit edits[] = {
      {"apply_diff",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"path", "a.ini"},
                              {"diff", "<<<<<<< SEARCH\n" + line + "\nport = 1\n=======\n" + line + "\nport = 2\n>>>>>>> REPLACE"}});
       }},
      {"write_to_file",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"path", "a.ini"}, {"content", "[db]\r\nname = app\r\n" + line + "\r\nport = 2\r\n"}});
       }},
      {"search_replace",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"file_path", "a.ini"}, {"old_string", line + "\nport = 1"}, {"new_string", line + "\nport = 2"}});
       }},
      {"edit_file",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"file_path", "a.ini"}, {"old_string", line + "\nport = 1"}, {"new_string", line + "\nport = 2"}});
       }},
      {"edit",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"file_path", "a.ini"}, {"old_string", line + "\nport = 1"}, {"new_string", line + "\nport = 2"}});
       }},
      {"apply_patch",
       [](const SecretWorld&, const std::string& line) {
         return arguments_of({{"patch", "*** Begin Patch\n*** Update File: a.ini\n@@\n " + line +
                                            "\n-port = 1\n+port = 2\n*** End Patch"}});
       }},
  };
  for (const Edit& edit : edits) {
    CAPTURE(edit.tool);
    SecretWorld world;
    world.file("a.ini", before);
    const std::string line = "password = " + world.mark(password);
    const ToolOutcome outcome = world.use(edit.tool, edit.arguments(world, line));
    CHECK_MESSAGE(outcome.ok, outcome.text);
    CHECK(world.bytes("a.ini") == "[db]\r\nname = app\r\npassword = " + password + "\r\n" + changed);
    CHECK(outcome.text.find("horse") == std::string::npos);

    // Of a secret that the file does not hold there is no placeholder to write.
    world.file("a.ini", before);
    const ToolOutcome refused = world.use(edit.tool, [&] {
      std::string arguments = edit.arguments(world, line);
      const std::string from = "port = 2";
      return arguments.replace(arguments.find(from), from.size(), "port = " + world.mark(other_password));
    }());
    CHECK_FALSE(refused.ok);
    CHECK(holds(refused.text, world.mark(other_password)));
    CHECK(world.bytes("a.ini") == before);
  }
}

TEST_CASE("insert_content keeps the secrets of a file") {
  SecretWorld world;
  world.file("a.ini", config(password));
  const ToolOutcome outcome = world.use("insert_content", R"({"path":"a.ini","line":1,"content":"# new"})");
  CHECK_MESSAGE(outcome.ok, outcome.text);
  CHECK(holds(world.bytes("a.ini"), "# new"));
  CHECK(holds(world.bytes("a.ini"), password));
}

TEST_CASE("a secret does not get into another file, and goes along when its file is moved") {
  SecretWorld world;
  world.file("a.ini", config(password));
  const std::string mark = world.mark(password);
  CHECK_FALSE(world.use("write_to_file", arguments_of({{"path", "b.ini"}, {"content", mark}})).ok);
  CHECK_FALSE(world.use("apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Add File: b.ini\n+" + mark + "\n*** End Patch"}})).ok);
  CHECK(world.bytes("b.ini").empty());
  const ToolOutcome moved = world.use(
      "apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Update File: a.ini\n*** Move to: c.ini\n@@\n password = " + mark +
                                                 "\n-port = 1\n+port = 2\n*** End Patch"}}));
  CHECK_MESSAGE(moved.ok, moved.text);
  CHECK(holds(world.bytes("c.ini"), "password = " + password + "\r\nport = 2"));
  // A patch is one: where one file is refused, none is changed.
  world.file("d.txt", "d\n");
  const ToolOutcome refused = world.use(
      "apply_patch", arguments_of({{"patch", "*** Begin Patch\n*** Update File: d.txt\n@@\n-d\n+e\n*** Add File: e.txt\n+" + mark +
                                                 "\n*** End Patch"}}));
  CHECK_FALSE(refused.ok);
  CHECK(world.bytes("d.txt") == "d\n");
}

TEST_CASE("what looks like a placeholder in a file is text, and can be edited") {
  SecretWorld world;
  world.file("docs.md", "as [secret:x:0123abcd]\n");
  const ToolOutcome outcome = world.use("write_to_file", arguments_of({{"path", "docs.md"}, {"content", "like [secret:x:0123abcd]\n"}}));
  CHECK_MESSAGE(outcome.ok, outcome.text);
  CHECK(world.bytes("docs.md") == "like [secret:x:0123abcd]\n");
}

TEST_CASE("a command's output is without secrets as it streams, in its result and where it is kept") {
  SecretWorld world;
  world.file("secret.txt", other_password);
  const auto tool = execute_command_tool({});
  const ToolOutcome slow = world.run(
      *tool, arguments_of({{"command", "for c in $(grep -o . secret.txt); do printf %s $c; sleep 0.01; done; echo; cat secret.txt >&2"}}),
      world.guarded());
  CHECK(holds(slow.text, world.mark(other_password)));
  CHECK(slow.text.find("wrong") == std::string::npos);
  CHECK(world.streamed.find("wrong") == std::string::npos);
  CHECK(holds(world.streamed, world.mark(other_password)));

  std::string many;
  for (int i = 0; i < 9'000; ++i) many += std::to_string(i) + other_password + "d3JvbmctaG9yc2UtYmF0dGVyeQ==\n";
  world.file("many.txt", many);
  const ToolOutcome much = world.run(
      *tool, arguments_of({{"command", "cat many.txt"}}), world.guarded());
  const std::string kept = whole(world, *world.artifacts, artifact_in(much.text));
  CHECK(kept.size() > 100'000);
  CHECK(kept.find("wrong") == std::string::npos);
  CHECK(kept.find("d3JvbmctaG9yc2U") == std::string::npos);
}

TEST_CASE("what is held back of a command's output comes with its end") {
  SecretWorld world;
  const auto tool = execute_command_tool({});
  const ToolOutcome outcome = world.run(*tool, arguments_of({{"command", "printf 'done: wrong-horse'"}}), world.guarded());
  CHECK(holds(outcome.text, "done: wrong-horse"));
  world.has_background = false;
  const ToolOutcome left = world.run(*tool, arguments_of({{"command", "printf 'done: wrong-horse'; sleep 100 &"}}), world.guarded());
  CHECK(holds(left.text, "done: wrong-horse"));
}
