// git_context.hpp without libgit2.
#include "project/git_context.hpp"

namespace joey {
namespace {

tl::unexpected<Error> not_built_in() {
  return failure(ErrorCode::unsupported, "joey was built without git (JOEY_GIT)");
}

}  // namespace

Result<GitStatus> read_git_status(const Workspace&, std::size_t, const CancelToken&) { return not_built_in(); }
Result<std::string> read_git_changes(const Workspace&, std::size_t, const CancelToken&) { return not_built_in(); }
Result<std::string> read_git_commit(const Workspace&, std::string_view, std::size_t, const CancelToken&) {
  return not_built_in();
}

}  // namespace joey
