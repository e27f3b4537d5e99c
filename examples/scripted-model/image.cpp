#include "image.hpp"

#include <fmt/format.h>

#include <array>

#include "text.hpp"

namespace scripted {

namespace {

namespace dom = simdjson::dom;

constexpr std::uint32_t side = 16;  // pixels

// --- the picture ------------------------------------------------------------------------------------------------------

void append_big32(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(static_cast<unsigned char>(number >> shift));
}

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

std::uint32_t adler32(std::string_view bytes) {
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void append_png_chunk(std::string& png, std::string_view type, std::string_view data) {
  append_big32(png, static_cast<std::uint32_t>(data.size()));
  const std::string body = std::string(type) + std::string(data);
  png += body;
  append_big32(png, crc32(body));
}

// A symmetric pattern of one colour on white, in cells of 2 by 2 pixels.
std::string pixels(std::uint64_t seed) {
  const std::uint64_t pattern = mix(seed);
  const std::uint64_t colour = mix(pattern);
  std::string rows;
  for (std::uint32_t y = 0; y < side; ++y) {
    rows += '\0';  // no filter
    for (std::uint32_t x = 0; x < side; ++x) {
      const std::uint32_t column = (x < side / 2 ? x : side - 1 - x) / 2;
      const bool set = (pattern >> (y / 2 * 4 + column) & 1U) != 0;
      for (int shift = 0; shift < 24; shift += 8) {
        rows += set ? static_cast<char>(static_cast<unsigned char>(colour >> shift)) : '\xff';
      }
    }
  }
  return rows;
}

std::string make_png(std::uint64_t seed) {
  std::string header;
  append_big32(header, side);
  append_big32(header, side);
  header += std::string_view("\x08\x02\0\0\0", 5);  // 8 bits of red, green and blue
  const std::string rows = pixels(seed);
  const auto size = static_cast<std::uint32_t>(rows.size());
  std::string data("\x78\x01\x01", 3);  // zlib: one block, stored as it is
  for (const std::uint32_t word : {size, ~size}) {
    data += static_cast<char>(static_cast<unsigned char>(word));
    data += static_cast<char>(static_cast<unsigned char>(word >> 8));
  }
  data += rows;
  append_big32(data, adler32(rows));
  std::string png("\x89PNG\r\n\x1a\n", 8);
  append_png_chunk(png, "IHDR", header);
  append_png_chunk(png, "IDAT", data);
  append_png_chunk(png, "IEND", "");
  return png;
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U; };
    const std::uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += digits[bits >> 18];
    out += digits[bits >> 12 & 63];
    out += i + 1 < bytes.size() ? digits[bits >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? digits[bits & 63] : '=';
  }
}

// --- requests ---------------------------------------------------------------------------------------------------------

Refusal missing(std::string_view name) {
  return {fmt::format("Missing required parameter: '{}'.", name), std::string(name), "missing_required_parameter"};
}

std::optional<Refusal> take_order(std::string_view model, std::string_view prompt, std::string_view input,
                                  ImageOrder& order) {
  if (model.empty()) return missing("model");
  if (prompt.empty()) return missing("prompt");
  order.prompt = prompt;
  order.seed = fnv64(input, fnv64(prompt));
  return std::nullopt;
}

std::string_view text_at(dom::object object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::optional<Refusal> read_json(ImageApi api, std::string_view body, ImageOrder& order) {
  dom::parser parser;
  dom::object request;
  if (parser.parse(body.data(), body.size(), false).get(request) != simdjson::SUCCESS) {
    return Refusal{"We could not parse the JSON body of your request.", "", ""};
  }
  std::string_view type;
  std::string_view input;
  dom::element references;
  if (api == ImageApi::openrouter && request["input_references"].get(references) == simdjson::SUCCESS) {
    if (references.at_pointer("/0/type").get(type) != simdjson::SUCCESS || type != "image_url" ||
        references.at_pointer("/0/image_url/url").get(input) != simdjson::SUCCESS || !input.starts_with("data:image/") ||
        input.find(";base64,") == input.npos) {
      return Refusal{"Invalid input: expected image content parts with a data URL", "input_references", "invalid_value"};
    }
  }
  return take_order(text_at(request, "model"), text_at(request, "prompt"), input, order);
}

// The content of the part `name` of a multipart/form-data body; empty when there is none. `head` gets its header fields.
std::string_view form_part(std::string_view body, std::string_view boundary, std::string_view name, std::string_view& head) {
  const std::string delimiter = fmt::format("--{}\r\n", boundary);
  const std::string end = fmt::format("\r\n--{}", boundary);
  const std::string mark = fmt::format("name=\"{}\"", name);
  for (std::size_t at = 0; (at = body.find(delimiter, at)) != body.npos;) {
    at += delimiter.size();
    const std::size_t content = body.find("\r\n\r\n", at);
    const std::size_t close = body.find(end, at);
    if (content == body.npos || close == body.npos || content > close) return {};
    head = body.substr(at, content - at);
    if (head.find(mark) != head.npos) return body.substr(content + 4, close - (content + 4));
  }
  return {};
}

std::optional<Refusal> read_form(const HttpRequest& request, ImageOrder& order) {
  constexpr std::string_view type = "multipart/form-data; boundary=";
  std::string_view boundary = request.field("content-type");
  if (!boundary.starts_with(type)) return Refusal{"Unsupported content type: expected multipart/form-data", "", ""};
  boundary.remove_prefix(type.size());
  std::string_view head;
  const std::string_view image = form_part(request.body, boundary, "image", head);
  if (image.empty() || head.find("filename=\"") == head.npos) return missing("image");
  if (head.find("Content-Type: image/") == head.npos) {
    return Refusal{"Invalid file 'image': unsupported mimetype", "image", "unsupported_file_mimetype"};
  }
  return take_order(form_part(request.body, boundary, "model", head), form_part(request.body, boundary, "prompt", head),
                    image, order);
}

}  // namespace

std::optional<Refusal> read_image_request(ImageApi api, const HttpRequest& request, ImageOrder& order) {
  if (api == ImageApi::openai_edits) return read_form(request, order);
  return read_json(api, request.body, order);
}

void append_image_answer(std::string& out, const ImageOrder& order, std::int64_t created) {
  fmt::format_to(std::back_inserter(out), R"({{"created":{},"data":[{{"b64_json":")", created);
  append_base64(out, make_png(order.seed));
  out += R"(","media_type":"image/png"}],"output_format":"png","usage":{"total_tokens":64}})";
}

}  // namespace scripted
