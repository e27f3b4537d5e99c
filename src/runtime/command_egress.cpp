#include "runtime/command_egress.hpp"

#include <utility>

namespace joey {
namespace {

EgressStage stage_of(egress::Record::Kind kind) {
  switch (kind) {
    case egress::Record::Kind::refused: return EgressStage::refused;
    case egress::Record::Kind::opened: return EgressStage::opened;
    case egress::Record::Kind::closed: return EgressStage::closed;
  }
  return EgressStage::refused;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& CommandEgress::environment() const {
  static const std::vector<std::pair<std::string, std::string>> none;
  return secrets_ ? secrets_->environment : none;
}

event::Egress egress_event(const std::string& call, const egress::Record& record) {
  return {.call = call,
          .connection = static_cast<std::int64_t>(record.connection),
          .stage = stage_of(record.kind),
          .method = record.method,
          .host = record.host,
          .port = record.port,
          .address = record.address,
          .rule = record.rule,
          .message = record.message,
          .bytes_up = static_cast<std::int64_t>(record.bytes_up),
          .bytes_down = static_cast<std::int64_t>(record.bytes_down),
          .secrets = record.secrets};
}

std::shared_ptr<const HostRules> host_rules_of(const TaskConfig& config) {
  auto rules = HostRules::parse(config.hosts_allow, config.hosts_deny);
  return std::make_shared<const HostRules>(rules ? *std::move(rules) : HostRules());
}

}  // namespace joey
