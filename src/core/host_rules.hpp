// Host rules: which hosts a command in a box may reach, through the egress proxy.
//
//   api.github.com            this name, at ports 80 and 443
//   *.npmjs.org               every name of one or more labels before it, as "a.npmjs.org" and "a.b.npmjs.org"; not itself
//   registry.npmjs.org:8443   at this port alone; ":*" is every port
//   10.1.2.3:5432  [fd12::7]  this address: a request that names it, or an allowed name that leads to it
//   *                         every name and every public address
//   intranet.example+private  this name, also where it leads to a private or loopback address
//   localhost:8080            the machine's own loopback; for this name "+private" goes without saying
//
// A name is compared without regard to case and to one dot at its end. It is ASCII: an international name is written as
// the punycode that goes over the wire ("xn--..."). A rule that denies and names no port denies every port. Of the rules
// that fit, one that denies decides; what no rule allows is denied.
//
// A rule for a name trusts whoever runs that name's DNS to point at public addresses only, and nobody with more: an answer
// of any other address is refused unless a rule names the very address, or the name with "+private" where the address
// is private or loopback. Addresses by which clouds hand out credentials and whatever else is link-local must be named
// themselves. What is connected to is the address that was judged, so a second answer of the DNS changes nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace joey {

// An address of version 6, or of version 4 as its mapped form ("::ffff:1.2.3.4").
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
  [[nodiscard]] bool is_v4() const;
};

// Of version 4 as four decimal numbers without leading zeros, of version 6 without brackets or zone. Nothing else that a C
// library takes for an address ("127.1", "0x7f000001") is one.
[[nodiscard]] std::optional<IpAddress> parse_address(std::string_view text);
[[nodiscard]] std::string to_string(const IpAddress& address);

enum class AddressKind : std::uint8_t {
  public_,     // the Internet's
  private_,    // of a private network or shared by a provider's customers, loopback included
  link_local,  // and those of clouds' metadata services, wherever they lie
  other,       // multicast, unspecified, reserved, for documentation, or with another address inside: never connected to
};
[[nodiscard]] AddressKind kind_of(const IpAddress& address);

// What a request asks for.
struct HostPort {
  std::string name;  // in lower case, without the dot at the end; of an address its canonical text, without brackets
  std::optional<IpAddress> address{};  // what `name` says, when it is one
  std::uint16_t port{0};
  bool operator==(const HostPort&) const = default;
};

// "name:port" of a request, or of a URL with its scheme's port as `default_port` (0: there must be one). `invalid_argument`
// when it is no such thing, in one line.
[[nodiscard]] Result<HostPort> parse_host(std::string_view text, std::uint16_t default_port);
[[nodiscard]] std::string to_string(const HostPort& host);  // "name:port", an address of version 6 in brackets

// Whether the name means this machine without any DNS (RFC 6761): "localhost" and what is beneath it.
[[nodiscard]] bool is_localhost(std::string_view name);

struct HostDecision {
  bool allowed{false};
  std::string rule;     // that decided, as it was written; empty: there is none that allows
  std::string message;  // of a refusal: one line with the remedy
};

class HostRules {
 public:
  // `invalid_argument` names the rule that is none.
  [[nodiscard]] static Result<HostRules> parse(std::span<const std::string> allow, std::span<const std::string> deny);
  // Of hosts for something that nobody on the way may read: a rule that names no port is of 443 alone.
  [[nodiscard]] static Result<HostRules> parse_confidential(std::span<const std::string> allow);

  // Before the name is resolved. Allowed is what may be resolved; its address is still to be judged.
  [[nodiscard]] HostDecision judge(const HostPort& host) const;
  // Of an address that the host has, or is.
  [[nodiscard]] HostDecision judge(const HostPort& host, const IpAddress& address) const;

 private:
  struct Rule {
    std::string text;  // as it was written
    enum class Names : std::uint8_t { all, name, beneath, address } names{Names::all};
    std::string name;
    IpAddress address{};
    std::optional<std::uint16_t> port{};  // none: 80 and 443, or every port in a rule that denies
    bool every_port{false};
    bool with_private{false};
  };
  [[nodiscard]] static Result<Rule> parse_rule(const std::string& text);
  [[nodiscard]] static bool fits_port(const Rule& rule, std::uint16_t port, bool denies);
  [[nodiscard]] static bool fits_name(const Rule& rule, const HostPort& host);

  std::vector<Rule> allow_;
  std::vector<Rule> deny_;
};

}  // namespace joey
