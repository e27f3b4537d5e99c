// A workspace, a place for its checkpoints, and what the tests do with both.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "../workspace/temporary.hpp"
#include "checkpoint/checkpoint.hpp"

namespace joey::test {

// What is beneath a directory, as text: "file 644 bytes", "link target", "dir 755", "other". `.git` only when asked for.
using Tree = std::map<std::string, std::string>;

inline Tree tree_of(const std::string& root, bool with_git = false) {
  Tree tree;
  auto it = std::filesystem::recursive_directory_iterator(root);
  for (const auto end = std::filesystem::end(it); it != end; ++it) {
    const std::string path = it->path().string();
    struct stat status = {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    if (!with_git && it->path().filename() == ".git") {
      it.disable_recursion_pending();
      continue;
    }
    char mode[16];
    std::snprintf(mode, sizeof mode, "%o ", status.st_mode & 07777U);
    std::string& text = tree[path.substr(root.size() + 1)];
    if (S_ISDIR(status.st_mode)) {
      text = std::string("dir ") + mode;
    } else if (S_ISLNK(status.st_mode)) {
      text = "link " + std::filesystem::read_symlink(it->path()).string();
    } else if (S_ISREG(status.st_mode)) {
      std::ifstream file(path, std::ios::binary);
      text = std::string("file ") + mode + std::string(std::istreambuf_iterator<char>(file), {});
    } else {
      text = "other";
    }
  }
  return tree;
}

struct Workbench {
  TemporaryDirectory root;
  TemporaryDirectory kept;
  CheckpointOptions options{.disk_free_min = 0};

  [[nodiscard]] std::unique_ptr<Checkpoints> open() const {
    auto checkpoints = open_git_checkpoints(kept.path(), root.path(), options);
    if (!checkpoints) FAIL(checkpoints.error().message);
    return std::move(*checkpoints);
  }

  TakenCheckpoint take(const std::string& task = "task_1") const {
    auto taken = open()->take({task, 1, "test"}, {});
    if (!taken) FAIL(taken.error().message);
    return std::move(*taken);
  }

  RestoredCheckpoint restore(const std::string& id, const std::string& task = "task_1") const {
    auto restored = open()->restore(id, {task, 2, "before restore"}, {});
    if (!restored) FAIL(restored.error().message);
    return std::move(*restored);
  }

  CheckpointDiff diff(const std::string& from, const std::string& to = "", CheckpointDiffLimits limits = {}) const {
    auto diff = open()->diff(from, to, limits, {});
    if (!diff) FAIL(diff.error().message);
    return std::move(*diff);
  }

  void mode(const std::string& name, mode_t bits) const { REQUIRE(::chmod((root / name).c_str(), bits) == 0); }
  void remove(const std::string& name) const { REQUIRE(std::filesystem::remove_all(root / name) > 0); }

  // The repository of the workspace; there is one.
  [[nodiscard]] std::string repository() const {
    REQUIRE(kept.count("") == 1);
    return std::filesystem::directory_iterator(kept.path())->path().string();
  }
};

// Runs git as nobody in particular; its output is dropped. The exit code.
inline int git(const std::string& directory, const std::string& arguments) {
  const std::string command = "cd '" + directory +
                              "' && env -u GIT_DIR -u GIT_INDEX_FILE HOME=/nonexistent GIT_CONFIG_GLOBAL=/dev/null "
                              "GIT_CONFIG_SYSTEM=/dev/null git -c user.name=u -c user.email=u@example.com "
                              "-c protocol.file.allow=always " +
                              arguments + " >/dev/null 2>&1";
  const int code = std::system(command.c_str());
  return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

template <class T>
ErrorCode code(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  const std::string& message = result.error().message;
  CAPTURE(message);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.size() > 20);
  CHECK(message.size() < 600);
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

// As a user without privileges, who owns the workspace and the place for checkpoints.
template <class Body>
int as_nobody(const Workbench& bench, Body&& body) {
  if (::geteuid() == 0) {
    for (const std::string& path : {bench.root.path(), bench.kept.path()}) {
      REQUIRE(::lchown(path.c_str(), 65534, 65534) == 0);
      for (const auto& each : std::filesystem::recursive_directory_iterator(path)) {
        REQUIRE(::lchown(each.path().c_str(), 65534, 65534) == 0);
      }
    }
  }
  return in_child([&] { return (::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0)) && body(); });
}

}  // namespace joey::test
