// One request and its answer on their way through the proxy: bytes in, bytes out, whatever carries them. Pure.
//
// What is for a host that is approved for no secret passes by as it is. In a request to one that is, placeholders become
// values: in its target, its headers, the credentials of Basic, and its body; in the answer values become placeholders again.
// An answer that comes compressed, which nobody asked for, is not looked into, nor what a server makes of a value by itself,
// as a digest.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "egress/http.hpp"
#include "egress/substitution.hpp"

namespace joey::egress {

// Bytes of a body with Content-Length that may have placeholders: it is collected, since its length comes first. In a larger
// one they are refused; chunked bodies have no such limit.
inline constexpr std::size_t collected_size_max = std::size_t{256} << 10;
// Bytes of a collected body, and of a head, with what was put in.
inline constexpr std::size_t revealed_body_size_max = std::size_t{1} << 20;
inline constexpr std::size_t revealed_head_size_max = std::size_t{64} << 10;

class Exchange {
 public:
  // `secrets` that are approved for the target.
  Exchange(Target target, std::vector<HostSecret> secrets) : target_(std::move(target)), secrets_(std::move(secrets)) {}

  // These append to `up` what goes to the server, and to `down` what goes to the client. A refusal ends the exchange.
  [[nodiscard]] Parsed<void> begin(RequestHead request, std::string& up, std::string& down);
  [[nodiscard]] Parsed<void> take_up(std::string_view bytes, std::string& up);  // what is behind the request is left out
  [[nodiscard]] Parsed<void> take_down(std::string_view bytes, std::string& down);
  [[nodiscard]] Parsed<void> end_down(std::string& down);  // the server sends no more
  // The server's connection broke, while only its end would have told where the answer ends: the client gets what is there,
  // and as it was said to be whole by nobody, no end. False: the answer is of another kind, and lacks something.
  [[nodiscard]] bool cut_down(std::string& down);

  [[nodiscard]] bool request_complete() const { return request_complete_; }
  [[nodiscard]] bool answer_begun() const { return answer_body_.has_value(); }
  [[nodiscard]] bool answer_complete() const { return answer_complete_; }
  // Names of the secrets that were put into the request.
  [[nodiscard]] std::vector<std::string> secrets_used() const { return {used_.begin(), used_.end()}; }

 private:
  // What becomes of a body.
  enum class Way : std::uint8_t {
    passing,    // byte by byte
    chunked,    // as chunks of our own
    bare,       // without framing, up to the end of the connection
    collected,  // first all of it, then its head and itself
    watched,    // passing, and nothing may be found in it
  };
  Parsed<void> reveal_head(RequestHead& request);
  std::string reveal_credentials(std::string_view value, Substitution& substitution);
  Parsed<void> finish_request(std::string& up);
  Parsed<void> take_answer_head(std::string_view& bytes, std::string& down);
  void begin_answer(AnswerHead answer, const Framing& framing, std::string& down);
  void finish_answer(std::string& down);
  [[nodiscard]] Refusal from_host(const std::string& message) const;

  Target target_;
  const std::vector<HostSecret> secrets_;
  RequestHead request_;
  BodyMeter request_body_;
  Way up_way_{Way::passing};
  Substitution up_substitution_;
  std::string collected_;
  bool request_complete_{false};

  HeadReader answer_head_;
  std::optional<BodyMeter> answer_body_;
  Way down_way_{Way::passing};
  std::vector<Replacement> credentials_;  // as they went, and as they came
  Substitution down_substitution_;
  bool answer_complete_{false};
  std::set<std::string> used_;
};

}  // namespace joey::egress
