#include "core/host_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t name_size_max = 253;
constexpr std::size_t label_size_max = 63;
constexpr std::size_t rules_max = 1'024;
constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t https_port = 443;
constexpr std::string_view private_mark = "+private";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// A decimal number as it is written in addresses and ports: digits alone, none before it that says nothing.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (value > max) return std::nullopt;
  return value;
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> out{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t end = i < 3 ? text.find('.') : text.size();
    if (end == text.npos) return std::nullopt;
    const auto part = parse_decimal(text.substr(0, end), 255);
    if (!part) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(*part);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

IpAddress mapped(const std::array<std::uint8_t, 4>& v4) {
  IpAddress address;
  std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.bytes.begin());
  std::copy(v4.begin(), v4.end(), address.bytes.begin() + 12);
  return address;
}

// Groups of four hexadecimal digits, "::" for some that are zero, the last 32 bits perhaps as version 4 (RFC 4291, 2.2).
std::optional<IpAddress> parse_v6(std::string_view text) {
  std::vector<std::uint16_t> groups;
  std::optional<std::size_t> gap;  // the index of the group that "::" stands before
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (groups.size() == 8) return std::nullopt;
    if (text.find(':') == text.npos && text.find('.') != text.npos) {
      const auto v4 = parse_v4(text);
      if (!v4) return std::nullopt;
      groups.push_back(static_cast<std::uint16_t>((*v4)[0] << 8 | (*v4)[1]));
      groups.push_back(static_cast<std::uint16_t>((*v4)[2] << 8 | (*v4)[3]));
      break;
    }
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, end);
    if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), is_hex_digit)) return std::nullopt;
    std::uint16_t value = 0;
    std::from_chars(group.data(), group.data() + group.size(), value, 16);
    groups.push_back(value);
    text.remove_prefix(end);
    if (text.empty()) break;
    text.remove_prefix(1);  // ':'
    if (text.starts_with(':')) {
      if (gap) return std::nullopt;
      gap = groups.size();
      text.remove_prefix(1);
    } else if (text.empty()) {
      return std::nullopt;
    }
  }
  if (gap ? groups.size() > 7 : groups.size() != 8) return std::nullopt;
  if (groups.size() > 8) return std::nullopt;
  if (gap) groups.insert(groups.begin() + static_cast<std::ptrdiff_t>(*gap), 8 - groups.size(), 0);
  IpAddress address;
  for (std::size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return address;
}

// Whether the first `bits` of the address are those of `prefix`.
bool begins_with(const std::uint8_t* address, std::span<const std::uint8_t> prefix, unsigned bits) {
  for (unsigned i = 0; i < bits; i += 8) {
    const unsigned left = std::min(8U, bits - i);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - left));
    if ((address[i / 8] & mask) != (prefix[i / 8] & mask)) return false;
  }
  return true;
}

struct Network {
  std::array<std::uint8_t, 16> prefix;
  unsigned bits;
  AddressKind kind;
};

// IANA's registries of special-purpose addresses, and where clouds keep credentials. The first that fits decides.
constexpr Network networks_v4[] = {
    {{169, 254}, 16, AddressKind::link_local},
    {{100, 100, 100, 200}, 32, AddressKind::link_local},  // Alibaba Cloud's metadata
    {{168, 63, 129, 16}, 32, AddressKind::link_local},    // Azure's host
    {{10}, 8, AddressKind::private_},
    {{100, 64}, 10, AddressKind::private_},  // between a provider and its customers
    {{127}, 8, AddressKind::private_},
    {{172, 16}, 12, AddressKind::private_},
    {{192, 168}, 16, AddressKind::private_},
    {{0}, 8, AddressKind::other},
    {{192, 0, 0}, 24, AddressKind::other},
    {{192, 0, 2}, 24, AddressKind::other},
    {{192, 88, 99}, 24, AddressKind::other},  // once relays from version 6
    {{198, 18}, 15, AddressKind::other},
    {{198, 51, 100}, 24, AddressKind::other},
    {{203, 0, 113}, 24, AddressKind::other},
    {{224}, 4, AddressKind::other},
    {{240}, 4, AddressKind::other},
};
constexpr Network networks_v6[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, AddressKind::private_},
    {{0xfe, 0x80}, 10, AddressKind::link_local},
    {{0xfd, 0x00, 0x0e, 0xc2}, 32, AddressKind::link_local},  // Amazon's metadata
    {{0xfd, 0x20, 0x00, 0xce}, 32, AddressKind::link_local},  // Google's metadata
    {{0xfc}, 7, AddressKind::private_},
    {{0x20, 0x01, 0x00}, 23, AddressKind::other},        // protocols, tunnels among them
    {{0x20, 0x01, 0x0d, 0xb8}, 32, AddressKind::other},  // documentation
    {{0x20, 0x02}, 16, AddressKind::other},              // version 4 inside
    {{0x3f, 0xff}, 20, AddressKind::other},              // documentation
    {{0x20}, 3, AddressKind::public_},
};

