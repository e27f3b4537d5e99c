// Streams with random damage: whatever comes, an answer or an error, and the same one however it is cut.
#include <doctest/doctest.h>

#include <iterator>

#include "damage.hpp"

using namespace joey;
using namespace joey::test;

TEST_CASE("damaged streams end in a reply or an error") {
  constexpr DecodeLimits limits{4096, 4096, 8};
  for (std::uint64_t seed = 1; seed <= 40'000; ++seed) {
    CAPTURE(seed);
    Damage damage(seed);
    const WireStream& chosen = wires[seed % std::size(wires)];
    const std::string_view wire = chosen.name;
    const std::string bytes = chosen.name == "bedrock" ? as_aws_frames(damage(chosen.stream)) : damage(chosen.stream);
    const Decoded whole = decode_pieces(wire, {bytes}, limits);
    REQUIRE(whole.reply.has_value() != whole.error.has_value());
    if (whole.error) REQUIRE_FALSE(whole.error->message.empty());
    const std::size_t cut = damage.below(bytes.size() + 1);
    REQUIRE(decode_pieces(wire, {std::string_view(bytes).substr(0, cut), std::string_view(bytes).substr(cut)}, limits) ==
            whole);
    if (!whole.reply) continue;
    for (const Block& block : whole.reply->blocks) {
      if (const auto* text = std::get_if<Text>(&block)) REQUIRE(is_utf8(text->text));
      // What goes back as it came is never what a request could not hold.
      const auto* part = std::get_if<ProviderPart>(&block);
      const auto* text = std::get_if<Text>(&block);
      if (!part && !(text && wire == "anthropic")) continue;
      std::string message;
      make_provider(wire)->encode_message({Role::assistant, {block}, std::string(wire)}, true, message);
      REQUIRE(is_json(wire == "responses" ? "[" + message + "]" : message));
    }
  }
}
