// One connection of a command's: its request, the decision, and the bytes both ways.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egress/channel.hpp"
#include "egress/exchange.hpp"
#include "egress/http.hpp"
#include "egress/proxy.hpp"

namespace joey::egress {

// What a connection needs of the proxy and its client; outlives it.
struct Surroundings {
  uv_loop_t* loop{nullptr};
  Scheduler& scheduler;
  std::shared_ptr<Resolver> resolver;
  const ProxyOptions& options;
};

class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void record(const Record& record) = 0;
  virtual void ended(std::uint64_t connection) = 0;  // may let go of it
};

// Loop thread only. While it reads faster than the other side takes, it stops reading: what it keeps is bounded.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  // `secrets` may be null.
  Connection(const Surroundings& around, ConnectionOwner& owner, std::shared_ptr<const HostRules> rules,
             std::shared_ptr<const ClientSecrets> secrets, std::uint64_t number);
  ~Connection();

  // Takes the client's socket.
  void start(int client);
  // Answers 503 instead, with this line.
  void start_refusing(int client, std::string message);
  // Closes everything, which is recorded if something was open; `ended` is not called.
  void abandon(std::string message);

 private:
  // The head of a request within TLS is read between `securing_client` and `relaying`, in the state `inner_head`.
  enum class State : std::uint8_t { head, resolving, connecting, securing_upstream, securing_client, inner_head, relaying, lingering, ended };
  // The bytes that go one way.
  struct Flow {
    std::string pending;      // read, and from `written` on not yet written
    std::size_t written{0};
    bool source_ended{false};  // nothing more is to be read
    bool sink_ended{false};    // and the other side has been told
    std::uint64_t bytes{0};   // written
    [[nodiscard]] std::size_t size() const { return pending.size() - written; }
  };

  void on_ready();
  bool open(Channel& channel, int fd);

  void read_head();
  void take_request();
  void take_inner_request();
  void resolve();
  void connect_next();
  void connect_to(const IpAddress& address);
  void finish_connecting();

  void begin_securing();
  void secure_upstream();
  void begin_securing_client();
  void secure_client();

  void begin_exchange(RequestHead request, Target target);
  void begin_relaying();
  void relay();
  bool pull(Channel& from, Flow& flow, void (Connection::*take)(std::string_view));
  bool flush(Flow& flow, Channel& to);
  void take_up(std::string_view bytes);
  void take_down(std::string_view bytes);
  bool source_ended(bool is_client);
  void set_wanted();

  void refuse(Refusal refusal);
  [[nodiscard]] bool can_answer() const;
  void fail(Refusal refusal);
  void answer_and_linger(std::string answer, bool announces_end = true);
  void linger();
  void close_upstream(std::string message);
  void finish();

  void set_timer(std::chrono::milliseconds delay, void (Connection::*then)());
  void on_head_timeout();
  void on_connect_timeout();
  void on_idle_timer();

  [[nodiscard]] Record record_of(Record::Kind kind, std::string message) const;

  const Surroundings& around_;
  ConnectionOwner& owner_;
  const std::shared_ptr<const HostRules> rules_;
  const std::shared_ptr<const ClientSecrets> secrets_;
  const std::uint64_t number_;

  State state_{State::head};
  Channel client_;
  Channel upstream_;
  HeadReader head_;
  std::string early_;  // read behind the head
  RequestHead request_;
  Target target_;
  std::vector<HostSecret> approved_;  // for the target
  std::optional<Exchange> exchange_;  // of a tunnel only within TLS that ends here

  std::vector<IpAddress> addresses_;  // to be tried
  std::size_t address_index_{0};
  std::size_t addresses_tried_{0};
  std::string address_;  // that was opened last
  std::string rule_;
  std::string problem_;  // of the last address
  bool opened_{false};   // and not closed
  std::string cut_off_;  // why the answer's end is not one; empty: it is

  Flow up_;
  Flow down_;

  std::size_t discarded_{0};
  TimerId timer_{0};
  Timestamp active_at_{0};
};

}  // namespace joey::egress
