#include "runtime/host_secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace joey {
namespace {

bool is_variable(const std::string& name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// Names every host, with a port or without, and so no host.
bool names_all(const std::string& host) { return host.starts_with('*') && !host.starts_with("*."); }

}  // namespace

Result<HostRules> check_host_secret(const HostSecretRequest& request) {
  const auto wrong = [&](const std::string& what) {
    return failure(ErrorCode::invalid_argument, fmt::format("secret \"{}\": {}", request.name, what));
  };
  const std::string& variable = request.variable.empty() ? request.name : request.variable;
  if (!is_variable(variable)) return wrong(fmt::format("\"{}\" is no name of a variable", variable));
  if (request.value.empty()) return wrong("it has no value");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::any_of(request.value.begin(), request.value.end(), is_control)) {
    return wrong("its value has a line break or another control character, which no header can carry: store it without");
  }
  if (request.hosts.empty()) return wrong("no host is named that it may be sent to");
  const auto all = std::find_if(request.hosts.begin(), request.hosts.end(), names_all);
  if (all != request.hosts.end()) return wrong(fmt::format("\"{}\" is every host: name those that it may be sent to", *all));
  auto rules = HostRules::parse_confidential(request.hosts);
  if (!rules) return wrong(rules.error().message);
  return rules;
}

std::shared_ptr<const CommandSecrets> make_command_secrets(const std::vector<HostSecret>& secrets, std::shared_ptr<const egress::Tls> tls,
                                                           std::shared_ptr<const ShownFile> certificates) {
  auto made = std::make_shared<CommandSecrets>();
  egress::ClientSecrets client{{}, std::move(tls)};
  // What curl, OpenSSL, Python, Node, git, Cargo, Deno and AWS's programs look into.
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
                           "CARGO_HTTP_CAINFO", "DENO_CERT", "AWS_CA_BUNDLE"}) {
    made->environment.emplace_back(name, certificates->path());
  }
  for (const HostSecret& secret : secrets) {
    made->environment.emplace_back(secret.variable, secret.secret.placeholder);
    client.secrets.push_back(secret.secret);
  }
  made->client = std::make_shared<const egress::ClientSecrets>(std::move(client));
  made->certificates = std::move(certificates);
  return made;
}

Result<std::string> read_trusted_certificates() {
  std::vector<const char*> places{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  if (const char* given = std::getenv("SSL_CERT_FILE"); given != nullptr && *given != '\0') places = {given};
  for (const char* place : places) {
    std::ifstream file(place, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!text.empty()) return text;
  }
  return failure(ErrorCode::not_found, fmt::format("there are no certificates to trust in {}: install ca-certificates, or set SSL_CERT_FILE",
                                                   fmt::join(places, ", ")));
}

}  // namespace joey
