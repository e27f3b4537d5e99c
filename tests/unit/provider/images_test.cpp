#include "provider/images.hpp"

#include <doctest/doctest.h>

#include "../../support/random.hpp"
#include "support.hpp"

using namespace joey;
using namespace joey::test;

namespace {

const Image dot{"image/png", "iVBORw=="};  // its bytes are "\x89PNG"

EncodedImageRequest encoded(ImageWire wire, const std::optional<Image>& input = {}, std::string_view base_url = {}) {
  auto request = encode_image_request(wire, base_url, "the-model", "a \"red\"\nfox", input);
  REQUIRE(request);
  return *std::move(request);
}

std::string header(const EncodedImageRequest& request, std::string_view name) {
  for (const HttpHeader& each : request.headers) {
    if (each.name == name) return each.value;
  }
  return {};
}

ModelError refused(int status, std::string_view body) {
  const auto image = decode_image_response(status, {}, body);
  REQUIRE_FALSE(image);
  CHECK_FALSE(image.error().message.empty());
  CHECK(image.error().message.find('\n') == std::string::npos);
  return image.error();
}

}  // namespace

TEST_CASE("images: the wires are known by the vendors' names") {
  CHECK(find_image_wire("openrouter") == ImageWire::openrouter);
  CHECK(find_image_wire("openai") == ImageWire::openai);
  CHECK_FALSE(find_image_wire(""));
  CHECK_FALSE(find_image_wire("anthropic"));
}

TEST_CASE("images: a prompt becomes JSON for both vendors") {
  const auto openrouter = encoded(ImageWire::openrouter);
  CHECK(openrouter.url == "https://openrouter.ai/api/v1/images");
  CHECK(header(openrouter, "content-type") == "application/json");
  CHECK(openrouter.body == R"({"model":"the-model","prompt":"a \"red\"\nfox"})");
  const auto openai = encoded(ImageWire::openai);
  CHECK(openai.url == "https://api.openai.com/v1/images/generations");
  CHECK(header(openai, "content-type") == "application/json");
  CHECK(openai.body == openrouter.body);
}

