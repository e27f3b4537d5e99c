#include "provider/framing.hpp"

#include <zlib.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "provider/sse.hpp"

namespace joey {
namespace {

// Lines end in LF, with a CR before it or without; blank ones are passed over.
class LineParser final : public FrameParser {
 public:
  explicit LineParser(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  void feed(std::string_view bytes) override { piece_ = bytes; }

  std::optional<Frame> next() override {
    while (!too_large_) {
      if (std::exchange(line_is_taken_, false)) line_.clear();
      const std::size_t end = piece_.find('\n');
      if (line_.size() + std::min(end, piece_.size()) > line_bytes_max_) too_large_ = true;
      if (too_large_) break;
      if (end == piece_.npos) {
        line_ += std::exchange(piece_, {});
        return std::nullopt;
      }
      std::string_view line = piece_.substr(0, end);
      piece_.remove_prefix(end + 1);
      const bool carried = !line_.empty();
      if (carried) {
        line_ += line;
        line = line_;
        line_is_taken_ = true;
      }
      if (!trim(line).empty()) return Frame{{}, line, carried ? 0 : piece_.size()};
    }
    return std::nullopt;
  }

  std::optional<Frame> finish() override {
    if (too_large_ || trim(line_).empty()) return std::nullopt;
    line_is_taken_ = true;
    return Frame{{}, line_, 0};
  }

  bool too_large() const override { return too_large_; }

 private:
  std::size_t line_bytes_max_;
  std::string_view piece_;
  std::string line_;  // the start of a line whose end has not arrived
  bool line_is_taken_{false};
  bool too_large_{false};
};

// A message: its size and that of its headers, a checksum of the two, headers, payload, a checksum of all before it.
// Numbers are big-endian, checksums CRC-32.
class AwsParser final : public FrameParser {
 public:
  explicit AwsParser(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  void feed(std::string_view bytes) override {
    if (used_ > 0) buffer_.erase(0, std::exchange(used_, 0));
    buffer_ += bytes;
  }

  std::optional<Frame> next() override {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    if (too_large_ || !broken_.empty() || rest.size() < prelude_bytes) return std::nullopt;
    const std::size_t size = number(rest), headers_size = number(rest.substr(4));
    if (checksum(rest.substr(0, 8)) != number(rest.substr(8))) return fail("has a frame whose sizes are damaged");
    if (size < prelude_bytes + checksum_bytes || headers_size > size - prelude_bytes - checksum_bytes) {
      return fail("has a frame whose sizes do not fit each other");
    }
    if (size > frame_bytes_max_ + overhead_bytes_max) {
      too_large_ = true;
      return std::nullopt;
    }
    if (rest.size() < size) return std::nullopt;
    if (checksum(rest.substr(0, size - checksum_bytes)) != number(rest.substr(size - checksum_bytes))) {
      return fail("has a frame whose checksum is wrong");
    }
    if (!read_name(rest.substr(prelude_bytes, headers_size))) return fail("has a frame whose headers are damaged");
    used_ += size;
    const std::string_view payload =
        rest.substr(prelude_bytes + headers_size, size - prelude_bytes - checksum_bytes - headers_size);
    return Frame{name_, payload, rest.size() - (prelude_bytes + headers_size + payload.size())};
  }

  std::optional<Frame> finish() override { return std::nullopt; }
  bool too_large() const override { return too_large_; }
  std::string_view broken() const override { return broken_; }

 private:
  static constexpr std::size_t prelude_bytes = 12;
  static constexpr std::size_t checksum_bytes = 4;
  static constexpr std::size_t overhead_bytes_max = 128U << 10;  // what the format allows for headers

  std::optional<Frame> fail(std::string_view why) {
    broken_ = why;
    return std::nullopt;
  }

  static std::uint32_t number(std::string_view bytes, std::size_t size = 4) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < size; ++i) out = out << 8 | static_cast<unsigned char>(bytes[i]);
    return out;
  }

  static std::uint32_t checksum(std::string_view bytes) {
    return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }

  // The event's type, or "exception:" and that of what went wrong.
  bool read_name(std::string_view headers) {
    name_.clear();
    while (!headers.empty()) {
      const std::size_t name_size = static_cast<unsigned char>(headers[0]);
      if (headers.size() < name_size + 2) return false;
      const std::string_view name = headers.substr(1, name_size);
      const auto type = static_cast<unsigned char>(headers[1 + name_size]);
      headers.remove_prefix(name_size + 2);
      // true, false, byte, short, integer, long, bytes, text, time, uuid
      constexpr std::size_t sizes[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
      constexpr unsigned char type_bytes = 6, type_text = 7;
      if (type >= std::size(sizes)) return false;
      std::size_t size = sizes[type];
      if (type == type_bytes || type == type_text) {
        if (headers.size() < 2) return false;
        size = number(headers, 2);
        headers.remove_prefix(2);
      }
      if (headers.size() < size) return false;
      if (type == type_text && name == ":event-type") name_ = headers.substr(0, size);
      if (type == type_text && (name == ":exception-type" || name == ":error-code")) {
        name_ = "exception:" + std::string(headers.substr(0, size));
      }
      headers.remove_prefix(size);
    }
    return true;
  }

  std::size_t frame_bytes_max_;
  std::string buffer_;
  std::size_t used_{0};  // bytes of it that were given out
  std::string name_;
  std::string_view broken_;
  bool too_large_{false};
};

}  // namespace

std::unique_ptr<FrameParser> make_frame_parser(Framing framing, std::size_t frame_bytes_max) {
  switch (framing) {
    case Framing::sse: return std::make_unique<SseParser>(frame_bytes_max);
    case Framing::lines: return std::make_unique<LineParser>(frame_bytes_max);
    case Framing::aws: return std::make_unique<AwsParser>(frame_bytes_max);
  }
  return nullptr;
}

}  // namespace joey
