#include "transport/curl.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace joey {

namespace {

// Below this a body goes out in the same segment as its head. It is libcurl's own limit.
constexpr std::size_t joined_body_size_max = 64 * 1024 - 1;
constexpr long upload_buffer_size = 64 * 1024;   // of a larger body, until the answer's head: see release_upload()
constexpr long receive_buffer_size = 8 * 1024;   // each live exchange has one
constexpr int writes_per_event_max = 16;         // of upload buffers to one socket, before others have their turn
constexpr std::size_t spare_transfers_max = 64;  // kept for reuse, about 8 KB each

// What libcurl needs once per process, counted. The lock is for those libcurls whose own counter is not thread safe.
class CurlGlobal {
 public:
  CurlGlobal() {
    const std::lock_guard lock(mutex());
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error("libcurl does not start");
  }
  ~CurlGlobal() {
    const std::lock_guard lock(mutex());
    curl_global_cleanup();
  }
  CurlGlobal(const CurlGlobal&) = delete;
  CurlGlobal& operator=(const CurlGlobal&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
};

template <auto cleanup>
struct CurlDeleter {
  template <class Handle>
  void operator()(Handle* handle) const {
    cleanup(handle);
  }
};
using EasyHandle = std::unique_ptr<CURL, CurlDeleter<curl_easy_cleanup>>;
using MultiHandle = std::unique_ptr<CURLM, CurlDeleter<curl_multi_cleanup>>;
using ShareHandle = std::unique_ptr<CURLSH, CurlDeleter<curl_share_cleanup>>;
using UrlHandle = std::unique_ptr<CURLU, CurlDeleter<curl_url_cleanup>>;

bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return lower(x) == lower(y);
  });
}

