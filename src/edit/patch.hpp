// Patches in the form that Codex models write: several files in one text. Pure.
//
//   *** Begin Patch
//   *** Add File: docs/new.md            each line of it after a '+'
//   +# New
//   *** Delete File: docs/old.md
//   *** Update File: src/a.cpp
//   *** Move to: src/b.cpp               optional
//   @@ class Greeter                     optional: a line that comes before; several narrow it down
//    a line that stays
//   -a line that goes
//   +a line that comes
//   *** End of File                      optional: the lines above are the file's last
//   *** End Patch
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace joey {

struct PatchLine {
  enum class Kind : std::uint8_t { kept, removed, added };
  Kind kind{Kind::kept};
  std::string_view text;
};

struct PatchChunk {
  std::size_t patch_line{0};               // where it begins, from 1
  std::vector<std::string_view> contexts;  // of "@@": each after the one before it
  std::vector<PatchLine> lines;            // never empty
  bool at_end{false};
};

struct PatchSection {
  enum class Kind : std::uint8_t { add, remove, update };
  Kind kind{Kind::update};
  std::size_t patch_line{0};
  std::string path;
  std::string move_to;             // update: empty when it stays
  std::vector<PatchChunk> chunks;  // update: only a move may have none
  std::string content;             // add
};

// The sections of `patch`, which must outlive them. What stands before its first and after its last line, such as a
// heredoc's, is ignored; so are blanks around markers and blank lines between sections. `invalid_argument`: it is not of
// the form; the message says which line and what was expected.
[[nodiscard]] Result<std::vector<PatchSection>> parse_patch(std::string_view patch);

}  // namespace joey
