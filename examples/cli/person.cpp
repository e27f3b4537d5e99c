#include "person.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "text.hpp"

namespace cli {
namespace {

// A line that is typed after this was called. Nothing when the input ended or a signal came.
std::optional<std::string> read_line(Terminal& terminal, const Interrupts& interrupts) {
  terminal.write(terminal.paint(Tone::cyan, fmt::format("{} ", terminal.glyphs().prompt)));
  terminal.flush();
  ::tcflush(STDIN_FILENO, TCIFLUSH);  // what was typed before the question is no answer to it
  std::string line;
  for (;;) {
    pollfd wanted[2]{{STDIN_FILENO, POLLIN, 0}, {interrupts.fd(), POLLIN, 0}};
    if (::poll(wanted, 2, -1) < 0 && errno != EINTR) return std::nullopt;
    if (interrupts.requested()) {
      terminal.write("\n");
      return std::nullopt;
    }
    if (wanted[0].revents == 0) continue;
    char bytes[4'096];
    const ssize_t size = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      terminal.write("\n");
      return std::nullopt;
    }
    line.append(bytes, static_cast<std::size_t>(size));
    if (line.back() != '\n') continue;
    line.pop_back();
    terminal.entered();
    return std::string(trim(line));
  }
}

void write_hint(Terminal& terminal, std::string_view text) {
  terminal.write(terminal.paint(Tone::dim, fmt::format("  {}", text)) + "\n");
}

}  // namespace

std::optional<Verdict> ask_approval(Terminal& terminal, const Interrupts& interrupts, const Call& call) {
  write_hint(terminal, fmt::format("y yes{0}n no{0}a always {1}{0}or type what to do instead",
                                   terminal.glyphs().separator, show_all(call.tool)));
  for (;;) {
    std::optional<std::string> line = read_line(terminal, interrupts);
    if (!line) return std::nullopt;
    if (*line == "y" || *line == "Y" || *line == "yes") return Verdict{Choice::allow, ""};
    if (*line == "a" || *line == "A" || *line == "always") return Verdict{Choice::allow_always, ""};
    if (*line == "n" || *line == "N" || *line == "no") return Verdict{Choice::deny, ""};
    // One letter is a slip, not a reason.
    if (line->size() > 1) return Verdict{Choice::deny, *std::move(line)};
  }
}

std::optional<Answer> ask_question(Terminal& terminal, const Interrupts& interrupts, const Call& call) {
  if (!call.suggestions.empty()) write_hint(terminal, "a number, or an answer of your own");
  for (;;) {
    std::optional<std::string> line = read_line(terminal, interrupts);
    if (!line) return std::nullopt;
    if (line->empty()) continue;
    std::size_t number = 0;
    const char* end = line->data() + line->size();
    const auto [stop, error] = std::from_chars(line->data(), end, number);
    if (error == std::errc() && stop == end && number >= 1 && number <= call.suggestions.size()) {
      const Suggestion& chosen = call.suggestions[number - 1];
      return Answer{chosen.text, chosen.mode};
    }
    return Answer{*std::move(line), ""};
  }
}

}  // namespace cli
