// Secrets for tests, made at run time: no text of the repository has the shape of a key.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "redact/redact.hpp"

namespace joey::test {

inline RedactionKey test_key(unsigned char seed = 7) {
  RedactionKey key{};
  key.fill(seed);
  return key;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  std::string of(std::string_view characters, std::size_t size) {
    std::string out;
    while (out.size() < size) out += characters[below(characters.size())];
    return out;
  }
  std::string alnum(std::size_t size) {
    return of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", size);
  }
  std::string hex(std::size_t size) { return of("0123456789abcdef", size); }
  std::string url64(std::size_t size) {
    return of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", size - 1) + "x";
  }
  std::string base64(std::size_t size) {
    return of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", size);
  }

 private:
  std::mt19937_64 engine_;
};

// A text and the part of it that is secret.
struct Sample {
  std::string kind;
  std::string text;
  std::string secret;
};

inline Sample whole(std::string kind, std::string secret) { return {std::move(kind), secret, secret}; }

// One of each kind of key that is known by its shape.
inline std::vector<Sample> key_samples(Random& random) {
  std::vector<Sample> all;
  const auto labelled = [&](std::string kind, const std::string& before, const std::string& secret, const std::string& after) {
    all.push_back({std::move(kind), before + secret + after, secret});
  };
  const std::string base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  all.push_back(whole("anthropic-key", "sk-ant-" + ("api03-" + random.url64(93)) + "AA"));
  all.push_back(whole("openai-key", "sk-proj-" + random.url64(148)));
  all.push_back(whole("openai-key", "sk-" + random.alnum(20) + "T3Blbk" + "FJ" + random.alnum(20)));
  all.push_back(whole("openrouter-key", "sk-or-" + ("v1-" + random.hex(64))));
  all.push_back(whole("google-key", "AIza" + random.url64(35)));
  all.push_back(whole("groq-key", "gsk_" + random.alnum(52)));
  all.push_back(whole("huggingface-token", "hf_" + random.alnum(34)));
  for (const char* kind : {"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}) {
    all.push_back(whole("github-token", kind + random.alnum(36)));
  }
  all.push_back(whole("github-token", "github_" + ("pat_" + random.alnum(22)) + "_" + random.alnum(59)));
  all.push_back(whole("gitlab-token", "glpat-" + random.url64(20)));
  all.push_back(whole("npm-token", "npm_" + random.alnum(36)));
  all.push_back(whole("pypi-token", "pypi-" + ("AgEIcHlwaS5vcmc" + random.url64(150))));
  all.push_back(whole("docker-token", "dckr_pat_" + random.url64(27)));
  all.push_back(whole("slack-token", "xoxb-" + random.of("0123456789", 12) + "-" + random.of("0123456789", 12) + "-" + random.alnum(24)));
  all.push_back(whole("slack-token", "xapp-" + ("1-A" + random.alnum(10)) + "-" + random.of("0123456789", 13) + "-" + random.hex(64)));
  labelled("slack-webhook", "https://hooks.slack.com/services/",
           "T" + random.alnum(8) + "/B" + random.alnum(8) + "/" + random.alnum(24), " is the hook");
  all.push_back(whole("stripe-key", "sk_live_" + random.alnum(24)));
  all.push_back(whole("stripe-key", "rk_live_" + random.alnum(99)));
  all.push_back(whole("sendgrid-key", "SG." + random.url64(22) + "." + random.url64(43)));
  all.push_back(whole("twilio-key", "SK" + random.hex(32)));
  all.push_back(whole("aws-key", "AKIA" + random.of(base32, 16)));
  labelled("aws-secret", "aws_secret_access_key = ", random.alnum(20) + "/" + random.alnum(19), "\n");
  labelled("aws-secret", R"({"SecretAccessKey": ")", random.alnum(19) + "+" + random.alnum(20), "\"}");
  labelled("azure-key", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", random.base64(86) + "==", ";Endpoint");
  all.push_back(whole("digitalocean-token", "dop_v1_" + random.hex(64)));
  all.push_back(whole("databricks-token", "dapi" + random.hex(32)));
  all.push_back(whole("vault-token", "hvs." + random.url64(90)));
  all.push_back(whole("shopify-token", "shpat_" + random.hex(32)));
  all.push_back(whole("age-key", "AGE-SECRET-KEY-1" + random.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)));
  labelled("telegram-token", "bot = ", random.of("123456789", 10) + ":AA" + random.url64(33), "\n");
  all.push_back(whole("jwt", "eyJ" + random.url64(33) + ".eyJ" + random.url64(60) + "." + random.url64(43)));
  labelled("url-password", "postgres://admin:", random.alnum(16), "@db.internal:5432/app");
  labelled("url-password", "redis://:", random.alnum(12), "@10.0.0.3:6379");
  labelled("bearer-token", "Authorization: Bearer ", random.url64(39) + "7", "\r\n");
  labelled("basic-auth", "authorization: Basic ", "dXNlcjpzZWNyZXQ3" + std::string("Nzc="), "\n");
  labelled("api-key", "-H 'X-API-Key: ", random.alnum(31) + "7", "'");
  return all;
}

inline std::string pem_key(Random& random, std::size_t lines) {
  std::string text = "-----BEGIN " + std::string("RSA PRIVATE KEY-----\n");
  for (std::size_t i = 0; i < lines; ++i) text += random.base64(64) + "\n";
  return text + random.base64(22) + "==\n-----END RSA PRIVATE KEY-----\n";
}

inline std::shared_ptr<const Redactor> make_redactor(const std::vector<KnownSecret>& secrets = {}, bool shapes = true) {
  return std::make_shared<const Redactor>(test_key(), secrets, shapes);
}

inline std::string redacted_in(const std::shared_ptr<const Redactor>& redactor, const std::vector<std::string_view>& pieces) {
  RedactionStream stream(redactor);
  std::string out;
  for (const std::string_view piece : pieces) out += stream.feed(piece);
  return out + stream.finish();
}

// Whether a piece of `secret` long enough to help somebody is in `text`.
inline bool shows(std::string_view text, std::string_view secret, std::size_t size = 8) {
  for (std::size_t at = 0; at + size <= secret.size(); ++at) {
    if (text.find(secret.substr(at, size)) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace joey::test
