// What .rooignore forbids, what is protected, and conditions of changes.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "temporary.hpp"
#include "workspace/local.hpp"

using namespace joey;
using joey::test::TemporaryDirectory;

namespace {

bool is_protected(std::string_view path) { return path == "AGENTS.md" || path.starts_with(".roo/"); }

std::shared_ptr<Workspace> open_guarded(const TemporaryDirectory& root, Resolver resolver) {
  auto workspace = open_local_workspace(root.path(), {.resolver = resolver, .is_protected = is_protected});
  if (!workspace) FAIL(workspace.error().message);
  return *workspace;
}

template <class T>
void check_denied(const Result<T>& result, std::string_view because) {
  REQUIRE_FALSE(result.has_value());
  const std::string& message = result.error().message;
  CAPTURE(message);
  CHECK(result.error().code == ErrorCode::denied);
  CHECK(message.find(because) != std::string::npos);
}

constexpr Resolver both[] = {Resolver::kernel, Resolver::portable};

}  // namespace

TEST_CASE("what .rooignore forbids is neither read, listed, described nor changed, as named or as symlinks lead (defect 26)") {
  for (const Resolver resolver : both) {
    const TemporaryDirectory root;
    root.put(".rooignore", "secrets/\n*.key\n!public.key\n");
    root.put("secrets/password", "hunter2");
    root.put("a.key", "k");
    root.put("public.key", "p");
    root.put("free", "f");
    root.link("secrets", "door");
    root.link("a.key", "innocent");
    const auto workspace = open_guarded(root, resolver);
    for (const char* path : {"secrets/password", "a.key", "door/password", "innocent", "x/../a.key", ".rooignore",
                             "secrets/none", "door/none", "sub/b.key"}) {
      CAPTURE(path);
      check_denied(workspace->read(path, 100), ".rooignore");
      check_denied(workspace->read_range(path, 0, 100), ".rooignore");
      check_denied(workspace->info(path), ".rooignore");
      check_denied(workspace->write(path, "x"), ".rooignore");
      // Over a symlink a file is moved as it is, which touches nothing forbidden.
      if (path != std::string_view("innocent")) check_denied(workspace->rename("free", path), ".rooignore");
    }
    check_denied(workspace->remove("a.key"), ".rooignore");
    check_denied(workspace->rename("a.key", "b"), ".rooignore");
    check_denied(workspace->list("secrets"), ".rooignore");
    check_denied(workspace->list("door"), ".rooignore");
    CHECK_FALSE(root.exists("sub"));  // nothing was made for what may not be written
    CHECK(root.get("secrets/password") == "hunter2");
    CHECK(workspace->read("public.key", 100).value() == "p");
    std::string names;
    const auto entries = workspace->list(".");
    REQUIRE(entries);
    for (const DirectoryEntry& entry : *entries) names += entry.name + " ";
    CHECK(names == "door free innocent public.key ");
  }
}

TEST_CASE("a directory is not moved, and with it what is forbidden in it to where it is not") {
  const TemporaryDirectory root;
  root.put(".rooignore", "/config/key\n");
  root.put("config/key", "k");
  const auto workspace = open_guarded(root, Resolver::kernel);
  CHECK_FALSE(workspace->rename("config", "elsewhere"));
  CHECK(root.exists("config/key"));
}

TEST_CASE(".rooignore is looked at anew when it changes, and forbids everything while it cannot be read") {
  const TemporaryDirectory root;
  root.put("a", "1");
  const auto workspace = open_guarded(root, Resolver::kernel);
  CHECK(workspace->read("a", 10));
  root.put(".rooignore", "a\n");
  check_denied(workspace->read("a", 10), ".rooignore");
  root.put(".rooignore", "bb\n");
  CHECK(workspace->read("a", 10));
  REQUIRE(::unlink((root / ".rooignore").c_str()) == 0);
  root.make(".rooignore");
  CHECK_FALSE(workspace->read("a", 10));
  CHECK_FALSE(workspace->write("b", "x"));
}

TEST_CASE("a symlink swapped in meanwhile does not open what .rooignore forbids") {
  const TemporaryDirectory root;
  root.put(".rooignore", "secrets/\n");
  root.put("secrets/f", "secret");
  root.put("open/f", "public");
  root.link("open", "way");
  const auto workspace = open_guarded(root, Resolver::kernel);
  std::atomic<bool> done{false};
  std::thread swapper([&] {
    while (!done) {
      for (const char* target : {"secrets", "open"}) {
        ::symlink(target, (root / "next").c_str());
        ::rename((root / "next").c_str(), (root / "way").c_str());
      }
    }
  });
  bool leaked = false;
  std::size_t seen = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto bytes = workspace->read("way/f", 100);
    if (bytes && *bytes == "public") ++seen;
    if (bytes && *bytes == "secret") leaked = true;
  }
  done = true;
  swapper.join();
  CHECK_FALSE(leaked);
  CHECK(seen > 0);
}

TEST_CASE("protected files are changed only where that was allowed, as named or as symlinks lead") {
  for (const Resolver resolver : both) {
    const TemporaryDirectory root;
    root.put("AGENTS.md", "rules");
    root.make(".roo");
    root.put("free", "f");
    root.link("AGENTS.md", "notes");
    root.link(".roo", "config");
    const auto workspace = open_guarded(root, resolver);
    for (const char* path : {"AGENTS.md", "notes", ".roo/rules/new.md", "config/new.md", "./x/../AGENTS.md"}) {
      CAPTURE(path);
      check_denied(workspace->write(path, "x"), "protected");
    }
    check_denied(workspace->remove("AGENTS.md"), "protected");
    check_denied(workspace->rename("AGENTS.md", "b"), "protected");
    check_denied(workspace->rename("free", "AGENTS.md"), "protected");
    CHECK(root.get("AGENTS.md") == "rules");
    CHECK_FALSE(root.exists(".roo/rules"));
    CHECK(workspace->read("AGENTS.md", 100).value() == "rules");
    CHECK(workspace->write("notes", "new", {.protected_files = true}));
    CHECK(root.get("AGENTS.md") == "new");
    CHECK(workspace->write(".roo/rules/new.md", "r", {.protected_files = true}));
  }
}

TEST_CASE("a change whose condition does not hold is a conflict and changes nothing") {
  const TemporaryDirectory root;
  root.put("a", "one");
  const auto workspace = open_guarded(root, Resolver::kernel);
  const auto conflict = [](const Status& status) { return !status && status.error().code == ErrorCode::conflict; };
  CHECK(conflict(workspace->write("a", "two", {.replaces = "another"})));
  CHECK(conflict(workspace->write("a", "two", {.replaces = "on"})));
  CHECK(conflict(workspace->write("a", "two", {.creates = true})));
  CHECK(conflict(workspace->write("missing", "two", {.replaces = ""})));
  CHECK(conflict(workspace->remove("a", {.replaces = "another"})));
  CHECK(conflict(workspace->rename("a", "b", {.replaces = "another"})));
  root.put("b", "two");
  CHECK(conflict(workspace->rename("a", "b", {.creates = true})));
  CHECK(root.get("a") == "one");
  CHECK(root.get("b") == "two");
  CHECK(root.count(".") == 2);
  CHECK(workspace->write("a", "two", {.replaces = "one"}));
  CHECK(workspace->write("c", "", {.creates = true}));
  CHECK(workspace->rename("a", "d", {.replaces = "two", .creates = true}));
  CHECK(workspace->remove("c", {.replaces = ""}));
  CHECK(root.get("d") == "two");
  CHECK(root.count(".") == 2);
}
