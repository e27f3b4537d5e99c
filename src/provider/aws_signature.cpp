#include "provider/aws_signature.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include "base/text.hpp"

namespace joey {
namespace {

using Hash = std::array<unsigned char, crypto_hash_sha256_BYTES>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string hex(const Hash& hash) {
  std::string out;
  for (const unsigned char byte : hash) out += fmt::format("{:02x}", byte);
  return out;
}

std::string sha256(std::span<const std::string_view> pieces) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const std::string_view piece : pieces) crypto_hash_sha256_update(&state, bytes_of(piece), piece.size());
  Hash hash;
  crypto_hash_sha256_final(&state, hash.data());
  return hex(hash);
}

Hash hmac(std::string_view key, std::string_view text) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(text), text.size());
  Hash out;
  crypto_auth_hmacsha256_final(&state, out.data());
  return out;
}
Hash hmac(const Hash& key, std::string_view text) { return hmac({reinterpret_cast<const char*>(key.data()), key.size()}, text); }

// "20150830T123600Z"
std::string moment(std::int64_t now_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(now_ms)};
  const auto day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss time(floor<seconds>(at - day));
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count());
}

struct Address {
  std::string_view host;
  std::string_view path;
};

Address address_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  const std::size_t slash = std::min(url.find('/'), url.size());
  return {url.substr(0, slash), url.substr(slash)};
}

std::string_view take_until_colon(std::string_view& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view out = text.substr(0, colon);
  text.remove_prefix(std::min(colon + 1, text.size()));
  return out;
}

}  // namespace

std::vector<HttpHeader> aws_signature(const AwsRequest& request, std::string_view keys) {
  const std::string_view id = take_until_colon(keys);
  const std::string_view secret = take_until_colon(keys);
  const std::string_view token = keys;
  const std::string at = moment(request.now_ms);
  const std::string_view day = std::string_view(at).substr(0, 8);
  const Address address = address_of(request.url);

  std::vector<HttpHeader> added{{"x-amz-date", at}};
  if (!token.empty()) added.push_back({"x-amz-security-token", std::string(token)});
  std::map<std::string_view, std::string_view> headers{{"host", address.host}};
  for (const HttpHeader& header : request.headers) headers.emplace(header.name, header.value);
  for (const HttpHeader& header : added) headers.emplace(header.name, header.value);
  std::string lines;
  std::string names;
  for (const auto& [name, value] : headers) {
    lines += fmt::format("{}:{}\n", name, value);
    names += fmt::format("{}{}", names.empty() ? "" : ";", name);
  }
  // Every service but S3 wants the path as it is sent, and escaped once more.
  const std::string path = address.path.empty() ? "/" : percent_encoded(address.path, "-._~/");
  const std::string canonical = fmt::format("{}\n{}\n\n{}\n{}\n{}", request.method, path, lines, names, sha256(request.body));
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, request.region, request.service);
  const std::array<std::string_view, 1> whole{canonical};
  const std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", at, scope, sha256(whole));

  const Hash of_day = hmac(fmt::format("AWS4{}", secret), day);
  const Hash key = hmac(hmac(hmac(of_day, request.region), request.service), "aws4_request");
  added.push_back({"authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", id, scope, names,
                                                hex(hmac(key, to_sign)))});
  return added;
}

}  // namespace joey
