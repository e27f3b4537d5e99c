#include "workspace/local.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "temporary.hpp"

using namespace joey;
using joey::test::TemporaryDirectory;

namespace {

std::shared_ptr<Workspace> open(const std::string& root, Resolver resolver) {
  auto workspace = open_local_workspace(root, {.resolver = resolver});
  if (!workspace) FAIL(workspace.error().message);
  return *workspace;
}

template <class T>
ErrorCode code(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  const std::string& message = result.error().message;
  CAPTURE(message);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.find(": ") != std::string::npos);
  CHECK(message.size() < 500);
  return result.error().code;
}

// Runs in a child, which gives up what a test must not lose; 0 when `body` returned true.
template <class Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Most cases run twice: with the kernel resolving names and without.
constexpr Resolver resolvers[] = {Resolver::kernel, Resolver::portable};

}  // namespace

TEST_CASE("a root must be a directory that can be read") {
  const TemporaryDirectory root;
  root.put("file", "");
  CHECK(code(open_local_workspace(root / "missing")) == ErrorCode::not_found);
  CHECK(code(open_local_workspace(root / "file")) == ErrorCode::invalid_argument);
  CHECK(code(open_local_workspace("")) == ErrorCode::invalid_argument);
  CHECK(code(open_local_workspace(std::string("/tmp\0x", 6))) == ErrorCode::invalid_argument);
  CHECK(open_local_workspace(root.path() + "/").value()->root() == root.path());
  CHECK(open_local_workspace("/").value()->relative("/etc").value() == "etc");
  const int result = in_child([&] {
    if (::chmod(root.path().c_str(), 0000) != 0 || (::geteuid() == 0 && ::setuid(65534) != 0)) return false;
    const auto refused = open_local_workspace(root.path());
    return !refused && refused.error().code == ErrorCode::denied;
  });
  ::chmod(root.path().c_str(), 0755);
  CHECK(result == 0);
}

TEST_CASE("paths are shortened by their text, and never lead above the root") {
  const TemporaryDirectory root;
  root.make("real");
  root.link(root.path() + "/real", "alias");
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const auto workspace = open(root / "alias", resolver);
    CHECK(workspace->root() == root.path() + "/real");
    const auto relative = [&](const std::string& path) { return workspace->relative(path).value(); };
    CHECK(relative(".") == ".");
    CHECK(relative("a//b/./c/") == "a/b/c");
    CHECK(relative("a/../b") == "b");
    CHECK(relative("./a/..") == ".");
    CHECK(relative(root.path() + "/real/x/y") == "x/y");
    CHECK(relative(root.path() + "/alias/x") == "x");  // as the root was given
    CHECK(relative(root.path() + "/real") == ".");
    CHECK(relative("..a/...") == "..a/...");
    const std::vector<std::string> outside = {"..", "a/../..", "/etc/passwd", "/", "/..", root.path() + "/realx",
                                              root.path() + "/real/../../x"};
    for (const std::string& path : outside) {
      CAPTURE(path);
      CHECK(code(workspace->relative(path)) == ErrorCode::denied);
      CHECK(code(workspace->read(path, 100)) == ErrorCode::denied);
      CHECK(code(workspace->write(path, "x")) == ErrorCode::denied);
    }
    CHECK(code(workspace->relative("")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->relative(std::string("a\0b", 3))) == ErrorCode::invalid_argument);
  }
}

