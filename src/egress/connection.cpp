#include "egress/connection.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace joey::egress {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t read_size = TlsStream::record_size;
constexpr int rounds_per_turn = 8;  // of one connection, then others have their turn
constexpr std::size_t discarded_max = std::size_t{4} << 20;  // bytes of a client that is not listened to any more
constexpr std::size_t addresses_tried_max = 4;

std::string seconds_text(milliseconds time) { return fmt::format("{} s", static_cast<double>(time.count()) / 1000); }

// Non-blocking; below 0: errno.
int begin_connecting(const IpAddress& address, std::uint16_t port) {
  sockaddr_storage at{};
  socklen_t size = 0;
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(at);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.bytes.data() + 12, 4);
    size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(at);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
    size = sizeof v6;
  }
  const int fd = ::socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), size) == 0 || errno == EINPROGRESS) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

}  // namespace

Connection::Connection(const Surroundings& around, ConnectionOwner& owner, std::shared_ptr<const HostRules> rules,
                       std::shared_ptr<const ClientSecrets> secrets, std::uint64_t number)
    : around_(around), owner_(owner), rules_(std::move(rules)), secrets_(std::move(secrets)), number_(number) {}

Connection::~Connection() { around_.scheduler.cancel(timer_); }

void Connection::start(int client) {
  if (!open(client_, client)) return;
  set_timer(around_.options.head_timeout, &Connection::on_head_timeout);
  client_.want(true, false);
}

void Connection::start_refusing(int client, std::string message) {
  if (open(client_, client)) refuse({503, std::move(message)});
}

void Connection::abandon(std::string message) {
  close_upstream(std::move(message));
  state_ = State::ended;
  around_.scheduler.cancel(std::exchange(timer_, 0));
  client_.close();
}

bool Connection::open(Channel& channel, int fd) {
  auto opened = Socket::open(around_.loop, fd, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_ready();
  });
  if (opened) {
    channel.open(std::move(*opened));
    return true;
  }
  close_upstream(opened.error().message);
  finish();
  return false;
}

void Connection::on_ready() {
  switch (state_) {
    case State::head:
    case State::inner_head: return read_head();
    case State::connecting: return finish_connecting();
    case State::securing_upstream: return secure_upstream();
    case State::securing_client: return secure_client();
    case State::relaying: return relay();
    case State::lingering: return linger();
    case State::resolving:
    case State::ended: return;
  }
}

Record Connection::record_of(Record::Kind kind, std::string message) const {
  return {.kind = kind,
          .connection = number_,
          .method = request_.method,
          .host = target_.host.name,
          .port = target_.host.port,
          .address = address_,
          .rule = rule_,
          .message = std::move(message),
          .bytes_up = up_.bytes,
          .bytes_down = down_.bytes,
          .secrets = exchange_ && kind == Record::Kind::closed && up_.bytes > 0 ? exchange_->secrets_used() : std::vector<std::string>()};
}

// ---------------------------------------------------------------------------------------------------------------------
// The request

void Connection::read_head() {
  char buffer[read_size];
  const Socket::Transfer got = client_.read(buffer, sizeof buffer);
  if (got.end == Socket::Transfer::End::would_block) return;
  if (got.end != Socket::Transfer::End::none) {  // it asked for nothing
    close_upstream({});
    return finish();
  }
  const std::string_view bytes(buffer, got.size);
  const auto taken = head_.feed(bytes);
  if (!taken) return refuse(taken.error());
  if (!head_.complete()) return;
  early_ = bytes.substr(*taken);
  client_.want(false, false);
  state_ == State::head ? take_request() : take_inner_request();
}

void Connection::take_request() {
  auto request = parse_request(head_.text());
  if (!request) return refuse(std::move(request.error()));
  request_ = std::move(*request);
  auto target = parse_target(request_);
  if (!target) return refuse(std::move(target.error()));
  target_ = std::move(*target);
  HostDecision decision = rules_->judge(target_.host);
  rule_ = std::move(decision.rule);
  if (!decision.allowed) return refuse({403, std::move(decision.message)});
  if (secrets_ != nullptr) approved_ = approved_secrets(secrets_->secrets, target_.host);
  if (!target_.tunnel) {
    begin_exchange(request_, target_);
    if (state_ != State::head) return;
  }
  resolve();
}

void Connection::take_inner_request() {
  auto request = parse_request(head_.text());
  if (!request) return refuse(std::move(request.error()));
  auto target = parse_target_within(*request, target_.host);
  if (!target) return refuse(std::move(target.error()));
  begin_exchange(*std::move(request), *std::move(target));
  if (state_ == State::inner_head) begin_relaying();
}