std::string_view trim_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// "host:port" of a URL: what an error may name. The rest of a URL can hold a secret.
std::string endpoint(const std::string& url) {
  const UrlHandle parsed{curl_url()};
  std::string name;
  for (const CURLUPart part : {CURLUPART_HOST, CURLUPART_PORT}) {
    char* text = nullptr;
    if (!parsed || (name.empty() && curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) ||
        curl_url_get(parsed.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) {
      return "the server";
    }
    name += name.empty() ? text : fmt::format(":{}", text);
    curl_free(text);
  }
  return name;
}

std::string system_message(long error_number) {
  return std::error_code(static_cast<int>(error_number), std::generic_category()).message();
}

// Bytes that the peer of a socket has still to take.
int unsent_size(curl_socket_t socket) {
  int size = 0;
  return socket != CURL_SOCKET_BAD && ::ioctl(socket, SIOCOUTQ, &size) == 0 ? size : 0;
}

// The hosts that no proxy is used for: the environment's, and loopback.
std::string no_proxy_hosts() {
  const char* given = std::getenv("no_proxy");
  if (given == nullptr) given = std::getenv("NO_PROXY");
  const std::string_view hosts = given == nullptr ? "" : given;
  if (hosts == "*") return "*";
  return fmt::format("{}{}localhost,127.0.0.0/8,::1", hosts, hosts.empty() ? "" : ",");
}

class CurlExchange;
class CurlTransport;

// One request and its answer under way, with its easy handle; kept and used again for later ones.
struct Transfer {
  Transfer(CurlTransport& transport, EasyHandle handle) : owner(transport), easy(std::move(handle)) {}

  enum class State { starting, running, doomed };

  CurlTransport& owner;
  EasyHandle easy;
  CurlExchange* exchange{nullptr};  // null once it was destroyed, as is sink
  HttpSink* sink{nullptr};
  State state{State::starting};
  std::size_t live_index{0};

  // The request. libcurl reads all of it in place.
  std::string url;
  BodyRope body;
  std::size_t piece_index{0};
  std::size_t piece_offset{0};
  std::string joined_body;  // of several small pieces
  std::string header_text;  // lines, each ended by NUL
  std::vector<curl_slist> header_lines;

  bool asks_for_body{false};  // through on_read_body()
  std::size_t body_size{0};

  // The answer.
  std::vector<HttpField> head;
  std::size_t head_size{0};
  bool head_complete{false};
  std::uint64_t body_received{0};

  // Silence, in milliseconds of the loop's clock.
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds idle_timeout{0};
  TimerId idle_timer{0};
  std::uint64_t heard_at{0};
  bool connected{false};  // until then connect_timeout rules
  bool repeated{false};
  bool overdue{false};
  int unsent{0};  // bytes in the kernel's buffer when it was last looked at

  std::optional<Error> failure;  // what ended it, when that was not libcurl
  std::array<char, CURL_ERROR_SIZE> curl_message{};
};

// A socket as the loop watches it.
struct Watch {
  Watch(CurlTransport& transport, bool is_ours) : owner(transport), ours(is_ours) {}

  CurlTransport& owner;
  const bool ours;  // opened and closed by the transport's callbacks: outlives the transfers that use it
  uv_poll_t poll{};
  int wanted{0};  // by libcurl
  int armed{0};   // in libuv: at least what is wanted
};

class CurlTransport final : public Transport {
 public:
  CurlTransport(uv_loop_t* loop, Scheduler& scheduler, CurlOptions options);
  ~CurlTransport() override;

  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) override;
  void cancel(Transfer& transfer);

 private:
  // Transfers.
  EasyHandle make_easy();
  Transfer& take_transfer();
  void recycle(Transfer& transfer);
  Status prepare(Transfer& transfer, HttpRequest request);
  Status prepare_headers(Transfer& transfer, const std::vector<HttpField>& headers);
  void prepare_body(Transfer& transfer, const std::string& method, BodyRope body);
  bool repeat(Transfer& transfer, CURLcode code);
  void finish(Transfer& transfer, Status status);
  Error describe(const Transfer& transfer, CURLcode code) const;

  // Driving libcurl.
  void kick_later();
  void kick();
  void act(curl_socket_t socket, int events);
  void settle();

  // Silence.
  void heard(Transfer& transfer);
  void watch_silence(Transfer& transfer, std::chrono::milliseconds delay);
  void on_silence(Transfer& transfer);

  // What libcurl calls.
  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void* watch);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* address);
  static int on_close(void* self, curl_socket_t socket);
  static int on_connected(void* transfer, char*, char*, int, int);
  static std::size_t on_head_line(char* data, std::size_t size, std::size_t count, void* transfer);
  static std::size_t on_answer_body(char* data, std::size_t size, std::size_t count, void* transfer);
  static std::size_t on_read_body(char* out, std::size_t size, std::size_t count, void* transfer);
  static int on_rewind_body(void* transfer, curl_off_t offset, int origin);
  static void release_upload(Transfer& transfer);

  // Sockets.
  Watch* find_watch(curl_socket_t socket);
  Watch* open_watch(curl_socket_t socket, bool ours);
  void close_watch(curl_socket_t socket);
  void arm(Watch& watch, int events);
  void on_ready(Watch& watch, int status, int events);

  uv_loop_t* const loop_;
  Scheduler& scheduler_;
  const CurlOptions options_;
  const std::string no_proxy_;
  const CurlGlobal global_;
  ShareHandle share_;  // TLS sessions, so that a new connection resumes an old one's
  MultiHandle multi_;
  uv_timer_t* timer_;  // libcurl's one
  std::unordered_map<curl_socket_t, Watch*> watches_;

  std::vector<std::unique_ptr<Transfer>> live_;
  std::vector<std::unique_ptr<Transfer>> spare_;
  std::vector<Transfer*> starting_;  // live, not yet given to libcurl
  std::vector<Transfer*> doomed_;    // cancelled inside libcurl, which forbids taking them out there
  bool inside_curl_{false};
  curl_socket_t acting_on_{CURL_SOCKET_BAD};
  bool body_asked_{false};  // on_read_body() gave bytes in the last act()
  bool kick_posted_{false};
  const std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
};

class CurlExchange final : public HttpExchange {
 public:
  explicit CurlExchange(Transfer& transfer) : transfer_(&transfer) { transfer.exchange = this; }
  ~CurlExchange() override {
    if (transfer_ != nullptr) transfer_->owner.cancel(*transfer_);
  }
  void detach() { transfer_ = nullptr; }

