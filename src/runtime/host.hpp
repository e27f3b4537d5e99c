// An engine with a loop under it: what joey.h's handles hold.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "runtime/clocked_scheduler.hpp"
#include "runtime/engine.hpp"
#include "runtime/image_client.hpp"
#include "runtime/postbox.hpp"
#include "runtime/session_box.hpp"
#include "runtime/uv_loop.hpp"
#include "store/encrypted.hpp"
#include "store/sqlite.hpp"
#include "tool/execute_command.hpp"

namespace joey {

struct HostOptions {
  std::string database;  // empty: in memory
  Durability durability{Durability::full};
  bool own_thread{true};
  std::size_t workers_max{4};
  std::size_t requests_max{256};
  // Instead of the built-in ones; may be empty.
  std::function<std::unique_ptr<Store>(Scheduler&, std::shared_ptr<Postbox>)> make_store;
  std::function<std::unique_ptr<Transport>(std::shared_ptr<Postbox>)> make_transport;
  std::function<Timestamp()> clock;
  std::function<std::shared_ptr<SecretResolver>(std::shared_ptr<Postbox>)> make_secrets;
  std::vector<StoreKey> store_keys;  // what is kept is encrypted with the first; empty: it is not encrypted
};

// Instead of those known of a model, in US dollars per million tokens. 0: the known one; below 0: nothing.
struct ModelPrices {
  double input{0};
  double output{0};
  double cache_read{0};
  double cache_write{0};
};

// A model, and how a session asks it.
struct ModelChoice {
  std::string provider{"anthropic"};
  std::string model;     // empty: the provider's own choice
  std::string base_url;  // likewise
  std::string api_key;
  std::string api_key_secret;        // instead: by this name the host's resolver knows it
  std::string profile;               // tells apart two that are the same otherwise
  std::int64_t context_window{0};    // in tokens; 0: what is known of it
  std::int64_t output_tokens_max{0};
  std::string reasoning_effort;      // as ModelParams says
  UpstreamLimits limits;
  ModelPrices prices;
  bool tools_as_text{false};  // the model calls none otherwise
};

struct SessionRequest {
  std::string workspace;
  std::string mode{"code"};
  ModelChoice model;
  PolicySnapshot policy;
  std::vector<std::string> tools_added;    // offered besides what suits the model
  std::vector<std::string> tools_removed;  // not offered; wins
  std::string instructions;
  Limits limits;
  std::chrono::milliseconds idle_timeout{120'000};
  std::string home;         // of the person: its .roo and .agents; empty: none
  std::string checkpoints;  // the directory they are kept in; empty: none are taken
  std::string language;
  ProjectOptions project_options;
  ExecuteCommandOptions commands;
  SessionBoxOptions box;
  std::vector<std::string> hosts_allow;  // that commands may reach, which needs a box; none: no network
  std::vector<std::string> hosts_deny;   // wins
  ImageClientOptions images;  // without a model: none
  bool key_shapes{true};  // what has the shape of a well-known key is a secret
  std::string user{};     // for whom it works, in the host's words
  std::string result_schema{};  // a JSON Schema that results of tasks must fit; empty: they are texts
  std::int64_t condense_percent{0};  // of the window, from which on conversations are reduced, 5 to 100; 0: when they have to be
};

// Makes the client of a host's own model.
using ModelFactory = std::function<std::shared_ptr<ModelClient>(std::shared_ptr<Postbox>)>;

// Threads: any, unless a comment says otherwise.
class Host : public std::enable_shared_from_this<Host> {
 public:
  // The last owner may let go in a callback on the loop thread: the host then ends on a thread of its own.
  [[nodiscard]] static Result<std::shared_ptr<Host>> create(HostOptions options);
  // Stops everything under way and waits for it, a few seconds at most.
  ~Host();

  [[nodiscard]] Result<std::shared_ptr<Session>> create_session(SessionRequest request);
  // Ready for Session::add_model() of the session that `secrets` are of.
  [[nodiscard]] Result<SessionModel> make_model(ModelChoice choice, const std::shared_ptr<SessionSecrets>& secrets);
  // Ready for Session::add_host_secret(), with the certificates that its commands are going to trust. `invalid_argument`: the
  // request, or a session whose commands reach no host. Blocks, the first time for some ten milliseconds.
  struct ReadyHostSecret {
    HostSecret secret;
    std::shared_ptr<const egress::Tls> tls;
  };
  [[nodiscard]] Result<ReadyHostSecret> prepare_host_secret(const Session& session, HostSecretRequest request);
  [[nodiscard]] Status add_provider(std::string name, ModelFactory factory);
  // As EncryptedStore::rewrap(); `conflict` when the store is not encrypted. Loop thread.
  void rewrap_store_keys(Completion<void> done);

