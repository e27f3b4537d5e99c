// How much a model should think, in the words that its vendor has for it.
#pragma once

#include <string_view>

namespace joey {

// What a model of the table in effort.cpp is asked for instead of ModelParams::reasoning_effort.
struct Effort {
  std::string_view level;      // the nearest the model has; "off" or "on" where that is all; empty: nothing is said
  bool thinks{false};          // the model can, as far as its name tells
  bool can_rest{false};        // it can be told not to think
  bool chat_with_tools{true};  // false: Chat Completions takes no tools while the model thinks
};

// `wanted` is empty or one of ModelParams::reasoning_effort. A vendor before the model's name does not matter.
[[nodiscard]] Effort effort_of(std::string_view model, std::string_view wanted);

// The nearest to `wanted` in `levels`, which are separated by blanks; of two as near, the one that thinks more.
[[nodiscard]] std::string_view nearest_level(std::string_view levels, std::string_view wanted);

// OpenAI's own reasoning models: they refuse max_tokens and any temperature. Behind a vendor prefix there is a gateway, and
// gateways translate.
[[nodiscard]] bool is_openai_reasoning(std::string_view model);

}  // namespace joey
