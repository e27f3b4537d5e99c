#include <algorithm>
#include <array>

#include "provider/anthropic.hpp"
#include "provider/bedrock.hpp"
#include "provider/gemini.hpp"
#include "provider/neutral.hpp"
#include "provider/ollama.hpp"
#include "provider/openai.hpp"
#include "provider/provider.hpp"
#include "provider/responses.hpp"
#include "provider/text_tools.hpp"

namespace joey {
namespace {

constexpr auto presets = std::to_array<ProviderPreset>({
    // name, wire, base_url, key_variable, model, wire_elsewhere, context_window
    {"anthropic", "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "claude-sonnet-5-5"},
    {"openai", "responses", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-6.1-sol", "openai"},
    {"openai-chat", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4.1"},
    {"openai-responses", "responses", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-6.1-sol"},
    {"gemini", "gemini", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY", "gemini-3.1-pro-preview"},
    {"vertex", "vertex",
     "https://{GOOGLE_CLOUD_LOCATION}-aiplatform.googleapis.com/v1/projects/{GOOGLE_CLOUD_PROJECT}/locations/{GOOGLE_CLOUD_LOCATION}",
     "CLOUDSDK_AUTH_ACCESS_TOKEN", "gemini-3.1-pro-preview"},
    {"vertex-anthropic", "vertex-anthropic",
     "https://{GOOGLE_CLOUD_LOCATION}-aiplatform.googleapis.com/v1/projects/{GOOGLE_CLOUD_PROJECT}/locations/{GOOGLE_CLOUD_LOCATION}",
     "CLOUDSDK_AUTH_ACCESS_TOKEN", "claude-sonnet-5-5"},
    {"bedrock", "bedrock", "https://bedrock-runtime.{AWS_REGION}.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK", ""},
    {"azure", "azure", "https://{AZURE_OPENAI_RESOURCE}.openai.azure.com/openai/v1", "AZURE_OPENAI_API_KEY", ""},
    {"azure-chat", "azure-chat", "https://{AZURE_OPENAI_RESOURCE}.openai.azure.com/openai/v1", "AZURE_OPENAI_API_KEY", ""},
    {"mistral", "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "mistral-large-latest"},
    {"xai", "xai", "https://api.x.ai/v1", "XAI_API_KEY", "grok-4.7"},
    {"deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek-v4-pro"},
    {"moonshot", "moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "kimi-k3"},
    {"zai", "zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "glm-5.3"},
    {"minimax", "minimax", "https://api.minimax.io/v1", "MINIMAX_API_KEY", "MiniMax-M3"},
    {"alibaba", "alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "qwen3-max"},
    {"perplexity", "openai", "https://api.perplexity.ai/chat/completions", "PERPLEXITY_API_KEY", "sonar-pro"},
    // Who serves the models of others.
    {"openrouter", "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "anthropic/claude-sonnet-5.5"},
    {"requesty", "openai", "https://router.requesty.ai/v1", "REQUESTY_API_KEY", ""},
    {"vercel", "openai", "https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY", ""},
    {"huggingface", "openai", "https://router.huggingface.co/v1", "HF_TOKEN", ""},
    {"groq", "openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "openai/gpt-oss-120b"},
    {"together", "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", ""},
    {"fireworks", "openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", ""},
    {"cerebras", "openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", ""},
    {"sambanova", "openai", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", ""},
    {"deepinfra", "openai", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", ""},
    // Servers on the person's own machine. OLLAMA_HOST is for the host to read.
    {"litellm", "openai", "http://127.0.0.1:4000/v1", "LITELLM_API_KEY", ""},
    // Ollama makes room for as many tokens as it is told, which a large window has no memory for.
    {"ollama", "ollama", "http://127.0.0.1:11434", "", "", "", 32'768},
    {"lmstudio", "openai", "http://127.0.0.1:1234/v1", "", ""},
    {"llamacpp", "openai", "http://127.0.0.1:8080/v1", "", ""},
    {"vllm", "openai", "http://127.0.0.1:8000/v1", "", ""},
});

}  // namespace

std::span<const ProviderPreset> provider_presets() { return presets; }

const ProviderPreset* find_provider_preset(std::string_view name) {
  const auto is_it = [&](const ProviderPreset& preset) { return preset.name == name; };
  const auto found = std::find_if(presets.begin(), presets.end(), is_it);
  return found == presets.end() ? nullptr : &*found;
}

std::shared_ptr<const Provider> make_provider(std::string_view wire) {
  if (wire == "host") return make_neutral();
  if (wire.ends_with(text_tools_suffix)) return make_text_tools(make_provider(wire.substr(0, wire.size() - text_tools_suffix.size())));
  if (auto anthropic = make_anthropic(wire)) return anthropic;
  if (auto responses = make_responses(wire)) return responses;
  if (auto gemini = make_gemini(wire)) return gemini;
  if (auto bedrock = make_bedrock(wire)) return bedrock;
  if (wire == "ollama") return make_ollama();
  return make_openai(wire);
}

}  // namespace joey