 private:
  Transfer* transfer_;  // null once the answer has ended
};

CurlTransport::CurlTransport(uv_loop_t* loop, Scheduler& scheduler, CurlOptions options)
    : loop_(loop),
      scheduler_(scheduler),
      options_(std::move(options)),
      no_proxy_(no_proxy_hosts()),
      share_(curl_share_init()),
      multi_(curl_multi_init()),
      timer_(new uv_timer_t) {
  uv_timer_init(loop_, timer_);
  timer_->data = this;
  if (!share_ || !multi_) throw std::bad_alloc();
  curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  CURLM* multi = multi_.get();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &CurlTransport::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &CurlTransport::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options_.connections_max));
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options_.host_connections_max));
  // Otherwise libcurl keeps four times as many as there are transfers, and a burst ends with all but a few closed.
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.connections_max));
}

CurlTransport::~CurlTransport() {
  *alive_ = false;
  for (auto& transfer : live_) {
    if (transfer->exchange != nullptr) transfer->exchange->detach();
    scheduler_.cancel(transfer->idle_timer);
    if (transfer->state != Transfer::State::starting) curl_multi_remove_handle(multi_.get(), transfer->easy.get());
  }
  live_.clear();
  spare_.clear();
  multi_.reset();  // closes the kept connections, through on_close()
  while (!watches_.empty()) close_watch(watches_.begin()->first);
  uv_close(reinterpret_cast<uv_handle_t*>(timer_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

// --- Transfers ---

std::unique_ptr<HttpExchange> CurlTransport::start(HttpRequest request, HttpSink& sink) {
  Transfer& transfer = take_transfer();
  auto exchange = std::make_unique<CurlExchange>(transfer);
  transfer.sink = &sink;
  if (Status status = prepare(transfer, std::move(request)); !status) transfer.failure = std::move(status.error());
  starting_.push_back(&transfer);
  kick_later();
  return exchange;
}

void CurlTransport::cancel(Transfer& transfer) {
  transfer.exchange = nullptr;
  transfer.sink = nullptr;
  if (transfer.state == Transfer::State::starting) return;  // kick() drops it
  if (inside_curl_) {
    transfer.state = Transfer::State::doomed;
    doomed_.push_back(&transfer);
    return;
  }
  curl_multi_remove_handle(multi_.get(), transfer.easy.get());
  recycle(transfer);
}

// What all transfers have in common; prepare() sets the rest, so an easy handle is never reset.
EasyHandle CurlTransport::make_easy() {
  EasyHandle handle{curl_easy_init()};
  CURL* easy = handle.get();
  if (easy == nullptr) throw std::bad_alloc();
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, receive_buffer_size);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_size);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's answer is not the server's
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // cancelling does not wait for a name being resolved
  curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy_.c_str());
  curl_easy_setopt(easy, CURLOPT_SHARE, share_.get());
  if (!options_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransport::on_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &CurlTransport::on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &CurlTransport::on_connected);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlTransport::on_head_line);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlTransport::on_answer_body);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &CurlTransport::on_read_body);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &CurlTransport::on_rewind_body);
  return handle;
}

Transfer& CurlTransport::take_transfer() {
  std::unique_ptr<Transfer> transfer;
  if (!spare_.empty()) {
    transfer = std::move(spare_.back());
    spare_.pop_back();
  } else {
    transfer = std::make_unique<Transfer>(*this, make_easy());
    CURL* easy = transfer->easy.get();
    for (const CURLoption option : {CURLOPT_PRIVATE, CURLOPT_PREREQDATA, CURLOPT_HEADERDATA, CURLOPT_WRITEDATA,
                                    CURLOPT_READDATA, CURLOPT_SEEKDATA}) {
      curl_easy_setopt(easy, option, static_cast<void*>(transfer.get()));
    }
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_message.data());
  }
  transfer->live_index = live_.size();
  live_.push_back(std::move(transfer));
  return *live_.back();
}

