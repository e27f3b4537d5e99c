// The provider: routes a request, picks the scripted turn for it, spoils the answer as the script says, keeps records.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "http.hpp"
#include "image.hpp"
#include "request.hpp"
#include "script.hpp"
#include "wire.hpp"

namespace scripted {

struct ProviderOptions {
  bool validate = true;
  std::string api_key;      // empty: anyone may ask
  std::string log_path;     // empty: no log
  std::string bodies_path;  // empty: they are not kept
  std::string timing_path;  // empty: no timing
};

// Stateless where it matters: the turn follows from the request alone, so a client that was killed goes on at the right
// step. What is remembered (attempts, times, the previous body) serves faults and records.
class Provider final : public HttpHandler {
 public:
  // Throws std::system_error when the log cannot be opened.
  Provider(const Script& script, ProviderOptions options);

  void answer(const HttpRequest& request, HttpAnswer& answer) override;
  void answered(std::uint64_t tag, Nanoseconds at) override;
  void signalled() override { write_timing(); }

  // Throws std::system_error.
  void write_timing() const;

 private:
  struct Known {  // a conversation that was seen
    std::uint64_t turn = 0;
    std::uint32_t attempt = 0;
    Nanoseconds answered_at = 0;
    std::string previous_body;
  };

  struct Timing {
    std::uint64_t key;
    std::uint64_t turn;
    Nanoseconds first_byte_at;
    Nanoseconds last_byte_at;
    Nanoseconds answered_at;
    Nanoseconds client_ns;  // from the previous answer's last byte to this request's first; -1: no previous one
  };

  struct Entry {  // a line of the log
    std::string_view wire = {};
    std::uint64_t key = 0;
    std::uint64_t turn = 0;
    std::uint32_t attempt = 0;
    int status = 200;
    std::int64_t prefix_shared = -1;
    bool mismatch = false;
    std::string_view error = {};
  };

  void complete(Wire wire, const HttpRequest& request, HttpAnswer& answer);
  void draw(ImageApi api, const HttpRequest& request, HttpAnswer& answer);
  void reply(Wire wire, const HttpRequest& request, const Turn& turn, std::uint64_t seed, const Fault& fault,
             HttpAnswer& answer);
  void fail(const WireFormat& format, const ErrorBody& error, const Fault& fault, HttpAnswer& answer);
  void health(HttpAnswer& answer) const;

  [[nodiscard]] bool authorized(const HttpRequest& request) const;
  [[nodiscard]] const Conversation* choose() const;
  [[nodiscard]] const Fault& fault_at(const Turn& turn, std::uint64_t key);
  [[nodiscard]] std::int64_t compare_with_previous(Known& known, std::string_view body);
  void log(const Entry& entry, std::string_view body);

  const Script& script_;
  ProviderOptions options_;
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Closer> log_;
  std::unique_ptr<std::FILE, Closer> bodies_;
  Validator validator_;
  Facts facts_;
  EventStream events_;
  EventStream extra_;
  std::string body_;

  std::unordered_map<std::uint64_t, Known> known_;                // by key
  std::unordered_map<std::uint64_t, std::uint32_t> fault_attempts_;  // by key and turn
  std::vector<Timing> timings_;
  std::size_t previous_bytes_ = 0;
  std::uint64_t requests_count_ = 0;
  std::uint64_t invalid_count_ = 0;
  std::uint64_t mismatches_count_ = 0;
};

}  // namespace scripted
