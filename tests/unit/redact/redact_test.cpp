#include <doctest/doctest.h>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "samples.hpp"

using namespace joey;
using namespace joey::test;

namespace {

// Text with secrets of all sorts in it.
std::string composed(Random& random, const std::vector<KnownSecret>& known, std::size_t count) {
  const auto samples = key_samples(random);
  const char* fillers[] = {"\n", " ", "= '", "', \"", "\\n", "%20", "sk-", "ghp_", "Bearer ", "\x1b[1m", "\x1b[", "\xC3\xA9", "-----", "eyJ", "://a:"};
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    switch (random.below(6)) {
      case 0: text += samples[random.below(samples.size())].text; break;
      case 1: text += known[random.below(known.size())].value; break;
      case 2: text += encode_base64(random.alnum(random.below(3)) + known[random.below(known.size())].value); break;
      case 3: text += pem_key(random, 1 + random.below(3)); break;
      case 4: text += random.of("abcdefg hijk\n.,", random.below(30)); break;
      default: text += fillers[random.below(std::size(fillers))]; break;
    }
    if (random.below(2) == 0) text += fillers[random.below(std::size(fillers))];
  }
  return text;
}

std::vector<KnownSecret> known_secrets(Random& random) {
  return {{"one", random.alnum(20)}, {"two", random.base64(40)}, {"three", "it's " + random.alnum(9)}, {"four", "aaaaaaaaab"}};
}

}  // namespace

TEST_CASE("a stream gives the same wherever its text is cut") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto known = known_secrets(random);
    const auto redactor = make_redactor(known);
    const std::string text = composed(random, known, 12);
    const std::string whole = redactor->redact(text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const std::string_view view = text;
      REQUIRE_MESSAGE(redacted_in(redactor, {view.substr(0, cut), view.substr(cut)}) == whole, cut);
    }
  }
}

TEST_CASE("a stream gives the same however often its text is cut") {
  for (std::uint64_t seed = 100; seed <= 160; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto known = known_secrets(random);
    const auto redactor = make_redactor(known);
    const std::string text = composed(random, known, 60);
    const std::string whole = redactor->redact(text);
    for (const KnownSecret& secret : known) CHECK(whole.find(secret.value) == std::string::npos);
    for (int round = 0; round < 5; ++round) {
      std::vector<std::string_view> pieces;
      const std::size_t size_max = round == 0 ? 1 : 1 + random.below(200);
      for (std::string_view rest = text; !rest.empty();) {
        const std::size_t size = std::min(rest.size(), round == 0 ? 1 : 1 + random.below(size_max));
        pieces.push_back(rest.substr(0, size));
        rest.remove_prefix(size);
      }
      REQUIRE(redacted_in(redactor, pieces) == whole);
    }
  }
}

TEST_CASE("what has been redacted stays as it is") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    for (const Sample& sample : key_samples(random)) {
      const std::string once = make_redactor()->redact(sample.text);
      CHECK(make_redactor()->redact(once) == once);
    }
    const std::string once = make_redactor()->redact(pem_key(random, 5));
    CHECK(make_redactor()->redact(once) == once);
  }
}

TEST_CASE("ordinary text is not held back, and what may be a secret only as long as it may") {
  RedactionStream stream(make_redactor({{"one", "correct horse battery"}}));
  CHECK(stream.feed("Listening on port 8080.\n") == "Listening on port 8080.\n");
  CHECK(stream.feed("the correct ") == "the ");
  CHECK(stream.feed("answer\n") == "correct answer\n");
  CHECK(stream.feed("correct horse batter") == "");
  const std::string secret = stream.feed("y!");
  CHECK(secret.starts_with("[secret:one:"));
  CHECK(secret.ends_with("]!"));
  CHECK(stream.feed("a correct horse") == "a ");
  CHECK(stream.finish() == "correct horse");
}

TEST_CASE("what is held back is bounded, whatever comes") {
  constexpr std::size_t held_max = 160U << 10;
  const auto redactor = make_redactor({{"a", std::string(63, 'a') + "b"}, {"c", "cccccccc"}});
  for (const std::string unit : {"a", "a\n\n\n", "c", "'", "\x1b[m", "eyJhbGciOi.", "sk-abcd", "-----BEGIN PRIVATE KEY-----\n", "A1b2", "a\\n"}) {
    CAPTURE(unit);
    RedactionStream stream(redactor);
    std::size_t in = 0;
    std::size_t out = 0;
    std::size_t quiet = 0;  // bytes since something came out
    while (in < (1U << 20)) {
      in += unit.size();
      quiet += unit.size();
      const std::size_t came = stream.feed(unit).size();
      out += came;
      if (came > 0) quiet = 0;
      REQUIRE(quiet <= held_max);
    }
    CHECK(out > 0);
  }
}

TEST_CASE("equal secrets have equal placeholders, and other keys other ones") {
  const std::vector<KnownSecret> secrets = {{"name", "hunter2hunter2"}};
  const Redactor one(test_key(1), secrets);
  const Redactor two(test_key(2), secrets);
  CHECK(one.redact("hunter2hunter2") == Redactor(test_key(1), secrets).redact("hunter2hunter2"));
  CHECK(one.redact("hunter2hunter2") != two.redact("hunter2hunter2"));
  CHECK(placeholder_name("My Key/№1") == "my-key----1");
  CHECK(placeholder_name("") == "secret");
  CHECK(find_placeholder("a [secret:x:0123abcd] b", 0) == "[secret:x:0123abcd]");
  for (const char* none : {"[secret:x:0123abc]", "[secret::0123abcd]", "[secret:X:0123abcd]", "[secret:x:0123abcd", "[secret:x:0123abcg]"}) {
    CHECK(find_placeholder(none, 0).empty());
  }
  CHECK(find_placeholder("[secret:[secret:x:0123abcd]", 0) == "[secret:x:0123abcd]");
}

TEST_CASE("a text that is concealed and not changed comes back byte for byte") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto known = known_secrets(random);
    const auto redactor = make_redactor(known);
    const std::string text = composed(random, known, 40);
    const ConcealedText concealed = redactor->conceal(text);
    CHECK(concealed.text() == redactor->redact(text));
    const auto back = concealed.reveal(concealed.text());
    REQUIRE(back);
    CHECK(*back == text);
  }
}

TEST_CASE("a placeholder that the text did not have is an error that names it") {
  const auto redactor = make_redactor({{"one", "correct horse"}, {"two", "battery staple"}});
  const ConcealedText concealed = redactor->conceal("a = correct horse\n");
  const std::string other = redactor->redact("battery staple");
  CHECK(*concealed.reveal("b = " + redactor->redact("correct horse")) == "b = correct horse");
  CHECK(*concealed.reveal("no secret at all") == "no secret at all");
  const auto refused = concealed.reveal("b = " + other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_argument);
  CHECK(refused.error().message.find(other) != std::string::npos);
}

TEST_CASE("what looked like a placeholder before is text") {
  const auto redactor = make_redactor();
  const std::string text = "docs: [secret:github-token:1f3a9c7d]\n";
  const ConcealedText concealed = redactor->conceal(text);
  CHECK(concealed.text() == text);
  CHECK(*concealed.reveal(text) == text);
  // Unless a secret of the text has the same one: nobody can tell them apart.
  const auto known = make_redactor({{"one", "correct horse"}});
  const std::string mark = known->redact("correct horse");
  const auto refused = known->conceal(mark + " correct horse").reveal(mark);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::conflict);
}
