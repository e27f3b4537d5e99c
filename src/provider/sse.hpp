// Server-Sent Events, parsed as they arrive (the WHATWG "event stream" format).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "provider/framing.hpp"

namespace joey {

// Lines end in LF, CRLF or CR; a byte order mark and comments are skipped; `id:` and `retry:` are ignored. An event
// that lies within one piece and has one data line is not copied.
class SseParser final : public FrameParser {
 public:
  explicit SseParser(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  void feed(std::string_view bytes) override;
  [[nodiscard]] std::optional<Frame> next() override;

  // The event that its last blank line never closed, if any. The format says to drop it, but servers exist that forget the
  // blank line, and what was cut is recognised by what it says.
  [[nodiscard]] std::optional<Frame> finish() override;

  [[nodiscard]] bool too_large() const override { return too_large_; }

 private:
  void take_line(std::string_view line, bool carried);
  void take_data(std::string_view value, bool carried);
  void carry_over();
  std::optional<Frame> close_event();

  std::size_t event_bytes_max_;
  std::string_view piece_;
  std::size_t position_{0};  // in piece_, of the first byte not yet read
  std::size_t lf_{0};        // the first '\n' and '\r' at or after position_, or the end: each byte is searched once
  std::size_t cr_{0};
  std::size_t bom_{0};     // bytes of the byte order mark seen; 3: its time is over
  std::string line_;       // the start of a line whose end has not arrived
  std::string_view name_;  // of the event under way, in piece_ or in the stores below
  std::string_view data_;
  std::string name_store_;
  std::string data_store_;
  bool has_data_{false};
  bool after_cr_{false};  // a '\n' that comes now belongs to the line already ended
  bool too_large_{false};
};

}  // namespace joey
