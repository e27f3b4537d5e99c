// The vendors' wire formats: a scripted turn in, the bytes of an answer out. Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "request.hpp"
#include "script.hpp"

namespace scripted {

// A turn made concrete for one request.
struct Reply {
  enum class Ids { scripted, duplicate, missing };

  const Turn& turn;
  std::uint64_t number;  // of the turn in its conversation
  std::uint64_t seed;    // generated ids derive from it: the same request gets the same answer
  std::string_view model;
  std::time_t created;
  Ids ids = Ids::scripted;
  bool usage_in_stream = true;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t reasoning_tokens = 0;
};

// Server-sent events, and where each ends.
struct EventStream {
  std::string bytes;
  std::vector<std::size_t> ends;
  std::size_t text_open = 0;  // events after which more text may be inserted; 0: none
  std::size_t text_index = 0;  // Anthropic: the text's content block

  void clear();
  void end_event() {
    bytes += "\n\n";
    ends.push_back(bytes.size());
  }
};

struct ErrorBody {
  int status;
  std::string_view message;
  std::string_view type;  // empty: the vendor's word for the status
  std::string_view param = {};
  std::string_view code = {};
};

class WireFormat {
 public:
  virtual ~WireFormat() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::string_view request_id_field() const = 0;

  virtual void stream(const Reply& reply, EventStream& out) const = 0;
  virtual void message(const Reply& reply, std::string& out) const = 0;
  virtual void models(std::string_view model, std::string& out) const = 0;
  virtual void error(const ErrorBody& error, std::string_view request_id, std::string& out) const = 0;

  // Single events, for faults: an error in mid-stream, and text at `EventStream::text_open` of `of`.
  virtual void error_event(const ErrorBody& error, EventStream& out) const = 0;
  virtual void text_event(const Reply& reply, std::string_view text, const EventStream& of, EventStream& out) const = 0;
};

[[nodiscard]] const WireFormat& wire_format(Wire wire);
[[nodiscard]] const WireFormat& anthropic_format();
[[nodiscard]] const WireFormat& openai_format();

// Reasoning carries a signature over its text, so that a client which alters reasoning is found out.
[[nodiscard]] std::string reasoning_signature(std::string_view reasoning);

// `prefix` and 24 characters that depend on `seed` and `salt` alone.
void append_id(std::string& out, std::string_view prefix, std::uint64_t seed, std::uint64_t salt);

// The id of the turn's tool call `index`; false when it is to have none.
[[nodiscard]] bool append_tool_id(std::string& out, const Reply& reply, std::string_view prefix, std::size_t index);

// Calls `use` with consecutive pieces of about `size` bytes that do not split a UTF-8 character.
template <class Use>
void for_each_piece(std::string_view text, std::size_t size, Use&& use) {
  while (!text.empty()) {
    std::size_t end = size < text.size() ? size : text.size();
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    use(text.substr(0, end));
    text.remove_prefix(end);
  }
}

inline void append_number(std::string& out, std::int64_t number) { out += std::to_string(number); }

}  // namespace scripted
