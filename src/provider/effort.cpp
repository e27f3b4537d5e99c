#include "provider/effort.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

namespace joey {
namespace {

struct Row {
  std::string_view model;   // what ids begin with; of several that fit, the longest decides
  std::string_view levels;  // empty: it thinks as it likes, or not at all, and refuses to be asked
  bool chat_with_tools{true};
};

// What vendors published in November 2026.
constexpr auto rows = std::to_array<Row>({
    // OpenAI. From gpt-5.4 on, Chat Completions refuses tools unless the effort is "none".
    {"o1", "low medium high"},
    {"o3", "low medium high"},
    {"o4", "low medium high"},
    {"gpt-5", "minimal low medium high"},
    {"gpt-5-chat", ""},
    {"gpt-5-codex", "low medium high"},
    {"gpt-5-pro", "high"},
    {"gpt-5.1", "none low medium high"},
    {"gpt-5.1-chat", "medium"},
    {"gpt-5.1-codex", "low medium high"},
    {"gpt-5.1-codex-max", "low medium high xhigh"},
    {"gpt-5.2", "none low medium high xhigh"},
    {"gpt-5.2-chat", "medium"},
    {"gpt-5.2-codex", "low medium high xhigh"},
    {"gpt-5.2-pro", "medium high xhigh"},
    {"gpt-5.3-chat", "medium"},
    {"gpt-5.3-codex", "low medium high xhigh"},
    {"gpt-5.4", "none low medium high xhigh", false},
    {"gpt-5.5", "none low medium high xhigh", false},
    {"gpt-5.6", "none low medium high xhigh max", false},
    {"gpt-6", "none low medium high xhigh max", false},
    {"gpt-oss", "low medium high"},
    // xAI: the models not named here refuse it.
    {"grok-3-mini", "low high"},
    {"grok-4.3", "none low medium high"},
    {"grok-4.5", "low medium high"},
    {"grok-4.6", "low medium high"},
    {"grok-4.7", "low medium high"},
    // Google
    {"gemini-2.5-pro", "low medium high"},
    {"gemini-2.5-flash", "none low medium high"},
    {"gemini-3", "low medium high"},
    {"gemini-3-pro", "low high"},
    {"gemini-3-flash", "minimal low medium high"},
    {"gemini-3.1-flash", "minimal low medium high"},
    {"gemini-4", "low medium high"},
    {"gemini-pro-latest", "low medium high"},
    {"gemini-flash-latest", "low medium high"},
    // DeepSeek, Moonshot, Z.ai, MiniMax, Alibaba, Mistral
    {"deepseek-flash", "none low medium high max"},
    {"deepseek-v4", "none low medium high max"},
    {"kimi-k2.5", "off on"},
    {"kimi-k2.6", "off on"},
    {"kimi-k3", "low high max"},
    {"glm-4.5", "off on"},
    {"glm-4.6", "off on"},
    {"glm-4.7", "off on"},
    {"glm-5", "off on"},
    {"glm-5.2", "none minimal low medium high xhigh max"},
    {"glm-5.3", "low high max"},
    {"MiniMax-M3", "off on"},
    {"qwen3", "off on"},
    {"qwen-plus", "off on"},
    {"qwen-flash", "off on"},
    {"mistral-small-2603", "none high"},
    {"mistral-small-latest", "none high"},
    {"mistral-medium-3.5", "none high"},
});

constexpr std::array<std::string_view, 7> ladder{"none", "minimal", "low", "medium", "high", "xhigh", "max"};

int step_of(std::string_view level) {
  return static_cast<int>(std::find(ladder.begin(), ladder.end(), level) - ladder.begin());
}

}  // namespace

std::string_view nearest_level(std::string_view levels, std::string_view wanted) {
  if (levels == "off on") return wanted == "none" ? "off" : "on";
  std::string_view nearest;
  int distance_min = std::numeric_limits<int>::max();
  while (!levels.empty()) {
    const std::string_view level = levels.substr(0, levels.find(' '));
    levels.remove_prefix(std::min(levels.size(), level.size() + 1));
    const int distance = std::abs(step_of(level) - step_of(wanted));
    if (distance > distance_min) continue;
    distance_min = distance;
    nearest = level;
  }
  return nearest;
}

Effort effort_of(std::string_view model, std::string_view wanted) {
  model.remove_prefix(model.rfind('/') + 1);
  const Row* found = nullptr;
  for (const Row& row : rows) {
    if (model.starts_with(row.model) && (!found || row.model.size() > found->model.size())) found = &row;
  }
  if (!found) return {{}, is_openai_reasoning(model)};
  return {wanted.empty() ? std::string_view() : nearest_level(found->levels, wanted), !found->levels.empty(),
          found->levels.starts_with("none") || found->levels.starts_with("off"), found->chat_with_tools};
}

bool is_openai_reasoning(std::string_view model) {
  const auto digit = [&](std::size_t at) { return at < model.size() && model[at] >= '0' && model[at] <= '9'; };
  if (model.starts_with("gpt-")) return digit(4) && (model[4] >= '5' || digit(5));
  return model.starts_with('o') && digit(1);
}

}  // namespace joey