// The transfer is not libcurl's any more.
void CurlTransport::recycle(Transfer& transfer) {
  scheduler_.cancel(std::exchange(transfer.idle_timer, 0));
  std::unique_ptr<Transfer> taken = std::move(live_[transfer.live_index]);
  if (taken->live_index + 1 != live_.size()) {
    live_[taken->live_index] = std::move(live_.back());
    live_[taken->live_index]->live_index = taken->live_index;
  }
  live_.pop_back();
  if (spare_.size() >= spare_transfers_max) return;

  taken->exchange = nullptr;
  taken->sink = nullptr;
  taken->state = Transfer::State::starting;
  taken->url.clear();
  taken->body.clear();
  taken->asks_for_body = false;
  taken->piece_index = 0;
  taken->piece_offset = 0;
  taken->joined_body = std::string();
  taken->header_text.clear();
  taken->header_lines.clear();
  taken->head.clear();
  taken->head_size = 0;
  taken->head_complete = false;
  taken->body_received = 0;
  taken->connected = false;
  taken->repeated = false;
  taken->overdue = false;
  taken->unsent = 0;
  taken->failure.reset();
  taken->curl_message[0] = '\0';
  spare_.push_back(std::move(taken));
}

Status CurlTransport::prepare(Transfer& transfer, HttpRequest request) {
  if (!is_token(request.method)) return failure(ErrorCode::invalid_argument, "the HTTP method is not a token");
  if (Status status = prepare_headers(transfer, request.headers); !status) return status;
  transfer.url = std::move(request.url);
  transfer.connect_timeout = std::max(request.connect_timeout, std::chrono::milliseconds(1));
  transfer.idle_timeout = std::max(request.idle_timeout, std::chrono::milliseconds(1));
  CURL* easy = transfer.easy.get();
  curl_easy_setopt(easy, CURLOPT_URL, transfer.url.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(transfer.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
  // Exchanges that start together wait for the first one's connection, which over HTTP/2 is enough for all of them.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, transfer.url.starts_with("https:") ? 1L : 0L);
  prepare_body(transfer, request.method, std::move(request.body));
  return {};
}

Status CurlTransport::prepare_headers(Transfer& transfer, const std::vector<HttpField>& headers) {
  bool has_content_type = false;
  std::string& text = transfer.header_text;
  const auto add_line = [&](std::string_view line) { text.append(line).push_back('\0'); };
  for (const HttpField& field : headers) {
    if (!is_token(field.name)) return failure(ErrorCode::invalid_argument, "a header field's name is not a token");
    if (field.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return failure(ErrorCode::invalid_argument,
                     fmt::format("header field \"{}\": the value holds a line break or NUL", field.name));
    }
    has_content_type = has_content_type || equal_ignoring_case(field.name, "content-type");
    // "Name:" would tell libcurl to leave the field out; "Name;" is its word for an empty one.
    text += field.name;
    add_line(trim_blanks(field.value).empty() ? std::string(";") : ": " + field.value);
  }
  add_line("Expect:");  // never wait for 100 Continue
  if (!has_content_type) add_line("Content-Type:");  // rather than libcurl's guess

  // Linked by hand: curl_slist_append() copies, and walks the list for each line.
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\0', begin) + 1) {
    transfer.header_lines.push_back(curl_slist{text.data() + begin, nullptr});
  }
  for (std::size_t i = 1; i < transfer.header_lines.size(); ++i) {
    transfer.header_lines[i - 1].next = &transfer.header_lines[i];
  }
  curl_easy_setopt(transfer.easy.get(), CURLOPT_HTTPHEADER, transfer.header_lines.data());
  return {};
}

void CurlTransport::prepare_body(Transfer& transfer, const std::string& method, BodyRope body) {
  std::erase_if(body, [](const auto& piece) { return !piece || piece->empty(); });
  std::size_t size = 0;
  for (const auto& piece : body) size += piece->size();
  transfer.body = std::move(body);
  transfer.body_size = size;

  CURL* easy = transfer.easy.get();
  const bool has_body = size > 0 || method == "POST" || method == "PUT" || method == "PATCH";
  const bool is_head = method == "HEAD" && !has_body;
  curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
  if (has_body) {
    const char* bytes = nullptr;  // has libcurl ask on_read_body()
    if (transfer.body.empty()) {
      bytes = "";
    } else if (transfer.body.size() == 1 && size <= joined_body_size_max) {
      bytes = transfer.body.front()->data();
    } else if (size <= joined_body_size_max) {
      transfer.joined_body.reserve(size);
      for (const auto& piece : transfer.body) transfer.joined_body += *piece;
      bytes = transfer.joined_body.data();
    }
    transfer.asks_for_body = bytes == nullptr;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bytes);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(size));
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (is_head) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  const bool is_usual = is_head || method == (has_body ? "POST" : "GET");
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, is_usual ? nullptr : method.c_str());
}

