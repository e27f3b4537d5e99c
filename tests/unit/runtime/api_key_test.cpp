#include "runtime/api_key.hpp"

#include <doctest/doctest.h>

#include <deque>

#include "loop.hpp"

using namespace joey;
using joey::test::Loop;

namespace {

struct Vault final : SecretResolver {
  void resolve(const std::string& name, CancelToken cancel, Completion<std::string> done) override {
    names.push_back(name);
    cancel.on_cancel([this] { ++cancels; });
    asked.push_back(std::move(done));
  }
  void answer(Result<std::string> value) {
    const auto done = std::move(asked.front());
    asked.pop_front();
    done(std::move(value));
  }
  std::vector<std::string> names;
  std::deque<Completion<std::string>> asked;
  int cancels{0};
};

struct Keys {
  Loop loop;
  std::shared_ptr<Vault> vault = std::make_shared<Vault>();
  std::shared_ptr<SessionSecrets> secrets = std::make_shared<SessionSecrets>(std::make_shared<RedactorPool>(RedactionKey{}));
  std::shared_ptr<ApiKey> key = make_resolved_key("prod", vault, secrets, loop);
  std::vector<Result<std::string>> got;

  void get() {
    key->get([this](Result<std::string> value) { got.push_back(std::move(value)); });
  }
};

}  // namespace

TEST_CASE("a key is resolved once for all who ask, and known to the redactor before them") {
  Keys k;
  k.get();
  k.get();
  CHECK(k.vault->names == std::vector<std::string>{"prod"});
  k.vault->answer(std::string("a-key-of-today"));
  k.get();
  REQUIRE(k.got.size() == 3);
  for (const auto& value : k.got) CHECK(value == std::string("a-key-of-today"));
  CHECK(k.secrets->redactor()->redact("x a-key-of-today").starts_with("x [secret:prod:"));
  CHECK(k.loop.timers() == 0);
}

TEST_CASE("a key that is refused is resolved again, and the old one is still kept secret") {
  Keys k;
  k.get();
  k.vault->answer(std::string("a-key-of-today"));
  CHECK(k.key->refuse("a-key-of-today"));
  k.get();
  REQUIRE(k.vault->asked.size() == 1);
  k.vault->answer(std::string("a-key-of-tomorrow"));
  CHECK(k.got.back() == std::string("a-key-of-tomorrow"));
  CHECK(k.key->refuse("a-key-of-today"));  // somebody comes late with the old one
  k.get();
  CHECK(k.vault->asked.empty());
  const std::string both = k.secrets->redactor()->redact("a-key-of-today a-key-of-tomorrow");
  CHECK(both.find("key-of") == std::string::npos);
}

TEST_CASE("what cannot be had, or not be sent, is an error that names the secret and not the value") {
  Keys k;
  for (const std::string value : {"", "two\nlines", "with space"}) {
    k.get();
    k.vault->answer(value);
    REQUIRE_FALSE(k.got.back());
    CHECK(k.got.back().error().message.find("\"prod\"") != std::string::npos);
    CHECK((value.empty() || k.got.back().error().message.find(value) == std::string::npos));
  }
  k.get();
  k.vault->answer(failure(ErrorCode::io, "the vault is sealed"));
  CHECK(k.got.back().error().code == ErrorCode::io);
}

TEST_CASE("an answer that comes after the end of the session is nobody's") {
  Keys k;
  k.get();
  k.key.reset();
  CHECK(k.vault->cancels == 1);
  k.vault->answer(std::string("a-key-of-today"));
  CHECK(k.got.empty());
  CHECK(k.loop.timers() == 0);
}

TEST_CASE("sessions that know the same share a redactor") {
  const auto pool = std::make_shared<RedactorPool>(RedactionKey{});
  SessionSecrets one(pool), two(pool), other(pool), shown(pool, false);
  for (SessionSecrets* secrets : {&one, &two, &shown}) REQUIRE(secrets->add({"a", "12345678"}));
  REQUIRE(other.add({"a", "12345679"}));
  CHECK(one.redactor() == two.redactor());
  CHECK(one.redactor() != other.redactor());
  CHECK(one.redactor() != shown.redactor());
}

TEST_CASE("of one name the last values are secrets, of all names so many bytes") {
  SessionSecrets secrets(std::make_shared<RedactorPool>(RedactionKey{}));
  for (int i = 0; i < 6; ++i) REQUIRE(secrets.add({"a", "value-number-" + std::to_string(i)}));
  CHECK(secrets.redactor()->redact("value-number-1") == "value-number-1");
  CHECK(secrets.redactor()->redact("value-number-2") != "value-number-2");
  Status added;
  for (int i = 0; added && i < 20; ++i) added = secrets.add({"b" + std::to_string(i), std::string(8000, static_cast<char>('a' + i))});
  REQUIRE_FALSE(added);
  CHECK(added.error().code == ErrorCode::limit);
}
