// joey: the program. See README.md.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "checkpoints.hpp"
#include "follow.hpp"
#include "inspect.hpp"
#include "options.hpp"
#include "text.hpp"
#include "tools.hpp"

#include <joey/joey.hpp>

namespace {

int dispatch(const cli::Options& options) {
  switch (options.command) {
    case cli::Command::run: return cli::run(options);
    case cli::Command::resume: return cli::resume(options);
    case cli::Command::tasks: return cli::tasks(options);
    case cli::Command::show: return cli::show(options);
    case cli::Command::events: return cli::events(options);
    case cli::Command::replay: return cli::replay(options);
    case cli::Command::bill: return cli::bill(options);
    case cli::Command::audit: return cli::audit(options);
    case cli::Command::checkpoints: return cli::checkpoints(options);
    case cli::Command::diff: return cli::diff(options);
    case cli::Command::restore: return cli::restore(options);
    case cli::Command::project: return cli::project(options);
    case cli::Command::explain: return cli::explain(options);
    case cli::Command::tool: return cli::tool(options);
    case cli::Command::tools: return cli::tools(options);
    case cli::Command::models: return cli::models(options);
  }
  return cli::exit_usage;
}

int complain(const char* message, int code) {
  fmt::print(stderr, "joey: {}\n", cli::one_line(cli::clean(message)));
  return code;
}

// What the command line names does not exist or makes no sense: that is its author's to mend.
bool is_usage(joey_status code) { return code == JOEY_ERR_INVALID_ARGUMENT || code == JOEY_ERR_NOT_FOUND; }

}  // namespace

int main(int count, char** arguments) try {
  const cli::CommandLine line = cli::parse_command_line(count, arguments);
  if (!line.print.empty()) {
    fmt::print("{}", line.print);
    return cli::exit_completed;
  }
  return dispatch(line.options);
} catch (const cli::UsageError& error) {
  return complain(error.what(), cli::exit_usage);
} catch (const joey::Error& error) {
  return complain(error.what(), is_usage(error.code()) ? cli::exit_usage : cli::exit_failed);
} catch (const std::exception& error) {
  return complain(error.what(), cli::exit_failed);
}
