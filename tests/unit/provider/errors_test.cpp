#include <doctest/doctest.h>

#include "provider/provider.hpp"

using namespace joey;

namespace {

ModelError classify(int status, std::string_view body, std::vector<HttpHeader> headers = {}) {
  const ModelError error = make_provider("openai")->classify(status, headers, body);
  CHECK(error == make_provider("anthropic")->classify(status, headers, body));
  CHECK(error.status == status);
  CHECK(error.message.find('\n') == std::string::npos);
  return error;
}

}  // namespace

TEST_CASE("a status and a body mean one class") {
  using enum ModelErrorClass;
  struct Row {
    int status;
    const char* body;
    ModelErrorClass error;
  };
  const Row rows[] = {
      // Anthropic
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 99999 > 64000, which is the maximum allowed"}})", bad_request},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}})", too_long},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}})", quota},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}})", quota},
      {401, R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})", auth},
      {402, R"({"type":"error","error":{"type":"billing_error","message":"pay"}})", quota},
      {403, R"({"type":"error","error":{"type":"permission_error","message":"no"}})", auth},
      {404, R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-nope"}})", not_found},
      {413, R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})", too_long},
      {429, R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down"}})", rate},
      {500, R"({"type":"error","error":{"type":"api_error","message":"oops"}})", server},
      {529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", overload},
      // OpenAI and those who speak like it
      {400, R"({"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}})", too_long},
      {400, R"({"error":{"message":"Unsupported parameter","type":"invalid_request_error","param":"x","code":null}})", bad_request},
      {401, R"({"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}})", auth},
      {404, R"({"error":{"message":"The model `gpt-9` does not exist","code":"model_not_found"}})", not_found},
      {400, R"({"error":{"message":"Your input exceeds the context window of this model. Please adjust your input and try again.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}})", too_long},
      {400, R"({"error":{"message":"Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.","type":"invalid_request_error","param":"input","code":null}})", bad_request},
      {400, R"({"error":{"message":"Unsupported value: 'minimal' is not supported with the 'gpt-5.1' model.","type":"invalid_request_error","param":"reasoning.effort","code":"unsupported_value"}})", bad_request},
      {401, R"({"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}})", auth},
      {404, R"({"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}})", not_found},
      {429, R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}})", quota},
      {429, R"({"error":{"message":"Rate limit reached for gpt-4o","type":"tokens","code":"rate_limit_exceeded"}})", rate},
      {429, R"({"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000","code":"rate_limit_exceeded"}})", too_long},
      {400, R"({"error":{"message":"foo is not a valid model ID","code":400}})", not_found},
      {402, R"({"error":{"message":"Insufficient credits","code":402}})", quota},
      {400, R"({"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}})", too_long},
      {404, R"({"error":"model \"x\" not found, try pulling it first"})", not_found},
      {422, R"({"object":"error","message":{"detail":[{"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"})", bad_request},
      {400, R"({"object":"error","message":"Invalid model: nope","type":"invalid_model","code":"1500"})", not_found},
      {400, R"({"code":"Client specified an invalid argument","error":"Incorrect API key provided: xai-abc"})", auth},
      {400, R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}])", auth},
      {429, R"([{"error":{"code":429,"message":"You exceeded your current quota. Please retry in 7s.","status":"RESOURCE_EXHAUSTED"}}])", rate},
      {429, R"({"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}})", rate},
      {429, R"({"error":{"code":429,"message":"Please retry in 9s.","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"9s"}]}})", quota},
      {503, R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})", overload},
      {403, R"({"error":{"code":403,"message":"no","status":"PERMISSION_DENIED","details":"none"}})", auth},
      {422, R"({"detail":"Not Found"})", bad_request},
      // Nothing to go by but the status
      {302, "", not_found},
      {400, "", bad_request},
      {405, "Method Not Allowed", not_found},
      {408, "", server},
      {409, "", server},
      {418, "", bad_request},
      {429, "", rate},
      {498, "", overload},
      {502, "<html><head><title>502 Bad Gateway</title></head></html>", server},
      {503, "no healthy upstream", overload},
      {504, "\xff\xfe\x00\x01", server},
  };
  for (const Row& row : rows) {
    CAPTURE(row.status);
    CAPTURE(row.body);
    CHECK(static_cast<int>(classify(row.status, row.body).error) == static_cast<int>(row.error));
  }
  for (int status = 400; status < 600; ++status) CHECK_FALSE(classify(status, "").message.empty());
}

