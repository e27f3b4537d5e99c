// Signature Version 4 of AWS: shows who asks, and that nobody has changed what is asked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "provider/provider.hpp"

namespace joey {

// A POST, or a GET when `method` says so.
struct AwsRequest {
  std::string_view method{"POST"};
  std::string_view url;                         // as it is sent, without a query
  std::span<const HttpHeader> headers;          // those that are signed too, with names in lower case
  std::span<const std::string_view> body;       // in pieces
  std::int64_t now_ms{0};                       // since 1970
  std::string_view region;                      // "us-east-1"
  std::string_view service;                     // "bedrock"
};

// The headers to add. `keys`: "ACCESS_KEY_ID:SECRET_ACCESS_KEY", or with a third, "...:SESSION_TOKEN".
[[nodiscard]] std::vector<HttpHeader> aws_signature(const AwsRequest& request, std::string_view keys);

}  // namespace joey