// Sends a request again whose kept connection the server closed while the body was going out. libcurl does it itself
// when reading finds this out, but not when writing does.
bool CurlTransport::repeat(Transfer& transfer, CURLcode code) {
  CURL* easy = transfer.easy.get();
  long new_connections = 0;
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &new_connections);
  if (code != CURLE_SEND_ERROR || new_connections != 0 || transfer.head_size != 0 || transfer.repeated) return false;
  transfer.repeated = true;
  transfer.connected = false;
  transfer.piece_index = 0;
  transfer.piece_offset = 0;
  curl_multi_remove_handle(multi_.get(), easy);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  return curl_multi_add_handle(multi_.get(), easy) == CURLM_OK;
}

// Ends a transfer that libcurl does not have, or is not working on at the moment.
void CurlTransport::finish(Transfer& transfer, Status status) {
  if (transfer.state != Transfer::State::starting) curl_multi_remove_handle(multi_.get(), transfer.easy.get());
  HttpSink* const sink = transfer.sink;
  if (transfer.exchange != nullptr) transfer.exchange->detach();
  recycle(transfer);
  if (sink != nullptr) sink->on_end(std::move(status));
}

Error CurlTransport::describe(const Transfer& transfer, CURLcode code) const {
  const std::string where = endpoint(transfer.url);
  const std::string phase = transfer.head_complete
                                ? fmt::format("within the answer, after {} bytes of its body", transfer.body_received)
                                : std::string("before the answer");
  long error_number = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_OS_ERRNO, &error_number);
  std::string cause = transfer.curl_message[0] != '\0' ? transfer.curl_message.data() : curl_easy_strerror(code);
  std::replace_if(cause.begin(), cause.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');

  const auto io = [&](std::string text) { return Error{ErrorCode::io, fmt::format("{}: {}", where, text)}; };
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return {ErrorCode::invalid_argument, "the URL is malformed"};
    case CURLE_UNSUPPORTED_PROTOCOL:  // also said of an answer that is not HTTP/1 or later
      if (transfer.connected) return io("the answer is not HTTP; is this the right port?");
      return {ErrorCode::invalid_argument, "the URL is neither http nor https"};
    case CURLE_COULDNT_RESOLVE_HOST:
      return io("the host name could not be resolved; check its spelling and the network");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return io("the proxy's name could not be resolved; check the http_proxy and https_proxy variables");
    case CURLE_COULDNT_CONNECT:
      if (error_number == ECONNREFUSED) return io("connection refused; is the server running, and on this port?");
      return io(fmt::format("could not connect: {}", error_number != 0 ? system_message(error_number) : cause));
    case CURLE_OPERATION_TIMEDOUT:  // the only time libcurl keeps
      return {ErrorCode::timeout,
              fmt::format("{}: not connected within {} ms", where, transfer.connect_timeout.count())};
    case CURLE_PEER_FAILED_VERIFICATION:
      return io(fmt::format("its TLS certificate is not trusted: {}; name a CA file if it is private", cause));
    case CURLE_SSL_CONNECT_ERROR:
      return io(fmt::format("the TLS handshake failed: {}; does the server speak TLS on this port?", cause));
    case CURLE_SSL_CACERT_BADFILE:
      return io("the file of trusted CA certificates cannot be read");
    case CURLE_GOT_NOTHING:
      return io("the connection was closed before the answer's head was complete");
    case CURLE_PARTIAL_FILE:
      return io(fmt::format("the connection was closed {}", phase));
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return io(fmt::format("the connection broke {}: {}", phase,
                            error_number != 0 ? system_message(error_number) : cause));
    case CURLE_OUT_OF_MEMORY:
      return {ErrorCode::out_of_memory, fmt::format("{}: out of memory", where)};
    default:
      return io(fmt::format("the exchange failed {}: {}", phase, cause));
  }
}

