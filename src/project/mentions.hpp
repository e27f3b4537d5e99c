// What a person means by @ and / in a message: files, folders, commits, commands put before the model.
//
//   Expansion expansion = expand(message, project, *workspace, {.mode = "code"});
//
// Only for what a person wrote. What tools, files and models say is never expanded, nor is what an expansion brings in.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "model/message.hpp"
#include "project/project.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// What mentions draw on besides files and git. A function that is empty, or gives an empty text, has nothing to tell.
struct MentionSources {
  std::string mode;                       // the task's: its skills can be named as commands
  std::function<std::string()> problems;  // of an editor or a compiler, for @problems
  std::function<std::string()> terminal;  // what the person's terminal shows, for @terminal
  CancelToken cancel;
  // Takes out of a text what is not to be shown, before it is cut; lines stay lines. May be empty.
  std::function<std::string(std::string_view)> clean;
};

struct MentionLimits {
  std::size_t mentions_max{50};              // of one message; others stay as they are written
  std::size_t blocks_bytes_max{256U << 10};  // of all blocks
  std::size_t file_bytes_max{100'000};       // of one file's text
  std::size_t file_lines_max{2'000};
  std::size_t folder_entries_max{200};
  std::size_t source_bytes_max{50'000};  // of what a function of MentionSources gives
  std::size_t git_lines_max{500};
  std::size_t images_max{20};
  std::size_t image_bytes_max{5U << 20};
  std::size_t images_bytes_max{20U << 20};  // of all images
};

struct Expansion {
  std::string text;                 // the message, its mentions replaced by what they name
  std::vector<std::string> blocks;  // what was named, in the order of the mentions, each once
  std::vector<Image> images;
  std::string mode;                   // the mode that the first command with one is meant for: the host switches
  std::vector<std::string> warnings;  // one line each, for the person
};

// Understands, at the beginning or after white space:
//   @/path  @/folder/  (spaces as "\ ")    @problems  @terminal  @git-changes  @1a2b3c4 (a commit, 7 to 40 digits)
//   @scheme://…  (quoted, never fetched)   /command or /skill, before white space or the end
// Punctuation behind a mention is not part of it. What cannot be shown says why in its block, and is a warning.
//
// Threads: blocks, like Workspace's file functions: for a worker thread. The functions of `sources` are called on it.
[[nodiscard]] Expansion expand(std::string_view text, const Project& project, const Workspace& workspace,
                               const MentionSources& sources, const MentionLimits& limits = {});

}  // namespace joey
