// A patch, applied to the files it names. Pure.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "edit/patch.hpp"

namespace joey {

// What a patch makes of one file.
struct FileChange {
  std::string path;
  std::string moved_from;           // where the file was before; empty when here, or nowhere
  bool existed{false};              // there was a file at `path` before
  std::optional<std::string> text;  // afterwards; none when it is gone
};

struct PatchResult {
  std::vector<FileChange> changes;  // in the order in which the patch first names the files; none when something failed
  std::set<std::string> inexact;    // paths of files whose edit was not EditResult::exact, before and after a move
  std::string report;               // of what failed, for the model
  std::string notes;                // of what was not found exactly, one line each
};

// The text of a file, or none when there is nothing of that name. An error's message names the file.
using ReadText = std::function<Result<std::optional<std::string>>(const std::string& path)>;

// Applies the sections to the files that `read` gives, each of which is read once; several of one file build on each
// other. Nothing applies when anything fails; every failure is in the report. What exists is neither added nor moved
// onto, unless the patch has removed or moved it away before. Paths are told apart by their text.
[[nodiscard]] PatchResult apply_patch(std::span<const PatchSection> sections, const ReadText& read);

}  // namespace joey