TEST_CASE("files are read, written, listed, renamed and removed") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    const auto workspace = open(root.path(), resolver);
    REQUIRE(workspace->write("a/b/c.txt", "one"));
    CHECK(root.get("a/b/c.txt") == "one");
    CHECK(workspace->read("a/b/c.txt", 3).value() == "one");
    CHECK(code(workspace->read("a/b/c.txt", 2)) == ErrorCode::limit);
    CHECK(workspace->read(root.path() + "/a/b/c.txt", 3).value() == "one");
    REQUIRE(workspace->write("a/b/c.txt", ""));
    CHECK(workspace->read("a/b/c.txt", 0).value().empty());
    const std::string big(3'000'000, 'x');
    REQUIRE(workspace->write("big", big));
    CHECK(workspace->read("big", big.size()).value() == big);
    CHECK(workspace->info("big")->size == big.size());
    CHECK(workspace->info("a")->kind == FileKind::directory);
    CHECK(workspace->info(".")->kind == FileKind::directory);
    REQUIRE(workspace->rename("big", "x/y/big"));
    CHECK(root.exists("x/y/big"));
    CHECK_FALSE(root.exists("big"));
    REQUIRE(workspace->remove("x/y/big"));
    CHECK_FALSE(root.exists("x/y/big"));
    root.link("nowhere", "link");
    const auto entries = workspace->list(".");
    REQUIRE(entries);
    REQUIRE(entries->size() == 3);
    CHECK((*entries)[0].name == "a");
    CHECK((*entries)[0].kind == FileKind::directory);
    CHECK((*entries)[1].kind == FileKind::symlink);

    CHECK(code(workspace->read("missing", 1)) == ErrorCode::not_found);
    CHECK(code(workspace->read("a", 1)) == ErrorCode::invalid_argument);
    CHECK(code(workspace->read("a/b/c.txt/d", 1)) == ErrorCode::invalid_argument);
    CHECK(code(workspace->read("link", 1)) == ErrorCode::not_found);
    CHECK(code(workspace->write("a", "x")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->write(".", "x")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->write("a/b/c.txt/d/e", "x")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->list("a/b/c.txt")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->remove("missing")) == ErrorCode::not_found);
    CHECK(code(workspace->remove("a")) == ErrorCode::invalid_argument);
    CHECK(code(workspace->rename("missing", "made/for/it")) == ErrorCode::not_found);
    CHECK_FALSE(root.exists("made"));
    CHECK(code(workspace->write(std::string(256, 'n'), "x")) == ErrorCode::invalid_argument);
    std::string long_path;
    for (int i = 0; i < 3000; ++i) long_path += "d/";
    CHECK(code(workspace->read(long_path, 1)) == ErrorCode::invalid_argument);
    CHECK(code(workspace->write(long_path + "f", "x")) == ErrorCode::invalid_argument);
    REQUIRE(workspace->write(std::string(255, 'n'), "x"));  // the temporary file needs no longer name
    CHECK(code(workspace->read("bad\nname\x1b[0m\xFF", 1)) == ErrorCode::not_found);
  }
}

TEST_CASE("a part of a file is read without the rest of it") {
  const TemporaryDirectory root;
  root.put("file", "0123456789");
  root.put("sparse", "");
  REQUIRE(::truncate((root / "sparse").c_str(), off_t{1} << 40) == 0);  // a terabyte that no read could hold
  for (const Resolver resolver : resolvers) {
    const auto files = open(root.path(), resolver);
    CHECK(files->read_range("file", 0, 4).value() == "0123");
    CHECK(files->read_range("file", 8, 4).value() == "89");
    CHECK(files->read_range("file", 3, 0).value().empty());
    CHECK(files->read_range("file", 10, 4).value().empty());
    CHECK(files->read_range("file", std::numeric_limits<std::uint64_t>::max(), 4).value().empty());
    CHECK(files->read_range("sparse", (std::uint64_t{1} << 40) - 2, 4).value() == std::string(2, '\0'));
    CHECK(code(files->read_range("none", 0, 1)) == ErrorCode::not_found);
    CHECK(code(files->read_range(".", 0, 1)) == ErrorCode::invalid_argument);
    CHECK(code(files->read_range("../x", 0, 1)) == ErrorCode::denied);
  }
}

TEST_CASE("a write keeps the mode and leaves nothing beside the file") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    const auto workspace = open(root.path(), resolver);
    root.put("script", "old");
    ::chmod((root / "script").c_str(), 0754);
    REQUIRE(workspace->write("script", "new"));
    CHECK(workspace->info("script")->mode == 0754);
    ::chmod((root / "script").c_str(), 04755);
    REQUIRE(workspace->write("script", "new"));
    CHECK(workspace->info("script")->mode == 0755);
    const mode_t mask = ::umask(027);
    REQUIRE(workspace->write("made", "new"));
    ::umask(mask);
    CHECK(workspace->info("made")->mode == 0640);
    if (::geteuid() == 0) {
      REQUIRE(::chown((root / "made").c_str(), 1234, 1234) == 0);
      REQUIRE(workspace->write("made", "newer"));
      struct stat status = {};
      REQUIRE(::stat((root / "made").c_str(), &status) == 0);
      CHECK(status.st_uid == 1234);
    }
    CHECK(root.count(".") == 2);
  }
}

