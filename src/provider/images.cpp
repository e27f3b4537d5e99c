#include "provider/images.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "base/json.hpp"
#include "provider/encoding.hpp"
#include "provider/errors.hpp"

namespace joey {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view openrouter_url = "https://openrouter.ai/api/v1";
constexpr std::string_view openai_url = "https://api.openai.com/v1";

std::string_view base_of(ImageWire wire, std::string_view base_url) {
  if (!base_url.empty()) return base_url;
  return wire == ImageWire::openrouter ? openrouter_url : openai_url;
}

EncodedImageRequest json_request(std::string url, std::string body) {
  return {std::move(url), {{"content-type", "application/json"}}, std::move(body)};
}

std::string openrouter_body(std::string_view model, std::string_view prompt, const std::optional<Image>& input) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("model", model).field("prompt", prompt);
  if (input) {
    json.key("input_references").begin_array().begin_object().field("type", "image_url").key("image_url").begin_object();
    json.field("url", fmt::format("data:{};base64,{}", input->media_type, input->base64));
    json.end_object().end_object().end_array();
  }
  json.end_object();
  return body;
}

std::string generation_body(std::string_view model, std::string_view prompt) {
  std::string body;
  JsonWriter(body).begin_object().field("model", model).field("prompt", prompt).end_object();
  return body;
}

// A form as multipart/form-data has it (RFC 7578).
class Form {
 public:
  // No part can hold the boundary: it is a digest of them all.
  Form(std::string_view model, std::string_view prompt, std::string_view file) {
    Digester digester;
    for (const std::string_view part : {model, prompt, file}) digester.update(part);
    boundary_ = "joey-" + digester.finish();
  }

  void field(std::string_view name, std::string_view value) {
    open(fmt::format("name=\"{}\"", name));
    add(value);
  }
  void file(std::string_view name, std::string_view file_name, std::string_view media_type, std::string_view bytes) {
    open(fmt::format("name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}", name, file_name, media_type));
    add(bytes);
  }
  [[nodiscard]] std::string content_type() const { return "multipart/form-data; boundary=" + boundary_; }
  [[nodiscard]] std::string finish() && { return std::move(body_) + fmt::format("--{}--\r\n", boundary_); }

 private:
  void open(std::string_view disposition) {
    body_ += fmt::format("--{}\r\nContent-Disposition: form-data; {}\r\n\r\n", boundary_, disposition);
  }
  void add(std::string_view bytes) { body_.append(bytes).append("\r\n"); }

  std::string boundary_;
  std::string body_;
};

Result<EncodedImageRequest> edit_request(std::string url, std::string_view model, std::string_view prompt,
                                         const Image& input) {
  const auto bytes = decode_base64(input.base64);
  if (!bytes) return failure(ErrorCode::invalid_argument, "the input image is not base64");
  // Vendors look at the extension too.
  std::string_view kind = input.media_type;
  kind.remove_prefix(kind.rfind('/') + 1);
  Form form(model, prompt, *bytes);
  form.field("model", model);
  form.field("prompt", prompt);
  form.file("image", fmt::format("input.{}", kind), input.media_type, *bytes);
  const std::string content_type = form.content_type();
  return EncodedImageRequest{std::move(url), {{"content-type", content_type}}, std::move(form).finish()};
}

std::string_view text_of(dom::object object, std::string_view name) {
  std::string_view text;
  return object.at_key(name).get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// Sending it again would not help.
tl::unexpected<ModelError> useless(std::string message) {
  return tl::unexpected(ModelError{ModelErrorClass::bad_request, std::move(message), 0, -1});
}

}  // namespace

std::optional<ImageWire> find_image_wire(std::string_view name) {
  if (name == "openrouter") return ImageWire::openrouter;
  if (name == "openai") return ImageWire::openai;
  return std::nullopt;
}

Result<EncodedImageRequest> encode_image_request(ImageWire wire, std::string_view base_url, std::string_view model,
                                                 std::string_view prompt, const std::optional<Image>& input) {
  const auto url = [&](std::string_view path) { return wire_url(base_of(wire, base_url), "/v1", path); };
  if (wire == ImageWire::openrouter) return json_request(url("/images"), openrouter_body(model, prompt, input));
  if (input) return edit_request(url("/images/edits"), model, prompt, *input);
  return json_request(url("/images/generations"), generation_body(model, prompt));
}

HttpHeader image_key_header(std::string_view key) { return {"authorization", fmt::format("Bearer {}", key)}; }

tl::expected<Image, ModelError> decode_image_response(int status, std::span<const HttpHeader> headers,
                                                      std::string_view body) {
  if (status < 200 || status > 299) return tl::unexpected(error_from_answer(status, headers, body));
  if (body.size() > image_answer_bytes_max) {
    return useless(fmt::format("the answer has more than {} MB: choose a model that makes smaller images",
                               image_answer_bytes_max >> 20));
  }
  dom::parser parser;
  dom::element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("is not JSON"));
  }
  dom::object answer;
  if (root.get(answer) != simdjson::SUCCESS) return tl::unexpected(malformed_answer("is JSON but not an object"));
  if (dom::element error; answer.at_key("error").get(error) == simdjson::SUCCESS && !error.is_null()) {
    return tl::unexpected(error_from_event(answer));
  }
  dom::array data;
  dom::object first;
  if (answer.at_key("data").get(data) != simdjson::SUCCESS || data.size() == 0 ||
      data.at(0).get(first) != simdjson::SUCCESS) {
    return tl::unexpected(malformed_answer("holds no image"));
  }
  const std::string_view base64 = text_of(first, "b64_json");
  if (base64.empty()) {
    if (text_of(first, "url").empty()) return tl::unexpected(malformed_answer("holds no image"));
    return useless("the answer holds the address of an image and not the image: choose a model that answers with b64_json");
  }
  if (base64_decoded_size(base64) > generated_image_bytes_max) {
    return useless(fmt::format("the image has more than {} MB: choose a model that makes smaller ones",
                               generated_image_bytes_max >> 20));
  }
  // OpenRouter says it of each image, OpenAI of the answer.
  std::string media_type(text_of(first, "media_type"));
  if (const std::string_view format = text_of(answer, "output_format"); media_type.empty() && !format.empty()) {
    media_type = fmt::format("image/{}", format);
  }
  return Image{std::move(media_type), std::string(base64)};
}

}  // namespace joey
