// How the events of a streamed answer are told apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace joey {

enum class Framing : std::uint8_t {
  sse,    // Server-Sent Events
  lines,  // a JSON text a line
  aws,    // application/vnd.amazon.eventstream: binary, with checksums
};

struct Frame {
  std::string_view name;  // of the event; empty when it has none
  std::string_view data;
  std::size_t slack{0};  // readable bytes after `data`, whatever they hold: a parser that over-reads needs no copy
};

// Feed a piece, then take frames until there are none:
//
//   parser.feed(bytes);
//   while (auto frame = parser.next()) use(*frame);
class FrameParser {
 public:
  virtual ~FrameParser() = default;

  // `bytes` is read until next() returns nothing.
  virtual void feed(std::string_view bytes) = 0;

  // The next whole frame; its views hold until the next call of any kind.
  [[nodiscard]] virtual std::optional<Frame> next() = 0;

  // At the end of the stream: what it was cut in, where that can be read at all.
  [[nodiscard]] virtual std::optional<Frame> finish() = 0;

  // A frame was larger than the limit; nothing comes after it.
  [[nodiscard]] virtual bool too_large() const = 0;

  // What is wrong with the bytes, in words that go on from "the answer"; empty: nothing. Nothing comes after it.
  [[nodiscard]] virtual std::string_view broken() const { return {}; }
};

[[nodiscard]] std::unique_ptr<FrameParser> make_frame_parser(Framing framing, std::size_t frame_bytes_max);

}  // namespace joey