// --- Driving libcurl ---

void CurlTransport::kick_later() {
  if (std::exchange(kick_posted_, true)) return;
  scheduler_.post([this, alive = alive_] {
    if (*alive) kick();
  });
}

void CurlTransport::kick() {
  for (Transfer* transfer : std::exchange(starting_, {})) {
    if (transfer->sink == nullptr) {
      recycle(*transfer);
    } else if (transfer->failure) {
      finish(*transfer, tl::unexpected(std::move(*transfer->failure)));
    } else if (curl_multi_add_handle(multi_.get(), transfer->easy.get()) != CURLM_OK) {
      finish(*transfer, failure(ErrorCode::internal, "libcurl does not take the request"));
    } else {
      transfer->state = Transfer::State::running;
      heard(*transfer);
      watch_silence(*transfer, transfer->idle_timeout);
    }
  }
  kick_posted_ = false;
  if (!starting_.empty()) kick_later();  // a sink that was told of a failure tries again
  act(CURL_SOCKET_TIMEOUT, 0);
}

void CurlTransport::act(curl_socket_t socket, int events) {
  int running = 0;
  inside_curl_ = true;
  body_asked_ = false;
  acting_on_ = socket;
  curl_multi_socket_action(multi_.get(), socket, events, &running);
  inside_curl_ = false;
  settle();
}

// Does what could not be done inside libcurl.
void CurlTransport::settle() {
  for (Transfer* transfer : std::exchange(doomed_, {})) {
    curl_multi_remove_handle(multi_.get(), transfer->easy.get());
    recycle(*transfer);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (transfer->failure) {
      finish(*transfer, tl::unexpected(std::move(*transfer->failure)));
    } else if (code == CURLE_OK && !transfer->head_complete) {  // all the same to libcurl
      finish(*transfer, tl::unexpected(describe(*transfer, CURLE_GOT_NOTHING)));
    } else if (code != CURLE_OK && !repeat(*transfer, code)) {
      finish(*transfer, tl::unexpected(describe(*transfer, code)));
    } else if (code == CURLE_OK) {
      finish(*transfer, {});
    }
  }
}

// --- Silence ---

// Notes a time instead of setting the timer anew, which would be done for every byte.
void CurlTransport::heard(Transfer& transfer) {
  transfer.heard_at = uv_now(loop_);
  transfer.overdue = false;
}

void CurlTransport::watch_silence(Transfer& transfer, std::chrono::milliseconds delay) {
  transfer.idle_timer = scheduler_.after(delay, [this, &transfer] { on_silence(transfer); });
}

void CurlTransport::on_silence(Transfer& transfer) {
  transfer.idle_timer = 0;
  const auto silent = std::chrono::milliseconds(uv_now(loop_) - transfer.heard_at);
  if (!transfer.connected) return watch_silence(transfer, transfer.idle_timeout);
  if (silent < transfer.idle_timeout) return watch_silence(transfer, transfer.idle_timeout - silent);
  // When the loop itself was late, bytes may wait in the socket: they are looked at first.
  if (!std::exchange(transfer.overdue, true)) return watch_silence(transfer, std::chrono::milliseconds(0));
  // A server that goes on taking the body from the kernel's buffer is not silent either.
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_ACTIVESOCKET, &socket);
  if (const int unsent = unsent_size(socket); unsent < std::exchange(transfer.unsent, unsent)) {
    heard(transfer);
    return watch_silence(transfer, transfer.idle_timeout);
  }
  finish(transfer,
         failure(ErrorCode::timeout,
                 transfer.head_complete
                     ? fmt::format("{}: silent for {} ms within the answer, after {} bytes of its body",
                                   endpoint(transfer.url), transfer.idle_timeout.count(), transfer.body_received)
                     : fmt::format("{}: no answer within {} ms", endpoint(transfer.url),
                                   transfer.idle_timeout.count())));
}

// --- What libcurl calls ---

