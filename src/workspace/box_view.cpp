// What a box with a mount namespace shows of the machine, for whatever makes its mounts.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/path.hpp"
#include "base/text.hpp"
#include "workspace/box_parts.hpp"

namespace joey {

// ---------------------------------------------------------------------------------------------------------------------
// Placeholders

namespace {

// It comes to be together with the directory, whenever its host is killed.
constexpr mode_t placeholder_mode = S_ISVTX | 0755;
constexpr int hold_tries_max = 64;

}  // namespace

Placeholders::~Placeholders() {
  for (auto at = held_.rbegin(); at != held_.rend(); ++at) {
    if (::flock(at->place.get(), LOCK_EX | LOCK_NB) == 0 && is_there(*at)) {
      ::unlinkat(at->parent.get(), at->name.c_str(), AT_REMOVEDIR);
    }
  }
}

Status Placeholders::hold(const Descriptor& directory, const std::string& name) {
  for (int tries = 0; tries < hold_tries_max; ++tries) {
    const bool made = ::mkdirat(directory.get(), name.c_str(), placeholder_mode) == 0;
    if (!made && errno != EEXIST) break;
    Held held{Descriptor(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0)),
              Descriptor(::openat(directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)), name};
    if (!held.place && (errno == ENOTDIR || errno == ELOOP)) return {};
    if (!held.place || !held.parent) continue;
    if (::flock(held.place.get(), LOCK_SH | LOCK_NB) != 0 || !is_there(held)) continue;  // it is being removed
    if (is_one(held.place)) held_.push_back(std::move(held));
    return {};
  }
  return box_failure("holding the place of " + quoted_path(name), errno);
}

