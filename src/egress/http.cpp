#include "egress/http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace joey::egress {
namespace {

constexpr unsigned chunk_line_size_max = 256;  // bytes of a chunk's size with its extensions
constexpr std::string_view line_end = "\r\n";

tl::unexpected<Refusal> refuse(std::string message, int status = 400) {
  return tl::unexpected(Refusal{status, std::move(message)});
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || others.find(c) != others.npos;
  });
}
bool is_visible(char c) { return c > ' ' && c < '\x7f'; }
bool is_value_character(char c) { return c == ' ' || c == '\t' || (static_cast<unsigned char>(c) > ' ' && c != '\x7f'); }

std::string_view trim_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The line without its end. Heads are complete, and no CR or LF stands alone in one: see HeadReader.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find(line_end);
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + line_end.size());
  return line;
}

Parsed<std::vector<Field>> parse_fields(std::string_view rest) {
  std::vector<Field> fields;
  for (std::string_view line; !(line = take_line(rest)).empty();) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) return refuse("a header line is not \"name: value\"");
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    if (!std::all_of(value.begin(), value.end(), is_value_character)) return refuse("a header has a control character");
    if (fields.size() == fields_max) return refuse(fmt::format("more than {} headers", fields_max), 431);
    fields.push_back({std::string(line.substr(0, colon)), std::string(value)});
  }
  return fields;
}

// "HTTP/1.0" or "HTTP/1.1".
std::optional<int> minor_version_of(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/1.") || (text[7] != '0' && text[7] != '1')) return std::nullopt;
  return text[7] - '0';
}

// Of fields by that name; at most one may be there.
Parsed<std::optional<std::string_view>> single(const std::vector<Field>& fields, std::string_view name) {
  std::optional<std::string_view> found;
  for (const Field& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    if (found) return refuse(fmt::format("more than one {} header", name));
    found = field.value;
  }
  return found;
}

// Whether the value, a list with commas, has the item.
bool lists(std::string_view value, std::string_view item) {
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    if (equal_ignoring_case(trim_blanks(value.substr(0, end)), item)) return true;
    value.remove_prefix(std::min(value.size(), end + 1));
  }
  return false;
}

// The length or "chunked" that the fields say; none: nothing.
Parsed<std::optional<Framing>> declared_framing(const std::vector<Field>& fields, int minor_version) {
  const auto length = single(fields, "Content-Length");
  if (!length) return tl::unexpected(length.error());
  const auto coding = single(fields, "Transfer-Encoding");
  if (!coding) return tl::unexpected(coding.error());
  if (*length && *coding) return refuse("Content-Length and Transfer-Encoding do not go together");
  if (*coding) {
    if (!equal_ignoring_case(**coding, "chunked")) return refuse("a Transfer-Encoding other than \"chunked\"", 501);
    if (minor_version == 0) return refuse("HTTP/1.0 has no Transfer-Encoding");
    return Framing{Framing::Kind::chunked, 0};
  }
  if (!*length) return std::nullopt;
  const std::string_view text = **length;
  Framing framing{Framing::Kind::length, 0};
  constexpr std::size_t digits_max = 18;
  if (text.empty() || text.size() > digits_max || !std::all_of(text.begin(), text.end(), is_digit)) {
    return refuse("Content-Length is not a number");
  }
  std::from_chars(text.data(), text.data() + text.size(), framing.length);
  return framing;
}

bool concerns_one_connection(const Field& field, const std::vector<Field>& fields) {
  for (const std::string_view name : {"Connection", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Transfer-Encoding",
                                      "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"}) {
    if (equal_ignoring_case(field.name, name)) return true;
  }
  return std::any_of(fields.begin(), fields.end(), [&](const Field& other) {
    return equal_ignoring_case(other.name, "Connection") && lists(other.value, field.name);
  });
}

// A request must not have the proxy drop what says where it ends, or for whom it is.
bool drops_framing(const std::vector<Field>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const Field& field) {
    return equal_ignoring_case(field.name, "Connection") &&
           (lists(field.value, "Content-Length") || lists(field.value, "Transfer-Encoding") || lists(field.value, "Host"));
  });
}

void add_fields(std::string& out, const std::vector<Field>& fields, const Framing& framing, std::string_view without) {
  for (const Field& field : fields) {
    if (concerns_one_connection(field, fields) || equal_ignoring_case(field.name, without)) continue;
    out += fmt::format("{}: {}\r\n", field.name, field.value);
  }
  if (framing.kind == Framing::Kind::chunked) out += "Transfer-Encoding: chunked\r\n";
  out += "Connection: close\r\n\r\n";
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// Heads

Parsed<std::size_t> HeadReader::feed(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size() && !complete_; ++i) {
    const char c = bytes[i];
    const bool after_cr = text_.ends_with('\r');
    if ((c == '\n') != after_cr) return refuse("a line does not end with CR LF");
    if (text_.size() == head_size_max) return refuse(fmt::format("more than {} bytes of headers", head_size_max), 431);
    text_ += c;
    complete_ = c == '\n' && text_.ends_with("\r\n\r\n");
    if (complete_) return i + 1;
  }
  return bytes.size();
}