bool is_name_character(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; }

// Whether a resolver would take the name for an address of version 4: those must be written in the one usual way.
bool looks_like_v4(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view last = dot == name.npos ? name : name.substr(dot + 1);
  if (last.starts_with("0x")) return std::all_of(last.begin() + 2, last.end(), is_hex_digit);
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

tl::unexpected<Error> bad_host(std::string_view text, std::string_view why) {
  constexpr std::size_t shown_max = 100;
  const std::string shown = to_utf8(text.substr(0, shown_max));
  return failure(ErrorCode::invalid_argument, fmt::format("\"{}\" is no host: {}", shown, why));
}

// The name in lower case, without the dot at its end.
Result<std::string> parse_name(std::string_view text) {
  std::string name(text);
  if (name.ends_with('.')) name.pop_back();
  std::transform(name.begin(), name.end(), name.begin(), lower);
  if (name.empty()) return bad_host(text, "it has no name");
  if (name.size() > name_size_max) return bad_host(text, fmt::format("it is longer than {} bytes", name_size_max));
  for (std::string_view rest = name;;) {
    const std::size_t end = std::min(rest.find('.'), rest.size());
    const std::string_view label = rest.substr(0, end);
    if (label.empty()) return bad_host(text, "a part between its dots is empty");
    if (label.size() > label_size_max) return bad_host(text, fmt::format("a part of it is longer than {} bytes", label_size_max));
    for (const char c : label) {
      if (static_cast<unsigned char>(c) >= 0x80) return bad_host(text, "write international names as punycode (\"xn--...\")");
      if (!is_name_character(c)) return bad_host(text, "names have letters, digits, '-' and '_' alone");
    }
    if (label.front() == '-' || label.back() == '-') return bad_host(text, "a part of it begins or ends with '-'");
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (looks_like_v4(name) && !parse_v4(name)) return bad_host(text, "write addresses as four decimal numbers");
  return name;
}

// Cuts the port off: what is behind the last ':', or behind an address's ']'. None: there is no port.
struct Parts {
  std::string_view name;  // brackets included
  std::optional<std::string_view> port;
};
Parts split_port(std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : text.npos;
  const std::size_t colon = text.find(':', bracket == text.npos ? 0 : bracket);
  if (colon == text.npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

struct Named {
  std::string name;
  std::optional<IpAddress> address;
};
Result<Named> parse_named(std::string_view text) {
  if (text.starts_with('[')) {
    const auto address = text.ends_with(']') && text.size() > 2 ? parse_v6(text.substr(1, text.size() - 2)) : std::nullopt;
    if (!address) return bad_host(text, "in brackets stands an address of version 6, without a zone");
    return Named{to_string(*address), address};
  }
  auto name = parse_name(text);
  if (!name) return tl::unexpected(std::move(name.error()));
  if (const auto v4 = parse_v4(*name)) return Named{std::move(*name), mapped(*v4)};
  return Named{std::move(*name), std::nullopt};
}

}  // namespace

bool IpAddress::is_v4() const { return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin()); }

std::optional<IpAddress> parse_address(std::string_view text) {
  if (const auto v4 = parse_v4(text)) return mapped(*v4);
  return parse_v6(text);
}

// Of version 6 as RFC 5952 has it: the longest run of zeros is "::", the first of equals.
std::string to_string(const IpAddress& address) {
  const auto& b = address.bytes;
  if (address.is_v4()) return fmt::format("{}.{}.{}.{}", b[12], b[13], b[14], b[15]);
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = static_cast<unsigned>(b[2 * i] << 8 | b[2 * i + 1]);
  std::size_t gap = 8;
  std::size_t gap_size = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > gap_size) gap = i, gap_size = end - i;
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      text += "::";
      i += gap_size - 1;
      continue;
    }
    if (!text.empty() && !text.ends_with(':')) text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

AddressKind kind_of(const IpAddress& address) {
  const bool v4 = address.is_v4();
  const std::uint8_t* bytes = address.bytes.data() + (v4 ? 12 : 0);
  const std::span<const Network> networks = v4 ? std::span<const Network>(networks_v4) : std::span<const Network>(networks_v6);
  for (const Network& network : networks) {
    if (begins_with(bytes, network.prefix, network.bits)) return network.kind;
  }
  return v4 ? AddressKind::public_ : AddressKind::other;
}

Result<HostPort> parse_host(std::string_view text, std::uint16_t default_port) {
  const Parts parts = split_port(text);
  auto named = parse_named(parts.name);
  if (!named) return tl::unexpected(std::move(named.error()));
  HostPort host{std::move(named->name), named->address, default_port};
  if (parts.port) {
    const auto port = parse_decimal(*parts.port, 65'535);
    if (!port || *port == 0) return bad_host(text, "a port is a number from 1 to 65535");
    host.port = static_cast<std::uint16_t>(*port);
  }
  if (host.port == 0) return bad_host(text, "it has no port");
  return host;
}

std::string to_string(const HostPort& host) {
  const bool in_brackets = host.address && !host.address->is_v4();
  return in_brackets ? fmt::format("[{}]:{}", host.name, host.port) : fmt::format("{}:{}", host.name, host.port);
}

bool is_localhost(std::string_view name) { return name == "localhost" || name.ends_with(".localhost"); }

// ---------------------------------------------------------------------------------------------------------------------
// Rules

Result<HostRules::Rule> HostRules::parse_rule(const std::string& text) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorCode::invalid_argument, fmt::format("host rule \"{}\": {}", to_utf8(text), why));
  };
  Rule rule;
  rule.text = text;
  std::string_view rest = trim(text);
  if (rest.ends_with(private_mark)) {
    rule.with_private = true;
    rest.remove_suffix(private_mark.size());
  }
  const Parts parts = split_port(rest);
  if (parts.port == "*") {
    rule.every_port = true;
  } else if (parts.port) {
    const auto port = parse_decimal(*parts.port, 65'535);
    if (!port || *port == 0) return wrong("a port is a number from 1 to 65535, or *; an address of version 6 stands in brackets");
    rule.port = static_cast<std::uint16_t>(*port);
  }
  if (parts.name == "*") {
    if (rule.with_private) return wrong("name the hosts that may lead to private addresses");
    return rule;
  }
  const bool beneath = parts.name.starts_with("*.");
  auto named = parse_named(beneath ? parts.name.substr(2) : parts.name);
  if (!named) return wrong(named.error().message);
  if (beneath && named->address) return wrong("addresses have no names beneath them");
  if (rule.with_private && named->address) return wrong("an address that is named needs no +private");
  rule.name = std::move(named->name);
  rule.names = beneath ? Rule::Names::beneath : Rule::Names::name;
  if (named->address) {
    if (kind_of(*named->address) == AddressKind::other) return wrong("nothing can be connected to at that address");
    rule.names = Rule::Names::address;
    rule.address = *named->address;
  }
  if (is_localhost(rule.name)) rule.with_private = true;
  return rule;
}

