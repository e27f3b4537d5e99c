// An image model behind an HTTP API.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/scheduler.hpp"
#include "runtime/model_client.hpp"
#include "tool/image_model.hpp"
#include "transport/transport.hpp"

namespace joey {

struct ImageClientOptions {
  std::string provider{};  // "openrouter", "openai"; empty: openrouter
  std::string model{};
  std::string base_url{};  // empty: the vendor's
  std::string api_key{};   // empty: none is sent
  std::chrono::milliseconds time_max{300'000};  // of a call, all its tries included; images take a minute or two
};

// What may pass is tried again, twice at most, after as long as the server asks for or some seconds. A cancel ends a call at
// once, whatever it waits for. Requests and answers, which have megabytes, are encoded and decoded on workers.
//
// All three must outlive the client and its calls. `invalid_argument`: there is no such provider, or no model.
[[nodiscard]] Result<std::shared_ptr<ImageModel>> make_image_client(ImageClientOptions options, Scheduler& scheduler,
                                                                    Transport& transport, RequestGate& gate);

}  // namespace joey