bool Placeholders::is_one(const Descriptor& place) {
  struct stat status = {};
  if (::fstat(place.get(), &status) != 0 || !S_ISDIR(status.st_mode) || (status.st_mode & S_ISVTX) == 0) return false;
  const auto entries = read_directory(Descriptor(::openat(place.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), ".", 1);
  return entries && entries->empty();
}

bool Placeholders::is_there(const Held& held) {
  struct stat named = {};
  struct stat opened = {};
  return ::fstatat(held.parent.get(), held.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(held.place.get(), &opened) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

// ---------------------------------------------------------------------------------------------------------------------
// The system, and what is the box's own

namespace {

bool is_link(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

// Of a folder that is the system: everything, but for what the box has of its own.
std::vector<std::string> directories_of(const std::string& system_root) {
  std::vector<std::string> found;
  const auto entries = read_directory(Descriptor(::open(system_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), system_root, 1'000);
  if (!entries) return found;
  for (const DirectoryEntry& entry : *entries) {
    const bool is_own = entry.name == "proc" || entry.name == "dev" || entry.name == "sys" || entry.name == "tmp" || entry.name == "run";
    if (!is_own && entry.name != "etc") found.push_back("/" + entry.name);
  }
  return found;
}

}  // namespace

std::vector<Mount> system_view(const std::string& system_root, const PublicPart& configuration) {
  std::vector<Mount> view;
  for (const std::string& path : system_root.empty() ? system_directories() : directories_of(system_root)) {
    const std::string source = system_root + path;
    char target[256] = {};
    if (!is_link(source)) {
      view.push_back({Mount::Kind::shown, path, source, {}});
    } else if (::readlink(source.c_str(), target, sizeof target - 1) > 0) {
      view.push_back({Mount::Kind::symlink, path, target, {}});
    }
  }
  const std::string etc = system_root + "/etc";
  if (::access(etc.c_str(), F_OK) == 0) view.push_back({Mount::Kind::shown, "/etc", etc, {}});
  const char* processors = "/sys/devices/system/cpu";
  if (::access(processors, F_OK) == 0) view.push_back({Mount::Kind::shown, processors, processors, {}});
  for (const std::string& path : configuration.secret) {
    struct stat status = {};
    if (::lstat(path.c_str(), &status) != 0 || S_ISLNK(status.st_mode)) continue;
    const auto kind = S_ISDIR(status.st_mode) ? Mount::Kind::hidden_directory : Mount::Kind::hidden_file;
    view.push_back({kind, path.substr(system_root.size()), {}, {}});
  }
  return view;
}

std::vector<Mount> own_view(const BoxRules& rules, const PrivateDirectory& own, const std::string& home) {
  std::vector<Mount> view;
  view.push_back({Mount::Kind::changeable, "/tmp", own.tmp(), {}});
  view.push_back({Mount::Kind::changeable, "/var/tmp", own.var_tmp(), {}});
  view.push_back({Mount::Kind::changeable, home, own.home(), {}});
  for (const std::string& path : rules.readable) view.push_back({Mount::Kind::shown, path, path, {}});
  for (const std::string& path : rules.writable) view.push_back({Mount::Kind::changeable, path, path, {}});
  return view;
}

std::string boxed_home(const BoxRules& rules) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/' || home[1] == '\0') return "/home/joey";
  std::vector<std::string> taken = system_directories();
  taken.insert(taken.end(), {"/etc", "/proc", "/dev", "/sys", "/tmp", "/var/tmp", rules.workspace});
  for (const std::string& path : taken) {
    if (path_beneath(path, home)) return "/home/joey";
  }
  return home;
}

// ---------------------------------------------------------------------------------------------------------------------
// The workspace

namespace {

bool keeps_something(const Guarded& node) {
  return node.how == Guarded::How::read_only ||
         std::any_of(node.entries.begin(), node.entries.end(), [](auto& entry) { return keeps_something(entry.second); });
}

Status guard_paths(std::vector<Mount>& view, Placeholders& placeholders, const Descriptor& directory, const std::string& path,
                   const Guarded& node) {
  for (const auto& [name, entry] : node.entries) {
    const std::string inner = path + "/" + name;
    const auto open = [&, &entry_name = name] {
      return Descriptor(::openat(directory.get(), entry_name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    };
    Descriptor at = open();
    Guarded::How how = entry.how;
    const bool is_free = at ? Placeholders::is_one(at) : errno == ENOENT;
    if (is_free && keeps_something(entry)) {
      if (Status ok = placeholders.hold(directory, name); !ok) return ok;
      at = open();
      how = Guarded::How::read_only;
    }
    struct stat status = {};
    if (!at || ::fstat(at.get(), &status) != 0) {
      if (errno == ENOENT) continue;
      return box_failure("guarding " + quoted_path(inner), errno);
    }
    if (S_ISLNK(status.st_mode)) continue;  // what it leads to is guarded by its own name
    const bool is_directory = S_ISDIR(status.st_mode);
    if (how == Guarded::How::hidden) {
      view.push_back({is_directory ? Mount::Kind::hidden_directory : Mount::Kind::hidden_file, inner, {}, std::move(at)});
      continue;
    }
    Descriptor bound(::fcntl(at.get(), F_DUPFD_CLOEXEC, 0));
    if (!bound) return box_failure("guarding " + quoted_path(inner), errno);
    view.push_back({how == Guarded::How::within ? Mount::Kind::changeable : Mount::Kind::shown, inner, inner, std::move(bound)});
    if (!is_directory) continue;
    Guarded rest = entry;
    if (how == Guarded::How::read_only) std::erase_if(rest.entries, [](auto& each) { return !hides_something(each.second); });
    if (Status ok = guard_paths(view, placeholders, at, inner, rest); !ok) return ok;
  }
  return {};
}

}  // namespace

Result<std::vector<Mount>> workspace_view(const BoxRules& rules, const Root& root, Placeholders& placeholders) {
  std::vector<Mount> view;
  Descriptor top = root.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  const Descriptor again = root.open_at("", O_PATH | O_DIRECTORY, Root::Links::refuse);
  if (!top || !again) return box_failure("opening the workspace", errno);
  view.push_back({Mount::Kind::changeable, rules.workspace, rules.workspace, std::move(top)});
  const auto guarded = guarded_paths(rules, root);
  if (!guarded) return tl::unexpected(guarded.error());
  if (Status ok = guard_paths(view, placeholders, again, rules.workspace, *guarded); !ok) return tl::unexpected(std::move(ok.error()));
  return view;
}

// ---------------------------------------------------------------------------------------------------------------------
// The report

void report_namespaces(BoxReport& report, const BoxRules& rules) {
  const int abi = landlock_abi();
  if (::geteuid() == 0 && abi < 2) {
    report.reduced.emplace_back("root: owns files of /proc in any namespace, and nothing but read-only mounts keeps it from them: run as "
                                "an ordinary user, or on a kernel with Landlock 2");
  }
  if (rules.proxy_port != 0) report.restricted.emplace_back("the network is reached through the HTTP proxy of HTTP_PROXY alone");
  for (const std::string& path : rules.read_only) {
    if (is_link(rules.workspace + "/" + path)) {
      report.reduced.push_back(fmt::format("{}: is a symlink, which can be replaced; what it leads to is guarded: make it a file",
                                           quoted_path(path)));
    }
  }
}

}  // namespace joey
