#include "http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <limits>
#include <system_error>

namespace scripted {

namespace {

constexpr std::size_t buffer_size = std::size_t{64} << 10;
constexpr std::size_t buffers_spare_max = 64;
constexpr std::size_t buffer_spare_size_max = std::size_t{16} << 20;
constexpr std::size_t answer_size_kept = std::size_t{64} << 10;  // a larger answer's memory is given back
constexpr std::size_t chunk_line_size_max = 256;
constexpr std::size_t descriptors_reserved = 32;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

int check(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

// One descriptor a connection: take all the system lets us have.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  return std::max<std::size_t>(limit.rlim_cur, descriptors_reserved + 1) - descriptors_reserved;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return text.size() == lower_case.size() &&
         std::equal(text.begin(), text.end(), lower_case.begin(), [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Nanoseconds monotonic_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Nanoseconds{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string_view HttpRequest::field(std::string_view name) const {
  for (std::string_view rest = fields; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && equals_ignoring_case(line.substr(0, colon), name)) {
      return trim(line.substr(colon + 1));
    }
  }
  return {};
}

void HttpAnswer::clear() {
  if (bytes.capacity() > answer_size_kept) bytes = {};
  bytes.clear();
  pauses.clear();
  end = End::keep_alive;
  loop.clear();
  loop_ms = 1;
  tag = 0;
}

struct HttpServer::Connection {
  int fd;
  std::uint64_t serial;
  bool readable = false;   // until recv() says otherwise
  bool peer_done = false;  // it will send no more
  bool answering = false;
  bool last_answer = false;  // the connection ends after it

  // The request being received.
  Buffer in;
  enum class Part { head, sized_body, chunk_size, chunk, chunk_end, trailer } part = Part::head;
  HttpRequest request;  // its views are set when it is complete
  std::size_t scanned = 0;    // head: searched for its end so far
  std::size_t body_at = 0;    // where the head ends
  std::size_t body_size = 0;  // as announced, or decoded so far
  std::size_t chunk_left = 0;
  std::size_t consumed = 0;  // end of the request in `in`

  // The answer being sent.
  HttpAnswer answer;
  std::size_t sent = 0;
  std::size_t next_pause = 0;
  Nanoseconds paused_until = 0;  // 0: not in a pause
};

void HttpServer::Buffer::reserve(std::size_t wanted) {
  if (wanted <= capacity) return;
  const std::size_t grown = std::max(wanted, std::min(capacity * 2, wanted * 2));
  auto larger = std::make_unique_for_overwrite<char[]>(grown + http_body_padding);
  if (size > 0) std::memcpy(larger.get(), bytes.get(), size);
  bytes = std::move(larger);
  capacity = grown;
}

void HttpServer::Buffer::drop_front(std::size_t count) {
  size -= count;
  if (size > 0) std::memmove(bytes.get(), bytes.get() + count, size);
}

HttpServer::HttpServer(HttpHandler& handler)
    : handler_(handler), connections_max_(raise_descriptor_limit()) {
  epoll_ = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");

  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  check(sigprocmask(SIG_BLOCK, &signals, nullptr), "sigprocmask");
  signals_ = check(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
  epoll_event event{.events = EPOLLIN, .data = {.fd = signals_}};
  check(epoll_ctl(epoll_, EPOLL_CTL_ADD, signals_, &event), "epoll_ctl");
}

HttpServer::~HttpServer() {
  for (const auto& connection : connections_) {
    if (connection) close(connection->fd);
  }
  for (const int fd : {listener_, signals_, epoll_}) {
    if (fd >= 0) close(fd);
  }
}

std::uint16_t HttpServer::listen(std::uint16_t port) {
  listener_ = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  check(setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
  // Inherited by accepted connections.
  check(setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  check(::listen(listener_, SOMAXCONN), "listen");

  socklen_t size = sizeof address;
  check(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener_}};
  check(epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event), "epoll_ctl");
  return ntohs(address.sin_port);
}

void HttpServer::run() {
  std::array<epoll_event, 256> events;
  running_ = true;
  while (running_) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == listener_) {
        accept_all();
      } else if (event.data.fd == signals_) {
        on_signal();
      } else if (auto& connection = connections_[static_cast<std::size_t>(event.data.fd)]) {
        if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection->readable = true;
        if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection->peer_done = true;
        drive(*connection);
      }
    }
    fire_timers();
  }
}

void HttpServer::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;  // none left, or one that failed on its way: the next event brings the others
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.fd = fd}};
    if (connections_count_ == connections_max_ || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) {
      close(fd);
      continue;
    }
    const auto slot = static_cast<std::size_t>(fd);
    if (connections_.size() <= slot) connections_.resize(slot + 1);
    connections_[slot] = std::make_unique<Connection>();
    connections_[slot]->fd = fd;
    connections_[slot]->serial = next_serial_++;
    ++connections_count_;
  }
}

