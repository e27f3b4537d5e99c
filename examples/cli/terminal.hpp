// Standard output: a terminal with colours and lines that move, or a pipe with neither.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

enum class Tone : unsigned char { plain, bold, dim, red, green, yellow, blue, cyan };

// One line to print: its text fits no width yet and is not painted yet.
struct Line {
  Tone tone{Tone::plain};
  std::string text;
};

struct Glyphs {
  std::string_view ok, failed, denied, prompt, bullet, bar, done, half, open, question, arrow, separator, minus;
  std::vector<std::string_view> spinner;
};

// What is written goes to the scroll-back. Below it a terminal can show a few live lines that are replaced in place.
// Nothing reaches standard output before flush(), which makes one write of it all.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] bool live() const { return live_; }          // lines can be replaced in place
  [[nodiscard]] bool conversational() const { return conversational_; }  // a person reads and can answer
  [[nodiscard]] bool coloured() const { return colours_; }
  [[nodiscard]] bool terminal() const { return terminal_; }
  [[nodiscard]] std::size_t columns() const;  // 100 when there is no terminal
  [[nodiscard]] const Glyphs& glyphs() const { return *glyphs_; }
  [[nodiscard]] std::string paint(Tone tone, std::string_view text) const;

  void write(std::string_view text);
  [[nodiscard]] bool at_line_start() const { return at_line_start_; }
  // The person ended the line.
  void entered() { at_line_start_ = true; }
  // Each has to fit the width; shown while what was written ends with a newline.
  void set_live(std::vector<std::string> lines) { live_lines_ = std::move(lines); }
  void flush();
  // Nobody reads any more.
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  // Of what was drawn, on a terminal whose width may have changed since.
  [[nodiscard]] std::size_t rows_drawn() const;

  bool terminal_{false};
  bool live_{false};
  bool colours_{false};
  bool conversational_{false};
  const Glyphs* glyphs_;
  bool at_line_start_{true};
  bool closed_{false};
  std::string pending_;
  std::vector<std::string> live_lines_;
  std::vector<std::string> drawn_;
  std::size_t drawn_columns_{0};
};

}  // namespace cli
