// search_files: lines of a workspace's files that match a regular expression. In process and in linear time (RE2).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "workspace/workspace.hpp"

namespace joey {

struct SearchOptions {
  std::string pattern;  // RE2's syntax: Perl's without look-around and back-references. Matches within one line
  // Which files, as with rg --glob; empty is all. Without '/' it matches names at any depth, with one the path relative
  // to the searched directory or to the root. `**`, `{a,b}`, `[a-z]`; a leading '!' turns it around. A file it names is
  // searched although .gitignore ignores it.
  std::string file_glob;
  std::size_t context_lines{1};       // before and after each match; at most 50
  std::size_t matches_max{300};       // lines that match
  std::size_t line_characters_max{500};
  std::size_t file_bytes_max{1U << 30};  // the rest of a larger file is not searched
  std::size_t threads{0};                // 0: one a core, at most 4
  std::chrono::milliseconds time_max{60'000};
};

struct SearchLine {
  std::size_t number{0};  // from 1
  std::string text;       // UTF-8, without its line end; cut to line_characters_max
  bool match{false};      // false: context
  bool cut{false};

  bool operator==(const SearchLine&) const = default;
};

struct SearchFile {
  std::string path;               // relative to the root, bytes as on disk
  std::vector<SearchLine> lines;  // ascending; where the numbers jump, a new group begins

  bool operator==(const SearchFile&) const = default;
};

struct SearchResult {
  std::vector<SearchFile> files;  // by path; the same whatever the number of threads
  std::size_t matches{0};         // lines that match, in `files`
  bool truncated{false};          // there are more: the first matches_max by path and line are given
  bool timed_out{false};          // time_max, or a limit of the walk: files may be missing anywhere
  std::size_t files_searched{0};  // read; once matches_max are found, later files are not
  std::size_t binary{0};          // skipped: a NUL in the first 8 KiB
  std::size_t unreadable{0};      // files and directories
};

// Searches the directory or file `path`. Symlinks beneath it are not followed; hidden files are left out unless `path`
// or the glob names hidden ones; .gitignore and .rooignore apply.
// `invalid_argument` for a bad pattern or glob, with what is wrong in it; `cancelled`; `not_found`, `denied` for
// `path`.
//
// Threads: blocks the caller, and works on threads of its own that end before it returns.
[[nodiscard]] Result<SearchResult> search_files(const Workspace& workspace, std::string_view path,
                                                const SearchOptions& options, const CancelToken& cancel);

}  // namespace joey
