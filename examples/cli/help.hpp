// The help texts: how they are laid out, and what does not belong to a single option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace cli {

inline constexpr const char* environment_help =
    "Environment:\n"
    "  ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY, ...\n"
    "                            The providers' keys. The first that is set chooses the provider\n"
    "  AWS_REGION                Where Amazon Bedrock is; its key is in AWS_BEARER_TOKEN_BEDROCK, or in the variables of AWS's\n"
    "                            own programs\n"
    "  OLLAMA_HOST               Where Ollama listens; chooses it when no key is set\n"
    "  JOEY_PROVIDER, JOEY_MODEL Defaults of --provider and --model\n"
    "  NO_COLOR                  No colours\n";

inline constexpr const char* exit_help =
    "Exit code:\n"
    "  0 completed   1 failed   2 usage   3 waits for an answer or approval   4 cancelled, or a limit was reached";

// CLI11's help with less noise: aligned, wrapped, and options by group.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace cli
