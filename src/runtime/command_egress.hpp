// The network of one command: what its box hands over, on its way to the proxy, and what the proxy records, on its way to the
// task.
#pragma once

#include <memory>

#include "base/function.hpp"
#include "core/host_rules.hpp"
#include "egress/proxy.hpp"
#include "model/config.hpp"
#include "model/event.hpp"
#include "workspace/workspace.hpp"

namespace joey {

// Loop thread only. Destroying it closes its connections.
class CommandEgress final : public CommandNetwork {
 public:
  // `record` is not called inside the constructor, and must not close or destroy this.
  CommandEgress(egress::Proxy& proxy, std::shared_ptr<const HostRules> rules, UniqueFunction<void(const egress::Record&)> record)
      : client_(proxy.add_client(std::move(rules), nullptr, std::move(record))) {}

  void connected(int socket) override { client_->serve(socket); }
  // What is open is closed and recorded, and the command reaches nothing more, though it may go on for a while.
  void close() { client_->close(); }

 private:
  const std::shared_ptr<egress::Client> client_;
};

[[nodiscard]] event::Egress egress_event(const std::string& call, const egress::Record& record);

// The rules that a task was started with. A journal whose rules this version does not understand allows nothing.
[[nodiscard]] std::shared_ptr<const HostRules> host_rules_of(const TaskConfig& config);

}  // namespace joey
