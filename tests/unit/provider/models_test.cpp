#include <doctest/doctest.h>

#include <set>
#include <string>

#include "provider/provider.hpp"

using namespace joey;

TEST_CASE("a model belongs to the longest row, whatever it is called") {
  CHECK(model_info("claude-opus-4-5-20251101").price_output == 25);
  CHECK(model_info("claude-opus-4-1-20250805").price_output == 75);
  CHECK(model_info("anthropic/claude-opus-4.5").id == "claude-opus-4-5");
  CHECK(model_info("us.anthropic.claude-sonnet-4-5-20250929-v1:0").id == "claude-sonnet-4");
  CHECK(model_info("claude-sonnet-5-5").price_cache_read == doctest::Approx(0.1));
  CHECK(model_info("openai/gpt-5-mini-2025-08-07").id == "gpt-5-mini");
  CHECK(model_info("gpt-4.1-nano").id == "gpt-4.1-nano");
  CHECK(model_info("zai-org/GLM-5.3").id == "glm-5.3");
  CHECK_FALSE(model_info("claude-opus-5-5").temperature);
  CHECK(model_info("claude-haiku-4-5").temperature);
}

TEST_CASE("an unknown model has the defaults and costs nothing") {
  const ModelInfo info = model_info("my-own-model");
  CHECK(info.id.empty());
  CHECK(info.context_window == 128'000);
  CHECK(price_usd(info, {1000, 1000, 1000, 1000, 0}) == 0);
  CHECK(price_usd(model_info("openai/gpt-oss-120b:free"), {1000, 1000, 0, 0, 0}) == 0);
}

TEST_CASE("prices") {
  CHECK(price_usd(model_info("claude-opus-4-5"), {1'000'000, 1'000'000, 1'000'000, 1'000'000, 500}) ==
        doctest::Approx(5 + 25 + 0.5 + 6.25));
  CHECK(price_usd(model_info("gpt-4.1"), {0, 0, 0, 1'000'000, 0}) == doctest::Approx(2));  // no price of its own
  CHECK(price_usd(model_info("claude-haiku-5-5"), {100'000, 1'000'000, 0, 0, 0}) == doctest::Approx(0.01 + 0.5));
  CHECK(price_usd(model_info("claude-haiku-5-5"), {100'000, 1'000'000, 1, 0, 0}) == doctest::Approx(0.05 + 2.5));
}

TEST_CASE("every preset leads to a codec and an address") {
  std::set<std::string_view> names;
  for (const ProviderPreset& preset : provider_presets()) {
    CAPTURE(preset.name);
    CHECK(names.insert(preset.name).second);
    CHECK(find_provider_preset(preset.name) == &preset);
    const auto provider = make_provider(preset.wire);
    REQUIRE(provider);
    CHECK(provider->name() == preset.wire);
    CHECK(provider->endpoint(preset.base_url, "m").url.starts_with(preset.base_url));
  }
  CHECK(find_provider_preset("nobody") == nullptr);
  CHECK(find_provider_preset("ollama")->key_variable.empty());
  CHECK(make_provider("ollama")->endpoint(find_provider_preset("ollama")->base_url, "m").url ==
        "http://127.0.0.1:11434/api/chat");
}

TEST_CASE("models that were trained on another way to edit are offered that instead of apply_diff") {
  struct Row {
    const char* model;
    std::vector<std::string_view> added;
    std::vector<std::string_view> removed;
  };
  const std::vector<Row> rows = {
      {"gpt-5.2", {"apply_patch"}, {"apply_diff", "write_to_file"}},
      {"openai/gpt-oss-120b:free", {"apply_patch"}, {"apply_diff", "write_to_file"}},
      {"o3", {"apply_patch"}, {"apply_diff", "write_to_file"}},
      {"google/gemini-3.1-pro", {"edit"}, {"apply_diff"}},
      {"grok-code-fast-1", {"search_replace"}, {"apply_diff"}},
      {"MiniMax-M2", {"search_and_replace"}, {"apply_diff"}},
      {"claude-opus-4-5", {}, {}},
      {"deepseek/deepseek-v4-pro", {}, {}},
      {"", {}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.model);
    const ToolPreference preference = tool_preference(row.model);
    CHECK(std::vector(preference.added.begin(), preference.added.end()) == row.added);
    CHECK(std::vector(preference.removed.begin(), preference.removed.end()) == row.removed);
  }
}