void HttpServer::on_signal() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGUSR1) {
      handler_.signalled();
    } else {
      running_ = false;
    }
  }
}

int HttpServer::wait_ms() const {
  if (timers_.empty()) return -1;
  const Nanoseconds left = timers_.top().at - monotonic_now();
  return static_cast<int>(std::clamp<Nanoseconds>((left + 999'999) / 1'000'000, 0, std::numeric_limits<int>::max()));
}

void HttpServer::fire_timers() {
  if (timers_.empty()) return;
  const Nanoseconds now = monotonic_now();
  while (!timers_.empty() && timers_.top().at <= now) {
    const Timer timer = timers_.top();
    timers_.pop();
    const auto& connection = connections_[static_cast<std::size_t>(timer.fd)];
    if (connection && connection->serial == timer.serial) drive(*connection);
  }
}

// Moves a connection as far as it goes without waiting. It may be gone afterwards.
void HttpServer::drive(Connection& connection) {
  for (;;) {
    if (connection.answering) {
      switch (send_answer(connection)) {
        case Sent::blocked: return;
        case Sent::lost: return drop(connection);
        case Sent::all: break;
      }
      if (connection.last_answer) return drop(connection);
    }
    switch (parse(connection)) {
      case Parsed::incomplete:
        if (!receive(connection)) return;
        break;
      case Parsed::complete: begin_answer(connection); break;
      case Parsed::refused: break;
    }
  }
}

// False when there is nothing more to read for now, or the connection is gone.
bool HttpServer::receive(Connection& connection) {
  if (!connection.readable) return false;
  Buffer& in = connection.in;
  if (in.capacity == 0 && !spare_.empty()) {
    in = std::move(spare_.back());
    spare_.pop_back();
  }
  in.reserve(in.size == in.capacity ? std::max(buffer_size, in.size * 2) : in.capacity);

  const std::size_t room = in.capacity - in.size;
  const ssize_t received = recv(connection.fd, in.bytes.get() + in.size, room, 0);
  if (received > 0) {
    const Nanoseconds now = monotonic_now();
    if (in.size == 0) connection.request.first_byte_at = now;
    connection.request.last_byte_at = now;
    in.size += static_cast<std::size_t>(received);
    // A short read emptied the socket; another one would only say so. The end of the stream is still to be read.
    if (static_cast<std::size_t>(received) < room && !connection.peer_done) connection.readable = false;
    return true;
  }
  if (received < 0 && errno == EINTR) return true;
  if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    connection.readable = false;
    return false;
  }
  drop(connection);
  return false;
}

HttpServer::Parsed HttpServer::parse(Connection& connection) {
  using Part = Connection::Part;
  if (connection.part == Part::head) {
    const Parsed parsed = parse_head(connection);
    if (parsed != Parsed::complete) return parsed;
  }
  if (connection.part != Part::sized_body) return parse_chunks(connection);
  connection.consumed = connection.body_at + connection.body_size;
  return connection.in.size < connection.consumed ? Parsed::incomplete : Parsed::complete;
}

HttpServer::Parsed HttpServer::parse_head(Connection& connection) {
  Buffer& in = connection.in;
  const std::string_view received(in.bytes.get(), in.size);
  const std::size_t end = received.find("\r\n\r\n", connection.scanned);
  if (end == std::string_view::npos) {
    connection.scanned = in.size < 3 ? 0 : in.size - 3;
    if (in.size <= http_head_size_max) return Parsed::incomplete;
    refuse(connection, "431 Request Header Fields Too Large");
    return Parsed::refused;
  }
  connection.body_at = end + 4;
  connection.body_size = 0;

  const std::size_t line_end = received.find("\r\n");
  if (!received.substr(0, line_end).ends_with(" HTTP/1.1")) {
    refuse(connection, "505 HTTP Version Not Supported");
    return Parsed::refused;
  }
  HttpRequest& request = connection.request;
  request.fields = line_end == end ? std::string_view() : received.substr(line_end + 2, end - line_end - 2);
  connection.last_answer = equals_ignoring_case(request.field("connection"), "close");

  if (const std::string_view coding = request.field("transfer-encoding"); !coding.empty()) {
    if (!equals_ignoring_case(coding, "chunked")) {
      refuse(connection, "501 Not Implemented");
      return Parsed::refused;
    }
    connection.part = Connection::Part::chunk_size;
    connection.consumed = connection.body_at;
  } else {
    if (const std::string_view length = request.field("content-length"); !length.empty()) {
      const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), connection.body_size);
      if (error != std::errc() || stop != length.data() + length.size()) {
        refuse(connection, "400 Bad Request");
        return Parsed::refused;
      }
    }
    if (connection.body_size > http_body_size_max) {
      refuse(connection, "413 Content Too Large");
      return Parsed::refused;
    }
    connection.part = Connection::Part::sized_body;
  }

  const bool complete = connection.part == Connection::Part::sized_body &&
                        in.size >= connection.body_at + connection.body_size;
  if (!complete && equals_ignoring_case(request.field("expect"), "100-continue")) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    // Fits an empty socket buffer; when it is lost after all, clients go on by themselves after a second.
    [[maybe_unused]] const ssize_t ignored = send(connection.fd, go_on.data(), go_on.size(), MSG_NOSIGNAL);
  }
  if (connection.part == Connection::Part::sized_body) in.reserve(connection.body_at + connection.body_size);
  return Parsed::complete;
}

