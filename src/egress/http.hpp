// HTTP/1.1 as a proxy reads it: pure, and as strict as the standard allows, so that whoever is behind the proxy sees the one
// request that was judged.
//
// Smuggling needs two readers who disagree on where a message ends. So lines end with CR LF alone, a field has no space
// before its colon and no second line, Content-Length comes once and in digits, Transfer-Encoding is "chunked" and nothing
// else, never both; chunks have no trailers. What goes on is written anew from what was understood.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/host_rules.hpp"

namespace joey::egress {

inline constexpr std::size_t head_size_max = std::size_t{32} << 10;  // bytes of a message before its body
inline constexpr std::size_t fields_max = 128;

// What a client is answered instead of being served.
struct Refusal {
  int status{400};
  std::string message;  // one line
};
template <class T>
using Parsed = tl::expected<T, Refusal>;

struct Field {
  std::string name;
  std::string value;
};

struct RequestHead {
  std::string method;
  std::string target;
  int minor_version{1};  // of HTTP/1
  std::vector<Field> fields;
};

struct AnswerHead {
  int status{0};
  std::string reason;
  int minor_version{1};
  std::vector<Field> fields;
};

// Collects the bytes up to and with the empty line.
class HeadReader {
 public:
  // How many of `bytes` belong to the head. Refused: it is too large, or has a line that does not end with CR LF.
  [[nodiscard]] Parsed<std::size_t> feed(std::string_view bytes);
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool complete_{false};
};

// Of a complete head.
[[nodiscard]] Parsed<RequestHead> parse_request(std::string_view head);
[[nodiscard]] Parsed<AnswerHead> parse_answer(std::string_view head);

// Whom a request is for: CONNECT's "host:port", or the host of "http://host/path".
struct Target {
  HostPort host;
  std::string path;  // and query; empty in a tunnel
  bool tunnel{false};
  std::uint16_t usual_port{80};  // which a Host header need not name
};
[[nodiscard]] Parsed<Target> parse_target(const RequestHead& request);
// Of a request within a tunnel to `host` that is TLS's: its target is a path, or OPTIONS's "*", and its Host header names `host`.
[[nodiscard]] Parsed<Target> parse_target_within(const RequestHead& request, const HostPort& host);
// Refused: the request has a Host header for another host than its target's. One that has none passes.
[[nodiscard]] Parsed<void> check_host(const RequestHead& request, const Target& target);

struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close } kind{Kind::none};
  std::uint64_t length{0};  // bytes
};
[[nodiscard]] Parsed<Framing> framing_of(const RequestHead& request);
// `method` of the request it answers.
[[nodiscard]] Parsed<Framing> framing_of(const AnswerHead& answer, std::string_view method);

// Follows a body that passes by, to know where it ends.
class BodyMeter {
 public:
  explicit BodyMeter(Framing framing = {});
  // How many of `bytes` belong to the body. `content`, if not null, gets what of them is not framing.
  [[nodiscard]] Parsed<std::size_t> take(std::string_view bytes, std::string* content = nullptr);
  [[nodiscard]] bool complete() const { return state_ == State::complete; }
  // Whether a connection that ends here ends the body.
  [[nodiscard]] bool may_end() const { return complete() || state_ == State::until_close; }

 private:
  enum class State : std::uint8_t { complete, until_close, length, size, extension, size_end, data, data_cr, data_lf, last_cr, last_lf };
  [[nodiscard]] bool step(char c);

  State state_{State::complete};
  std::uint64_t left_{0};    // bytes of the body, or of the chunk
  unsigned line_size_{0};  // of a chunk's first line
};

// The value of the first field by that name, in any case; null: there is none.
[[nodiscard]] const std::string* find_field(const std::vector<Field>& fields, std::string_view name);
void remove_fields(std::vector<Field>& fields, std::string_view name);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// What is sent on. Fields that concern one connection are left out, and so is what is the proxy's.
[[nodiscard]] std::string forwarded(const RequestHead& request, const Target& target);
[[nodiscard]] std::string forwarded(const AnswerHead& answer, const Framing& framing);
void append_chunk(std::string& out, std::string_view content);  // nothing of no content
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
inline constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";
inline constexpr std::string_view tunnel_answer = "HTTP/1.1 200 Connection established\r\n\r\n";

// The proxy's own answer; its message is the body, and the reason on its first line, which is all that some clients show.
[[nodiscard]] std::string refusal_answer(const Refusal& refusal);

}  // namespace joey::egress
