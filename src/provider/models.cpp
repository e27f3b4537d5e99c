#include <algorithm>
#include <array>
#include <string>

#include "provider/provider.hpp"

namespace joey {
namespace {

// What vendors published in November 2026. A row covers every id that begins with its own: dated ones, and the parts of
// a family that cost the same.
constexpr auto models = std::to_array<ModelInfo>({
    // id, context_window, output_tokens_max, input, output, cache_read, cache_write, images, temperature, long_prompt

    // Anthropic. Cache writes are those that live for five minutes.
    {"claude-3", 200'000, 4'096, 3, 15, 0.3, 3.75, true, true, {}},
    {"claude-3-5-haiku", 200'000, 8'192, 0.8, 4, 0.08, 1, true, true, {}},
    {"claude-3-5-sonnet", 200'000, 8'192, 3, 15, 0.3, 3.75, true, true, {}},
    {"claude-3-7-sonnet", 200'000, 64'000, 3, 15, 0.3, 3.75, true, true, {}},
    {"claude-3-haiku", 200'000, 4'096, 0.25, 1.25, 0.03, 0.3, true, true, {}},
    {"claude-3-opus", 200'000, 4'096, 15, 75, 1.5, 18.75, true, true, {}},
    {"claude-haiku-4-5", 200'000, 64'000, 1, 5, 0.1, 1.25, true, true, {}},
    {"claude-haiku-5", 1'000'000, 128'000, 0.1, 0.5, 0.01, 0.125, true, false, {100'000, 5, 5}},
    {"claude-sonnet-4", 200'000, 64'000, 3, 15, 0.3, 3.75, true, true, {200'000, 2, 1.5}},
    {"claude-sonnet-4-6", 1'000'000, 128'000, 3, 15, 0.3, 3.75, true, true, {}},
    {"claude-sonnet-5", 1'000'000, 128'000, 2, 10, 0.2, 2.5, true, false, {}},
    {"claude-sonnet-5-5", 1'000'000, 128'000, 2, 10, 0.1, 2.5, true, false, {}},
    {"claude-opus-4", 200'000, 32'000, 15, 75, 1.5, 18.75, true, true, {}},
    {"claude-opus-4-5", 200'000, 64'000, 5, 25, 0.5, 6.25, true, true, {}},
    {"claude-opus-4-6", 1'000'000, 128'000, 5, 25, 0.5, 6.25, true, true, {}},
    {"claude-opus-4-7", 1'000'000, 128'000, 5, 25, 0.5, 6.25, true, false, {}},
    {"claude-opus-4-8", 1'000'000, 128'000, 5, 25, 0.5, 6.25, true, false, {}},
    {"claude-opus-5", 1'000'000, 128'000, 5, 25, 0.5, 6.25, true, false, {}},
    {"claude-opus-5-5", 1'000'000, 128'000, 4, 20, 0.2, 5, true, false, {}},
    {"claude-fable-5", 1'000'000, 128'000, 10, 50, 1, 12.5, true, false, {}},
    {"claude-fable-5-1", 1'000'000, 128'000, 10, 50, 0.25, 12.5, true, false, {}},
    {"claude-fable-5-2", 1'000'000, 128'000, 8, 40, 0.2, 10, true, false, {}},
    {"claude-mythos-5", 1'000'000, 128'000, 10, 50, 1, 12.5, true, false, {}},
    {"claude-mythos-5-1", 1'000'000, 128'000, 10, 50, 0.25, 12.5, true, false, {}},

    // OpenAI
    {"gpt-4o", 128'000, 16'384, 2.5, 10, 1.25, 0, true, true, {}},
    {"gpt-4o-mini", 128'000, 16'384, 0.15, 0.6, 0.075, 0, true, true, {}},
    {"gpt-4.1", 1'047'576, 32'768, 2, 8, 0.5, 0, true, true, {}},
    {"gpt-4.1-mini", 1'047'576, 32'768, 0.4, 1.6, 0.1, 0, true, true, {}},
    {"gpt-4.1-nano", 1'047'576, 32'768, 0.1, 0.4, 0.025, 0, true, true, {}},
    {"gpt-5", 400'000, 128'000, 1.25, 10, 0.125, 0, true, false, {}},
    {"gpt-5-mini", 400'000, 128'000, 0.25, 2, 0.025, 0, true, false, {}},
    {"gpt-5-nano", 400'000, 128'000, 0.05, 0.4, 0.005, 0, true, false, {}},
    {"gpt-5-pro", 400'000, 128'000, 15, 120, 0, 0, true, false, {}},
    {"gpt-5.1-codex-mini", 400'000, 128'000, 0.25, 2, 0.025, 0, true, false, {}},
    {"gpt-5.2", 400'000, 128'000, 1.75, 14, 0.175, 0, true, false, {}},
    {"gpt-5.2-pro", 400'000, 128'000, 21, 168, 0, 0, true, false, {}},
    {"gpt-5.3", 128'000, 16'384, 1.75, 14, 0.175, 0, true, false, {}},
    {"gpt-5.3-codex", 400'000, 128'000, 1.75, 14, 0.175, 0, true, false, {}},
    {"gpt-5.4", 1'050'000, 128'000, 2.5, 15, 0.25, 0, true, false, {272'000, 2, 1.5}},
    {"gpt-5.4-mini", 400'000, 128'000, 0.75, 4.5, 0.075, 0, true, false, {}},
    {"gpt-5.4-nano", 400'000, 128'000, 0.2, 1.25, 0.02, 0, true, false, {}},
    {"gpt-5.5", 1'000'000, 128'000, 5, 30, 0.5, 0, true, false, {272'000, 2, 1.5}},
    {"gpt-5.6", 1'050'000, 128'000, 4, 20, 0.4, 5, true, false, {272'000, 2, 1.5}},
    {"gpt-5.6-terra", 1'050'000, 128'000, 2, 12, 0.2, 2.5, true, false, {272'000, 2, 1.5}},
    {"gpt-5.6-luna", 1'050'000, 128'000, 0.2, 1.2, 0.02, 0.25, true, false, {272'000, 2, 1.5}},
    {"gpt-6-astra", 1'050'000, 128'000, 10, 50, 1, 12.5, true, false, {272'000, 2, 1.5}},
    {"gpt-6-sol", 1'050'000, 128'000, 2, 10, 0.2, 2.5, true, false, {272'000, 2, 1.5}},
    {"gpt-6-luna", 1'050'000, 128'000, 0.1, 0.5, 0.01, 0.125, true, false, {272'000, 2, 1.5}},
    {"gpt-6.1-sol", 1'050'000, 128'000, 2, 10, 0.1, 2.5, true, false, {272'000, 2, 1.5}},
    {"gpt-6.1-terra", 1'050'000, 128'000, 1, 5, 0.05, 1.25, true, false, {272'000, 2, 1.5}},
    {"gpt-oss-120b", 131'072, 32'768, 0.15, 0.6, 0.075, 0, false, true, {}},
    {"gpt-oss-20b", 131'072, 32'768, 0.075, 0.3, 0.0375, 0, false, true, {}},
    {"o1", 200'000, 100'000, 15, 60, 7.5, 0, true, false, {}},
    {"o3", 200'000, 100'000, 2, 8, 0.5, 0, true, false, {}},
    {"o3-mini", 200'000, 100'000, 1.1, 4.4, 0.55, 0, false, false, {}},
    {"o4-mini", 200'000, 100'000, 1.1, 4.4, 0.275, 0, true, false, {}},

    // Google
    {"gemini-2.5-pro", 1'048'576, 65'536, 1.25, 10, 0.125, 0, true, true, {200'000, 2, 1.5}},
    {"gemini-2.5-flash", 1'048'576, 65'536, 0.3, 2.5, 0.03, 0, true, true, {}},
    {"gemini-2.5-flash-lite", 1'048'576, 65'536, 0.1, 0.4, 0.01, 0, true, true, {}},
    {"gemini-3-flash", 1'048'576, 65'536, 0.5, 3, 0.05, 0, true, true, {}},
    {"gemini-3.1-pro", 1'048'576, 65'536, 2, 12, 0.2, 0, true, true, {200'000, 2, 1.5}},
    {"gemini-3.5-flash", 1'048'576, 65'536, 1.5, 9, 0.15, 0, true, true, {}},
    {"gemini-3.8-flash", 1'048'576, 65'536, 0.75, 3.75, 0.075, 0, true, true, {}},
    {"gemini-4-argon", 1'048'576, 65'536, 2, 10, 0.1, 0, true, true, {}},

    // DeepSeek, Moonshot, Z.ai, Alibaba, MiniMax, Meta
    {"deepseek", 131'072, 8'192, 0.27, 1, 0.11, 0, false, true, {}},
    {"deepseek-flash", 1'000'000, 384'000, 0.15, 0.6, 0.003, 0, true, true, {}},
    {"deepseek-v4-flash", 1'000'000, 384'000, 0.15, 0.6, 0.003, 0, true, true, {}},
    {"deepseek-v4.1-flash", 1'000'000, 384'000, 0.21, 0.84, 0.0042, 0, true, true, {}},
    {"deepseek-v4-pro", 1'000'000, 384'000, 0.66, 1.98, 0.022, 0, false, true, {}},
    {"kimi-k2", 262'144, 32'768, 0.6, 2.5, 0.15, 0, false, true, {}},
    {"kimi-k2.6", 262'144, 32'768, 0.95, 4, 0.16, 0, true, true, {}},
    {"kimi-k2.7", 262'144, 32'768, 0.95, 4, 0.19, 0, true, true, {}},
    {"kimi-k3", 1'048'576, 65'536, 3, 15, 0.3, 3, true, true, {}},
    {"kimi-k3.1-pro", 1'048'576, 65'536, 2, 10, 0.2, 2, true, true, {}},
    {"glm-4", 131'072, 65'536, 0.6, 2.2, 0.11, 0, false, true, {}},
    {"glm-5", 202'752, 65'536, 1, 3.2, 0.2, 0, false, true, {}},
    {"glm-5.1", 202'752, 65'536, 1.4, 4.4, 0.26, 0, false, true, {}},
    {"glm-5.2", 1'000'000, 65'536, 1.4, 4.4, 0.26, 0, false, true, {}},
    {"glm-5.3", 1'000'000, 65'536, 1.4, 4.4, 0.26, 0, false, true, {}},
    {"glm-5.3-flash", 1'000'000, 65'536, 0.15, 0.5, 0.03, 0, false, true, {}},
    {"qwen3", 131'072, 32'768, 0, 0, 0, 0, false, true, {}},
    {"minimax-m2", 204'800, 65'536, 0.3, 1.2, 0.03, 0.375, false, true, {}},
    {"minimax-m3", 1'000'000, 65'536, 0.3, 1.2, 0.06, 0, true, true, {512'000, 2, 2}},
    {"llama-3.3-70b", 131'072, 32'768, 0.59, 0.79, 0, 0, false, true, {}},

    // xAI, Mistral
    {"grok-3", 131'072, 32'768, 3, 15, 0.75, 0, false, true, {}},
    {"grok-3-mini", 131'072, 32'768, 0.3, 0.5, 0.075, 0, false, true, {}},
    {"grok-4", 256'000, 64'000, 3, 15, 0.75, 0, true, true, {}},
    {"grok-4-fast", 2'000'000, 64'000, 0.2, 0.5, 0.05, 0, true, true, {}},
    {"grok-4-1-fast", 2'000'000, 64'000, 0.2, 0.5, 0.05, 0, true, true, {}},
    {"grok-4.3", 1'000'000, 64'000, 1.25, 2.5, 0.2, 0, true, true, {199'999, 2, 2}},
    {"grok-4.5", 500'000, 64'000, 2, 6, 0.3, 0, true, true, {199'999, 2, 2}},
    {"grok-4.6", 500'000, 64'000, 2, 6, 0.5, 0, true, true, {199'999, 2, 2}},
    {"grok-4.7", 500'000, 64'000, 2, 6, 0.5, 0, true, true, {199'999, 2, 2}},
    {"grok-code-fast-1", 256'000, 10'000, 0.2, 1.5, 0.02, 0, false, true, {}},
    {"codestral", 256'000, 32'768, 0.3, 0.9, 0.03, 0, false, true, {}},
    {"devstral", 262'144, 32'768, 0.4, 2, 0.04, 0, false, true, {}},
    {"mistral-large", 262'144, 32'768, 0.5, 1.5, 0.05, 0, true, true, {}},
    {"mistral-large-4", 1'048'576, 32'768, 0.7, 2.1, 0.07, 0, true, true, {}},
    {"mistral-medium", 262'144, 32'768, 1.5, 7.5, 0.15, 0, true, true, {}},
    {"mistral-small", 262'144, 32'768, 0.15, 0.6, 0.015, 0, true, true, {}},
});

constexpr std::string_view apply_patch[] = {"apply_patch"};
constexpr std::string_view edit[] = {"edit"};
constexpr std::string_view search_replace[] = {"search_replace"};
constexpr std::string_view search_and_replace[] = {"search_and_replace"};
constexpr std::string_view diffs[] = {"apply_diff"};
constexpr std::string_view diffs_and_writing[] = {"apply_diff", "write_to_file"};

constexpr auto preferences = std::to_array<ToolPreference>({
    {"gpt-", apply_patch, diffs_and_writing},
    {"codex-", apply_patch, diffs_and_writing},
    {"o1", apply_patch, diffs_and_writing},
    {"o3", apply_patch, diffs_and_writing},
    {"o4-", apply_patch, diffs_and_writing},
    {"gemini-", edit, diffs},
    {"grok-", search_replace, diffs},
    {"minimax-", search_and_replace, diffs},
});

// One model has many names: "anthropic/claude-opus-4.5", "us.anthropic.claude-opus-4-5-20251101-v1:0", "GLM-5.3".
std::string plain_id(std::string_view model) {
  if (const std::size_t slash = model.rfind('/'); slash != model.npos) model.remove_prefix(slash + 1);
  const std::size_t claude = model.find("claude-");
  if (claude != model.npos) model.remove_prefix(claude);
  std::string id(model);
  for (char& c : id) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '.' && claude != model.npos) c = '-';
  }
  return id;
}

}  // namespace

std::span<const ModelInfo> known_models() { return models; }

ModelInfo model_info(std::string_view model) {
  const std::string id = plain_id(model);
  ModelInfo best;
  for (const ModelInfo& info : models) {
    if (id.starts_with(info.id) && info.id.size() > best.id.size()) best = info;
  }
  if (id.ends_with(":free")) best.price_input = best.price_output = best.price_cache_read = best.price_cache_write = 0;
  return best;
}

ToolPreference tool_preference(std::string_view model) {
  const std::string id = plain_id(model);
  const auto found = std::find_if(preferences.begin(), preferences.end(),
                                  [&id](const ToolPreference& each) { return id.starts_with(each.models); });
  return found == preferences.end() ? ToolPreference{} : *found;
}

double price_usd(const ModelInfo& info, const Usage& usage) {
  const auto dollars = [](std::int64_t tokens, double price) { return static_cast<double>(tokens) * price / 1e6; };
  const auto or_input = [&](double price) { return price > 0 ? price : info.price_input; };
  const double prompt = dollars(usage.input, info.price_input) +
                        dollars(usage.cache_read, or_input(info.price_cache_read)) +
                        dollars(usage.cache_write, or_input(info.price_cache_write));
  const double answer = dollars(usage.output, info.price_output);
  const bool is_long = info.long_prompt.above > 0 &&
                       usage.input + usage.cache_read + usage.cache_write > info.long_prompt.above;
  return is_long ? prompt * info.long_prompt.input + answer * info.long_prompt.output : prompt + answer;
}

}  // namespace joey
