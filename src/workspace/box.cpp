#include "workspace/box.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/memfd.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box_parts.hpp"
#include "workspace/supervisor.hpp"

// The confine program, as the linker left it.
extern "C" {
extern const char joey_confine_image[] __attribute__((visibility("hidden")));
extern const char joey_confine_image_end[] __attribute__((visibility("hidden")));
}
asm(".pushsection .rodata\n"
    ".globl joey_confine_image, joey_confine_image_end\n"
    ".hidden joey_confine_image, joey_confine_image_end\n"
    "joey_confine_image: .incbin \"" JOEY_CONFINE_FILE "\"\n"
    "joey_confine_image_end:\n"
    ".popsection\n");

namespace joey {

std::string_view to_string(BoxKind kind) {
  switch (kind) {
    case BoxKind::none: return "none";
    case BoxKind::landlock: return "landlock";
    case BoxKind::bubblewrap: return "bubblewrap";
    case BoxKind::oci: return "oci";
  }
  return "unknown";
}

tl::unexpected<Error> box_failure(std::string_view what, int error) {
  ErrorCode code = ErrorCode::io;
  if (error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM) code = ErrorCode::limit;
  if (error == ENOSYS || error == EOPNOTSUPP) code = ErrorCode::unsupported;
  return failure(code, fmt::format("box: {}: {}", what, std::strerror(error)));
}

// ---------------------------------------------------------------------------------------------------------------------
// Preparing

namespace {

constexpr std::size_t paths_max = 256;  // of each list of the rules

tl::unexpected<Error> bad_rule(std::string_view path, std::string_view what) {
  return failure(ErrorCode::invalid_argument, fmt::format("box: {}: {}", quoted_path(path), what));
}

Status check_absolute(const std::vector<std::string>& paths) {
  if (paths.size() > paths_max) return failure(ErrorCode::invalid_argument, fmt::format("box: more than {} paths", paths_max));
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || path.find('\0') != path.npos) return bad_rule(path, "must be absolute");
    if (::access(path.c_str(), F_OK) != 0) return bad_rule(path, "does not exist, so it cannot be given to commands");
  }
  return {};
}

Status check_relative(const std::vector<std::string>& paths) {
  if (paths.size() > paths_max) return failure(ErrorCode::invalid_argument, fmt::format("box: more than {} paths", paths_max));
  for (const std::string& path : paths) {
    const auto shortest = shortest_path(path);
    if (path.starts_with('/') || path.find('\0') != path.npos || !shortest || shortest->empty()) {
      return bad_rule(path, "must be a path beneath the workspace, relative to it");
    }
  }
  return {};
}

Status check_rules(const BoxRules& rules) {
  const std::unique_ptr<char, void (*)(void*)> canonical(::realpath(rules.workspace.c_str(), nullptr), ::free);
  if (!canonical || rules.workspace != canonical.get() || rules.workspace == "/") {
    return bad_rule(rules.workspace, "is no root of a workspace: give the path that Workspace::root() says, and not \"/\"");
  }
  for (const auto* paths : {&rules.writable, &rules.readable}) {
    if (Status ok = check_absolute(*paths); !ok) return ok;
    for (const std::string& path : *paths) {
      const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
      if (real && path_beneath(rules.workspace, real.get())) return bad_rule(path, "is in the workspace, which commands have anyway");
      // By another name what the workspace hides would be there unhidden.
      if (real && path != real.get() && path_beneath(real.get(), rules.workspace)) {
        return bad_rule(path, fmt::format("holds the workspace by another name: give its own, \"{}\"", real.get()));
      }
    }
  }
  for (const auto* paths : {&rules.hidden, &rules.read_only}) {
    if (Status ok = check_relative(*paths); !ok) return ok;
  }
  return {};
}

