#include "provider/aws_signature.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace joey;

namespace {

// The pair and the moment that AWS's own examples have.
constexpr std::string_view keys = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr std::int64_t moment = 1'440'938'160'000;

std::string value_of(const std::vector<HttpHeader>& headers, std::string_view name) {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

std::string authorization(const AwsRequest& request, std::string_view with = keys) { return value_of(aws_signature(request, with), "authorization"); }

}  // namespace

TEST_CASE("The signatures of AWS's own examples") {
  CHECK(authorization({"GET", "https://example.amazonaws.com/", {}, {}, moment, "us-east-1", "service"}) ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK(authorization({"POST", "https://example.amazonaws.com", {}, {}, moment, "us-east-1", "service"}) ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  const std::array<HttpHeader, 1> headers{{{"content-type", "application/x-www-form-urlencoded"}}};
  const std::array<std::string_view, 2> body{"Param1", "=value1"};
  CHECK(authorization({"POST", "https://example.amazonaws.com/", headers, body, moment, "us-east-1", "service"}) ==
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=content-type;host;x-amz-date, "
        "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST_CASE("What a signature depends on") {
  const std::array<std::string_view, 1> body{"{}"};
  const AwsRequest request{"POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse-stream", {}, body, moment, "us-east-1", "bedrock"};
  const std::string signature = authorization(request);
  CHECK(authorization(request) == signature);
  const std::array<std::string_view, 2> in_pieces{"{", "}"};
  AwsRequest other = request;
  other.body = in_pieces;
  CHECK(authorization(other) == signature);
  other = request;
  other.url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a:0/converse-stream";
  CHECK(authorization(other) != signature);
  other = request;
  other.now_ms += 1'000;
  CHECK(authorization(other) != signature);
  const auto with_token = aws_signature(request, "AKIDEXAMPLE:secret:a:token/with:colons");
  CHECK(value_of(with_token, "x-amz-security-token") == "a:token/with:colons");
  CHECK(value_of(with_token, "x-amz-date") == "20150830T123600Z");
  CHECK(value_of(with_token, "authorization").find("SignedHeaders=host;x-amz-date;x-amz-security-token") != std::string::npos);
  CHECK(value_of(aws_signature(request, ""), "authorization").starts_with("AWS4-HMAC-SHA256 Credential=/"));
}
