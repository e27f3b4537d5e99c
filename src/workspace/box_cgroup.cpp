// Limits on a command as a whole: cgroups of version 1 or 2 where this process may make them, resource limits elsewhere.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include "workspace/box_parts.hpp"

namespace joey {
namespace {

constexpr std::string_view cgroup_prefix = "joey-box-";
constexpr const char* unified_mount = "/sys/fs/cgroup";  // where container engines look for version 2
constexpr int removal_tries_max = 20;
constexpr useconds_t removal_wait_us = 5'000;
constexpr int cpu_period_us = 100'000;  // the kernel's default

bool write_text(const std::string& path, std::string_view text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// A process as nobody else will ever be called: its pid and when it began, in clock ticks. 0: there is none.
std::uint64_t start_of(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == text.npos) return 0;
  std::istringstream rest(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) rest >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

// "joey-box-PID-START-N"
std::string new_cgroup_name() {
  static std::atomic<std::uint64_t> last{0};
  const long self = ::getpid();
  return fmt::format("{}{}-{}-{}", cgroup_prefix, self, start_of(self), ++last);
}

// With the processes in it. They may take a moment to die; what is busy then goes when the next box is prepared.
void remove_cgroup(const std::string& path) {
  for (int tries = 0; tries < removal_tries_max && ::rmdir(path.c_str()) != 0 && errno == EBUSY; ++tries) {
    std::ifstream processes(path + "/cgroup.procs");
    for (pid_t pid = 0; processes >> pid;) {
      if (pid > 0) ::kill(pid, SIGKILL);
    }
    ::usleep(removal_wait_us);
  }
}

// Of a host that was killed: what is in it as well, where its supervisor was killed with it.
void remove_abandoned_cgroups(const std::string& home) {
  const auto entries = read_directory(Descriptor(::open(home.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), home, 100'000);
  if (!entries) return;
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.starts_with(cgroup_prefix)) continue;
    long pid = 0;
    unsigned long long start = 0;
    if (::sscanf(entry.name.c_str() + cgroup_prefix.size(), "%ld-%llu-", &pid, &start) != 2 || start_of(pid) == start) continue;
    remove_cgroup(fmt::format("{}/{}", home, entry.name));
  }
}

// The directory of this process in a hierarchy: of the controller, or with "" of version 2.
std::string own_cgroup(std::string_view controller) {
  const auto has = [](std::string_view list, std::string_view name) {
    std::istringstream names{std::string(list)};
    for (std::string each; std::getline(names, each, ',');) {
      if (each == name) return true;
    }
    return false;
  };
  std::string beneath;  // of the hierarchy's root, as this process sees it
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : has(controllers, controller)) beneath = line.substr(second + 1);
  }
  if (beneath.empty()) return {};
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string skipped, root, point, type, source, options;
    fields >> skipped >> skipped >> skipped >> root >> point;
    while (fields >> skipped && skipped != "-") {
    }
    fields >> type >> source >> options;
    if (controller.empty() ? type != "cgroup2" : type != "cgroup" || !has(options, controller)) continue;
    if (root != "/") {
      if (!beneath.starts_with(root)) continue;
      beneath.erase(0, root.size());
    }
    std::string path = point + (beneath.starts_with('/') ? "" : "/") + beneath;
    while (path.ends_with('/')) path.pop_back();
    return path;
  }
  return {};
}

// Its directories in all hierarchies.
std::vector<std::string> own_cgroups() {
  std::vector<std::string> found;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::string controllers = line.substr(first + 1, line.find(':', first + 1) - first - 1);
    std::string path = own_cgroup(controllers.substr(0, controllers.find(',')));
    if (!path.empty() && std::find(found.begin(), found.end(), path) == found.end()) found.push_back(std::move(path));
  }
  return found;
}