TEST_CASE("symlinks are followed beneath the root and nowhere else") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory outside;
    outside.put("secret", "secret");
    const TemporaryDirectory root;
    root.put("d/e/file", "inside");
    root.put("top", "top");
    root.link("d/e", "dir");
    root.link("file", "d/e/same");
    root.link("../../top", "d/e/up");
    root.link(root.path() + "/d/e/file", "absolute");
    root.link(root.path() + "//d/./e/../e", "absolute_dir");
    root.link(outside.path(), "out");
    root.link(outside.path() + "/secret", "out_file");
    root.link("../" + outside.path().substr(5) + "/secret", "out_relative");
    root.link("d/e/../../../" + outside.path().substr(5), "out_middle");
    root.link(root.path() + "/../" + outside.path().substr(5) + "/secret", "out_prefix");
    root.link("out_chain2", "out_chain1");
    root.link("out_file", "out_chain2");
    root.link("loop2", "loop1");
    root.link("loop1", "loop2");
    root.link("missing_target", "dangling");
    root.link("/proc/self/root", "proc_root");
    root.link("/proc/self/cwd", "proc_cwd");
    root.link("..", "parent");
    root.link("../..", "d/e/parent2");
    root.link(".", "self");
    root.link("d/e/", "slash");
    const auto workspace = open(root.path(), resolver);
    for (const char* path : {"dir/file", "dir/same", "d/e/same", "absolute", "absolute_dir/file", "self/self/d/e/file",
                             "slash/file", "slash/parent2/d/e/file"}) {
      CAPTURE(path);
      CHECK(workspace->read(path, 100).value_or("unreadable") == "inside");
    }
    CHECK(workspace->read("dir/up", 100).value() == "top");
    CHECK(workspace->read("absolute_dir/up", 100).value() == "top");
    for (const char* path : {"out/secret", "out_file", "out_relative", "out_middle/secret", "out_prefix", "out_chain1",
                             "proc_root/etc/passwd", "proc_cwd/x", "parent/etc", "self/parent/x"}) {
      CAPTURE(path);
      CHECK(code(workspace->read(path, 100)) == ErrorCode::denied);
      CHECK(code(workspace->write(path, "x")) == ErrorCode::denied);
      CHECK(code(workspace->info(path)) == ErrorCode::denied);
    }
    for (const char* path : {"out", "parent", "proc_root", "out_middle"}) {
      CAPTURE(path);
      CHECK(code(workspace->list(path)) == ErrorCode::denied);
      CHECK(code(workspace->write(std::string(path) + "/new/file", "x")) == ErrorCode::denied);
      CHECK(code(workspace->remove(std::string(path) + "/secret")) == ErrorCode::denied);
      CHECK(code(workspace->rename("top", std::string(path) + "/top")) == ErrorCode::denied);
      CHECK(code(workspace->rename(std::string(path) + "/secret", "stolen")) == ErrorCode::denied);
    }
    CHECK(code(workspace->read("loop1", 1)) == ErrorCode::denied);
    CHECK(code(workspace->write("loop1", "x")) == ErrorCode::denied);

    // Through a symlink the file it names is written, and the link stays.
    REQUIRE(workspace->write("dir/same", "changed"));
    CHECK(root.get("d/e/file") == "changed");
    CHECK(std::filesystem::is_symlink(root / "d/e/same"));
    REQUIRE(workspace->write("absolute", "again"));
    CHECK(root.get("d/e/file") == "again");
    REQUIRE(workspace->write("d/e/up", "TOP"));
    CHECK(root.get("top") == "TOP");
    REQUIRE(workspace->write("dangling", "made"));
    CHECK(root.get("missing_target") == "made");
    // A link is removed and renamed itself.
    REQUIRE(workspace->rename("out_file", "renamed"));
    REQUIRE(workspace->remove("renamed"));
    CHECK(outside.get("secret") == "secret");
    CHECK(outside.count(".") == 1);

    CHECK((*root_of(*workspace))->physical("dir/same").value() == "d/e/file");
    CHECK((*root_of(*workspace))->physical("absolute_dir/up").value() == "top");
    CHECK((*root_of(*workspace))->physical("self/.").value() == "");
  }
}

