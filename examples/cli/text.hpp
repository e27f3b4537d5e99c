// Text on its way to a person: what strangers wrote is made harmless, cut to the terminal, and numbers are made short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// Makes a stream of text safe to print: escape sequences vanish with everything that belongs to them, other control
// characters and direction overrides too, and what is not UTF-8 becomes U+FFFD. Newlines and tabs stay; a carriage return
// counts as a newline. Pieces may be cut anywhere.
class Cleaner {
 public:
  [[nodiscard]] std::string feed(std::string_view bytes);
  // What still waited for its other half. The next feed() begins anew.
  [[nodiscard]] std::string finish();

 private:
  enum class State : unsigned char { text, escape, control, string, string_escape };

  void put(std::string& out, char32_t character, std::string_view bytes);

  State state_{State::text};
  std::size_t sequence_size_{0};
  bool carriage_return_{false};
  std::string waiting_;  // the first bytes of a character
};
// A whole text at once.
[[nodiscard]] std::string clean(std::string_view text);

// For what a person has to judge before it happens, such as a command: nothing vanishes. Control, invisible and
// direction characters are shown, as ^[ and <U+202E>. Newlines and tabs stay.
[[nodiscard]] std::string show_all(std::string_view text);

// Columns that a line takes on a terminal.
[[nodiscard]] std::size_t width_of(std::string_view line);
// `line` with tabs as spaces, cut to `columns` with an ellipsis.
[[nodiscard]] std::string fit(std::string_view line, std::size_t columns);
// All white space is one blank.
[[nodiscard]] std::string one_line(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);
// Without the newlines; a last empty line is none.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

[[nodiscard]] std::string count_text(std::int64_t count);                     // 950, 12.3k, 4.56M
[[nodiscard]] std::string plural(std::int64_t count, std::string_view noun);  // 1 line, 2 lines
[[nodiscard]] std::string duration_text(std::int64_t ms);                     // 0.4 s, 12 s, 3 min 5 s
[[nodiscard]] std::string age_text(std::int64_t at_ms);                       // how long ago that was; empty for 0
[[nodiscard]] std::string cost_text(double usd);                              // $0.0412, $3.20

[[nodiscard]] std::string json_string(std::string_view text);  // with its quotes

}  // namespace cli