Parsed<RequestHead> parse_request(std::string_view head) {
  const std::string_view line = take_line(head);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == line.npos || first == last) return refuse("this is no request of HTTP: commands reach the network through an HTTP proxy");
  RequestHead request;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(request.method)) return refuse("the method is none");
  if (request.target.empty() || !std::all_of(request.target.begin(), request.target.end(), is_visible)) {
    return refuse("the target has characters that must be percent-encoded");
  }
  const auto minor = minor_version_of(version);
  if (!minor) return version.starts_with("HTTP/") ? refuse("the proxy speaks HTTP/1.1 and 1.0", 505) : refuse("this is no request of HTTP");
  request.minor_version = *minor;
  auto fields = parse_fields(head);
  if (!fields) return tl::unexpected(std::move(fields.error()));
  request.fields = std::move(*fields);
  return request;
}

Parsed<AnswerHead> parse_answer(std::string_view head) {
  const std::string_view line = take_line(head);
  AnswerHead answer;
  const auto minor = minor_version_of(line.substr(0, 8));
  if (!minor || line.size() < 12 || line[8] != ' ' || !std::all_of(line.begin() + 9, line.begin() + 12, is_digit) || line[9] < '1' ||
      (line.size() > 12 && line[12] != ' ')) {
    return refuse("the server's answer is not HTTP/1.1", 502);
  }
  answer.minor_version = *minor;
  std::from_chars(line.data() + 9, line.data() + 12, answer.status);
  if (line.size() > 13) answer.reason = line.substr(13);
  auto fields = parse_fields(head);
  if (!fields || !std::all_of(answer.reason.begin(), answer.reason.end(), is_value_character)) {
    return refuse(fmt::format("the server's answer is malformed: {}", fields ? "its first line" : fields.error().message), 502);
  }
  answer.fields = std::move(*fields);
  return answer;
}

Parsed<Target> parse_target(const RequestHead& request) {
  const auto host_fields = single(request.fields, "Host");
  if (!host_fields) return tl::unexpected(host_fields.error());
  Target target;
  target.tunnel = request.method == "CONNECT";
  std::string_view authority = request.target;
  constexpr std::string_view scheme = "http://";
  if (!target.tunnel) {
    if (starts_ignoring_case(authority, "https://")) return refuse("https goes through CONNECT");
    if (!starts_ignoring_case(authority, scheme)) {
      return refuse("commands reach the network through this proxy alone: let the program use HTTP_PROXY and HTTPS_PROXY");
    }
    authority.remove_prefix(scheme.size());
    const std::size_t end = std::min(authority.find_first_of("/?#"), authority.size());
    target.path = authority.substr(end);
    if (!target.path.starts_with('/')) target.path.insert(0, 1, '/');
    if (target.path.find('#') != target.path.npos) return refuse("the target has a fragment");
    authority = authority.substr(0, end);
  }
  constexpr std::uint16_t http_port = 80;
  auto host = parse_host(authority, target.tunnel ? std::uint16_t{0} : http_port);
  if (!host) return refuse(std::move(host.error().message));
  target.host = std::move(*host);
  return target;
}

Parsed<Target> parse_target_within(const RequestHead& request, const HostPort& host) {
  constexpr std::uint16_t https_port = 443;
  const bool is_path = request.target.starts_with('/') || (request.method == "OPTIONS" && request.target == "*");
  if (!is_path || request.method == "CONNECT") return refuse("the target of a request within a tunnel is a path");
  if (request.target.find('#') != request.target.npos) return refuse("the target has a fragment");
  Target target{.host = host, .path = request.target, .usual_port = https_port};
  if (find_field(request.fields, "Host") == nullptr) return refuse("the request has no Host header");
  if (const auto checked = check_host(request, target); !checked) return tl::unexpected(checked.error());
  return target;
}

Parsed<void> check_host(const RequestHead& request, const Target& target) {
  const auto field = single(request.fields, "Host");
  if (!field) return tl::unexpected(field.error());
  if (!*field) return {};
  const auto named = parse_host(**field, target.usual_port);
  if (named && *named == target.host) return {};
  return refuse(fmt::format("the Host header is not of {}, to which the connection is", to_string(target.host)), 421);
}