// The bytes that it makes wait until they can go.
void Connection::begin_exchange(RequestHead request, Target target) {
  exchange_.emplace(std::move(target), approved_);
  const auto begun = exchange_->begin(std::move(request), up_.pending, down_.pending);
  if (!begun) return refuse(begun.error());
}

// No name is resolved that is not allowed: a question to the DNS can carry a secret, too.
void Connection::resolve() {
  state_ = State::resolving;
  set_timer(around_.options.connect_timeout, &Connection::on_connect_timeout);
  if (target_.host.address) {
    addresses_ = {*target_.host.address};
    return connect_next();
  }
  if (is_localhost(target_.host.name)) {
    addresses_ = {*parse_address("127.0.0.1"), *parse_address("::1")};
    return connect_next();
  }
  around_.resolver->resolve(target_.host.name, [weak = weak_from_this()](Result<std::vector<IpAddress>> addresses) {
    const auto self = weak.lock();
    if (!self || self->state_ != State::resolving) return;
    if (!addresses) return self->refuse({502, std::move(addresses.error().message)});
    self->addresses_ = std::move(*addresses);
    self->connect_next();
  });
}

// Each address is judged and then connected to itself; nobody is asked for the name again.
void Connection::connect_next() {
  upstream_.close();
  while (address_index_ < addresses_.size() && addresses_tried_ < addresses_tried_max) {
    const IpAddress& address = addresses_[address_index_++];
    HostDecision decision = rules_->judge(target_.host, address);
    if (!decision.allowed) {
      if (problem_.empty()) problem_ = std::move(decision.message);
      continue;
    }
    rule_ = std::move(decision.rule);
    ++addresses_tried_;
    return connect_to(address);
  }
  if (!opened_) return refuse({403, problem_.empty() ? "no address of it is allowed" : problem_});
  fail({502, problem_});
}

void Connection::connect_to(const IpAddress& address) {
  state_ = State::connecting;
  address_ = to_string(address);
  opened_ = true;
  owner_.record(record_of(Record::Kind::opened, {}));
  const int fd = begin_connecting(address, target_.host.port);
  if (fd < 0) {
    problem_ = fmt::format("{} at {}: {}", to_string(target_.host), address_, std::strerror(-fd));
    return connect_next();
  }
  if (open(upstream_, fd)) upstream_.want(false, true);
}