TEST_CASE("chains of forty symlinks are followed and longer ones are not") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    root.put("l0", "end");
    for (int i = 1; i <= 41; ++i) root.link(fmt::format("l{}", i - 1), fmt::format("l{}", i));
    const auto workspace = open(root.path(), resolver);
    CHECK(workspace->read("l40", 10).value_or("") == "end");
    CHECK(code(workspace->read("l41", 10)) == ErrorCode::denied);
    CHECK(workspace->write("l40", "new"));
    CHECK(root.get("l0") == "new");
  }
}

TEST_CASE("both resolvers take random paths through random symlinks alike") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    unsigned state = seed * 2654435761U;
    const auto pick = [&state](unsigned n) { return (state = state * 1664525U + 1013904223U) / 65536U % n; };
    const TemporaryDirectory root;
    std::vector<std::string> directories{""};
    const std::string names[] = {"a", "b", "c", "d"};
    const auto path = [&] {
      std::string text;
      for (unsigned n = 1 + pick(5); n > 0; --n) text += (pick(4) == 0 ? ".." : names[pick(4)]) + (n > 1 ? "/" : "");
      return text;
    };
    for (int i = 0; i < 14; ++i) {
      const std::string name = directories[pick(static_cast<unsigned>(directories.size()))] + names[pick(4)];
      if (root.exists(name)) continue;
      switch (pick(3)) {
        case 0: root.make(name), directories.push_back(name + "/"); break;
        case 1: root.put(name, name); break;
        default: root.link(path(), name); break;
      }
    }
    const auto kernel = open(root.path(), Resolver::kernel);
    const auto portable = open(root.path(), Resolver::portable);
    for (int i = 0; i < 100; ++i) {
      const std::string text = path();
      CAPTURE(text);
      const auto root_kernel = *root_of(*kernel);
      const auto root_portable = *root_of(*portable);
      // Not shortened, so that ".." meets symlinks.
      const Descriptor a = root_kernel->open_at(text, O_PATH, Root::Links::follow);
      const int error_a = a ? 0 : errno;
      const Descriptor b = root_portable->open_at(text, O_PATH, Root::Links::follow);
      const int error_b = b ? 0 : errno;
      CHECK(error_a == error_b);
      struct stat status_a = {};
      struct stat status_b = {};
      if (a && b && ::fstat(a.get(), &status_a) == 0 && ::fstat(b.get(), &status_b) == 0) {
        CHECK(status_a.st_ino == status_b.st_ino);
      }
      CHECK(kernel->read(text, 100) == portable->read(text, 100));
    }
  }
}

TEST_CASE("pipes, sockets and devices are refused at once") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    REQUIRE(::mkfifo((root / "pipe").c_str(), 0600) == 0);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    (root / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    std::vector<std::string> odd = {"pipe", "socket"};
    if (::geteuid() == 0 && ::mknod((root / "device").c_str(), S_IFCHR | 0600, 0x0105) == 0) odd.push_back("device");
    const auto workspace = open(root.path(), resolver);
    for (const std::string& path : odd) {
      CAPTURE(path);
      CHECK(code(workspace->read(path, 100)) == ErrorCode::invalid_argument);
      CHECK(code(workspace->read_range(path, 0, 100)) == ErrorCode::invalid_argument);
      CHECK(code(workspace->write(path, "x")) == ErrorCode::invalid_argument);
      CHECK(workspace->info(path)->kind == FileKind::other);
    }
    CHECK(root.count(".") == odd.size());
    ::close(fd);
  }
}

