// A world for boxes to be tried in: a workspace with guarded paths, and things outside it that no command may reach.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loop.hpp"
#include "temporary.hpp"
#include "workspace/box.hpp"
#include "workspace/local.hpp"

namespace joey::test {

inline constexpr const char* outside_secret = "outside-secret-7391";
inline constexpr const char* hidden_secret = "hidden-secret-4242";

// Path to type, mode and contents.
using Snapshot = std::map<std::string, std::string>;

inline void add_to_snapshot(Snapshot& snapshot, const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) return;
  std::string& entry = snapshot[path];
  entry = fmt::format("{:o} ", status.st_mode);
  if (S_ISREG(status.st_mode)) {
    std::ifstream file(path, std::ios::binary);
    entry.append(std::istreambuf_iterator<char>(file), {});
  } else if (S_ISLNK(status.st_mode)) {
    entry += std::filesystem::read_symlink(path).string();
  } else if (S_ISDIR(status.st_mode)) {
    std::error_code ignored;
    for (const auto& inner : std::filesystem::directory_iterator(path, ignored)) add_to_snapshot(snapshot, inner.path().string());
  }
}

// Things of the machine and of other processes.
class Outside {
 public:
  explicit Outside(const std::string& directory) {
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tcp_port_ = listen_at(tcp_, SOCK_STREAM);
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    udp_port_ = listen_at(udp_, SOCK_DGRAM);
    const timeval limit{0, 100'000};
    ::setsockopt(udp_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    echo_ = std::thread([this] {
      while (!ending_) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        char byte = 0;
        if (::recvfrom(udp_, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) > 0) {
          ::sendto(udp_, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), size);
        }
      }
    });
    static int last = 0;
    key_ = ::getpid() << 8 | (++last & 0xff);
    name_ = fmt::format("joey-test-{}", key_);
    abstract_ = unix_listener(name_, true);
    socket_path_ = directory + "/socket";
    unix_ = unix_listener(socket_path_, false);
    ::chmod(socket_path_.c_str(), 0777);
    shared_ = ::shmget(key_, 4096, IPC_CREAT | 0600);
    mq_attr attributes{};
    attributes.mq_maxmsg = 1;
    attributes.mq_msgsize = 8;
    queue_ = ::mq_open(("/" + name_).c_str(), O_RDWR | O_CREAT, 0600, &attributes);
    const char* arguments[] = {"sleep", "600", nullptr};
    const std::string secret = fmt::format("SECRET={}", outside_secret);
    const char* environment[] = {secret.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {0, 1, 2}) ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
    ::posix_spawnp(&victim_, "sleep", &actions, nullptr, const_cast<char**>(arguments), const_cast<char**>(environment));
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~Outside() {
    ending_ = true;
    echo_.join();
    ::kill(victim_, SIGKILL);
    ::waitpid(victim_, nullptr, 0);
    ::shmctl(shared_, IPC_RMID, nullptr);
    ::mq_close(queue_);
    ::mq_unlink(("/" + name_).c_str());
    for (const int fd : {tcp_, udp_, abstract_, unix_}) ::close(fd);
  }

  [[nodiscard]] bool victim_lives() const {
    std::ifstream file(fmt::format("/proc/{}/stat", victim_));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto end = text.rfind(')');
    return end != text.npos && text[end + 2] == 'S';
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment() const {
    return {{"TCP", fmt::to_string(tcp_port_)}, {"UDP", fmt::to_string(udp_port_)},
            {"ABSTRACT", name_},                {"SOCKET", socket_path_},
            {"SHM", fmt::to_string(key_)}, {"QUEUE", "/" + name_},
            {"VICTIM", fmt::to_string(victim_)}};
  }
  [[nodiscard]] int tcp_port() const { return tcp_port_; }

 private:
  static int listen_at(int fd, int type) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(fd, 64) == 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }
  static int unix_listener(const std::string& name, bool abstract) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    name.copy(at.sun_path + (abstract ? 1 : 0), sizeof at.sun_path - 2);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
    REQUIRE(::listen(fd, 64) == 0);
    return fd;
  }

  int tcp_{-1}, udp_{-1}, abstract_{-1}, unix_{-1};
  int tcp_port_{0}, udp_port_{0};
  int key_{0};
  int shared_{-1};
  mqd_t queue_{-1};
  pid_t victim_{-1};
  std::string name_, socket_path_;
  std::atomic<bool> ending_{false};
  std::thread echo_;
};

struct BoxRun {
  std::string output;
  CommandExit exit;
};

// The directories are beneath /var/tmp: /tmp is another one in some boxes, and its absence would prove nothing.
class BoxWorld {
 public:
  explicit BoxWorld(const std::string& where = "/var/tmp") : directory_(where) {
    std::filesystem::create_directories(directory_ / "private");
    std::filesystem::create_directories(directory_ / "ws");
    std::filesystem::create_directories(directory_ / "out");
    auto opened = open_local_workspace(directory_ / "ws", {.loop = loop_.handle(), .scheduler = &loop_});
    REQUIRE(opened);
    workspace_ = *opened;
    outside_ = std::make_unique<Outside>(directory_.path());
    reset();
  }

