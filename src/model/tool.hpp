// What a tool is to a model, to a policy and to the task.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/message.hpp"

namespace joey {

// Modes allow tools by group; policies decide by group.
enum class ToolGroup : std::uint8_t { read, edit, command, mcp, modes, always, custom };

// A file that a call names.
struct PathUse {
  std::string path;    // as the call has it: relative to the workspace, or absolute
  bool writes{false};  // creates, changes, moves or removes it
  bool operator==(const PathUse&) const = default;
};

// A command line that a call runs.
struct CommandUse {
  std::string line;       // for Bash
  std::string directory;  // it starts in, relative to the workspace; empty: its root
  bool operator==(const CommandUse&) const = default;
};

struct ToolSpec {
  std::string name;         // [A-Za-z0-9_-]{1,64}
  std::string description;  // for the model
  std::string parameters;   // a JSON Schema of type object, as text
  ToolGroup group{ToolGroup::read};
  bool read_only{false};  // has no side effect: may run beside others, and again after a crash
  // The files a call with these arguments names, both ends of a move included: what a mode's file pattern and the rules
  // for protected files are held against. Pure; any thread. Arguments it cannot read name none, and fail when they are
  // run. Null: a tool that names none.
  std::vector<PathUse> (*paths)(std::string_view arguments){nullptr};
  // The command line that a call with these arguments runs, for the rules of commands; likewise. Null: it runs none.
  std::optional<CommandUse> (*command)(std::string_view arguments){nullptr};
  bool offered{true};  // to models; otherwise one that knows it may call it, but it takes no room in the prompt
  bool operator==(const ToolSpec&) const = default;
};

// What running a tool came to. Outcomes are not errors of joey: a failed tool is told to the model.
struct ToolOutcome {
  bool ok{true};
  std::string text;           // for the model, UTF-8
  std::vector<Image> images;  // for models that see
  std::vector<std::string> paths;  // the files it changed, relative to the workspace
  bool operator==(const ToolOutcome&) const = default;
};

}  // namespace joey
