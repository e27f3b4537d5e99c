#include "core/host_rules.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace joey;

namespace {

using Texts = std::vector<std::string>;

HostRules rules_of(const Texts& allow, const Texts& deny = {}) {
  auto rules = HostRules::parse(allow, deny);
  REQUIRE_MESSAGE(rules, rules.error().message);
  return *rules;
}

HostPort host_of(const std::string& text) {
  const auto host = parse_host(text, 0);
  REQUIRE_MESSAGE(host, host.error().message);
  return *host;
}

bool allows(const HostRules& rules, const std::string& host) { return rules.judge(host_of(host)).allowed; }

bool allows(const HostRules& rules, const std::string& host, const std::string& address) {
  const auto parsed = parse_address(address);
  REQUIRE_MESSAGE(parsed, address);
  return rules.judge(host_of(host), *parsed).allowed;
}

}  // namespace

TEST_CASE("a rule fits the hosts it says and no others") {
  struct Row {
    const char* rule;
    Texts fits;
    Texts misses;
  };
  const Row rows[] = {
      {"api.github.com",
       {"api.github.com:443", "api.github.com:80", "API.GitHub.com:443", "api.github.com.:443"},
       {"api.github.com:8443", "github.com:443", "x.api.github.com:443", "api.github.com.evil.org:443", "xapi.github.com:443"}},
      {"API.GitHub.COM.", {"api.github.com:443"}, {"github.com:443"}},
      {"*.npmjs.org",
       {"registry.npmjs.org:443", "a.b.npmjs.org:443", "REGISTRY.NPMJS.ORG.:80"},
       {"npmjs.org:443", "xnpmjs.org:443", "npmjs.org.evil.com:443", "registry.npmjs.org:22"}},
      {"registry.npmjs.org:8443", {"registry.npmjs.org:8443"}, {"registry.npmjs.org:443", "registry.npmjs.org:84"}},
      {"git.example:*", {"git.example:1", "git.example:22", "git.example:65535"}, {"example:22"}},
      {"*", {"a.b:443", "localhost:80", "93.184.216.34:80"}, {"a.b:8080"}},
      {"*:*", {"a.b:8080", "a.b:443"}, {}},
      {"localhost:8080", {"localhost:8080", "LOCALHOST.:8080"}, {"localhost:80", "x.localhost:8080", "127.0.0.1:8080"}},
      {"10.1.2.3:5432", {"10.1.2.3:5432"}, {"10.1.2.3:443", "10.1.2.30:5432", "[::a01:203]:5432"}},
      {"[fd12::7]:443", {"[fd12::7]:443", "[FD12:0:0:0:0:0:0:7]:443"}, {"[fd12::8]:443"}},
      {"xn--bcher-kva.example", {"xn--bcher-kva.example:443", "XN--BCHER-KVA.example:443"}, {"bucher.example:443"}},
      {"intranet.example+private", {"intranet.example:443"}, {"x.intranet.example:443"}},
      {"_svc.example", {"_svc.example:443"}, {"svc.example:443"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    const HostRules rules = rules_of({row.rule});
    for (const std::string& host : row.fits) CHECK_MESSAGE(allows(rules, host), host);
    for (const std::string& host : row.misses) CHECK_MESSAGE(!allows(rules, host), host);
  }
}

TEST_CASE("a rule that denies wins, at every port unless it names one") {
  const HostRules rules = rules_of({"*.example:*", "*"}, {"bad.example", "*.worse.example", "half.example:22"});
  CHECK(allows(rules, "good.example:22"));
  for (const char* host : {"bad.example:443", "bad.example:22", "a.worse.example:9", "half.example:22"}) CHECK(!allows(rules, host));
  CHECK(allows(rules, "half.example:443"));
  CHECK(allows(rules, "worse.example:443"));
  CHECK(rules.judge(host_of("bad.example:22")).rule == "bad.example");
}

TEST_CASE("without a rule everything is denied, with a remedy") {
  const HostRules none;
  CHECK(none.judge(host_of("api.github.com:443")).message ==
        "api.github.com:443 is not allowed by any rule: a person can allow \"api.github.com\"");
  CHECK(none.judge(host_of("db.example:5432")).message ==
        "db.example:5432 is not allowed by any rule: a person can allow \"db.example:5432\"");
  CHECK(none.judge(host_of("[fd12::7]:443")).message.find("allow \"[fd12::7]:443\"") != std::string::npos);
}

TEST_CASE("what is no host is refused, whatever a resolver would make of it") {
  const std::string long_label(64, 'a');
  std::string long_name;
  while (long_name.size() < 254) long_name += "abcdefg.";
  const Texts texts = {"",
                       ":443",
                       ".:443",
                       "a..b:443",
                       ".a:443",
                       "a..:443",
                       "a b:443",
                       "a\t:443",
                       std::string("a\0b:443", 7),
                       "a\r\nHost: b:443",
                       "a/b:443",
                       "a@b:443",
                       "a%2eb:443",
                       "-a:443",
                       "a-:443",
                       "b\xc3\xbc" "cher.example:443",
                       long_label + ":443",
                       long_name + "a:443",
                       "a:0",
                       "a:",
                       "a:65536",
                       "a:443x",
                       "a:+443",
                       "a:0443",
                       "a: 443",
                       "a:443:443",
                       "a",
                       // addresses as C libraries read them
                       "127.1:80",
                       "2130706433:80",
                       "0x7f000001:80",
                       "0x7f.0.0.1:80",
                       "0177.0.0.1:80",
                       "127.0.0.01:80",
                       "127.0.0.256:80",
                       "127.0.0.1.:80.",
                       "1.2.3.4.5:80",
                       "a.0x:80",
                       "a.1:80",
                       "::1:80",
                       "[::1",
                       "[::1]80",
                       "[]:80",
                       "[::1%25lo]:80",
                       "[fe80::1%eth0]:80",
                       "[1:2:3:4:5:6:7]:80",
                       "[1:2:3:4:5:6:7:8:9]:80",
                       "[::1::]:80",
                       "[1:2:3:4:5:6:7::8]:80x",
                       "[12345::]:80",
                       "[g::]:80",
                       "[::1.2.3]:80",
                       "[::1.2.3.4:5]:80",
                       "[1:]:80",
                       "[:1]:80"};
  for (const std::string& text : texts) {
    const auto host = parse_host(text, 0);
    CHECK_MESSAGE(!host, text);
    if (!host) CHECK(host.error().code == ErrorCode::invalid_argument);
  }
  CHECK(host_of("127.0.0.1.:80").address == parse_address("127.0.0.1"));
}

TEST_CASE("what is no rule is refused by name") {
  for (const char* text : {"", "*.", "**", "a.*.b", "*a.b", "a:b", "a:0", "a:70000", "::1", "fd12::7", "*.1.2.3.4", "*+private",
                           "10.0.0.1+private", "224.0.0.1", "0.0.0.0:80", "[::]:80", "http://a.b", "a.b/c", "b\xc3\xbc" "cher.de", "a b",
                           "+private", "127.1"}) {
    const auto rules = HostRules::parse(Texts{text}, {});
    CHECK_MESSAGE(!rules, text);
    if (!rules) CHECK(rules.error().message.find(text) != std::string::npos);
  }
  CHECK(!HostRules::parse(Texts(1'025, "a.b"), {}));
}

TEST_CASE("a rule for something confidential is of encrypted connections, unless it names another port") {
  const auto rules = HostRules::parse_confidential(Texts{"api.test", "plain.test:80", "any.test:*", "*.npm.test"});
  REQUIRE(rules);
  for (const char* allowed : {"api.test:443", "plain.test:80", "any.test:80", "a.npm.test:443"}) {
    CHECK_MESSAGE(rules->judge(host_of(allowed)).allowed, allowed);
  }
  for (const char* refused : {"api.test:80", "plain.test:443", "a.npm.test:80"}) CHECK_MESSAGE(!rules->judge(host_of(refused)).allowed, refused);
  CHECK(!HostRules::parse_confidential(Texts{"a:b"}));
}

TEST_CASE("an address is read and written in one form") {
  for (const auto& [text, canonical] : std::vector<std::pair<std::string, std::string>>{
           {"1.2.3.4", "1.2.3.4"},
           {"::ffff:1.2.3.4", "1.2.3.4"},
           {"::FFFF:102:304", "1.2.3.4"},
           {"::", "::"},
           {"::1", "::1"},
           {"1::", "1::"},
           {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
           {"1:0:2:0:0:3:0:0", "1:0:2::3:0:0"},
           {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
           {"1:2:3:4:5:6:0:8", "1:2:3:4:5:6:0:8"},
           {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
       }) {
    const auto address = parse_address(text);
    REQUIRE_MESSAGE(address, text);
    CHECK(to_string(*address) == canonical);
    CHECK(parse_address(canonical) == address);
  }
}

TEST_CASE("addresses are public, private, link-local or nothing to connect to") {
  const std::pair<AddressKind, Texts> rows[] = {
      {AddressKind::public_,
       {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "169.253.1.1", "172.15.255.255", "172.32.0.0", "192.167.1.1", "192.169.0.0", "198.17.0.1", "198.20.0.0", "223.255.255.255",
        "2606:4700::1111", "2a00::1", "2001:200::1"}},
      {AddressKind::private_,
       {"10.0.0.0", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "172.16.0.1", "172.31.255.255",
        "192.168.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::1", "fc00::1", "fdff::1"}},
      {AddressKind::link_local,
       {"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "100.100.100.200", "168.63.129.16", "fe80::1", "febf::1",
        "fd00:ec2::254", "fd20:ce::254"}},
      {AddressKind::other,
       {"0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::2", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fec0::1", "ff02::1", "4000::1"}},
  };
  for (const auto& [kind, texts] : rows) {
    for (const std::string& text : texts) {
      const auto address = parse_address(text);
      REQUIRE_MESSAGE(address, text);
      CHECK_MESSAGE(kind_of(*address) == kind, text);
    }
  }
}

TEST_CASE("a name that leads to an address that is not public is refused unless a rule says so") {
  const HostRules plain = rules_of({"*", "db.example:5432"});
  CHECK(allows(plain, "a.example:443", "1.1.1.1"));
  for (const char* address : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1", "fd00::1", "0.0.0.0",
                              "224.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"}) {
    CHECK_MESSAGE(!allows(plain, "a.example:443", address), address);
    CHECK_MESSAGE(!allows(plain, "localhost:80", address), address);
  }

  const HostRules marked = rules_of({"intranet.example+private", "*.corp.example:8080+private"});
  CHECK(allows(marked, "intranet.example:443", "10.0.0.1"));
  CHECK(allows(marked, "intranet.example:443", "127.0.0.1"));
  CHECK(allows(marked, "intranet.example:443", "1.1.1.1"));
  CHECK(allows(marked, "a.corp.example:8080", "fd12::1"));
  CHECK(!allows(marked, "a.corp.example:80", "10.0.0.1"));
  for (const char* address : {"169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0", "224.0.0.1"}) {
    CHECK_MESSAGE(!allows(marked, "intranet.example:443", address), address);
  }

  // The very address, at the same port.
  const HostRules named = rules_of({"a.example", "b.example", "10.0.0.1", "169.254.169.254:80"});
  CHECK(allows(named, "a.example:443", "10.0.0.1"));
  CHECK(!allows(named, "a.example:443", "10.0.0.2"));
  CHECK(allows(named, "a.example:80", "169.254.169.254"));
  CHECK(!allows(named, "a.example:443", "169.254.169.254"));
  CHECK(!allows(named, "c.example:443", "10.0.0.1"));  // no rule for the name

  const HostRules local = rules_of({"localhost:8080"});
  CHECK(allows(local, "localhost:8080", "127.0.0.1"));
  CHECK(allows(local, "localhost:8080", "::1"));
  CHECK(!allows(local, "localhost:8080", "169.254.169.254"));
}

TEST_CASE("an address that is denied is denied to names that lead to it") {
  const HostRules rules = rules_of({"*", "intranet.example+private"}, {"1.1.1.1", "10.0.0.1:80"});
  CHECK(!allows(rules, "a.example:443", "1.1.1.1"));
  CHECK(!allows(rules, "a.example:443", "::ffff:1.1.1.1"));
  CHECK(allows(rules, "a.example:443", "1.0.0.1"));
  CHECK(!allows(rules, "intranet.example:80", "10.0.0.1"));
  CHECK(allows(rules, "intranet.example:443", "10.0.0.1"));
}

TEST_CASE("a refusal of an address says what would allow it") {
  const HostRules rules = rules_of({"a.example"});
  CHECK(rules.judge(host_of("a.example:443"), *parse_address("10.0.0.1")).message ==
        "a.example:443 leads to 10.0.0.1, which is not public: a person can allow \"10.0.0.1:443\" or \"a.example:443+private\"");
  CHECK(rules.judge(host_of("a.example:443"), *parse_address("169.254.169.254")).message ==
        "a.example:443 leads to 169.254.169.254, which is not public: a person can allow \"169.254.169.254:443\"");
  CHECK(rules.judge(host_of("a.example:443"), *parse_address("0.0.0.0")).message ==
        "a.example:443 leads to 0.0.0.0, which is no address to connect to");
}