void Connection::finish_connecting() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(upstream_.socket().fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  sockaddr_storage peer{};
  size = sizeof peer;
  if (error == 0 && ::getpeername(upstream_.socket().fd(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    if (errno == ENOTCONN) return;  // not yet
    error = errno;
  }
  if (error == 0) return target_.tunnel && !approved_.empty() ? begin_securing() : begin_relaying();
  problem_ = fmt::format("{} at {}: {}", to_string(target_.host), address_, std::strerror(error));
  connect_next();
}

// ---------------------------------------------------------------------------------------------------------------------
// TLS that ends here

// The server's side first, since what is wrong with it can still be said in the answer to CONNECT.
void Connection::begin_securing() {
  auto tls = secrets_->tls->connect(upstream_.socket(), target_.host);
  if (!tls) return fail({502, std::move(tls.error().message)});
  upstream_.secure(*std::move(tls));
  state_ = State::securing_upstream;
  secure_upstream();
}

void Connection::secure_upstream() {
  const auto done = upstream_.shake_hands();
  if (!done) return fail({502, fmt::format("TLS with {}: {}", to_string(target_.host), done.error().message)});
  if (*done) begin_securing_client();
}

void Connection::begin_securing_client() {
  state_ = State::securing_client;
  set_timer(around_.options.head_timeout, &Connection::on_head_timeout);
  down_.pending = tunnel_answer;
  client_.want(false, true);
  secure_client();
}

void Connection::secure_client() {
  if (down_.size() > 0) {
    if (!flush(down_, client_) || down_.size() > 0) return;
    auto tls = secrets_->tls->accept(client_.socket(), target_.host, std::exchange(early_, {}));
    if (!tls) return fail({502, std::move(tls.error().message)});
    client_.secure(*std::move(tls));
  }
  const auto done = client_.shake_hands();
  if (!done) return fail({400, fmt::format("TLS with the command, which has to trust the certificate in SSL_CERT_FILE: {}", done.error().message)});
  if (!*done) return;
  state_ = State::inner_head;
  head_ = {};
  client_.want(true, false);
}

// ---------------------------------------------------------------------------------------------------------------------
// The bytes both ways

void Connection::begin_relaying() {
  state_ = State::relaying;
  active_at_ = around_.scheduler.now();
  set_timer(around_.options.idle_timeout, &Connection::on_idle_timer);
  if (!exchange_) down_.pending = tunnel_answer;
  take_up(std::exchange(early_, {}));
  if (state_ == State::relaying) relay();
}

void Connection::relay() {
  bool moved = true;
  for (int round = 0; moved && round < rounds_per_turn; ++round) {
    const std::uint64_t before = up_.bytes + down_.bytes;
    const std::size_t waiting = up_.size() + down_.size();
    if (!pull(client_, up_, &Connection::take_up) || !flush(up_, upstream_)) return;
    if (!pull(upstream_, down_, &Connection::take_down) || !flush(down_, client_)) return;
    moved = up_.bytes + down_.bytes != before || up_.size() + down_.size() != waiting;
    if (moved) active_at_ = around_.scheduler.now();
  }
  const bool down_done = down_.source_ended && down_.size() == 0;
  if (exchange_ && down_done) {  // whatever of the request is still to come: it has its answer
    close_upstream(cut_off_);
    return answer_and_linger({}, cut_off_.empty());
  }
  if (!exchange_ && down_done && up_.source_ended && up_.size() == 0) {
    close_upstream({});
    return finish();
  }
  set_wanted();
}

void Connection::set_wanted() {
  const std::size_t room = around_.options.buffer_size;
  client_.want(!up_.source_ended && up_.size() < room, down_.size() > 0);
  upstream_.want(!down_.source_ended && down_.size() < room, up_.size() > 0);
}

// These return false when the connection has left the state of relaying.

bool Connection::pull(Channel& from, Flow& flow, void (Connection::*take)(std::string_view)) {
  if (flow.source_ended || flow.size() >= around_.options.buffer_size) return true;
  const bool is_client = &from == &client_;
  char buffer[read_size];
  const Socket::Transfer got = from.read(buffer, sizeof buffer);
  switch (got.end) {
    case Socket::Transfer::End::would_block: return true;
    case Socket::Transfer::End::none: (this->*take)({buffer, got.size}); return state_ == State::relaying;
    case Socket::Transfer::End::ended: return source_ended(is_client);
    case Socket::Transfer::End::failed: break;
  }
  std::string problem = fmt::format("{}: {}", is_client ? "the command's connection" : to_string(target_.host), std::strerror(got.error));
  if (!is_client && exchange_ && exchange_->cut_down(down_.pending)) {
    cut_off_ = std::move(problem);
    flow.source_ended = true;
    return true;
  }
  fail({502, std::move(problem)});
  return false;
}

bool Connection::flush(Flow& flow, Channel& to) {
  while (flow.size() > 0) {
    const Socket::Transfer put = to.write(std::string_view(flow.pending).substr(flow.written));
    if (put.end == Socket::Transfer::End::would_block) break;
    if (put.end != Socket::Transfer::End::none) {
      // A server that has answered need not take the rest of a request.
      if (&to == &upstream_ && exchange_) {
        flow.pending.clear(), flow.written = 0, flow.source_ended = true;
        break;
      }
      fail({502, fmt::format("{}: {}", &to == &client_ ? "the command's connection" : to_string(target_.host), std::strerror(put.error))});
      return false;
    }
    flow.written += put.size;
    flow.bytes += put.size;
  }
  if (flow.size() == 0 || flow.written >= around_.options.buffer_size) {
    flow.pending.erase(0, std::exchange(flow.written, 0));
  }
  if (!exchange_ && flow.source_ended && flow.size() == 0 && !std::exchange(flow.sink_ended, true)) to.end_writing();
  return true;
}

// The client, or the server, writes no more.
bool Connection::source_ended(bool is_client) {
  Flow& flow = is_client ? up_ : down_;
  flow.source_ended = true;
  if (!exchange_) return true;
  if (is_client) {  // before its request was whole
    fail({400, "the command's connection ended within its request"});
    return false;
  }
  if (const auto ended = exchange_->end_down(down_.pending); !ended) {
    fail(ended.error());
    return false;
  }
  return true;
}

void Connection::take_up(std::string_view bytes) {
  if (!exchange_) {
    up_.pending += bytes;
    return;
  }
  // What is behind the request is another one: it gets a connection of its own.
  if (const auto taken = exchange_->take_up(bytes, up_.pending); !taken) return fail(taken.error());
  if (exchange_->request_complete()) up_.source_ended = true;
}

void Connection::take_down(std::string_view bytes) {
  if (!exchange_) {
    down_.pending += bytes;
    return;
  }
  if (const auto taken = exchange_->take_down(bytes, down_.pending); !taken) return fail(taken.error());
  if (exchange_->answer_complete()) down_.source_ended = true;
}

// ---------------------------------------------------------------------------------------------------------------------
// The end

// Before the request was sent on; mostly nothing was connected to.
void Connection::refuse(Refusal refusal) {
  if (opened_) return fail(std::move(refusal));
  owner_.record(record_of(Record::Kind::refused, refusal.message));
  answer_and_linger(refusal_answer(refusal));
}

// Whether the client waits for an answer of which it has nothing yet.
bool Connection::can_answer() const {
  switch (state_) {
    case State::head:
    case State::resolving:
    case State::connecting:
    case State::securing_upstream:
    case State::inner_head: return true;
    case State::relaying: return exchange_ && !exchange_->answer_begun() && down_.written == 0;
    case State::securing_client:
    case State::lingering:
    case State::ended: break;
  }
  return false;
}

// Something was. The client is told as long as it was told nothing else.
void Connection::fail(Refusal refusal) {
  const bool answers = can_answer();
  close_upstream(refusal.message);
  if (answers) return answer_and_linger(refusal_answer(refusal));
  finish();
}

void Connection::close_upstream(std::string message) {
  upstream_.close();
  if (std::exchange(opened_, false)) owner_.record(record_of(Record::Kind::closed, std::move(message)));
}

// A socket that is closed while bytes of the other side lie in it takes back what was written last. So the answer is
// written, its end, and then the client has a while to take it.
void Connection::answer_and_linger(std::string answer, bool announces_end) {
  state_ = State::lingering;
  down_ = {};
  down_.pending = std::move(answer);
  if (!announces_end) {
    client_.socket().end_writing();
    down_.sink_ended = true;
  }
  set_timer(around_.options.linger_timeout, &Connection::finish);
  linger();
}

void Connection::linger() {
  while (down_.size() > 0) {
    const Socket::Transfer put = client_.write(std::string_view(down_.pending).substr(down_.written));
    if (put.end == Socket::Transfer::End::would_block) break;
    if (put.end != Socket::Transfer::End::none) return finish();
    down_.written += put.size;
  }
  if (down_.size() == 0 && !down_.sink_ended) down_.sink_ended = client_.end_writing();
  char buffer[read_size];
  for (int round = 0; round < rounds_per_turn; ++round) {
    const Socket::Transfer got = client_.read(buffer, sizeof buffer);
    if (got.end == Socket::Transfer::End::would_block) break;
    discarded_ += got.size;
    if (got.end != Socket::Transfer::End::none || discarded_ > discarded_max) return finish();
  }
  client_.want(true, !down_.sink_ended);
}

void Connection::finish() {
  if (std::exchange(state_, State::ended) == State::ended) return;
  around_.scheduler.cancel(std::exchange(timer_, 0));
  client_.close();
  upstream_.close();
  const auto self = shared_from_this();
  owner_.ended(number_);
}

// ---------------------------------------------------------------------------------------------------------------------
// Time

void Connection::set_timer(milliseconds delay, void (Connection::*then)()) {
  around_.scheduler.cancel(timer_);
  timer_ = around_.scheduler.after(delay, [weak = weak_from_this(), then] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    (self.get()->*then)();
  });
}

void Connection::on_head_timeout() {
  if (head_.empty() || state_ == State::securing_client) {
    close_upstream({});
    return finish();
  }
  refuse({408, fmt::format("the request was not whole within {}", seconds_text(around_.options.head_timeout))});
}

void Connection::on_connect_timeout() {
  const std::string limit = seconds_text(around_.options.connect_timeout);
  if (!opened_) return refuse({504, fmt::format("{} could not be resolved within {}", target_.host.name, limit)});
  fail({504, fmt::format("{} at {} could not be connected to within {}", to_string(target_.host), address_, limit)});
}

// Set once for the whole time, and not anew for every byte.
void Connection::on_idle_timer() {
  const milliseconds silent{around_.scheduler.now() - active_at_};
  if (silent < around_.options.idle_timeout) return set_timer(around_.options.idle_timeout - silent, &Connection::on_idle_timer);
  fail({504, fmt::format("nothing went either way for {}", seconds_text(around_.options.idle_timeout))});
}

}  // namespace joey::egress
