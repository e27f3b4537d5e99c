// A repository with commits, made by git itself.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "world.hpp"

namespace joey::test {

// What git prints; it must succeed. No configuration but this one applies.
inline std::string git(const TemporaryDirectory& directory, const std::string& arguments) {
  const std::string command = fmt::format(
      "cd '{}' && GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE=2024-05-06T07:08:09+0200 "
      "GIT_COMMITTER_DATE=2024-05-06T07:08:09+0200 git -c init.defaultBranch=main -c user.name=Ann -c "
      "user.email=ann@example.org -c protocol.file.allow=always {} 2>&1",
      directory.path(), arguments);
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4'096> buffer;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), size);
  const int status = ::pclose(pipe);
  if (status != 0) MESSAGE(command << ": " << out);
  REQUIRE(status == 0);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace joey::test