TEST_CASE("images: OpenRouter gets the input as a data URL") {
  CHECK(encoded(ImageWire::openrouter, dot).body ==
        R"({"model":"the-model","prompt":"a \"red\"\nfox","input_references":[{"type":"image_url","image_url":)"
        R"({"url":"data:image/png;base64,iVBORw=="}}]})");
}

TEST_CASE("images: OpenAI gets the input as a file of a form") {
  const auto request = encoded(ImageWire::openai, dot);
  CHECK(request.url == "https://api.openai.com/v1/images/edits");
  const std::string type = header(request, "content-type");
  REQUIRE(type.starts_with("multipart/form-data; boundary=joey-"));
  const std::string boundary = type.substr(type.find('=') + 1);
  CHECK(boundary.size() <= 70);  // RFC 2046
  CHECK(request.body == "--" + boundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nthe-model\r\n" +  //
                            "--" + boundary + "\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na \"red\"\nfox\r\n" +
                            "--" + boundary +
                            "\r\nContent-Disposition: form-data; name=\"image\"; filename=\"input.png\"\r\n"
                            "Content-Type: image/png\r\n\r\n\x89PNG\r\n" +
                            "--" + boundary + "--\r\n");
}

TEST_CASE("images: whoever knows the boundary of one form cannot end a part of another with it") {
  const std::string type = header(encoded(ImageWire::openai, dot), "content-type");
  const std::string boundary = type.substr(type.find('=') + 1);
  const auto hostile = encode_image_request(ImageWire::openai, "", "the-model", "x\r\n--" + boundary + "--\r\n", dot);
  REQUIRE(hostile);
  CHECK(header(*hostile, "content-type") != type);
}

TEST_CASE("images: an input that is not base64 is no file, and is refused") {
  CHECK_FALSE(encode_image_request(ImageWire::openai, "", "m", "p", Image{"image/png", "not base64"}));
}

TEST_CASE("images: a base address is taken with or without its version and path") {
  for (const char* base : {"http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1"}) {
    CHECK(encoded(ImageWire::openrouter, {}, base).url == "http://127.0.0.1:8080/v1/images");
    CHECK(encoded(ImageWire::openai, {}, base).url == "http://127.0.0.1:8080/v1/images/generations");
    CHECK(encoded(ImageWire::openai, dot, base).url == "http://127.0.0.1:8080/v1/images/edits");
  }
}

TEST_CASE("images: an answer is its first image, of the type that the vendor says") {
  const std::pair<const char*, Image> answers[] = {
      {R"({"created":1748372400,"data":[{"b64_json":"iVBORw==","media_type":"image/png"}],"usage":{"cost":0.04}})", dot},
      {R"({"created":1,"data":[{"b64_json":"iVBORw=="},{"b64_json":"AAAA"}],"output_format":"png"})", dot},
      {R"({"created":1,"data":[{"b64_json":"iVBORw==","revised_prompt":"x"}]})", {"", "iVBORw=="}},
      {R"({"data":[{"b64_json":"iVBORw==","media_type":null}],"output_format":null,"error":null})", {"", "iVBORw=="}},
      {R"({"data":[{"b64_json":"PHN2Zz4=","media_type":"image/svg+xml"}],"output_format":"png"})",
       {"image/svg+xml", "PHN2Zz4="}},
      {R"( {"data":[{"b64_json":"\u0069VBORw==","media_type":"image/png"}]} )", dot},
  };
  for (const auto& [body, expected] : answers) {
    CAPTURE(body);
    const auto image = decode_image_response(200, {}, body);
    REQUIRE(image);
    CHECK(*image == expected);
  }
}

TEST_CASE("images: an answer that is none says in which way") {
  const std::pair<const char*, const char*> answers[] = {
      {"", "the answer is not JSON"},
      {"<html></html>", "the answer is not JSON"},
      {"\xFF\xFE\x00", "the answer is not JSON"},
      {R"({"data":[{"b64_json":"iVBORw==")", "the answer is not JSON"},
      {R"({"data":[{"b64_json":"\xFF"}]})", "the answer is not JSON"},
      {"[]", "the answer is JSON but not an object"},
      {"null", "the answer is JSON but not an object"},
      {"{}", "the answer holds no image"},
      {R"({"data":null})", "the answer holds no image"},
      {R"({"data":[]})", "the answer holds no image"},
      {R"({"data":{"b64_json":"iVBORw=="}})", "the answer holds no image"},
      {R"({"data":["iVBORw=="]})", "the answer holds no image"},
      {R"({"data":[{}]})", "the answer holds no image"},
      {R"({"data":[{"b64_json":""}]})", "the answer holds no image"},
      {R"({"data":[{"b64_json":7,"url":7}]})", "the answer holds no image"},
      {R"({"choices":[{"message":{"role":"assistant","content":"No."}}]})", "the answer holds no image"},
  };
  for (const auto& [body, message] : answers) {
    CAPTURE(body);
    const ModelError error = refused(200, body);
    CHECK(error.error == ModelErrorClass::malformed);
    CHECK(error.message == message);
  }
  const ModelError deep = refused(200, std::string(100'000, '['));
  CHECK(deep.error == ModelErrorClass::malformed);
}

TEST_CASE("images: an address instead of an image is nothing to ask again for, and is not followed") {
  const ModelError error = refused(200, R"({"data":[{"url":"http://169.254.169.254/secrets.png"}]})");
  CHECK(error.error == ModelErrorClass::bad_request);
  CHECK(error.message ==
        "the answer holds the address of an image and not the image: choose a model that answers with b64_json");
}

TEST_CASE("images: an image may have 20 MB and no more") {
  const auto answer = [](std::size_t size) {
    return R"({"data":[{"media_type":"image/png","b64_json":")" + std::string((size + 2) / 3 * 4, 'A') + R"("}]})";
  };
  CHECK(decode_image_response(200, {}, answer(generated_image_bytes_max - 2)));
  CHECK(refused(200, answer(generated_image_bytes_max + 1)).message ==
        "the image has more than 20 MB: choose a model that makes smaller ones");
  const ModelError error = refused(200, answer(image_answer_bytes_max));
  CHECK(error.message == "the answer has more than 30 MB: choose a model that makes smaller images");
  CHECK_FALSE(retryable(error.error));
}

TEST_CASE("images: what the vendors refuse is understood as for models") {
  using enum ModelErrorClass;
  struct Row {
    int status;
    const char* body;
    ModelErrorClass error;
    const char* message;
  };
  const Row rows[] = {
      {400, R"({"error":{"message":"Your request was rejected by the safety system.","type":"image_generation_user_error","code":"moderation_blocked"}})",
       bad_request, "Your request was rejected by the safety system (HTTP 400)"},
      {401, R"({"error":{"code":401,"message":"Missing Authentication header"}})", auth,
       "Missing Authentication header (HTTP 401); check the API key"},
      {402, R"({"error":{"code":402,"message":"Insufficient credits"}})", quota,
       "Insufficient credits (HTTP 402); check the account's credit and limits"},
      {404, R"({"error":{"code":404,"message":"Resource not found"}})", not_found,
       "Resource not found (HTTP 404); check the base URL and the model's name"},
      {429, R"({"error":{"code":429,"message":"Rate limit exceeded"}})", rate, "Rate limit exceeded (HTTP 429)"},
      {502, R"({"error":{"code":502,"message":"Provider returned error"}})", server, "Provider returned error (HTTP 502)"},
      {524, "<html><title>524: A timeout occurred</title></html>", server, "524: A timeout occurred (HTTP 524)"},
      {200, R"({"error":{"code":502,"message":"Provider returned error"}})", server, "Provider returned error"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    const ModelError error = refused(row.status, row.body);
    CHECK(static_cast<int>(error.error) == static_cast<int>(row.error));
    CHECK(error.message == row.message);
  }
  const HttpHeader wait[] = {{"Retry-After", "7"}};
  const auto busy = decode_image_response(429, wait, "{}");
  REQUIRE_FALSE(busy);
  CHECK(busy.error().retry_after_ms == 7'000);
}

TEST_CASE("images: a damaged answer is an image or an error, and never more") {
  const std::string whole =
      R"({"created":1,"data":[{"b64_json":"iVBORw0KGgo=","media_type":"image/png"}],"output_format":"png","error":null})";
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::string body = whole.substr(0, random.chance(0.3) ? random.below(whole.size()) : whole.size());
    for (std::size_t i = random.below(4); i > 0 && !body.empty(); --i) {
      body[random.below(body.size())] = static_cast<char>(random.below(256));
    }
    const auto image = decode_image_response(200, {}, body);
    if (image) {
      CHECK_FALSE(image->base64.empty());
    } else {
      CHECK_FALSE(image.error().message.empty());
    }
  }
}
