// Attempts to get out of a workspace through its files, one a row: tricks with paths, symlinks, /proc and races, against
// both resolvers. Each must be refused, by the layer that its row names; and each would succeed, or be foolish, without
// the workspace: what a row reads or changes is there for plain system calls on the same path.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "temporary.hpp"
#include "workspace/local.hpp"

namespace joey {
namespace {

using namespace std::string_view_literals;
using test::TemporaryDirectory;

constexpr std::string_view secret = "outside-secret-5150";
constexpr std::string_view hidden = "hidden-secret-6262";

enum class Does : std::uint8_t { read, write, list, look, remove, rename_from, rename_to };

// Which layer refuses, by what it says.
namespace layer {
constexpr const char* root = "leads out of the workspace";        // openat2 beneath the root, or the text of the path
constexpr const char* links = "link of /proc";                    // no links of /proc, and no endless ones
constexpr const char* ignored = ".rooignore keeps it from you";   // what .rooignore forbids
constexpr const char* kept = "is a protected file";               // what steers agents
constexpr const char* kinds = "is a device, pipe or socket";      // pipes, sockets, devices
constexpr const char* text = "a path cannot hold";                // paths that the kernel would cut
constexpr const char* absent = "";                                // any refusal: shortened by its text, the path names nothing
}  // namespace layer

struct Row {
  const char* name;
  Does does;
  std::string_view path;  // OUT and ROOT stand for the directory outside and the workspace
  const char* stopped_by;
};

constexpr Row rows[] = {
    // --- Paths that lead out ---
    {"an absolute path", Does::read, "OUT/secret", layer::root},
    {"dots", Does::read, "../out/secret", layer::root},
    {"dots behind a directory", Does::read, "src/../../out/secret", layer::root},
    {"dots behind one that is not there", Does::read, "none/../../out/secret", layer::root},
    {"many dots", Does::read, "../../../../../../../../../../../../OUT/secret", layer::root},
    {"dots with doubled slashes", Does::read, "src//..//..//out//secret", layer::root},
    {"dots between dots", Does::read, "./.././out/./secret", layer::root},
    {"out and in again, to a neighbour", Does::read, "../ws2/secret", layer::root},
    {"the root's name as a beginning", Does::read, "ROOT2/secret", layer::root},
    {"the root and dots", Does::read, "ROOT/../out/secret", layer::root},
    {"doubled slashes at the beginning", Does::read, "//OUT/secret", layer::root},
    {"a NUL that would end the path", Does::read, "src/harmless\0/../../../out/secret"sv, layer::text},
    {"/proc/self/root", Does::read, "/proc/self/root/OUT/secret", layer::root},
    {"/proc/self/cwd", Does::list, "/proc/self/cwd", layer::root},
    {"a descriptor of the host", Does::read, "/proc/self/fd/0", layer::root},
    {"the host's environment", Does::read, "/proc/self/environ", layer::root},
    {"the host's memory", Does::read, "/proc/self/mem", layer::root},
    {"a device", Does::read, "/dev/zero", layer::root},
    {"list dots", Does::list, "..", layer::root},
    {"list outside", Does::list, "OUT", layer::root},
    {"look outside", Does::look, "OUT/secret", layer::root},
    {"write outside", Does::write, "OUT/secret", layer::root},
    {"write a new file outside", Does::write, "../out/new", layer::root},
    {"write through /proc", Does::write, "/proc/self/root/OUT/new", layer::root},
    {"write a new directory outside", Does::write, "../out/deep/er/new", layer::root},
    {"remove outside", Does::remove, "../out/secret", layer::root},
    {"move from outside", Does::rename_from, "../out/secret", layer::root},
    {"move to outside", Does::rename_to, "../out/new", layer::root},
    {"move over a file outside", Does::rename_to, "OUT/secret", layer::root},
    // --- Symlinks that lead out ---
    {"a symlink, absolute", Does::read, "to_secret", layer::root},
    {"a symlink, relative", Does::read, "up_to_secret", layer::root},
    {"a directory's symlink", Does::read, "to_out/secret", layer::root},
    {"a directory's symlink and dots", Does::read, "to_out/../out/secret", layer::absent},
    {"a chain of symlinks", Does::read, "one", layer::root},
    {"a chain through directories", Does::read, "src/chain/secret", layer::root},
    {"a symlink in and out", Does::read, "src/in_and_out", layer::root},
    {"a symlink to the root's parent", Does::read, "parent/out/secret", layer::root},
    {"a symlink to /", Does::read, "slash/OUT/secret", layer::root},
    {"a symlink to /proc/self/root", Does::read, "proc_root/OUT/secret", layer::root},
    {"a symlink to /proc/self/cwd", Does::read, "proc_cwd/x", layer::root},
    {"a symlink to itself", Does::read, "endless", layer::links},
    {"list a symlinked directory", Does::list, "to_out", layer::root},
    {"list a chain", Does::list, "src/chain", layer::root},
    {"look through a symlink", Does::look, "to_secret", layer::root},
    {"write through a symlink", Does::write, "to_secret", layer::root},
    {"write through a symlink that leads to nothing yet", Does::write, "to_new", layer::root},
    {"write through a symlinked directory", Does::write, "to_out/new", layer::root},
    {"write directories through a symlinked one", Does::write, "to_out/deep/new", layer::root},
    {"remove through a symlinked directory", Does::remove, "to_out/secret", layer::root},
    {"move from a symlinked directory", Does::rename_from, "to_out/secret", layer::root},
    {"move to a symlinked directory", Does::rename_to, "to_out/new", layer::root},
    // --- What .rooignore forbids ---
    {"hidden: as it is named", Does::read, ".env", layer::ignored},
    {"hidden: absolutely", Does::read, "ROOT/.env", layer::ignored},
    {"hidden: with dots", Does::read, "src/../.env", layer::ignored},
    {"hidden: with dots that are no directories", Does::read, "./src/.././.env", layer::ignored},
    {"hidden: by a symlink", Does::read, "to_env", layer::ignored},
    {"hidden: by a symlink from a directory", Does::read, "src/to_env", layer::ignored},
    {"hidden: in a directory", Does::read, "secrets/key", layer::ignored},
    {"hidden: in a symlinked directory", Does::read, "to_secrets/key", layer::ignored},
    {"hidden: by an absolute symlink", Does::read, "to_env_absolute", layer::ignored},
    {"hidden: list", Does::list, "secrets", layer::ignored},
    {"hidden: list by a symlink", Does::list, "to_secrets", layer::ignored},
    {"hidden: look", Does::look, ".env", layer::ignored},
    {"hidden: write", Does::write, ".env", layer::ignored},
    {"hidden: write by a symlink", Does::write, "to_env", layer::ignored},
    {"hidden: write a new file in a directory", Does::write, "secrets/new", layer::ignored},
    {"hidden: remove", Does::remove, ".env", layer::ignored},
    {"hidden: move away", Does::rename_from, ".env", layer::ignored},
    {"hidden: move over", Does::rename_to, ".env", layer::ignored},
    {"hidden: move its directory", Does::rename_from, "secrets", layer::absent},
    {"hidden: the list itself, to be another", Does::write, ".rooignore", layer::ignored},
    {"hidden: remove the list", Does::remove, ".rooignore", layer::ignored},
    {"hidden: move over the list", Does::rename_to, ".rooignore", layer::ignored},
    // --- Files that steer agents, git and editors ---
    {"protected: write", Does::write, "AGENTS.md", layer::kept},
    {"protected: write with dots", Does::write, "src/../AGENTS.md", layer::kept},
    {"protected: write by a symlink", Does::write, "to_agents", layer::kept},
    {"protected: write in a directory", Does::write, ".roo/rules/new.md", layer::kept},
    {"protected: write in a symlinked directory", Does::write, "to_roo/rules/new.md", layer::kept},
    {"protected: remove", Does::remove, "AGENTS.md", layer::kept},
    {"protected: move away", Does::rename_from, "AGENTS.md", layer::kept},
    {"protected: move over", Does::rename_to, "AGENTS.md", layer::kept},
    {"protected: move into its directory", Does::rename_to, ".roo/new", layer::kept},
    // --- What is no file ---
    {"a pipe that nobody writes", Does::read, "pipe", layer::kinds},
    {"a pipe that nobody reads", Does::write, "pipe", layer::kinds},
    {"a socket", Does::read, "socket", layer::kinds},
    {"a symlink to a pipe", Does::read, "to_pipe", layer::kinds},
};

bool is_protected(std::string_view path) { return path == "AGENTS.md" || path == ".roo" || path.starts_with(".roo/"); }

// A workspace beside a directory with a secret.
class World {
 public:
  World() {
    for (const auto& [name, bytes] : {std::pair{"out/secret", secret}, {"ws2/secret", secret}, {"ws/.env", hidden}, {"ws/secrets/key", hidden}}) {
      directory_.put(name, std::string(bytes));
    }
    directory_.put("ws/.rooignore", ".env\nsecrets/\n");
    directory_.put("ws/AGENTS.md", "rules\n");
    directory_.put("ws/.roo/rules/one.md", "rules\n");
    directory_.put("ws/src/harmless", "harmless\n");
    const std::string out = directory_ / "out";
    const std::pair<std::string, std::string> links[] = {
        {out + "/secret", "to_secret"}, {"../out/secret", "up_to_secret"}, {out, "to_out"},      {"two", "one"},
        {"src/three", "two"},           {"../../out/secret", "src/three"}, {"../to_out", "src/chain"}, {"../to_out/secret", "src/in_and_out"},
        {"..", "parent"},               {"/", "slash"},                    {"/proc/self/root", "proc_root"}, {"/proc/self/cwd", "proc_cwd"},
        {"endless", "endless"},         {out + "/new", "to_new"},          {".env", "to_env"},   {"../.env", "src/to_env"},
        {"secrets", "to_secrets"},      {root() + "/.env", "to_env_absolute"}, {"AGENTS.md", "to_agents"}, {".roo", "to_roo"},
        {"pipe", "to_pipe"}};
    for (const auto& [target, name] : links) directory_.link(target, "ws/" + name);
    REQUIRE(::mkfifo((root() + "/pipe").c_str(), 0600) == 0);
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    (root() + "/socket").copy(at.sun_path, sizeof at.sun_path - 1);
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { ::close(socket_); }

  [[nodiscard]] std::string root() const { return directory_ / "ws"; }
  [[nodiscard]] std::string out() const { return directory_ / "out"; }
  [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }

  [[nodiscard]] std::string path_of(std::string_view written) const {
    std::string path(written);
    for (const auto& [word, meant] : {std::pair{std::string("OUT"), out()}, {std::string("ROOT"), root()}}) {
      if (const auto at = path.find(word); at != path.npos) path.replace(at, word.size(), meant);
    }
    return path;
  }

  // What no row may have changed.
  [[nodiscard]] bool is_whole() const {
    const auto holds = [&](const char* name, std::string_view bytes) { return directory_.exists(name) && directory_.get(name) == bytes; };
    return holds("out/secret", secret) && holds("ws/.env", hidden) && holds("ws/secrets/key", hidden) && holds("ws/AGENTS.md", "rules\n") &&
           holds("ws/.rooignore", ".env\nsecrets/\n") && directory_.count("out") == 1 && directory_.count("ws/secrets") == 1 &&
           directory_.count("ws/.roo") == 1 && directory_.count("ws/.roo/rules") == 1;
  }

 private:
  TemporaryDirectory directory_;
  int socket_{-1};
};

// The refusal, or what came of it.
std::string answer_of(Workspace& workspace, Does does, const std::string& path) {
  const auto said = [](const auto& result, const std::string& done) { return result ? "ESCAPED " + done : result.error().message; };
  switch (does) {
    case Does::read: {
      const auto bytes = workspace.read(path, 1'000);
      const auto part = workspace.read_range(path, 0, 1'000);
      if (!bytes && part) return "ESCAPED by a part: " + *part;
      return said(bytes, bytes.value_or(""));
    }
    case Does::write: return said(workspace.write(path, "changed"), "write");
    case Does::list: return said(workspace.list(path), "list");
    case Does::look: return said(workspace.info(path), "info");
    case Does::remove: return said(workspace.remove(path), "remove");
    case Does::rename_from: return said(workspace.rename(path, "src/moved"), "rename");
    case Does::rename_to: return said(workspace.rename("src/harmless", path), "rename");
  }
  return "ESCAPED: no such attempt";
}

constexpr Resolver resolvers_tried[] = {Resolver::kernel, Resolver::portable};

TEST_CASE("nothing gets out of a workspace through its files") {
  for (const Resolver resolver : resolvers_tried) {
    std::map<std::string, int> stopped;
    for (const Row& row : rows) {
      const World world;
      const auto workspace = open_local_workspace(world.root(), {.resolver = resolver, .is_protected = is_protected});
      REQUIRE(workspace);
      const std::string answer = answer_of(**workspace, row.does, world.path_of(row.path));
      CHECK_MESSAGE(!answer.starts_with("ESCAPED"), std::string(row.name), ": ", answer);
      CHECK_MESSAGE(answer.find(row.stopped_by) != answer.npos, std::string(row.name), ": ", answer);
      CHECK_MESSAGE(world.is_whole(), std::string(row.name));
      ++stopped[*row.stopped_by == '\0' ? "being absent" : row.stopped_by];
    }
    std::string summary;
    for (const auto& [layer, count] : stopped) summary += fmt::format("; {} by \"{}\"", count, layer);
    MESSAGE(fmt::format("{} resolver: {} attempts stopped{}", resolver == Resolver::kernel ? "the kernel's" : "the portable", std::size(rows), summary));
  }
}

TEST_CASE("without a workspace the same paths lead to what is guarded") {
  const World world;
  int led = 0;
  for (const Row& row : rows) {
    if (row.does != Does::read) continue;
    std::string path = world.path_of(row.path);
    if (!path.starts_with('/')) path = world.root() + "/" + path;
    const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char bytes[64];
    const ssize_t size = fd < 0 ? -1 : ::read(fd, bytes, sizeof bytes);
    if (fd >= 0) ::close(fd);
    const std::string_view read(bytes, size < 0 ? 0 : static_cast<std::size_t>(size));
    if (read == secret || read == hidden) ++led;
  }
  CHECK(led >= 25);
  MESSAGE(led << " paths lead to a secret");
}

// ---------------------------------------------------------------------------------------------------------------------
// Races: what a path leads to changes while it is used

struct Race {
  const char* name;
  const char* first;   // these two are exchanged, again and again
  const char* second;
  const char* path;
};

constexpr Race races[] = {
    {"a file and a symlink out", "src/harmless", "to_secret", "src/harmless"},
    {"a directory and a symlink out", "src", "to_out", "src/secret"},
    {"a directory and a symlink to the parent", "src", "parent", "src/out/secret"},
    {"a directory and a symlink to /", "src", "slash", "src/OUT/secret"},
    {"a directory and a symlink to /proc/self/root", "src", "proc_root", "src/OUT/secret"},
    {"a file and a symlink to what is hidden", "src/harmless", "to_env", "src/harmless"},
    {"a directory and one that is hidden", "src", "to_secrets", "src/key"},
    {"a file and a symlink to a protected one", "src/harmless", "to_agents", "src/harmless"},
    {"a directory above and one outside", "src", "../out", "src/../secret"},
    {"a directory that moves out while it is walked", "src", "../out", "src/secret"},
};

TEST_CASE("what changes while it is used leads nowhere else") {
  constexpr auto time_of_each = std::chrono::milliseconds(60);
  for (const Resolver resolver : resolvers_tried) {
    for (const Race& race : races) {
      const World world;
      const auto workspace = open_local_workspace(world.root(), {.resolver = resolver, .is_protected = is_protected});
      REQUIRE(workspace);
      // To what moves in from outside the workspace has a right, as has everybody.
      const bool moves_in = std::string_view(race.second) == "../out";
      std::atomic<bool> ending{false};
      std::thread exchanger([&] {
        const std::string first = world.root() + "/" + race.first;
        const std::string second = world.root() + "/" + race.second;
        for (std::size_t i = 0; !ending || i % 2 != 0; ++i) ::renameat2(AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), RENAME_EXCHANGE);
      });
      const std::string path = world.path_of(race.path);
      int leaked = 0;
      for (const auto end = std::chrono::steady_clock::now() + time_of_each; std::chrono::steady_clock::now() < end;) {
        const auto bytes = workspace.value()->read(path, 1'000);
        if (bytes && !moves_in && bytes->find("-secret-") != bytes->npos) ++leaked;
        if (!moves_in) {
          static_cast<void>(workspace.value()->write(path, "changed"));
          static_cast<void>(workspace.value()->list("src"));
        }
      }
      ending = true;
      exchanger.join();
      CHECK_MESSAGE(leaked == 0, std::string(race.name));
      CHECK_MESSAGE(world.directory().get("out/secret") == secret, std::string(race.name));
      CHECK_MESSAGE(world.directory().get("ws/.env") == hidden, std::string(race.name));
      CHECK_MESSAGE(world.directory().get("ws/AGENTS.md") == "rules\n", std::string(race.name));
    }
  }
}

}  // namespace
}  // namespace joey
