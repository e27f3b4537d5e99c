// From the command line and the environment to engines and sessions.
#pragma once

#include <joey/joey.hpp>
#include <string>
#include <string_view>

#include "options.hpp"
#include "task_view.hpp"

namespace cli {

// --db, or the default below $XDG_DATA_HOME or ~/.local/share.
[[nodiscard]] std::string database_path(const Options& options);
// An engine on the database; its directory is made when `create` allows, else a database that is missing throws.
[[nodiscard]] joey::Engine open_engine(const Options& options, bool create);

// For a new task: provider, model and key from options and environment. Throws UsageError when there is no key.
[[nodiscard]] joey::Session new_session(joey::Engine& engine, const Options& options);
// For a task of the store: what its journal says, and the key for it.
[[nodiscard]] joey::Session session_of_task(joey::Engine& engine, const Options& options, const TaskView& task);
// For tools without a model.
[[nodiscard]] joey::Session tool_session(joey::Engine& engine, const Options& options);
// A session to look at checkpoints and restore them.
[[nodiscard]] joey::Session checkpoint_session(joey::Engine& engine, const Options& options);

// Throws UsageError when a rule of the options names neither a group nor a tool of the session's.
void check_rule_names(const joey::Session& session, const Options& options);

}  // namespace cli