bool set_limits(const CgroupHomes::Home& home, const std::string& path, const BoxLimits& limits) {
  const auto number = [](std::uint64_t value) { return fmt::to_string(value); };
  if (home.memory && limits.memory != 0) {
    if (!write_text(path + (home.unified ? "/memory.max" : "/memory.limit_in_bytes"), number(limits.memory))) return false;
    // Without swap, where there is any accounting of it.
    if (home.unified) {
      write_text(path + "/memory.swap.max", "0");
    } else if (!write_text(path + "/memory.memsw.limit_in_bytes", number(limits.memory))) {
      write_text(path + "/memory.swappiness", "0");
    }
  }
  if (home.cpu && limits.cpu_percent != 0) {
    const std::string quota = number(std::uint64_t{limits.cpu_percent} * (cpu_period_us / 100));
    const std::string period = fmt::to_string(cpu_period_us);
    const bool good = home.unified ? write_text(path + "/cpu.max", quota + " " + period)
                                   : write_text(path + "/cpu.cfs_period_us", period) && write_text(path + "/cpu.cfs_quota_us", quota);
    if (!good) return false;
  }
  return !home.processes || limits.processes == 0 || write_text(path + "/pids.max", number(limits.processes));
}

Descriptor open_procs(const std::string& path) {
  return Descriptor(::open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
}

bool works(const CgroupHomes::Home& home, const BoxLimits& limits) {
  const std::string path = fmt::format("{}/{}", home.path, new_cgroup_name());
  if (::mkdir(path.c_str(), 0755) != 0) return false;
  const bool good = set_limits(home, path, limits) && open_procs(path);
  ::rmdir(path.c_str());
  return good;
}

// The threads of this user, which is what RLIMIT_NPROC counts.
std::uint64_t threads_of_user() {
  std::uint64_t count = 0;
  const auto entries = read_directory(Descriptor(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), "/proc", 1'000'000);
  if (!entries) return 0;
  for (const DirectoryEntry& entry : *entries) {
    struct stat status = {};
    if (entry.name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (::stat(("/proc/" + entry.name).c_str(), &status) != 0 || status.st_uid != ::getuid()) continue;
    // A directory's links are its entries and itself, its name and "..": here, the threads and two.
    if (::stat(fmt::format("/proc/{}/task", entry.name).c_str(), &status) == 0 && status.st_nlink > 2) count += status.st_nlink - 2;
  }
  return count;
}

}  // namespace

CommandCgroups::~CommandCgroups() {
  procs.clear();
  for (const std::string& path : paths) remove_cgroup(path);
}

bool CgroupHomes::memory() const {
  return std::any_of(homes.begin(), homes.end(), [](const Home& home) { return home.memory; });
}
bool CgroupHomes::processes() const {
  return std::any_of(homes.begin(), homes.end(), [](const Home& home) { return home.processes; });
}

bool CgroupHomes::cpu() const {
  return std::any_of(homes.begin(), homes.end(), [](const Home& home) { return home.cpu; });
}

bool CgroupHomes::limits_swap() const {
  return std::any_of(homes.begin(), homes.end(), [](const Home& home) {
    return home.memory && (home.unified || ::access((home.path + "/memory.memsw.limit_in_bytes").c_str(), F_OK) == 0);
  });
}

CgroupHomes find_cgroup_homes(const BoxLimits& limits) {
  CgroupHomes found;
  for (const std::string& home : own_cgroups()) remove_abandoned_cgroups(home);
  const auto consider = [&](CgroupHomes::Home home) {
    if (home.path.empty() || (!home.memory && !home.processes && !home.cpu)) return;
    if (works(home, limits)) found.homes.push_back(std::move(home));
  };
  if (limits.memory != 0) consider({own_cgroup("memory"), false, true, false, false});
  if (limits.processes != 0) consider({own_cgroup("pids"), false, false, true, false});
  if (limits.cpu_percent != 0) consider({own_cgroup("cpu"), false, false, false, true});
  const std::string unified = own_cgroup("");
  if (!unified.empty()) {
    // Version 2 gives controllers to the children of a cgroup only if that holds no process, or is the root.
    if (!found.memory() && limits.memory != 0) write_text(unified + "/cgroup.subtree_control", "+memory");
    if (!found.processes() && limits.processes != 0) write_text(unified + "/cgroup.subtree_control", "+pids");
    if (!found.cpu() && limits.cpu_percent != 0) write_text(unified + "/cgroup.subtree_control", "+cpu");
    consider({unified, true, !found.memory() && limits.memory != 0, !found.processes() && limits.processes != 0,
              !found.cpu() && limits.cpu_percent != 0});
  }
  return found;
}

Result<std::shared_ptr<CommandCgroups>> make_cgroups(const CgroupHomes& homes, const BoxLimits& limits) {
  auto made = std::make_shared<CommandCgroups>();
  for (const CgroupHomes::Home& home : homes.homes) {
    const std::string path = fmt::format("{}/{}", home.path, new_cgroup_name());
    if (::mkdir(path.c_str(), 0755) != 0) return box_failure(fmt::format("making the cgroup {}", path), errno);
    made->paths.push_back(path);
    if (!set_limits(home, path, limits)) return box_failure(fmt::format("limiting the cgroup {}", path), errno);
    made->procs.push_back(open_procs(path));
    if (!made->procs.back()) return box_failure(fmt::format("opening the cgroup {}", path), errno);
  }
  return made;
}

ContainerCgroups ContainerCgroups::find() {
  ContainerCgroups found;
  struct statfs status = {};
  if (::statfs(unified_mount, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) {
    const std::string own = own_cgroup("");
    if (own.starts_with(unified_mount) && ::access(own.c_str(), W_OK) == 0) found.unified_ = own.substr(std::string_view(unified_mount).size()) + "/";
  }
  found.homes_ = own_cgroups();
  return found;
}

std::string ContainerCgroups::new_name() { return new_cgroup_name(); }

// Of its own, runc makes them beneath its own cgroups; but of version 2, beside it, where this process may make none.
std::string ContainerCgroups::path(const std::string& name) const { return unified_.empty() ? std::string() : unified_ + name; }

void ContainerCgroups::remove(const std::string& name) const {
  for (const std::string& home : homes_) remove_cgroup(fmt::format("{}/{}", home, name));
}

void add_limits(confine::Plan& plan, const BoxLimits& limits, const CgroupHomes& homes) {
  const auto add = [&](int resource, std::uint64_t value) { plan.limits[plan.limits_count++] = {resource, value}; };
  // One byte, not none: with 0 the kernel still runs a handler of core dumps, outside the box.
  add(RLIMIT_CORE, 1);
  add(RLIMIT_NICE, 0);
  add(RLIMIT_RTPRIO, 0);
  if (limits.cpu_time.count() > 0) add(RLIMIT_CPU, static_cast<std::uint64_t>(limits.cpu_time.count()));
  if (limits.file_size != 0) add(RLIMIT_FSIZE, limits.file_size);
  if (limits.open_files != 0) add(RLIMIT_NOFILE, limits.open_files);
  // Not the address space: runtimes reserve more of it than any machine has.
  if (limits.memory != 0 && !homes.memory()) add(RLIMIT_DATA, limits.memory);
  if (limits.processes != 0 && !homes.processes() && ::getuid() != 0) add(RLIMIT_NPROC, threads_of_user() + limits.processes);
}

void report_limits(BoxReport& report, const BoxLimits& limits, const CgroupHomes& homes) {
  if (limits.memory != 0 && !homes.memory()) {
    report.reduced.emplace_back(
        "memory: limited for each process, not for a command as a whole, and shared memory is not counted: run where this "
        "process may make cgroups with the memory controller");
  }
  if (limits.processes != 0 && !homes.processes()) {
    report.reduced.emplace_back(
        ::getuid() == 0 ? "processes: not limited, since root is exempt: run as another user, or where this process may make "
                          "cgroups with the pids controller"
                        : "processes: limited for all of this user together, by what there are when a command starts: run "
                          "where this process may make cgroups with the pids controller");
  }
  if (limits.cpu_percent != 0 && !homes.cpu()) {
    report.reduced.emplace_back("CPU: not limited for a command as a whole: run where this process may make cgroups with the cpu controller");
  }
  if (limits.disk != 0) {
    report.reduced.emplace_back(limits.file_size != 0
                                    ? "disk: limited is the size of each file, not of all together: put the workspace on a file "
                                      "system with a quota"
                                    : "disk: not limited: set a file size, and put the workspace on a file system with a quota");
  }
}

}  // namespace joey
