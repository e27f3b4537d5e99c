// Custom tools: executables that a project or a person brings, as tools of the model.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tool/tool.hpp"

namespace joey {

struct CustomToolSpec {
  std::string name;         // these three as in ToolSpec
  std::string description;
  std::string parameters;
  std::vector<std::string> argv;  // what is run, as CommandSpec::argv: no shell, nothing of the model's in it
  std::string directory;          // where, as CommandSpec::directory
  bool read_only{false};          // its author says that it changes nothing
  std::chrono::milliseconds timeout{120'000};
};

// A tool of the group `custom`: policies ask before it is run unless they name it or its group.
//
// The executable is started anew for each call, as a command of the workspace. It finds on standard input one JSON object
//
//   {"tool": name, "arguments": {...}, "task": id, "mode": slug, "workspace": absolute path}
//
// whose arguments are an object that the model wrote and nobody has compared with `parameters`; task and mode are left out
// where there is none. Its standard output is its answer: one JSON object
//
//   {"ok": true, "text": "for the model", "images": [{"media_type": "image/png", "base64": "..."}]}
//
// with or without images; or, if it is anything else, text for the model. An exit code other than 0 is a failure
// whatever it printed. Standard error is shown while it runs, and told the model when it fails.
//
// It ends with its call: whatever it started and left running is ended then. Making a tool runs nothing.
[[nodiscard]] std::shared_ptr<const Tool> make_custom_tool(CustomToolSpec spec);

}  // namespace joey
