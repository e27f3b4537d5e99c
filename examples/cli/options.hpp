// The command line, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cli {

// The program's exit codes.
inline constexpr int exit_completed = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;      // the command line, or something it names, is wrong
inline constexpr int exit_waiting = 3;    // stopped for a person's answer or approval
inline constexpr int exit_cancelled = 4;  // or a limit was reached

// What is wrong with the command line, in one line.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Command : unsigned char {
  run, resume, tasks, show, events, replay, bill, audit, checkpoints, diff, restore, tool, tools, models, project, explain
};
enum class OutputFormat : unsigned char { text, jsonl };

struct Options {
  Command command{Command::run};

  std::string prompt;     // run: "-" was read from standard input already
  std::string task;       // resume, show, events, replay, bill
  std::string message;    // resume
  std::string verify;            // audit: the file of an export; empty: make one
  std::string checkpoint;        // diff, restore
  std::string other_checkpoint;  // diff; empty: the files as they are
  std::string tool;       // tool, policy explain
  std::string arguments;  // tool, resume
  std::string command_line;  // policy explain

  std::string workspace{"."};
  std::string moved_workspace;  // of a task that goes on; empty: where it was
  std::string database;  // empty: the default
  std::string key_file;  // with the keys that the database is encrypted with; empty: it is not
  std::string provider;  // empty: by the keys in the environment
  std::string model;
  std::string base_url;
  std::string mode;
  std::string user;          // run: for audits
  std::string box;           // of commands; empty: none
  std::uint64_t box_memory_max{0};
  std::uint32_t box_cpu_percent{0};
  std::string box_root;
  std::vector<std::string> box_readable;
  std::string tool_changes;  // "+edit,-apply_diff"
  std::optional<std::string> auto_approve;  // rules, as joey.h describes them
  std::string ask;
  std::string never;
  std::vector<std::string> secret_variables;  // of the environment: their values are not to be seen
  std::vector<std::string> host_secrets;      // "VARIABLE=HOST,HOST": commands have placeholders of them
  bool show_keys{false};                      // what only has the shape of a key is shown
  std::vector<std::string> allow_hosts;
  std::vector<std::string> deny_hosts;
  OutputFormat output{OutputFormat::text};
  std::uint32_t turns_max{0};
  std::uint32_t context_window{0};
  std::uint32_t condense_percent{0};
  std::string reasoning_effort;
  bool tools_as_text{false};
  std::vector<std::string> fallbacks;  // "PROVIDER[/MODEL][@URL][=VARIABLE]"
  std::string result_schema;  // a file
  std::uint32_t requests_per_minute{0};
  std::uint64_t tokens_per_minute{0};
  double cost_usd_max{0};
  bool durable_to_power_loss{true};
  bool no_checkpoints{false};

  bool approve{false};  // resume
  bool deny{false};
  std::optional<std::string> answer;

  std::uint64_t from{1};  // events
  bool follow{false};
  std::uint32_t tasks_max{20};  // tasks
  bool json{false};             // tools
};

struct CommandLine {
  Options options;
  std::string print;  // not empty: print it and end well; there is no command
};

// Throws UsageError.
[[nodiscard]] CommandLine parse_command_line(int count, const char* const* arguments);

}  // namespace cli
