// The network of one command: what its box hands over, on its way to the proxy, and what the proxy records, on its way to the
// task.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/function.hpp"
#include "core/host_rules.hpp"
#include "egress/proxy.hpp"
#include "model/config.hpp"
#include "model/event.hpp"
#include "runtime/host_secrets.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// Loop thread only. Destroying it closes its connections.
class CommandEgress final : public CommandNetwork {
 public:
  // `secrets` may be null. `record` is not called inside the constructor, and must not close or destroy this.
  CommandEgress(egress::Proxy& proxy, std::shared_ptr<const HostRules> rules, std::shared_ptr<const CommandSecrets> secrets,
                UniqueFunction<void(const egress::Record&)> record)
      : secrets_(std::move(secrets)), client_(proxy.add_client(std::move(rules), secrets_ ? secrets_->client : nullptr, std::move(record))) {}

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& environment() const override;
  void connected(int socket) override { client_->serve(socket); }
  // What is open is closed and recorded, and the command reaches nothing more, though it may go on for a while.
  void close() { client_->close(); }

 private:
  const std::shared_ptr<const CommandSecrets> secrets_;
  const std::shared_ptr<egress::Client> client_;
};

[[nodiscard]] event::Egress egress_event(const std::string& call, const egress::Record& record);

// The rules that a task was started with. A journal whose rules this version does not understand allows nothing.
[[nodiscard]] std::shared_ptr<const HostRules> host_rules_of(const TaskConfig& config);

}  // namespace joey