TEST_CASE("the message is one line that ends with what a person can do") {
  CHECK(classify(401, R"({"error":{"type":"authentication_error","message":"invalid x-api-key"}})").message ==
        "invalid x-api-key (HTTP 401); check the API key");
  CHECK(classify(404, R"({"error":{"message":"model: claude-nope"}})").message ==
        "model: claude-nope (HTTP 404); check the model's name");
  CHECK(classify(404, "<!doctype html><title>Not\n Found</title>").message ==
        "Not Found (HTTP 404); check the base URL and the model's name");
  CHECK(classify(402, "").message == "the account has no credit left (HTTP 402); check the account's credit and limits");
  CHECK(classify(529, R"({"error":{"message":" Over\nloaded. "}})").message == "Over loaded (HTTP 529)");
  CHECK(classify(500, "<html>no title").message == "the provider failed (HTTP 500)");
  CHECK(classify(500, std::string(10'000, 'x')).message.size() < 400);
  CHECK(classify(400, R"({"error":{"message":{"deep":[1]}}})").message == R"({"deep":[1]} (HTTP 400))");
}

TEST_CASE("no message repeats a key") {
  CHECK(classify(401, R"({"error":{"message":"Incorrect API key provided: sk-proj-abcDEF123. You can find it"}})").message.find("abcDEF") ==
        std::string::npos);
  CHECK(classify(401, "bad token: Bearer abcdef0123456789").message.find("abcdef") == std::string::npos);
  CHECK(classify(401, R"({"error":{"message":"key AB***********YZ is wrong"}})").message.find("YZ") == std::string::npos);
  CHECK(classify(400, R"({"error":{"message":"model claude-sonnet-4-5-20250929 is busy"}})").message.find("20250929") !=
        std::string::npos);
}

TEST_CASE("a body may say when to try again, as Google's do; a header says it better") {
  const std::string body = R"([{"error":{"code":429,"details":[{"retryDelay":"34.4s"}]}}])";
  CHECK(classify(429, body).retry_after_ms == 34'400);
  CHECK(classify(429, body, {{"retry-after", "7"}}).retry_after_ms == 7000);
  CHECK(classify(429, R"({"error":{"details":[{"retryDelay":"soon"},{"retryDelay":null},3]}})").retry_after_ms == -1);
  CHECK(classify(429, R"({"error":{"details":[{"violations":[{"quotaId":"PerDay"}]},{"retryDelay":"9s"}]}})").retry_after_ms == -1);
}

TEST_CASE("Retry-After is seconds, milliseconds, or a date beside the answer's own") {
  CHECK(classify(429, "").retry_after_ms == -1);
  CHECK(classify(429, "", {{"Retry-After", "7"}}).retry_after_ms == 7000);
  CHECK(classify(429, "", {{"retry-after", " 1.5 "}}).retry_after_ms == 1500);
  CHECK(classify(429, "", {{"retry-after", "7"}, {"Retry-After-Ms", "250"}}).retry_after_ms == 250);
  CHECK(classify(429, "", {{"retry-after", "-7"}}).retry_after_ms == -1);
  CHECK(classify(429, "", {{"retry-after", "nan"}}).retry_after_ms == -1);
  CHECK(classify(429, "", {{"retry-after", "1e300"}}).retry_after_ms == 86'400'000);
  const HttpHeader later{"Retry-After", "Sun, 01 Mar 2026 00:00:30 GMT"};
  CHECK(classify(503, "", {later, {"Date", "Sat, 28 Feb 2026 23:59:30 GMT"}}).retry_after_ms == 60'000);
  CHECK(classify(503, "", {later, {"Date", "Sun, 01 Mar 2026 00:01:00 GMT"}}).retry_after_ms == 0);
  CHECK(classify(503, "", {later}).retry_after_ms == -1);
  CHECK(classify(503, "", {{"Retry-After", "Sun, 99 Mar 2026 00:00:30 GMT"}, {"Date", "x"}}).retry_after_ms == -1);
}
