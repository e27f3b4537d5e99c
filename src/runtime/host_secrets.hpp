// Secrets that commands never see: in their box they find a placeholder, and the egress proxy puts the value into requests to
// the hosts that it may be sent to.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "egress/proxy.hpp"
#include "egress/tls.hpp"
#include "workspace/box.hpp"

namespace joey {

struct HostSecretRequest {
  std::string name;
  std::string value;
  std::string variable;            // that commands find the placeholder in; empty: `name`
  std::vector<std::string> hosts;  // as HostRules::parse_confidential() takes them; "*" is none
};

// `invalid_argument`, in one line that has nothing of the value; otherwise the hosts. Whether it can be looked for is for
// check_secret() to say.
[[nodiscard]] Result<HostRules> check_host_secret(const HostSecretRequest& request);

// What commands that are started now have. Immutable.
struct CommandSecrets {
  std::shared_ptr<const egress::ClientSecrets> client;
  std::vector<std::pair<std::string, std::string>> environment;  // placeholders, and where the certificates are
  std::shared_ptr<const ShownFile> certificates;
};

// A secret as the session takes it.
struct HostSecret {
  egress::HostSecret secret;
  std::string variable;
  std::string hosts;  // as they are shown
};
[[nodiscard]] std::shared_ptr<const CommandSecrets> make_command_secrets(const std::vector<HostSecret>& secrets,
                                                                         std::shared_ptr<const egress::Tls> tls,
                                                                         std::shared_ptr<const ShownFile> certificates);

// The certificates that this machine trusts, in PEM: those of SSL_CERT_FILE, or the system's. `not_found`: it has none. Blocks.
[[nodiscard]] Result<std::string> read_trusted_certificates();

}  // namespace joey
