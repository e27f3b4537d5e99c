#include "support.hpp"

#include <zlib.h>

#include <doctest/doctest.h>
#include <simdjson.h>

#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace joey::test {

Decoded decode_pieces(std::string_view wire, const std::vector<std::string_view>& pieces, const DecodeLimits& limits) {
  const auto decoder = make_provider(wire)->make_decoder(limits);
  Decoded out;
  for (const std::string_view piece : pieces) {
    const auto copy = std::make_unique<char[]>(piece.size());
    if (!piece.empty()) std::memcpy(copy.get(), piece.data(), piece.size());
    if (const auto fed = decoder->feed({copy.get(), piece.size()}, out.heard); !fed) {
      out.error = fed.error();
      return out;
    }
  }
  out.done = decoder->done();
  if (auto reply = decoder->finish()) {
    out.reply = std::move(*reply);
  } else {
    out.error = reply.error();
  }
  return out;
}

Decoded decode(std::string_view wire, std::string_view bytes, const DecodeLimits& limits, std::size_t stride) {
  const Decoded whole = decode_pieces(wire, {bytes}, limits);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += stride) {
    if (decode_pieces(wire, {bytes.substr(0, cut), bytes.substr(cut)}, limits) == whole) continue;
    CAPTURE(cut);
    FAIL("the answer depends on where it is cut");
  }
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
  CHECK_MESSAGE(decode_pieces(wire, single, limits) == whole, "the answer depends on coming byte by byte");
  return whole;
}

std::string as_events(std::string_view payloads) {
  std::string out;
  for (const std::string_view line : split_lines(payloads)) {
    if (!trim(line).empty()) out += "data: " + std::string(line) + "\n\n";
  }
  return out;
}

std::string aws_frame(std::string_view event_type, std::string_view payload, std::string_view header) {
  const auto number = [](std::size_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> 8 * i);
    return out;
  };
  const auto with_checksum = [&](std::string bytes) {
    return bytes + number(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()), 4);
  };
  std::string headers = number(header.size(), 1);
  headers.append(header).append("\x07").append(number(event_type.size(), 2)).append(event_type);
  std::string out = with_checksum(number(12 + headers.size() + payload.size() + 4, 4) + number(headers.size(), 4));
  out.append(headers).append(payload);
  return with_checksum(std::move(out));
}

bool is_json(std::string_view text) {
  simdjson::dom::parser parser;
  return parser.parse(text.data(), text.size()).error() == simdjson::SUCCESS;
}

std::string encode(const Provider& provider, const Prompt& prompt, const ModelParams& params,
                   const std::vector<Message>& messages) {
  std::string body = provider.encode_head(prompt, params);
  for (const Message& message : messages) provider.encode_message(message, &message == &messages.front(), body);
  return body + provider.encode_tail();
}

}  // namespace joey::test
