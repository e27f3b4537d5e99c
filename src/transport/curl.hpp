// The transport over real networks: libcurl's multi-socket interface on a libuv loop.
#pragma once

#include <uv.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/scheduler.hpp"
#include "transport/transport.hpp"

namespace joey {

struct CurlOptions {
  std::string ca_file{};                  // PEM certificates to trust; empty: the system's
  std::size_t connections_max{1024};      // open at once; further exchanges wait for one to be free
  std::size_t host_connections_max{256};  // the same, per host and port
  std::size_t head_size_max{256 * 1024};  // bytes of an answer's status line and header fields; more ends it
};

// HTTP/1.1, or HTTP/2 where a TLS server offers it; connections are kept and shared. Follows no redirect and decodes no
// content encoding: a sink sees what the server sent. The proxy variables of the environment apply, except to loopback.
// A request whose kept connection turns out closed before any byte of an answer is sent again on a fresh one.
//
// The time an exchange waits for a free connection counts towards no timeout.
//
// Ownership: `loop` and `scheduler`, which runs on it, outlive the transport. Exchanges that are alive when it is
// destroyed end without on_end(). It must not be destroyed inside a call of a sink.
[[nodiscard]] std::unique_ptr<Transport> make_curl_transport(uv_loop_t* loop, Scheduler& scheduler,
                                                             CurlOptions options = {});

}  // namespace joey