Result<HostRules> HostRules::parse(std::span<const std::string> allow, std::span<const std::string> deny) {
  HostRules rules;
  if (allow.size() > rules_max || deny.size() > rules_max) {
    return failure(ErrorCode::invalid_argument, fmt::format("more than {} host rules", rules_max));
  }
  for (const auto& [texts, parsed] : {std::pair{allow, &rules.allow_}, std::pair{deny, &rules.deny_}}) {
    for (const std::string& text : texts) {
      auto rule = parse_rule(text);
      if (!rule) return tl::unexpected(std::move(rule.error()));
      parsed->push_back(std::move(*rule));
    }
  }
  return rules;
}

Result<HostRules> HostRules::parse_confidential(std::span<const std::string> allow) {
  auto rules = parse(allow, {});
  if (!rules) return rules;
  for (Rule& rule : rules->allow_) {
    if (!rule.port && !rule.every_port) rule.port = https_port;
  }
  return rules;
}

bool HostRules::fits_port(const Rule& rule, std::uint16_t port, bool denies) {
  if (rule.every_port) return true;
  if (rule.port) return *rule.port == port;
  return denies || port == http_port || port == https_port;
}

bool HostRules::fits_name(const Rule& rule, const HostPort& host) {
  switch (rule.names) {
    case Rule::Names::all: return true;
    case Rule::Names::name: return !host.address && host.name == rule.name;
    case Rule::Names::beneath:
      return !host.address && host.name.size() > rule.name.size() + 1 && host.name.ends_with(rule.name) &&
             host.name[host.name.size() - rule.name.size() - 1] == '.';
    case Rule::Names::address: return host.address == rule.address;
  }
  return false;
}