  // The files as they were at first.
  void reset() {
    const std::string out = this->out();
    for (const std::string& each : {root(), out}) {
      for (const auto& inner : std::filesystem::directory_iterator(each)) std::filesystem::remove_all(inner.path());
    }
    for (const char* file : {"out/secret", "out/target"}) directory_.put(file, outside_secret);
    directory_.put("out/.bashrc", "# profile\n");
    for (const char* file : {".env", "secrets/key", "a/b/token"}) put(file, hidden_secret);
    put("AGENTS.md", "rules\n");
    put(".git/HEAD", "ref: refs/heads/main\n");
    put(".git/config", "[core]\n");
    put(".git/hooks/sample", "#!/bin/sh\n");
    put(".vscode/settings.json", "{}\n");
    put("src/main.c", "int main(void) { return 0; }\n");
    put("src/harmless", "harmless\n");
    put("a/open", "open\n");
    std::filesystem::copy_file(JOEY_BOX_PROBE, root() + "/src/probe");
    std::filesystem::permissions(root() + "/src/probe", std::filesystem::perms::all);
  }

  // What no command in a box may change.
  [[nodiscard]] Snapshot guarded() const {
    Snapshot snapshot;
    add_to_snapshot(snapshot, out());
    for (const char* path : {"/.env", "/secrets", "/a/b/token", "/AGENTS.md", "/.git/config", "/.git/hooks", "/.vscode", "/.roo"}) {
      add_to_snapshot(snapshot, root() + path);
    }
    // An empty directory is nothing, and may be kept in a name's place while a command runs.
    if (const auto found = snapshot.find(root() + "/.roo"); found != snapshot.end() && std::filesystem::is_empty(root() + "/.roo")) {
      snapshot.erase(found);
    }
    return snapshot;
  }

  [[nodiscard]] BoxRules rules() const {
    BoxRules rules;
    rules.workspace = root();
    rules.hidden = {".env", "secrets", "a/b/token"};
    rules.read_only = {"AGENTS.md", ".git/config", ".git/hooks", ".vscode", ".roo"};
    rules.limits = {.memory = 256U << 20, .processes = 100, .cpu_time = std::chrono::seconds(2), .file_size = 8U << 20, .open_files = 256, .disk = 0};
    rules.temporary_parent = directory_ / "private";
    return rules;
  }
  // Of a workspace without guarded paths or limits.
  [[nodiscard]] BoxRules plain_rules() const {
    BoxRules rules;
    rules.workspace = root();
    rules.temporary_parent = directory_ / "private";
    return rules;
  }

  BoxRun run(CommandSpec spec) {
    Recorder recorder;
    const auto command = start(std::move(spec), recorder);
    REQUIRE(loop_.run_until([&] { return recorder.ended; }, 60s));
    return {recorder.output, recorder.exit.value_or(CommandExit{})};
  }
  BoxRun run(const std::shared_ptr<const Box>& box, std::string command) {
    CommandSpec spec = spec_of(std::move(command));
    spec.box = box;
    return run(std::move(spec));
  }
  std::unique_ptr<Command> start(CommandSpec spec, CommandSink& sink) {
    auto command = workspace_->start(std::move(spec), sink);
    REQUIRE_MESSAGE(command, command.error().message);
    return std::move(*command);
  }
  [[nodiscard]] CommandSpec spec_of(std::string command) const {
    CommandSpec spec{std::move(command), {}, outside_->environment()};
    spec.environment.emplace_back("OUT", out());
    spec.environment.emplace_back("WS", root());
    spec.environment.emplace_back("P", root() + "/src/probe");
    return spec;
  }

  [[nodiscard]] std::string root() const { return directory_ / "ws"; }
  [[nodiscard]] std::string out() const { return directory_ / "out"; }
  void put(const std::string& name, const std::string& bytes) { directory_.put("ws/" + name, bytes); }
  [[nodiscard]] std::string get(const std::string& name) const { return directory_.get("ws/" + name); }
  TestLoop& loop() { return loop_; }
  Workspace& workspace() { return *workspace_; }
  Outside& outside() { return *outside_; }

 private:
  TestLoop loop_;
  TemporaryDirectory directory_;
  std::shared_ptr<Workspace> workspace_;
  std::unique_ptr<Outside> outside_;
};

// The box, or none and a line that says why: a machine may lack what it needs.
inline std::shared_ptr<const Box> try_box(BoxKind kind, BoxRules rules) {
  auto box = prepare_box(kind, std::move(rules));
  if (box) return *box;
  REQUIRE_MESSAGE(box.error().code == ErrorCode::unsupported, box.error().message);
  MESSAGE("skipped, for this machine has no such box: " << box.error().message);
  return nullptr;
}

}  // namespace joey::test