int CurlTransport::on_socket(CURL*, curl_socket_t socket, int what, void* self, void* known) {
  auto& transport = *static_cast<CurlTransport*>(self);
  auto* watch = static_cast<Watch*>(known);
  if (what == CURL_POLL_REMOVE) {
    // A kept connection stays armed: the next request on it then needs no system call to be watched.
    if (watch != nullptr && watch->ours) {
      watch->wanted = 0;
      if ((watch->armed & UV_WRITABLE) != 0) transport.arm(*watch, 0);
    } else {
      transport.close_watch(socket);
    }
    return 0;
  }
  if (watch == nullptr) {
    watch = transport.find_watch(socket);
    if (watch == nullptr) watch = transport.open_watch(socket, false);  // the resolver's
    if (watch == nullptr) return -1;
    curl_multi_assign(transport.multi_.get(), socket, watch);
  }
  watch->wanted = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) | ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  // Watching for bytes that nobody waits for costs nothing until they come; a writable socket always is.
  transport.arm(*watch, watch->wanted | (watch->armed & UV_READABLE));
  return 0;
}

int CurlTransport::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& transport = *static_cast<CurlTransport*>(self);
  if (timeout_ms > 0) {
    uv_timer_start(transport.timer_,
                   [](uv_timer_t* timer) { static_cast<CurlTransport*>(timer->data)->act(CURL_SOCKET_TIMEOUT, 0); },
                   static_cast<std::uint64_t>(timeout_ms), 0);
    return 0;
  }
  uv_timer_stop(transport.timer_);
  if (timeout_ms == 0) transport.kick_later();
  return 0;
}

curl_socket_t CurlTransport::on_open(void* self, curlsocktype, curl_sockaddr* address) {
  const curl_socket_t socket =
      ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (socket >= 0 && static_cast<CurlTransport*>(self)->open_watch(socket, true) == nullptr) {
    ::close(socket);
    return CURL_SOCKET_BAD;
  }
  return socket;
}

int CurlTransport::on_close(void* self, curl_socket_t socket) {
  static_cast<CurlTransport*>(self)->close_watch(socket);
  return ::close(socket);
}

int CurlTransport::on_connected(void* data, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(data);
  transfer.connected = true;
  transfer.owner.heard(transfer);
  return CURL_PREREQFUNC_OK;
}

std::size_t CurlTransport::on_head_line(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  if (transfer.sink == nullptr) return 0;  // cancelled: tells libcurl to stop
  transfer.owner.heard(transfer);
  if (transfer.head_complete) return line.size();  // trailers say nothing a sink needs

  transfer.head_size += line.size();
  if (transfer.head_size > transfer.owner.options_.head_size_max) {
    transfer.failure = Error{ErrorCode::limit, fmt::format("{}: the answer's head is larger than {} bytes",
                                                           endpoint(transfer.url), transfer.owner.options_.head_size_max)};
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // of the answer, or of one with status 1xx before it
    transfer.head.clear();
  } else if (trim_blanks(line).empty()) {
    long status = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 1) {
      transfer.head_complete = true;
      release_upload(transfer);
      transfer.sink->on_head(static_cast<int>(status), transfer.head);
      if (transfer.sink == nullptr) return 0;
    }
  } else if (line.front() == ' ' || line.front() == '\t') {  // goes on with the line before
    if (!transfer.head.empty()) transfer.head.back().value.append(1, ' ').append(trim_blanks(line));
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    transfer.head.push_back(
        {std::string(trim_blanks(line.substr(0, colon))), std::string(trim_blanks(line.substr(colon + 1)))});
  }
  return line.size();
}

// libcurl keeps an upload buffer until the exchange has ended, which for a streamed answer is long. Setting its size
// frees it, or does nothing where libcurl has other buffers; the body that went through it has been sent by now, unless
// the server answers early.
void CurlTransport::release_upload(Transfer& transfer) {
  curl_off_t sent = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  if (!transfer.asks_for_body || sent != static_cast<curl_off_t>(transfer.body_size)) return;
  curl_easy_setopt(transfer.easy.get(), CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_size);
}