TEST_CASE("a file that is written never is half there, and the workspace stays at its directory") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    const auto workspace = open(root.path(), resolver);
    const std::string a(200'000, 'a');
    const std::string b(300'000, 'b');
    REQUIRE(workspace->write("f", a));
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      for (int i = 0; i < 200; ++i) static_cast<void>(workspace->write("f", i % 2 == 0 ? b : a));
      stop = true;
    });
    std::size_t torn = 0;
    while (!stop) {
      const auto bytes = workspace->read("f", 1'000'000);
      if (!bytes || (*bytes != a && *bytes != b)) ++torn;
    }
    writer.join();
    CHECK(torn == 0);
    CHECK(root.count(".") == 1);
  }
}

TEST_CASE("symlinks swapped in meanwhile lead no read or write out") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory outside;
    outside.put("f", "OUTSIDE");
    outside.put("g", "OUTSIDE");
    const TemporaryDirectory root;
    root.put("d/f", "inside");
    root.put("d/g", "inside");
    root.link(outside.path(), "evil");
    root.put("x", "inside");
    root.link(outside.path() + "/f", "evil_file");
    const auto workspace = open(root.path(), resolver);
    std::atomic<bool> stop{false};
    std::thread swapper([&] {
      const std::string d = root / "d";
      const std::string evil = root / "evil";
      const std::string x = root / "x";
      const std::string evil_file = root / "evil_file";
      while (!stop) {
        ::renameat2(AT_FDCWD, d.c_str(), AT_FDCWD, evil.c_str(), RENAME_EXCHANGE);
        ::renameat2(AT_FDCWD, x.c_str(), AT_FDCWD, evil_file.c_str(), RENAME_EXCHANGE);
      }
    });
    std::size_t inside = 0;
    std::size_t refused = 0;
    std::size_t leaked = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1'000);
    while (std::chrono::steady_clock::now() < end) {
      for (const char* path : {"d/f", "x", "evil/f", "evil_file"}) {
        const auto bytes = workspace->read(path, 100);
        if (!bytes) ++refused;
        else if (*bytes == "OUTSIDE") ++leaked;
        else ++inside;
      }
      static_cast<void>(workspace->write("d/f", "inside"));
      static_cast<void>(workspace->write("x", "inside"));
      static_cast<void>(workspace->write("d/new/deep/file", "inside"));
      static_cast<void>(workspace->rename("d/f", "d/f2"));
      static_cast<void>(workspace->rename("d/f2", "d/f"));
      static_cast<void>(workspace->remove("d/g"));
    }
    stop = true;
    swapper.join();
    CHECK(leaked == 0);
    CHECK(inside > 0);
    CHECK(refused > 0);
    CHECK(outside.get("f") == "OUTSIDE");
    CHECK(outside.get("g") == "OUTSIDE");
    CHECK(outside.count(".") == 2);
    MESSAGE(inside << " reads inside, " << refused << " refused");
  }
}

TEST_CASE("what the user may not read or write is denied, and nothing is left behind") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    root.put("closed", "x");
    root.put("readonly", "old");
    root.put("locked/f", "old");
    root.put("hidden/f", "old");
    ::chmod(root.path().c_str(), 0777);
    ::chmod((root / "closed").c_str(), 0000);
    ::chmod((root / "readonly").c_str(), 0444);
    ::chmod((root / "locked").c_str(), 0555);
    ::chmod((root / "locked/f").c_str(), 0666);
    ::chmod((root / "hidden").c_str(), 0000);
    const int result = in_child([&] {
      if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
      const auto workspace = open(root.path(), resolver);
      const auto denied = [](const auto& outcome) { return !outcome && outcome.error().code == ErrorCode::denied; };
      return denied(workspace->read("closed", 10)) && denied(workspace->write("closed", "y")) &&
             denied(workspace->write("readonly", "y")) && denied(workspace->write("locked/f", "y")) &&
             denied(workspace->write("locked/new/f", "y")) && denied(workspace->read("hidden/f", 10)) &&
             denied(workspace->list("hidden")) && denied(workspace->remove("locked/f")) &&
             denied(workspace->rename("locked/f", "f")) && workspace->write("new", "y").has_value();
    });
    ::chmod((root / "hidden").c_str(), 0755);
    CHECK(result == 0);
    CHECK(root.get("readonly") == "old");
    CHECK(root.count("locked") == 1);
    CHECK(root.count(".") == 5);
  }
}