Result<std::shared_ptr<const PreparedBox>> prepare(BoxKind kind, BoxRules rules, bool probing) {
  if (Status ok = check_rules(rules); !ok) return tl::unexpected(std::move(ok.error()));
  const bool demands_all = rules.demands_all;
  Result<std::shared_ptr<const PreparedBox>> box = nullptr;
  switch (kind) {
    case BoxKind::none: return failure(ErrorCode::internal, "box: none is no box");
    case BoxKind::landlock: box = prepare_landlock_box(std::move(rules), probing); break;
    case BoxKind::bubblewrap: box = prepare_bubblewrap_box(std::move(rules), probing); break;
    case BoxKind::oci: box = prepare_oci_box(std::move(rules), probing); break;
  }
  if (!box) return box;
  const BoxReport& report = (*box)->report();
  if (demands_all && !report.reduced.empty()) {
    return failure(ErrorCode::unsupported,
                   fmt::format("box: {} does not give all that is demanded here: {}{}", to_string(kind), report.reduced.front(),
                               report.reduced.size() == 1 ? "" : fmt::format(" (and {} more)", report.reduced.size() - 1)));
  }
  return box;
}

BoxReport report_of_none() { return {BoxKind::none, {"nothing is kept from commands: use another kind of box"}, {}}; }

}  // namespace

Result<BoxReport> probe_box(BoxKind kind, const BoxRules& rules) {
  if (kind == BoxKind::none && !rules.demands_all) return report_of_none();
  if (kind == BoxKind::none) return failure(ErrorCode::unsupported, "box: " + report_of_none().reduced.front());
  const auto box = prepare(kind, rules, true);
  if (!box) return tl::unexpected(box.error());
  return (*box)->report();
}

Result<std::shared_ptr<const Box>> prepare_box(BoxKind kind, BoxRules rules) {
  if (kind == BoxKind::none) {
    if (auto report = probe_box(kind, rules); !report) return tl::unexpected(std::move(report.error()));
    return nullptr;
  }
  auto box = prepare(kind, std::move(rules), false);
  if (!box) return tl::unexpected(std::move(box.error()));
  return std::shared_ptr<const Box>(std::move(*box));
}

// ---------------------------------------------------------------------------------------------------------------------
// The environment

std::vector<std::string> boxed_environment(const PreparedBox& box, std::vector<std::string> environment) {
  const BoxRules& rules = box.rules();
  const auto is_let_through = [&](std::string_view name) {
    if (name == "HOME" || name == "TMPDIR" || name == "PATH" || rules.environment.empty()) return true;
    const auto& own = box.environment();
    if (std::any_of(own.begin(), own.end(), [&](const auto& variable) { return variable.first == name; })) return true;
    return std::find(rules.environment.begin(), rules.environment.end(), name) != rules.environment.end();
  };
  std::erase_if(environment, [&](const std::string& entry) { return !is_let_through(entry.substr(0, entry.find('='))); });

  std::vector<std::string> reachable = system_directories();
  reachable.push_back(rules.workspace);
  for (const auto* more : {&rules.readable, &rules.writable}) reachable.insert(reachable.end(), more->begin(), more->end());
  for (std::string& entry : environment) {
    if (!entry.starts_with("PATH=")) continue;
    std::string kept;
    std::string_view rest = std::string_view(entry).substr(5);
    while (!rest.empty()) {
      const std::string_view directory = rest.substr(0, rest.find(':'));
      rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
      if (std::any_of(reachable.begin(), reachable.end(), [&](auto& root) { return path_beneath(root, directory) && directory.starts_with('/'); })) {
        kept += (kept.empty() ? "" : ":") + std::string(directory);
      }
    }
    entry = "PATH=" + kept;
  }
  return environment;
}

void add_proxy_environment(std::vector<std::pair<std::string, std::string>>& environment, std::uint16_t port) {
  if (port == 0) return;
  const std::string url = fmt::format("http://127.0.0.1:{}", port);
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"}) environment.emplace_back(name, url);
  for (const char* name : {"NO_PROXY", "no_proxy"}) environment.emplace_back(name, "");
  environment.emplace_back("NODE_USE_ENV_PROXY", "1");  // otherwise Node's own fetch does not look
}