// Decodes in place: the body grows at body_at + body_size, the raw bytes behind it shrink from `consumed` on.
HttpServer::Parsed HttpServer::parse_chunks(Connection& connection) {
  using Part = Connection::Part;
  Buffer& in = connection.in;
  std::size_t& raw = connection.consumed;
  char* const bytes = in.bytes.get();
  auto line_at_raw = [&](std::string_view& line) {
    const std::string_view rest(bytes + raw, in.size - raw);
    const std::size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return false;
    line = rest.substr(0, end);
    raw += end + 2;
    return true;
  };

  for (std::string_view line;;) {
    switch (connection.part) {
      case Part::chunk: {
        const std::size_t count = std::min(connection.chunk_left, in.size - raw);
        std::memmove(bytes + connection.body_at + connection.body_size, bytes + raw, count);
        raw += count;
        connection.body_size += count;
        connection.chunk_left -= count;
        if (connection.chunk_left == 0) {
          connection.part = Part::chunk_end;
          continue;
        }
        break;
      }
      case Part::chunk_end:
        if (!line_at_raw(line)) break;
        connection.part = Part::chunk_size;
        continue;
      case Part::chunk_size: {
        if (!line_at_raw(line)) break;
        const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), connection.chunk_left, 16);
        if (error != std::errc() || stop == line.data()) {
          refuse(connection, "400 Bad Request");
          return Parsed::refused;
        }
        if (connection.chunk_left > http_body_size_max - connection.body_size) {
          refuse(connection, "413 Content Too Large");
          return Parsed::refused;
        }
        connection.part = connection.chunk_left == 0 ? Part::trailer : Part::chunk;
        continue;
      }
      case Part::trailer:
        if (!line_at_raw(line)) break;
        if (line.empty()) return Parsed::complete;
        continue;
      default: break;
    }
    break;
  }

  // Incomplete: close the gap that decoding left, so that the buffer grows with the body and not with its framing.
  const std::size_t decoded_end = connection.body_at + connection.body_size;
  if (in.size - raw > chunk_line_size_max && connection.part != Part::chunk) {
    refuse(connection, "400 Bad Request");
    return Parsed::refused;
  }
  std::memmove(bytes + decoded_end, bytes + raw, in.size - raw);
  in.size -= raw - decoded_end;
  raw = decoded_end;
  return Parsed::incomplete;
}