std::size_t CurlTransport::on_answer_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.sink == nullptr) return CURL_WRITEFUNC_ERROR;
  transfer.owner.heard(transfer);
  transfer.body_received += size * count;
  transfer.sink->on_body({data, size * count});
  return transfer.sink != nullptr ? size * count : CURL_WRITEFUNC_ERROR;
}

std::size_t CurlTransport::on_read_body(char* out, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.sink == nullptr) return CURL_READFUNC_ABORT;
  transfer.owner.heard(transfer);  // libcurl asks for more when the server took what there was
  std::size_t filled = 0;
  while (filled < size * count && transfer.piece_index < transfer.body.size()) {
    const std::string& piece = *transfer.body[transfer.piece_index];
    const std::size_t taken = std::min(size * count - filled, piece.size() - transfer.piece_offset);
    std::memcpy(out + filled, piece.data() + transfer.piece_offset, taken);
    filled += taken;
    transfer.piece_offset += taken;
    if (transfer.piece_offset == piece.size()) {
      ++transfer.piece_index;
      transfer.piece_offset = 0;
    }
  }
  transfer.unsent = unsent_size(transfer.owner.acting_on_);
  transfer.owner.body_asked_ = filled > 0;
  return filled;
}

int CurlTransport::on_rewind_body(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  transfer.piece_index = 0;
  transfer.piece_offset = static_cast<std::size_t>(offset);
  while (transfer.piece_index < transfer.body.size() &&
         transfer.piece_offset >= transfer.body[transfer.piece_index]->size()) {
    transfer.piece_offset -= transfer.body[transfer.piece_index++]->size();
  }
  return transfer.piece_offset == 0 || transfer.piece_index < transfer.body.size() ? CURL_SEEKFUNC_OK
                                                                                   : CURL_SEEKFUNC_FAIL;
}

// --- Sockets ---

Watch* CurlTransport::find_watch(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  return found == watches_.end() ? nullptr : found->second;
}

Watch* CurlTransport::open_watch(curl_socket_t socket, bool ours) {
  auto watch = std::make_unique<Watch>(*this, ours);
  if (uv_poll_init_socket(loop_, &watch->poll, socket) != 0) return nullptr;
  watch->poll.data = watch.get();
  watches_[socket] = watch.get();
  return watch.release();  // close_watch() ends it
}

void CurlTransport::close_watch(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&found->second->poll),
           [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  watches_.erase(found);
}

// uv_poll_start() costs two system calls and uv_poll_stop() one, so they are called for changes only.
void CurlTransport::arm(Watch& watch, int events) {
  if (events == watch.armed) return;
  watch.armed = events;
  if (events == 0) {
    uv_poll_stop(&watch.poll);
    return;
  }
  uv_poll_start(&watch.poll, events, [](uv_poll_t* poll, int status, int ready) {
    auto& ready_watch = *static_cast<Watch*>(poll->data);
    ready_watch.owner.on_ready(ready_watch, status, ready);
  });
}

void CurlTransport::on_ready(Watch& watch, int status, int events) {
  if (status < 0) watch.armed = 0;  // libuv has stopped watching a socket in error
  if (watch.wanted == 0 || (status == 0 && (events & watch.wanted) == 0)) {
    arm(watch, watch.wanted);  // an idle connection that the server closed, usually
    return;
  }
  const curl_socket_t socket = watch.poll.io_watcher.fd;
  // An error is read from the socket, where it has a name: told of CURL_CSELECT_ERR, libcurl does not look.
  const int flags = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT
                               : ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                     ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
  act(socket, flags);
  // libcurl writes one buffer per call. As long as the socket takes them, the loop need not go round for each.
  for (int calls = 1; body_asked_ && calls < writes_per_event_max; ++calls) act(socket, CURL_CSELECT_OUT);
  // libcurl says nothing when it wants of a socket what it wanted before.
  if (Watch* const after = find_watch(socket); status < 0 && after != nullptr) {
    arm(*after, after->wanted | after->armed);
  }
}

}  // namespace

std::unique_ptr<Transport> make_curl_transport(uv_loop_t* loop, Scheduler& scheduler, CurlOptions options) {
  return std::make_unique<CurlTransport>(loop, scheduler, std::move(options));
}

}  // namespace joey
