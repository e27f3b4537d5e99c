#include "options.hpp"

#include <fmt/format.h>
#include <joey/joey.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>

#include "help.hpp"

namespace cli {
namespace {

constexpr const char* options_group = "Options";
constexpr const char* model_group = "Model";
constexpr const char* limits_group = "Limits";
constexpr const char* storage_group = "Storage and output";

// Every option that more than one command takes is defined here, once.
class Parser {
 public:
  explicit Parser(Options& options) : options_(options) {}

  void define(CLI::App& app) {
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("--version", version(), "Show the version");
    app.require_subcommand(1);
    app.description("joey: an agent that works in a directory, and keeps a journal of all it does.");
    app.footer(std::string(environment_help) + "\n" + exit_help);
    define_run(app);
    define_resume(app);
    define_tasks(app);
    define_show(app);
    define_events(app);
    define_replay(app);
    define_bill(app);
    define_audit(app);
    define_checkpoints(app);
    define_diff(app);
    define_restore(app);
    define_tool(app);
    define_tools(app);
    define_models(app);
    define_project(app);
    define_policy(app);
  }

  static std::string version() {
    const int number = joey_version();
    return fmt::format("joey {}.{}.{}\n", number / 10'000, number / 100 % 100, number % 100);
  }

 private:
  CLI::App& command(CLI::App& app, Command command, const char* name, const char* description) {
    CLI::App& sub = *app.add_subcommand(name, description);
    sub.group("Commands");
    sub.parse_complete_callback([this, command] { options_.command = command; });
    return sub;
  }

  void define_run(CLI::App& app) {
    CLI::App& sub = command(app, Command::run, "run", "Start a task and follow it to its end");
    sub.add_option("PROMPT", options_.prompt, "What to do; - reads it from standard input")->required();
    add_workspace(sub);
    add_mode(sub);
    add_rules(sub);
    sub.add_option("--user", options_.user, "For whom it works: an id, for `joey audit`")->type_name("ID")->group(options_group);
    add_box(sub);
    add_secrets(sub);
    sub.add_option("--provider", options_.provider, "anthropic, openai, openrouter, ollama, ... Default: whose key is set")
        ->type_name("NAME")
        ->envname("JOEY_PROVIDER")
        ->group(model_group);
    sub.add_option("--model", options_.model, "The model. Default: the provider's")
        ->type_name("NAME")
        ->envname("JOEY_MODEL")
        ->group(model_group);
    add_base_url(sub);
    add_thinking(sub);
    add_fallbacks(sub);
    add_tools_as_text(sub);
    add_tool_changes(sub);
    sub.add_option("--max-turns", options_.turns_max, "End after that many model turns")->type_name("N")->group(limits_group);
    sub.add_option("--max-cost", options_.cost_usd_max, "Send no request that could bring the cost above this, in US dollars")
        ->type_name("USD")
        ->check(CLI::NonNegativeNumber)
        ->group(limits_group);
    sub.add_option("--result-schema", options_.result_schema, "A file with a JSON Schema: the result is JSON that fits it")
        ->type_name("FILE")
        ->group(options_group);
    add_storage(sub);
    add_checkpoints(sub);
    add_output(sub);
    sub.footer(std::string(environment_help) + "\n" + exit_help);
  }

  void define_resume(CLI::App& app) {
    CLI::App& sub = command(app, Command::resume, "resume", "Go on with a task: after a crash, a limit, a question, its end");
    add_task(sub);
    sub.add_option("MESSAGE", options_.message, "Something to say to it; with --approve or --deny, why");
    auto* approve = sub.add_flag("--approve", options_.approve, "Allow the call that waits for approval");
    auto* deny = sub.add_flag("--deny", options_.deny, "Refuse it");
    auto* answer = sub.add_option("--answer", options_.answer, "Answer the question that waits")->type_name("TEXT");
    approve->excludes(deny)->excludes(answer);
    deny->excludes(answer);
    sub.add_option("-w,--workspace", options_.moved_workspace, "Where its directory is now, if it was moved")
        ->type_name("DIR")
        ->group(options_group);
    sub.add_option("--arguments", options_.arguments, "With --approve: the arguments to run it with instead, a JSON object")
        ->type_name("JSON")
        ->needs(approve);
    sub.add_option("--mode", options_.mode, "Go on in this mode")->type_name("MODE")->group(options_group);
    add_auto_approve(sub);
    add_box(sub);
    add_secrets(sub);
    sub.add_option("--provider", options_.provider, "Go on with another")->type_name("NAME")->group(model_group);
    sub.add_option("--model", options_.model, "Go on with another")->type_name("NAME")->group(model_group);
    add_base_url(sub);
    add_thinking(sub);
    add_fallbacks(sub);
    add_tools_as_text(sub);
    add_tool_changes(sub);
    add_storage(sub);
    add_checkpoints(sub);
    add_output(sub);
    sub.footer(exit_help);
  }

  void define_tasks(CLI::App& app) {
    CLI::App& sub = command(app, Command::tasks, "tasks", "The tasks in the store, newest first");
    sub.add_option("-n,--limit", options_.tasks_max, "At most that many; 0: all. Default: 20")->type_name("N");
    add_database(sub);
    add_output(sub);
  }

  void define_show(CLI::App& app) {
    CLI::App& sub = command(app, Command::show, "show", "A task as a readable transcript");
    add_task(sub);
    add_database(sub);
  }

  void define_events(CLI::App& app) {
    CLI::App& sub = command(app, Command::events, "events", "A task's journal: a JSON object a line");
    add_task(sub);
    sub.add_option("--from", options_.from, "Begin with this sequence number. Default: 1")
        ->type_name("SEQ")
        ->check(CLI::PositiveNumber);
    sub.add_flag("-f,--follow", options_.follow, "Go on until the task ends, in whichever process it runs");
    add_database(sub);
  }

  void define_replay(CLI::App& app) {
    CLI::App& sub = command(app, Command::replay, "replay", "Rebuild every model request from the journal, compare digests");
    add_task(sub);
    add_database(sub);
    add_output(sub);
    sub.footer("Exit code: 0 when every request matches, 1 when one does not.");
  }

  void define_bill(CLI::App& app) {
    CLI::App& sub = command(app, Command::bill, "bill", "What a task has cost: by model, with attempts that failed, and its subtasks");
    add_task(sub);
    add_database(sub);
    add_output(sub);
    sub.footer("With --output jsonl every attempt is there.");
  }

  void define_audit(CLI::App& app) {
    CLI::App& sub = command(app, Command::audit, "audit", "What was decided, run and changed, by whose word: lines bound by hashes");
    auto* task = sub.add_option("TASK", options_.task, "Only this task, with its subtasks. Default: all of the store");
    sub.add_option("--verify", options_.verify, "Check an export instead; - reads it from standard input")
        ->type_name("FILE")
        ->excludes(task);
    add_database(sub);
    sub.footer(
        "Exit code of --verify: 0 when nothing was changed, dropped, added or moved, else 1.\n\n"
        "  joey audit > audit.jsonl && joey audit --verify audit.jsonl");
  }

  void define_checkpoints(CLI::App& app) {
    CLI::App& sub = command(app, Command::checkpoints, "checkpoints", "The checkpoints of a task: its files before each change");
    add_task(sub);
    add_database(sub);
    add_output(sub);
  }

  void define_diff(CLI::App& app) {
    CLI::App& sub = command(app, Command::diff, "diff", "What changed since a checkpoint, or between two");
    sub.add_option("CHECKPOINT", options_.checkpoint, "As `joey checkpoints` lists them")->required();
    sub.add_option("OTHER", options_.other_checkpoint, "Default: the files as they are");
    add_workspace(sub);
    add_database(sub);
    add_output(sub);
  }

  void define_restore(CLI::App& app) {
    CLI::App& sub = command(app, Command::restore, "restore", "Make the files what they were at a checkpoint");
    sub.add_option("CHECKPOINT", options_.checkpoint, "As `joey checkpoints` lists them")->required();
    add_workspace(sub);
    add_database(sub);
    add_output(sub);
    sub.footer("Takes a checkpoint first, so that this can be undone.");
  }

  void define_project(CLI::App& app) {
    CLI::App& sub = command(app, Command::project, "project", "Modes, commands and skills of the workspace, and what is wrong in their files");
    add_workspace(sub);
    sub.add_flag("--json", options_.json, "As JSON");
  }

  void define_policy(CLI::App& app) {
    CLI::App& policy = *app.add_subcommand("policy", "What a session's rules say, without running anything");
    policy.group("Commands");
    policy.require_subcommand(1);
    CLI::App& sub = command(policy, Command::explain, "explain", "Whether a command line or a call would run, ask or be denied, and by which rules");
    sub.add_option("COMMAND", options_.command_line, "The command line, as execute_command gets it; with --tool its arguments")
        ->required();
    sub.add_option("--tool", options_.tool, "Of a call of this tool, whose arguments, a JSON object, stand in the command's place")
        ->type_name("NAME");
    add_workspace(sub);
    add_rules(sub);
    sub.add_flag("--json", options_.json, "As JSON: {\"verdict\",\"rule\",\"files\":[...],\"parts\":[...]}");
    sub.footer(
        "Exit code: 0 when it would run, 1 when it is denied, 3 when it asks.\n\n"
        "  joey policy explain --auto-approve 'command:git diff' 'git diff | tee log'\n"
        "  joey policy explain --deny 'read:.env' --tool read_file '{\"path\":\".env\"}'");
  }

  void define_tool(CLI::App& app) {
    CLI::App& sub = command(app, Command::tool, "tool", "Run one tool on the workspace without a model");
    sub.add_option("NAME", options_.tool, "The tool, as `joey tools` lists them")->required();
    sub.add_option("JSON", options_.arguments, "Its arguments, an object; - reads them from standard input")->required();
    add_workspace(sub);
    add_mode(sub);
    add_rules(sub);
    add_box(sub);
    add_secrets(sub);
    sub.footer(
        "Prints {\"ok\":bool,...} on one line. Exit code: 0 when ok, else 1.\n"
        "Without --auto-approve every tool may run.\n\n"
        "  joey tool read_file '{\"path\":\"README.md\"}'");
  }

  void define_tools(CLI::App& app) {
    CLI::App& sub = command(app, Command::tools, "tools", "The tools, and their JSON Schemas");
    add_workspace(sub);
    sub.add_option("--mode", options_.mode, "Only those that models get in this mode")->type_name("MODE");
    sub.add_option("--model", options_.model, "As this model gets them")->type_name("NAME");
    add_tool_changes(sub);
    sub.add_flag("--json", options_.json, "As JSON, with the schemas of their arguments");
  }

  void define_models(CLI::App& app) {
    CLI::App& sub = command(app, Command::models, "models", "The providers and models known by name, with their limits and prices");
    sub.add_option("WORD", options_.model, "Only those whose names have it in them");
    sub.add_flag("--json", options_.json, "As JSON");
    sub.footer("Any other model works too: name it with --model, and how much it reads with --context-window.");
  }

  void add_task(CLI::App& sub) {
    sub.add_option("TASK", options_.task, "The task's id, as `joey tasks` lists them")->required();
  }
  void add_workspace(CLI::App& sub) {
    sub.add_option("-w,--workspace", options_.workspace, "The directory to work in. Default: the current one")
        ->type_name("DIR")
        ->group(options_group);
  }
  void add_mode(CLI::App& sub) {
    sub.add_option("--mode", options_.mode, "code, architect, ask, debug, orchestrator, or one of the project's. Default: code")
        ->type_name("MODE")
        ->group(options_group);
  }
  void add_auto_approve(CLI::App& sub) {
    add_list(sub, "--auto-approve",
             "What runs without asking: groups (read, edit, command, mcp, modes, subtasks, custom), names of tools, or all; "
             "command:WORDS for commands that begin so; read:FILES and edit:FILES; protected for changes of files that steer "
             "agents, as AGENTS.md")
        .each([this](const std::string& rules) { add_to(options_.auto_approve.emplace(options_.auto_approve.value_or("")), rules); });
  }
  void add_rules(CLI::App& sub) {
    add_auto_approve(sub);
    add_list(sub, "--ask", "What a person decides each time, likewise; stricter. tainted: all but reading, once a tool "
                          "has brought a text that gives the model orders").each([this](const std::string& rules) {
      add_to(options_.ask, rules);
    });
    add_list(sub, "--deny", "What never runs, likewise; stricter still. Files that may not be read are hidden").each(
        [this](const std::string& rules) { add_to(options_.never, rules); });
  }
  CLI::Option& add_list(CLI::App& sub, const char* name, const char* help) {
    return *sub.add_option(name, lists_, help)
                ->type_name("RULES")
                ->expected(1)
                ->allow_extra_args(false)  // what comes behind is a message
                ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                ->group(options_group);
  }
  static void add_to(std::string& list, const std::string& rules) { list.append(list.empty() ? "" : ",").append(rules); }
  void add_box(CLI::App& sub) {
    sub.add_option("--box", options_.box,
                   "What commands run in: landlock, bubblewrap or oci (runc): the workspace to change, no network "
                   "but --allow-host, nothing that .rooignore or --deny forbids. Default: none")
        ->type_name("KIND")
        ->group(options_group);
    sub.add_option("--box-memory", options_.box_memory_max, "How much memory a command in the box may have, as 2GB")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false))
        ->group(options_group);
    sub.add_option("--box-cpu", options_.box_cpu_percent, "How much of a processor's time, in percent: 150 is one and a half")
        ->type_name("PERCENT")
        ->group(options_group);
    sub.add_option("--box-readable", options_.box_readable, "A directory that it may read besides the system's own; may be repeated")
        ->type_name("DIR")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(options_group);
    sub.add_option("--box-root", options_.box_root, "The directory that is the system in a box of kind oci. Default: the machine's own")
        ->type_name("DIR")
        ->group(options_group);
    sub.add_option("--allow-host", options_.allow_hosts,
                   "Hosts that commands in the box may reach: a name, as api.github.com, *.npmjs.org or db.example:5432; may be "
                   "repeated. Default: none")
        ->type_name("HOST")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(options_group);
    sub.add_option("--deny-host", options_.deny_hosts, "Hosts that they may not, likewise")
        ->type_name("HOST")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(options_group);
  }
  void add_secrets(CLI::App& sub) {
    sub.add_option("--secret", options_.secret_variables,
                   "A variable of the environment whose value nobody sees: not the model, the journal or the output; may be "
                   "repeated")
        ->type_name("VARIABLE")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(options_group);
    sub.add_option("--host-secret", options_.host_secrets,
                   "A variable of the environment that commands in the box have a placeholder of, which becomes the value in requests to "
                   "these hosts and nowhere else: GITHUB_TOKEN=api.github.com; the hosts need --allow-host too; may be repeated")
        ->type_name("VARIABLE=HOST[,HOST...]")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(options_group);
    sub.add_flag("--show-keys", options_.show_keys, "Show what has the shape of a well-known key, unless it is a --secret")
        ->group(options_group);
  }
  void add_tool_changes(CLI::App& sub) {
    sub.add_option("--tools", options_.tool_changes,
                   "Tools to tell the model of, or not, where that differs from what suits it: +edit,-apply_diff")
        ->type_name("LIST")
        ->group(model_group);
  }
  void add_tools_as_text(CLI::App& sub) {
    sub.add_flag("--tools-as-text", options_.tools_as_text, "For a model that calls no tools: it is told of them in words, and calls them in words")
        ->group(model_group);
  }
  void add_base_url(CLI::App& sub) {
    sub.add_option("--base-url", options_.base_url, "Where the provider's API is, as http://127.0.0.1:8080/v1")
        ->type_name("URL")
        ->group(model_group);
  }
  void add_thinking(CLI::App& sub) {
    sub.add_option("--reasoning", options_.reasoning_effort, "How much it thinks: none, minimal, low, medium, high, xhigh, max")
        ->type_name("LEVEL")
        ->group(model_group);
    sub.add_option("--context-window", options_.context_window, "Tokens the model takes, where that is not known of it")
        ->type_name("N")
        ->group(model_group);
    sub.add_option("--condense-at", options_.condense_percent, "Sum the conversation up from this percentage of the window on")
        ->type_name("N")
        ->group(model_group);
  }
  void add_fallbacks(CLI::App& sub) {
    sub.add_option("--fallback", options_.fallbacks,
                   "A model that stands in when the one before it keeps failing, as openai/gpt-5.1; its key is where that of its "
                   "provider always is, or in VARIABLE; may be repeated")
        ->type_name("PROVIDER[/MODEL][@URL][=VARIABLE]")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group(model_group);
    sub.add_option("--requests-per-minute", options_.requests_per_minute, "Ask the model no oftener than that")
        ->type_name("N")
        ->group(limits_group);
    sub.add_option("--tokens-per-minute", options_.tokens_per_minute, "Send it and have it write no more than that")
        ->type_name("N")
        ->group(limits_group);
  }
  void add_database(CLI::App& sub) {
    sub.add_option("--db", options_.database, "The database. Default: ~/.local/share/joey/joey.db")
        ->type_name("FILE")
        ->group(storage_group);
    sub.add_option("--key-file", options_.key_file,
                   "The keys that the database is encrypted with: a line each, a name and 64 hexadecimal digits; the first is "
                   "for what is written from now on")
        ->type_name("FILE")
        ->group(storage_group);
  }
  void add_storage(CLI::App& sub) {
    add_database(sub);
    sub.add_option_function<std::string>(
           "--durability",
           [this](const std::string& value) { options_.durable_to_power_loss = value == "full"; },
           "What every event survives: full, a power loss; process, kill -9. Default: full")
        ->type_name("full|process")
        ->check(CLI::IsMember({"full", "process"}))
        ->group(storage_group);
  }
  void add_checkpoints(CLI::App& sub) {
    sub.add_flag("--no-checkpoints", options_.no_checkpoints, "Keep no copies of files before they are changed")
        ->group(storage_group);
  }
  void add_output(CLI::App& sub) {
    sub.add_option_function<std::string>(
           "-o,--output",
           [this](const std::string& value) { options_.output = value == "jsonl" ? OutputFormat::jsonl : OutputFormat::text; },
           "For a reader, or a JSON object a line. Default: text")
        ->type_name("text|jsonl")
        ->check(CLI::IsMember({"text", "jsonl"}))
        ->group(storage_group);
  }

  Options& options_;
  std::vector<std::string> lists_;  // what CLI11 keeps of options that each() has taken
};

std::string standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

// One line, without the name of the class that CLI11 puts before some.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

CommandLine parse_command_line(int count, const char* const* arguments) {
  CommandLine line;
  CLI::App app;
  app.name("joey");
  Parser(line.options).define(app);
  if (count < 2) throw UsageError("a command is missing: joey --help lists them");
  try {
    app.parse(count, arguments);
  } catch (const CLI::CallForVersion&) {
    line.print = Parser::version();
    return line;
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    line.print = chosen.empty() ? app.help() : chosen.front()->help();
    return line;
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    throw UsageError(fmt::format("{}; see joey {}{}--help", first_line(error.what()),
                                 chosen.empty() ? "" : chosen.front()->get_name(), chosen.empty() ? "" : " "));
  }
  if (line.options.prompt == "-") line.options.prompt = standard_input();
  if (line.options.arguments == "-") line.options.arguments = standard_input();
  return line;
}

}  // namespace cli