void HttpServer::begin_answer(Connection& connection) {
  Buffer& in = connection.in;
  HttpRequest& request = connection.request;
  const std::string_view received(in.bytes.get(), in.size);
  const std::size_t line_end = received.find("\r\n");
  const std::string_view line = received.substr(0, line_end);
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.find_first_of(" ?", method_end + 1);
  request.method = line.substr(0, method_end);
  request.path = line.substr(method_end + 1, target_end - method_end - 1);
  request.fields = received.substr(line_end + 2, connection.body_at - line_end - 2);
  request.body = received.substr(connection.body_at, connection.body_size);

  connection.answer.clear();
  handler_.answer(request, connection.answer);
  connection.answering = true;
  connection.sent = 0;
  connection.next_pause = 0;
  connection.paused_until = 0;

  // The request is done with: keep what was sent after it, lend the memory to others.
  in.drop_front(connection.consumed);
  request.first_byte_at = request.last_byte_at;
  connection.part = Connection::Part::head;
  connection.scanned = 0;
  if (in.size == 0) give_back(in);
}

HttpServer::Sent HttpServer::send_answer(Connection& connection) {
  HttpAnswer& answer = connection.answer;
  for (;;) {
    const bool pause_ahead = connection.next_pause < answer.pauses.size();
    const std::size_t stop = pause_ahead ? answer.pauses[connection.next_pause].offset : answer.bytes.size();

    if (connection.sent < stop) {
      const ssize_t count =
          send(connection.fd, answer.bytes.data() + connection.sent, stop - connection.sent, MSG_NOSIGNAL);
      if (count >= 0) {
        connection.sent += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return Sent::blocked;
      } else if (errno != EINTR) {
        return Sent::lost;
      }
      continue;
    }

    if (pause_ahead) {
      // Who hangs up during a pause does not wait for the rest.
      if (connection.peer_done) return Sent::lost;
      const Nanoseconds now = monotonic_now();
      if (connection.paused_until == 0) {
        const Nanoseconds pause = Nanoseconds{answer.pauses[connection.next_pause].ms} * 1'000'000;
        connection.paused_until = now + pause;
        timers_.push({connection.paused_until, connection.fd, connection.serial});
      }
      if (now < connection.paused_until) return Sent::blocked;
      connection.paused_until = 0;
      ++connection.next_pause;
      continue;
    }

    switch (answer.end) {
      case HttpAnswer::End::keep_alive: break;
      case HttpAnswer::End::close: connection.last_answer = true; break;
      case HttpAnswer::End::stall: return connection.peer_done ? Sent::lost : Sent::blocked;
      case HttpAnswer::End::reset: {
        const linger now{.l_onoff = 1, .l_linger = 0};
        setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return Sent::lost;
      }
      case HttpAnswer::End::endless:
        answer.bytes = answer.loop;
        answer.pauses.assign({{0, answer.loop_ms}});
        connection.sent = 0;
        connection.next_pause = 0;
        continue;
    }
    connection.answering = false;
    handler_.answered(answer.tag, monotonic_now());
    return Sent::all;
  }
}

// Answers what is not even HTTP as we speak it, and ends the connection.
void HttpServer::refuse(Connection& connection, std::string_view status) {
  connection.answer.clear();
  std::string& bytes = connection.answer.bytes;
  bytes.append("HTTP/1.1 ").append(status).append("\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  connection.answer.end = HttpAnswer::End::close;
  connection.answer.tag = std::numeric_limits<std::uint64_t>::max();
  connection.answering = true;
  connection.sent = 0;
  connection.next_pause = 0;
}

void HttpServer::give_back(Buffer& buffer) {
  buffer.size = 0;
  if (buffer.capacity != 0 && buffer.capacity <= buffer_spare_size_max && spare_.size() < buffers_spare_max) {
    spare_.push_back(std::move(buffer));
  }
  buffer = {};
}

void HttpServer::drop(Connection& connection) {
  give_back(connection.in);
  close(connection.fd);
  --connections_count_;
  connections_[static_cast<std::size_t>(connection.fd)].reset();
}

}  // namespace scripted
