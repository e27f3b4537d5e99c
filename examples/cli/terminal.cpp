#include "terminal.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "text.hpp"

namespace cli {
namespace {

constexpr std::size_t columns_default = 100;
constexpr std::size_t columns_min = 20;

const Glyphs unicode{"✓", "✗", "⊘", "›", "●", "│", "●", "◐", "○", "?", "→", " · ", "−",
                     {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}};
const Glyphs ascii{"+", "x", "!", ">", "*", "|", "[x]", "[-]", "[ ]", "?", "->", ", ", "-", {"|", "/", "-", "\\"}};

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

// Terminals of today show UTF-8; a locale that names another character set says that this one does not.
bool shows_unicode() {
  if (variable("TERM") == "linux" || variable("TERM") == "dumb") return false;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = variable(name);
    if (locale.empty()) continue;
    const std::size_t dot = locale.find('.');
    if (dot == std::string_view::npos) return true;
    const std::string_view charset = locale.substr(dot + 1);
    return charset.starts_with("UTF") || charset.starts_with("utf");
  }
  return true;
}

}  // namespace

Terminal::Terminal() : terminal_(::isatty(STDOUT_FILENO) == 1) {
  live_ = terminal_ && variable("TERM") != "dumb" && !variable("TERM").empty();
  colours_ = live_ && variable("NO_COLOR").empty();
  conversational_ = terminal_ && ::isatty(STDIN_FILENO) == 1;
  glyphs_ = shows_unicode() ? &unicode : &ascii;
}

Terminal::~Terminal() {
  live_lines_.clear();
  flush();
}

std::size_t Terminal::columns() const {
  winsize size{};
  if (!terminal_ || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return columns_default;
  return std::max<std::size_t>(size.ws_col, columns_min);
}

std::string Terminal::paint(Tone tone, std::string_view text) const {
  if (!colours_ || tone == Tone::plain || text.empty()) return std::string(text);
  const char* code = "";
  switch (tone) {
    case Tone::plain: break;
    case Tone::bold: code = "1"; break;
    case Tone::dim: code = "2"; break;
    case Tone::red: code = "31"; break;
    case Tone::green: code = "32"; break;
    case Tone::yellow: code = "33"; break;
    case Tone::blue: code = "34"; break;
    case Tone::cyan: code = "36"; break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Terminal::write(std::string_view text) {
  if (text.empty()) return;
  pending_ += text;
  // A colour's end may follow the newline.
  if (text.ends_with("\x1b[0m")) text.remove_suffix(4);
  if (!text.empty()) at_line_start_ = text.back() == '\n';
}

void Terminal::flush() {
  std::vector<std::string> wanted;
  if (live_ && at_line_start_) wanted = live_lines_;
  if (pending_.empty() && wanted == drawn_) return;

  std::string out;
  if (!drawn_.empty()) {
    out = "\r";
    if (const std::size_t rows = rows_drawn(); rows > 1) fmt::format_to(std::back_inserter(out), "\x1b[{}A", rows - 1);
    out += "\x1b[J";
  }
  out += std::exchange(pending_, {});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i > 0) out += '\n';
    out += wanted[i];
  }
  drawn_ = std::move(wanted);
  drawn_columns_ = columns();

  std::string_view rest = out;
  while (!rest.empty() && !closed_) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      closed_ = true;
    }
  }
}

std::size_t Terminal::rows_drawn() const {
  const std::size_t now = columns();
  if (now >= drawn_columns_) return drawn_.size();
  std::size_t rows = 0;
  for (const std::string& line : drawn_) rows += std::max<std::size_t>(1, (width_of(clean(line)) + now - 1) / now);
  return rows;
}

}  // namespace cli