std::vector<std::string> system_directories() {
  std::vector<std::string> found;
  for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store"}) {
    if (::access(path, F_OK) == 0) found.emplace_back(path);
  }
  return found;
}

// ---------------------------------------------------------------------------------------------------------------------
// What is everybody's

namespace {

constexpr std::size_t public_entries_max = 50'000;  // looked at; of what is beyond, nothing is allowed

// Whether all in it is everybody's. If not, `part` holds what is.
bool is_public(int parent, const char* name, const std::string& path, PublicPart& part, std::size_t& left) {
  const Descriptor directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return false;
  auto entries = read_directory(Descriptor(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), path, left + 1);
  if (!entries || entries->size() > left) return false;
  left -= entries->size();
  PublicPart inner;
  bool all = true;
  for (const DirectoryEntry& entry : *entries) {
    const std::string child = fmt::format("{}/{}", path, entry.name);
    if (entry.kind == FileKind::symlink) continue;  // as public as what it leads to
    struct stat status = {};
    const mode_t needed = entry.kind == FileKind::directory ? 0005 : 0004;
    if (::fstatat(directory.get(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        (status.st_mode & needed) != needed) {
      inner.secret.push_back(child);
      all = false;
    } else if (entry.kind != FileKind::directory || is_public(directory.get(), entry.name.c_str(), child, inner, left)) {
      inner.allowed.push_back(child);
    } else {
      all = false;
    }
  }
  if (all) return true;
  inner.listed.push_back(path);
  for (auto [from, to] : {std::pair{&inner.allowed, &part.allowed}, {&inner.listed, &part.listed}, {&inner.secret, &part.secret}}) {
    to->insert(to->end(), from->begin(), from->end());
  }
  return false;
}

}  // namespace

PublicPart public_part(const std::string& directory) {
  PublicPart part;
  std::size_t left = public_entries_max;
  if (is_public(AT_FDCWD, directory.c_str(), directory, part, left)) part.allowed.push_back(directory);
  return part;
}

// ---------------------------------------------------------------------------------------------------------------------
// Guarded paths

namespace {

void guard(Guarded& top, std::string_view path, Guarded::How how) {
  Guarded* at = &top;
  for (std::string_view name; !(name = take_component(path)).empty();) {
    const auto found = std::find_if(at->entries.begin(), at->entries.end(), [&](auto& entry) { return entry.first == name; });
    at = found != at->entries.end() ? &found->second : &at->entries.emplace_back(name, Guarded{}).second;
  }
  if (at->how < how) at->how = how;
}

}  // namespace

bool hides_something(const Guarded& node) {
  return node.how == Guarded::How::hidden ||
         std::any_of(node.entries.begin(), node.entries.end(), [](auto& entry) { return hides_something(entry.second); });
}

Result<Guarded> guarded_paths(const BoxRules& rules, const Root& root) {
  Guarded top;
  for (const auto& [paths, how] : {std::pair{&rules.read_only, Guarded::How::read_only}, {&rules.hidden, Guarded::How::hidden}}) {
    for (const std::string& path : *paths) {
      const std::string written = shortest_path(path).value_or("");
      guard(top, written, how);
      // What does not exist, or leads out of the workspace, has no other name here.
      if (const auto physical = root.physical(written); physical && *physical != "." && !physical->empty()) {
        guard(top, *physical, how);
      }
    }
  }
  if (top.how != Guarded::How::within) return failure(ErrorCode::invalid_argument, "box: a guarded path leads to the workspace's root");
  return top;
}

// ---------------------------------------------------------------------------------------------------------------------
// The private directory

namespace {

constexpr std::string_view private_prefix = "joey-box-";
constexpr int make_tries_max = 16;

// Also what the commands in the box took their own permissions from. Symlinks are not followed.
void remove_tree(int parent, const std::string& name) {
  const Descriptor directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory && errno == EACCES && ::fchmodat(parent, name.c_str(), 0700, 0) == 0) {
    const Descriptor again(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (again) return remove_tree(parent, name);
  }
  if (directory) {
    ::fchmod(directory.get(), 0700);
    const auto entries = read_directory(Descriptor(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), name,
                                        10'000'000);
    if (entries) {
      for (const DirectoryEntry& entry : *entries) {
        if (entry.kind == FileKind::directory) {
          remove_tree(directory.get(), entry.name);
        } else {
          ::unlinkat(directory.get(), entry.name.c_str(), 0);
        }
      }
    }
  }
  ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

// What hosts left that were killed: nobody holds its lock.
void remove_abandoned(const std::string& parent) {
  const auto entries = read_directory(Descriptor(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), parent, 100'000);
  if (!entries) return;
  const Descriptor directory(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.starts_with(private_prefix) || entry.kind != FileKind::directory) continue;
    const Descriptor candidate(::openat(directory.get(), entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status = {};
    if (!candidate || ::fstat(candidate.get(), &status) != 0 || status.st_uid != ::geteuid()) continue;
    if (::flock(candidate.get(), LOCK_EX | LOCK_NB) == 0) remove_tree(directory.get(), entry.name);
  }
}

}  // namespace

namespace {

bool is_named(const Descriptor& directory, const std::string& path) {
  struct stat opened = {};
  struct stat named = {};
  return ::fstat(directory.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

void remove_tree(const std::string& path) { remove_tree(AT_FDCWD, path); }

Result<PrivateDirectory> PrivateDirectory::make(const std::string& parent) {
  remove_abandoned(parent);
  PrivateDirectory made;
  for (int tries = 0; !made.lock_; ++tries) {
    std::string name = fmt::format("{}/{}XXXXXX", parent, private_prefix);
    if (tries == make_tries_max || ::mkdtemp(name.data()) == nullptr) {
      return box_failure("making a private directory in " + quoted_path(parent), errno);
    }
    // Until it is locked, another host takes it for abandoned.
    Descriptor lock(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 || !is_named(lock, name)) continue;
    made.path_ = std::move(name);
    made.lock_ = std::move(lock);
  }
  for (const std::string& inner : {made.home(), made.tmp(), made.var_tmp()}) {
    if (::mkdir(inner.c_str(), 0700) != 0) return box_failure("making its private directory", errno);
  }
  if (::mkdir(made.nothing().c_str(), 0000) != 0) return box_failure("making its private directory", errno);
  return made;
}

PrivateDirectory::~PrivateDirectory() {
  if (!path_.empty() && lock_) remove_tree(AT_FDCWD, path_);
}

namespace {

class PrivateShownFile final : public ShownFile {
 public:
  PrivateShownFile(PrivateDirectory directory, const std::string& name)
      : owned_(std::move(directory)), directory_(owned_.home()), path_(fmt::format("{}/{}", directory_, name)) {}
  [[nodiscard]] const std::string& directory() const override { return directory_; }
  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] Status write(std::string_view text) override {
    const std::string written = path_ + ".new";
    const Descriptor file(::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file) return box_failure("writing a file to be shown", errno);
    while (!text.empty()) {
      const ssize_t put = ::write(file.get(), text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return box_failure("writing a file to be shown", errno);
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::rename(written.c_str(), path_.c_str()) != 0) return box_failure("writing a file to be shown", errno);
    return {};
  }

 private:
  const PrivateDirectory owned_;
  const std::string directory_;
  const std::string path_;
};

}  // namespace

Result<std::shared_ptr<ShownFile>> make_shown_file(const std::string& name) {
  auto directory = PrivateDirectory::make(BoxRules().temporary_parent);
  if (!directory) return tl::unexpected(std::move(directory.error()));
  return std::make_shared<PrivateShownFile>(*std::move(directory), name);
}

// ---------------------------------------------------------------------------------------------------------------------
// Programs

namespace {

constexpr int probe_ms_max = 10'000;

// Duplicates that are above all numbers at which the program gets them.
Result<std::vector<Descriptor>> out_of_the_way(const std::vector<int>& passed) {
  std::vector<Descriptor> moved;
  for (const int fd : passed) {
    moved.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, supervisor::first_passed + supervisor::passed_max));
    if (!moved.back()) return box_failure("dup", errno);
  }
  return moved;
}

}  // namespace

Ran run_program(const std::vector<std::string>& command, const std::vector<int>& passed) {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) return {};
  const Descriptor reader(pair[0]);
  Descriptor writer(pair[1]);
  const auto moved = out_of_the_way(passed);
  if (!moved) return {};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, writer.get(), 2);
  for (std::size_t i = 0; i < moved->size(); ++i) {
    ::posix_spawn_file_actions_adddup2(&actions, (*moved)[i].get(), supervisor::first_passed + static_cast<int>(i));
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  char* nothing[] = {nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, nullptr, arguments.data(), nothing);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {};
  writer.close();
  Ran ran;
  char buffer[4096];
  pollfd ready{reader.get(), POLLIN, 0};
  while (::poll(&ready, 1, probe_ms_max) > 0) {
    const ssize_t size = ::read(reader.get(), buffer, sizeof buffer);
    if (size <= 0) break;
    ran.output.append(buffer, static_cast<std::size_t>(size));
  }
  if (ready.revents == 0) ::kill(pid, SIGKILL);
  if (::waitpid(pid, &ran.status, 0) != pid) ran.status = -1;
  return ran;
}

// ---------------------------------------------------------------------------------------------------------------------
// Files in memory

Result<Descriptor> memory_file(const char* name, std::string_view bytes, bool executable) {
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Descriptor file{::memfd_create(name, flags | (executable ? MFD_EXEC : MFD_NOEXEC_SEAL))};
  if (!file && errno == EINVAL) file = Descriptor{::memfd_create(name, flags)};
  if (!file) return box_failure("memfd_create", errno);
  while (!bytes.empty()) {
    const ssize_t size = ::write(file.get(), bytes.data(), bytes.size());
    if (size < 0) return box_failure("writing to memory", errno);
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  if (::lseek(file.get(), 0, SEEK_SET) < 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return box_failure("sealing memory", errno);
  }
  return file;
}

Result<Descriptor> confine_program() {
  const std::span<const char> image{joey_confine_image, joey_confine_image_end};
  return memory_file("joey-confine", {image.data(), image.size()}, true);
}

confine::Plan empty_plan() {
  confine::Plan plan{};
  plan.size = sizeof plan;
  std::fill(std::begin(plan.cgroups), std::end(plan.cgroups), -1);
  plan.control = -1;
  plan.lifeline = -1;
  plan.command = -1;
  plan.network = -1;
  plan.ruleset = -1;
  plan.close_from = 3;
  return plan;
}

Result<Lifeline> make_lifeline() {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) return box_failure("pipe", errno);
  return Lifeline{Descriptor(pair[0]), Descriptor(pair[1])};
}

Result<Descriptor> plan_file(const confine::Plan& plan) {
  return memory_file("joey-plan", {reinterpret_cast<const char*>(&plan), sizeof plan}, false);
}

Result<Descriptor> command_file(const std::vector<confine::GuardedPath>& guarded, const std::string& directory,
                                const BoxRequest& request) {
  const confine::Command command{static_cast<std::uint32_t>(guarded.size()), static_cast<std::uint32_t>(request.arguments.size()),
                                 static_cast<std::uint32_t>(request.environment.size())};
  std::string bytes(reinterpret_cast<const char*>(&command), sizeof command);
  bytes.resize(confine::command_header_size);
  bytes.append(reinterpret_cast<const char*>(guarded.data()), guarded.size() * sizeof(confine::GuardedPath));
  const auto add = [&](const std::string& text) { bytes.append(text.c_str(), text.size() + 1); };
  add(directory);
  add(request.path);
  for (const std::string& argument : request.arguments) add(argument);
  for (const std::string& entry : request.environment) add(entry);
  return memory_file("joey-command", bytes, false);
}

}  // namespace joey
