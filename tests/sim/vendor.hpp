// The provider and the network before it: an in-memory transport.
#pragma once

#include "sim/brain.hpp"
#include "transport/transport.hpp"

namespace joey::sim {

// Reads each request as strictly as a vendor, has it answered by the brain, and streams the answer in its wire's format,
// cut at random places, through a network with faults.
class Vendor final : public Transport {
 public:
  Vendor(Setting& setting, std::shared_ptr<Process> process, Brain brain, std::shared_ptr<std::int64_t> open);

  [[nodiscard]] std::unique_ptr<HttpExchange> start(HttpRequest request, HttpSink& sink) override;

 private:
  Setting& setting_;
  std::shared_ptr<Process> process_;
  Brain brain_;
  std::shared_ptr<std::int64_t> open_;  // exchanges
};

}  // namespace joey::sim