TEST_CASE("a file beyond the process's size limit is refused without a signal") {
  const TemporaryDirectory root;
  root.put("f", "old");
  const int result = in_child([&] {
    const rlimit limit{1'000, 1'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto workspace = open(root.path(), Resolver::kernel);
    const auto refused = workspace->write("f", std::string(1'001, 'x'));
    return !refused && refused.error().code == ErrorCode::limit && workspace->write("f", std::string(1'000, 'x'));
  });
  CHECK(result == 0);
  CHECK(root.count(".") == 1);
}

TEST_CASE("too many open files is an error, not a crash") {
  const TemporaryDirectory root;
  root.put("a/f", "x");
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const int result = in_child([&] {
      const auto workspace = open(root.path(), resolver);
      const rlimit limit{64, 64};
      ::setrlimit(RLIMIT_NOFILE, &limit);
      std::vector<Descriptor> all;
      while (all.empty() || all.back()) all.emplace_back(::open("/dev/null", O_RDONLY));
      const auto read = workspace->read("a/f", 10);
      const auto write = workspace->write("a/f", "y");
      return !read && read.error().code == ErrorCode::limit && !write && write.error().code == ErrorCode::limit;
    });
    CHECK(result == 0);
  }
  CHECK(root.get("a/f") == "x");
}

TEST_CASE("a full or read-only file system changes nothing") {
  const TemporaryDirectory root;
  root.put("small/.keep", "");
  if (::mount("tmpfs", (root / "small").c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: this user may not mount a small file system");
    return;
  }
  root.put("small/f", "old");
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const auto workspace = open(root / "small", resolver);
    CHECK(code(workspace->write("f", std::string(1'000'000, 'x'))) == ErrorCode::io);
    CHECK(workspace->write("f", std::string(1'000'000, 'x')).error().message.find("space") != std::string::npos);
    CHECK(root.get("small/f") == "old");
    CHECK(root.count("small") == 1);
  }
  REQUIRE(::mount("", (root / "small").c_str(), "", MS_REMOUNT | MS_RDONLY, "size=64k") == 0);
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const auto workspace = open(root / "small", resolver);
    CHECK(code(workspace->write("f", "new")) == ErrorCode::denied);
    CHECK(code(workspace->write("d/f", "new")) == ErrorCode::denied);
    CHECK(code(workspace->remove("f")) == ErrorCode::denied);
    CHECK(workspace->read("f", 10).value() == "old");
    const auto above = open(root.path(), resolver);
    CHECK(code(above->rename("small/f", "f")) != ErrorCode::internal);
  }
  REQUIRE(::umount((root / "small").c_str()) == 0);
}

TEST_CASE("links of /proc are not followed, whatever the root is") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const auto proc = open("/proc", resolver);
    CHECK(code(proc->read("self/root/etc/passwd", 1'000'000)) == ErrorCode::denied);
    CHECK_FALSE(proc->read("self/exe", 1'000'000'000));
    CHECK_FALSE(proc->list("self/cwd"));
    CHECK_FALSE(proc->read("self/status", 1'000'000).value_or("").empty());  // its size says 0
  }
}

TEST_CASE("a workspace goes with its directory when that is renamed") {
  for (const Resolver resolver : resolvers) {
    CAPTURE(static_cast<int>(resolver));
    const TemporaryDirectory root;
    root.put("old/f", "x");
    const auto workspace = open(root / "old", resolver);
    std::filesystem::rename(root / "old", root / "new");
    CHECK(workspace->read("f", 10).value() == "x");
    CHECK(workspace->write("g", "y"));
    CHECK(root.get("new/g") == "y");
  }
}

TEST_CASE("without a loop no command is started") {
  struct Sink final : CommandSink {
    void on_output(std::string_view) override {}
    void on_exit(CommandExit) override {}
    void on_end() override {}
  } sink;
  const TemporaryDirectory root;
  const auto workspace = open(root.path(), Resolver::kernel);
  const CommandSpec command{.command = "true", .directory = "", .environment = {}};
  CHECK(workspace->start(command, sink).error().code == ErrorCode::unsupported);
}