  // Runs `begin` on the loop thread and waits until it completes. `misuse` in a callback; `timeout` when the time ran
  // out, after `give_up` ran on the loop thread.
  template <class T>
  [[nodiscard]] Result<T> wait(UniqueFunction<void(Engine&, Completion<T>)> begin, int timeout_ms = -1,
                               UniqueFunction<void()> give_up = nullptr);
  // Runs `fn` on the loop thread, soon.
  void post(UniqueFunction<void(Engine&)> fn);

  [[nodiscard]] bool owns_thread() const { return thread_.joinable(); }
  [[nodiscard]] UvLoop& loop() { return loop_; }  // its driving functions: for the thread that drives it
  // Whether the caller is a callback of the loop.
  [[nodiscard]] bool on_loop_thread() const { return loop_thread_.load() == std::this_thread::get_id(); }
  // `misuse` in a callback.
  [[nodiscard]] Status step(int timeout_ms);
  [[nodiscard]] const std::shared_ptr<Postbox>& postbox() const { return postbox_; }
  [[nodiscard]] Scheduler& scheduler() { return clocked_ ? static_cast<Scheduler&>(*clocked_) : loop_; }
  [[nodiscard]] std::string new_task_id();

 private:
  explicit Host(HostOptions options);
  static void end(Host* host) noexcept;
  [[nodiscard]] Status open();
  [[nodiscard]] Result<std::shared_ptr<ApiKey>> api_key(const ModelChoice& choice, const std::shared_ptr<SessionSecrets>& secrets);
  [[nodiscard]] std::shared_ptr<Upstream> upstream(const std::string& shown_url, const ModelChoice& choice);
  void shut_down();

  HostOptions options_;
  UvLoop loop_;
  const std::shared_ptr<Postbox> postbox_{std::make_shared<Postbox>(loop_)};
  std::unique_ptr<ClockedScheduler> clocked_;
  std::shared_ptr<RedactorPool> redactors_;   // of all sessions
  std::shared_ptr<SecretResolver> resolver_;  // null: there is none
  EncryptedStore* encrypted_{nullptr};  // the engine's, where it is one
  std::unique_ptr<Engine> engine_;      // the loop thread's
  std::thread thread_;
  std::atomic<std::thread::id> loop_thread_{};
  std::mutex mutex_;  // guards the rest
  std::map<std::string, ModelFactory> models_;
  std::map<Digest, std::weak_ptr<Upstream>> upstreams_;  // by address and key
  std::string certificates_;                // that the machine trusts, and the authority's
  std::shared_ptr<const egress::Tls> tls_;  // made when a session first has a secret of hosts
};

template <class T>
Result<T> Host::wait(UniqueFunction<void(Engine&, Completion<T>)> begin, int timeout_ms, UniqueFunction<void()> give_up) {
  if (on_loop_thread()) {
    return failure(ErrorCode::misuse, "a call that waits was made from a callback on the loop thread");
  }
  const auto self = shared_from_this();  // a callback may let go of the last handle
  struct Outcome {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Result<T>> result;
  };
  const auto outcome = std::make_shared<Outcome>();
  post([begin = std::move(begin), outcome](Engine& engine) {
    begin(engine, [outcome](Result<T> result) {
      const std::lock_guard lock(outcome->mutex);
      outcome->result = std::move(result);
      outcome->ready.notify_all();
    });
  });
  const auto there = [&] { return outcome->result.has_value(); };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::unique_lock lock(outcome->mutex);
  if (owns_thread()) {
    if (timeout_ms < 0) {
      outcome->ready.wait(lock, there);
    } else if (!outcome->ready.wait_until(lock, deadline, there)) {
      lock.unlock();
      if (give_up) post([give_up = std::move(give_up)](Engine&) { give_up(); });
      return failure(ErrorCode::timeout, "the time given ran out");
    }
  }
  while (!there()) {
    lock.unlock();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (timeout_ms >= 0 && left.count() <= 0) {
      if (give_up) post([give_up = std::move(give_up)](Engine&) { give_up(); });
      return failure(ErrorCode::timeout, "the time given ran out");
    }
    if (Status stepped = step(timeout_ms < 0 ? -1 : static_cast<int>(left.count()) + 1); !stepped) {
      return tl::unexpected(std::move(stepped.error()));
    }
    lock.lock();
  }
  return *std::move(outcome->result);
}

}  // namespace joey