Parsed<Framing> framing_of(const RequestHead& request) {
  if (drops_framing(request.fields)) return refuse("the Connection header names a header that must stay");
  auto framing = declared_framing(request.fields, request.minor_version);
  if (!framing) return tl::unexpected(std::move(framing.error()));
  return framing->value_or(Framing{});
}

Parsed<Framing> framing_of(const AnswerHead& answer, std::string_view method) {
  auto framing = declared_framing(answer.fields, answer.minor_version);
  if (!framing) return refuse("the server's answer is malformed: " + framing.error().message, 502);
  if (method == "HEAD" || answer.status / 100 == 1 || answer.status == 204 || answer.status == 304) return Framing{};
  return framing->value_or(Framing{Framing::Kind::until_close, 0});
}

// ---------------------------------------------------------------------------------------------------------------------
// Bodies

BodyMeter::BodyMeter(Framing framing) {
  switch (framing.kind) {
    case Framing::Kind::none: break;
    case Framing::Kind::until_close: state_ = State::until_close; break;
    case Framing::Kind::length:
      left_ = framing.length;
      if (left_ > 0) state_ = State::length;
      break;
    case Framing::Kind::chunked: state_ = State::size; break;
  }
}

Parsed<std::size_t> BodyMeter::take(std::string_view bytes, std::string* content) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::complete) {
    if (state_ == State::until_close) {
      if (content != nullptr) content->append(bytes.substr(taken));
      return bytes.size();
    }
    if (state_ == State::length || state_ == State::data) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - taken));
      if (content != nullptr) content->append(bytes.substr(taken, part));
      left_ -= part;
      taken += part;
      if (left_ == 0) state_ = state_ == State::length ? State::complete : State::data_cr;
    } else if (!step(bytes[taken++])) {
      return refuse("a chunk of the body is malformed");
    }
  }
  return taken;
}

// One byte of what stands around the data of chunks.
bool BodyMeter::step(char c) {
  constexpr unsigned size_digits_max = 15;
  const auto go = [this](State state) {
    state_ = state;
    return true;
  };
  switch (state_) {
    case State::size: {
      const char small = lower(c);
      const int digit = is_digit(c) ? c - '0' : small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
      if (digit >= 0) {
        if (line_size_++ == size_digits_max) return false;
        left_ = left_ << 4 | static_cast<unsigned>(digit);
        return true;
      }
      if (line_size_ == 0) return false;
      return (c == ';' && go(State::extension)) || (c == '\r' && go(State::size_end));
    }
    case State::extension:
      if (c == '\r') return go(State::size_end);
      return ++line_size_ < chunk_line_size_max && is_value_character(c);
    case State::size_end:
      line_size_ = 0;
      return c == '\n' && go(left_ == 0 ? State::last_cr : State::data);
    case State::data_cr: return c == '\r' && go(State::data_lf);
    case State::data_lf: return c == '\n' && go(State::size);
    case State::last_cr: return c == '\r' && go(State::last_lf);
    case State::last_lf: return c == '\n' && go(State::complete);
    case State::complete:
    case State::until_close:
    case State::length:
    case State::data: break;
  }
  return false;
}

// ---------------------------------------------------------------------------------------------------------------------
// What is sent

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* find_field(const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return equal_ignoring_case(field.name, name); });
  return found == fields.end() ? nullptr : &found->value;
}

void remove_fields(std::vector<Field>& fields, std::string_view name) {
  std::erase_if(fields, [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

void append_chunk(std::string& out, std::string_view content) {
  if (!content.empty()) out.append(fmt::format("{:x}\r\n", content.size())).append(content).append(line_end);
}

std::string forwarded(const RequestHead& request, const Target& target) {
  const std::string authority = to_string(target.host);
  const std::string_view shown = std::string_view(authority).substr(
      0, target.host.port == target.usual_port ? authority.rfind(':') : authority.npos);
  std::string out = fmt::format("{} {} HTTP/1.{}\r\nHost: {}\r\n", request.method, target.path, request.minor_version, shown);
  add_fields(out, request.fields, framing_of(request).value_or(Framing{}), "Host");
  return out;
}

std::string forwarded(const AnswerHead& answer, const Framing& framing) {
  std::string out = fmt::format("HTTP/1.{} {} {}\r\n", answer.minor_version, answer.status, answer.reason);
  add_fields(out, answer.fields, framing, {});
  return out;
}

std::string refusal_answer(const Refusal& refusal) {
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\njoey: {}\n",
                     refusal.status, refusal.message, refusal.message.size() + 7, refusal.message);
}

}  // namespace joey::egress
