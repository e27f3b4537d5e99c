#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.hpp"
#include "samples.hpp"

using namespace joey;
using namespace joey::test;

namespace {

std::string redact(std::string_view text) { return make_redactor()->redact(text); }

}  // namespace

TEST_CASE("keys of known shape are replaced, whatever stands around them") {
  const std::vector<std::pair<std::string, std::string>> surroundings = {
      {"", ""}, {"key: ", "\n"}, {"KEY=", ""}, {"(\"", "\")"}, {"see <", ">"}, {"export A='", "';"},
      {"a\\n", "\\n"}, {"x%3D", "&y=1"}, {"- ", "."}, {"\x1b[32m", "\x1b[0m"}, {"\\u003d", "\\u0026"}, {"\n-", "\n"},
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    for (const Sample& sample : key_samples(random)) {
      for (const auto& [before, after] : surroundings) {
        const std::string text = before + sample.text + after;
        CAPTURE(text);
        const std::string out = redact(text);
        CHECK_FALSE(shows(out, sample.secret.substr(sample.secret.size() / 2)));
        CHECK(out.find("[secret:" + sample.kind + ":") != std::string::npos);
        CHECK(out.starts_with(before));
        CHECK(out.ends_with(after));
      }
    }
  }
}

TEST_CASE("what only resembles a key stays") {
  const std::string harmless[] = {
      "set OPENAI_API_KEY=sk-... or sk-your-api-key-here",
      "sk-proj-your-project-key-goes-here-and-is-long-enough",
      "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      "ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
      "Authorization: Bearer <token>",
      "Authorization: Bearer $TOKEN, or Bearer {token}, or Bearer YOUR_TOKEN_GOES_HERE",
      "The bearer authentication-middleware-for-everything is basic understanding",
      "Basic Information about BasicAuthentication",
      "commit bcaa68b1c9d5a2a8f1e7d3c4b5a6978812345678",
      "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      "id 123e4567-e89b-12d3-a456-426614174000",
      "AKIA" "IOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCY" "EXAMPLEKEY",
      "postgres://user:password@localhost/db and postgres://postgres:postgres@localhost",
      "mysql://$USER:${DB_PASSWORD}@host/db, https://user:****@host, ftp://a:xxx@b",
      "http://localhost:8080/a@b and git@github.com:me/repo.git and see http://a:b",
      "skeleton-key sk-learn scikit-learn task-force risk-adjusted-return-on-capital-over-time",
      "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----",
      "-----BEGIN PRIVATE KEY-----\n<your key here>\n-----END PRIVATE KEY-----",
      "look for -----BEGIN RSA PRIVATE KEY----- in files, said InternationalizationService to the others",
      "eyJhbGciOiJIUzI1NiJ9 is the header of a JWT; eyJ.eyJ.x is none",
      "aws_secret_access_key = <your secret>",
      "SKELETON SK_NAME SG.1.2 hf_hub_download npm_config_registry glpat-",
      "[secret:github-token:1f3a9c7d]",
  };
  for (const std::string& text : harmless) CHECK(redact(text) == text);
}

TEST_CASE("a private key is replaced line by line, whatever stands around its lines") {
  Random random(3);
  const std::string key = pem_key(random, 12);
  const std::string out = redact("before\n" + key + "after\n");
  CHECK(std::count(out.begin(), out.end(), '\n') == std::count(key.begin(), key.end(), '\n') + 2);
  CHECK(out.starts_with("before\n-----BEGIN RSA PRIVATE KEY-----\n[secret:private-key:"));
  CHECK(out.ends_with("]\n-----END RSA PRIVATE KEY-----\nafter\n"));

  std::string numbered, escaped, diff, indented;
  int number = 0;
  for (std::size_t at = 0; at < key.size();) {
    const std::size_t end = key.find('\n', at);
    const std::string line = key.substr(at, end - at);
    numbered += fmt::format("{:>3} | {}\n", ++number, line);
    escaped += line + "\\n";
    diff += "+" + line + "\r\n";
    indented += "      " + line + "\n";
    at = end + 1;
  }
  for (const std::string& text : {numbered, "{\"private_key\": \"" + escaped + "\"}", diff, indented}) {
    const std::string shown = redact(text);
    CAPTURE(shown);
    for (std::size_t at = 32; at + 40 < key.size(); at += 65) CHECK_FALSE(shows(shown, key.substr(at + 1, 20)));
    CHECK(shown.find("==") == std::string::npos);
  }
  CHECK(redact("Proc-Type: 4,ENCRYPTED\n") == "Proc-Type: 4,ENCRYPTED\n");
}

TEST_CASE("hostile texts take time in proportion to their size") {
  constexpr std::size_t size = 2U << 20;
  const std::vector<KnownSecret> secrets = {{"a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}, {"b", "''\"\"\\\\''xyzxyzxyz"}};
  const auto redactor = make_redactor(secrets);
  for (const std::string unit :
       {"a", "sk-", "eyJ.", "eyJaaaaaaaaaaaaa.eyJ", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "bearer=", "bearer ", "://", "://a:",
        "accountkey=", "\x1b[m", "\x1b", "%", "%4", "\\", "\\u00", "a\n", "'", "AKIA", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0", "1", "[secret:",
        "secret_access_key:", "x-api-key ", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj "}) {
    CAPTURE(unit);
    std::string text;
    while (text.size() < size) text += unit;
    const std::string out = redactor->redact(text);
    CHECK(out.size() <= 4 * text.size());
  }
}

TEST_CASE("what stands for a secret of a host stays as it is, wherever it stands") {
  const RedactionKey key{1, 2, 3};
  const std::string stands = host_placeholder(key, "GITHUB_TOKEN", "ghp-of-somebody");
  REQUIRE(stands.size() == 44);
  CHECK(stands.starts_with("joey-secret-"));
  CHECK(stands.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
  for (const std::string& text : {stands, "GITHUB_TOKEN=" + stands, "Authorization: Bearer " + stands, "authorization: token " + stands,
                                  "x-api-key: " + stands, "https://user:" + stands + "@host.example/path",
                                  "Authorization: Basic " + encode_base64("user:" + stands)}) {
    CHECK(redact(text) == text);
  }
  CHECK(has_host_placeholder("a " + stands + "b"));
  CHECK(has_host_placeholder("joey-secret-" + stands));
  for (const std::string& none : {std::string(), std::string("joey-secret-"), stands.substr(0, stands.size() - 1)}) CHECK_FALSE(has_host_placeholder(none));
}

TEST_CASE("placeholders of hosts' secrets are the same for equal names and values under one key alone") {
  const RedactionKey key{1, 2, 3};
  CHECK(host_placeholder(key, "A", "value") == host_placeholder(key, "A", "value"));
  CHECK(host_placeholder(key, "A", "value") != host_placeholder(key, "A", "other"));
  CHECK(host_placeholder(key, "A", "value") != host_placeholder(key, "B", "value"));
  CHECK(host_placeholder(key, "A", "Bvalue") != host_placeholder(key, "AB", "value"));
  CHECK(host_placeholder(key, "A", "value") != host_placeholder(RedactionKey{4}, "A", "value"));
}