HostDecision HostRules::judge(const HostPort& host) const {
  for (const Rule& rule : deny_) {
    if (fits_name(rule, host) && fits_port(rule, host.port, true)) {
      return {false, rule.text, fmt::format("{} is denied by the rule \"{}\"", to_string(host), rule.text)};
    }
  }
  for (const Rule& rule : allow_) {
    if (fits_name(rule, host) && fits_port(rule, host.port, false)) return {true, rule.text, {}};
  }
  const bool usual_port = host.port == http_port || host.port == https_port;
  const std::string remedy = usual_port && (!host.address || host.address->is_v4()) ? host.name : to_string(host);
  return {false, {}, fmt::format("{} is not allowed by any rule: a person can allow \"{}\"", to_string(host), remedy)};
}

HostDecision HostRules::judge(const HostPort& host, const IpAddress& address) const {
  HostDecision by_name = judge(host);
  if (!by_name.allowed) return by_name;
  const auto names_address = [&](const Rule& rule, bool denies) {
    return rule.names == Rule::Names::address && rule.address == address && fits_port(rule, host.port, denies);
  };
  const std::string shown = to_string(address);
  for (const Rule& rule : deny_) {
    if (names_address(rule, true)) {
      return {false, rule.text, fmt::format("{} leads to {}, which is denied by the rule \"{}\"", to_string(host), shown, rule.text)};
    }
  }
  const AddressKind kind = kind_of(address);
  if (kind == AddressKind::public_) return by_name;
  for (const Rule& rule : allow_) {
    if (kind == AddressKind::other) break;
    if (names_address(rule, false)) return {true, rule.text, {}};
    const bool with_private = rule.with_private && kind == AddressKind::private_;
    if (with_private && fits_name(rule, host) && fits_port(rule, host.port, false)) return {true, rule.text, {}};
  }
  const HostPort literal{shown, address, host.port};
  if (kind == AddressKind::other) {
    return {false, by_name.rule, fmt::format("{} leads to {}, which is no address to connect to", to_string(host), shown)};
  }
  return {false, by_name.rule,
          fmt::format("{} leads to {}, which is not public: a person can allow \"{}\"{}", to_string(host), shown, to_string(literal),
                      kind == AddressKind::private_ && !host.address ? fmt::format(" or \"{}+private\"", to_string(host)) : "")};
}

}  // namespace joey
