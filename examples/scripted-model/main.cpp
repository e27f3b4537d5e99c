// joey-scripted-model: stands in for a model provider. See README.md.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "http.hpp"
#include "provider.hpp"
#include "script.hpp"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

constexpr std::string_view help =
    R"(usage: joey-scripted-model --script FILE [options]

Speaks the Anthropic Messages and OpenAI Chat Completions APIs on 127.0.0.1 and answers from a script. Makes small images
as OpenRouter and OpenAI do.

  --script FILE          what to answer (README.md describes the format)
  --port N               port to listen on; 0, the default, lets the system choose
  --port-file FILE       write the port there when ready
  --log FILE             one JSON line per model request
  --bodies FILE          the body of each of these, a line each
  --validate full|off    full, the default: refuse what the vendors refuse; off: only look for the turn, for speed
  --api-key KEY          refuse requests without it
  --turn-timing FILE     write times per request there, as CSV, at exit and on SIGUSR1
  --help                 this text

SIGTERM and SIGINT end it.
)";

struct Options {
  std::string script_path;
  std::uint16_t port = 0;
  std::string port_path;
  scripted::ProviderOptions provider;
  bool help = false;
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Options parse_options(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--help" || name == "-h") {
      options.help = true;
      return options;
    }
    if (i + 1 == count) throw UsageError(fmt::format("{}: unknown option or missing value", name));
    const std::string value = arguments[++i];
    if (name == "--script") options.script_path = value;
    else if (name == "--port-file") options.port_path = value;
    else if (name == "--log") options.provider.log_path = value;
    else if (name == "--bodies") options.provider.bodies_path = value;
    else if (name == "--turn-timing") options.provider.timing_path = value;
    else if (name == "--api-key") options.provider.api_key = value;
    else if (name == "--validate" && (value == "full" || value == "off")) options.provider.validate = value == "full";
    else if (name == "--port") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.port);
      if (error != std::errc() || end != value.data() + value.size()) throw UsageError("--port: expected 0 to 65535");
    } else {
      throw UsageError(fmt::format("{} {}: unknown option or value", name, value));
    }
  }
  if (options.script_path.empty()) throw UsageError("--script FILE is required");
  return options;
}

// Renamed into place, so that whoever waits for the file never reads half of it.
void write_port(const std::string& path, std::uint16_t port) {
  const std::string unfinished = path + ".tmp";
  std::FILE* file = std::fopen(unfinished.c_str(), "we");
  if (file == nullptr) throw std::system_error(errno, std::generic_category(), path);
  fmt::print(file, "{}\n", port);
  if (std::fclose(file) != 0 || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
}

void serve(const Options& options) {
  const scripted::Script script = scripted::load_script(options.script_path);
  scripted::Provider provider(script, options.provider);
  scripted::HttpServer server(provider);
  const std::uint16_t port = server.listen(options.port);
  if (!options.port_path.empty()) write_port(options.port_path, port);
  fmt::print("listening on http://127.0.0.1:{}\n", port);
  std::fflush(stdout);
  server.run();
  provider.write_timing();
}

}  // namespace

int main(int count, char** arguments) try {
  const Options options = parse_options(count, arguments);
  if (options.help) {
    fmt::print("{}", help);
    return 0;
  }
  serve(options);
  return 0;
} catch (const UsageError& error) {
  fmt::print(stderr, "joey-scripted-model: {}; see --help\n", error.what());
  return exit_usage;
} catch (const scripted::ScriptError& error) {
  fmt::print(stderr, "joey-scripted-model: {}\n", error.what());
  return exit_usage;
} catch (const std::exception& error) {
  fmt::print(stderr, "joey-scripted-model: {}\n", error.what());
  return exit_failed;
}
