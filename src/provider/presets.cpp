#include <algorithm>
#include <array>

#include "provider/anthropic.hpp"
#include "provider/neutral.hpp"
#include "provider/openai.hpp"
#include "provider/provider.hpp"
#include "provider/responses.hpp"

namespace joey {
namespace {

constexpr std::array<ProviderPreset, 18> presets{{
    // name, wire, base_url, key_variable, model
    {"anthropic", "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "claude-sonnet-5-5"},
    {"openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-6.1-sol"},
    {"openrouter", "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "anthropic/claude-sonnet-5.5"},
    {"deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek-v4-pro"},
    {"moonshot", "deepseek", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "kimi-k3"},
    {"mistral", "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-large-latest"},
    {"xai", "openai", "https://api.x.ai/v1", "XAI_API_KEY", "grok-4.7"},
    {"groq", "openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b"},
    {"together", "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", ""},
    {"fireworks", "openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", ""},
    {"cerebras", "openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", ""},
    {"deepinfra", "openai", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", ""},
    {"gemini", "openai", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", ""},
    {"alibaba", "openai", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "qwen3-max"},
    // Servers on the person's own machine. OLLAMA_HOST is for the host to read.
    {"ollama", "openai", "http://127.0.0.1:11434/v1", "", ""},
    {"lmstudio", "openai", "http://127.0.0.1:1234/v1", "", ""},
    {"llamacpp", "openai", "http://127.0.0.1:8080/v1", "", ""},
    {"vllm", "openai", "http://127.0.0.1:8000/v1", "", ""},
}};

}  // namespace

std::span<const ProviderPreset> provider_presets() { return presets; }

const ProviderPreset* find_provider_preset(std::string_view name) {
  const auto is_it = [&](const ProviderPreset& preset) { return preset.name == name; };
  const auto found = std::find_if(presets.begin(), presets.end(), is_it);
  return found == presets.end() ? nullptr : &*found;
}

std::shared_ptr<const Provider> make_provider(std::string_view wire) {
  if (wire == "anthropic") return make_anthropic();
  if (wire == "host") return make_neutral();
  if (auto responses = make_responses(wire)) return responses;
  return make_openai(wire);
}

}  // namespace joey
