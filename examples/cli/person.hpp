// Asking the person at the terminal.
#pragma once

#include <optional>
#include <string>

#include "interrupts.hpp"
#include "task_view.hpp"
#include "terminal.hpp"

namespace cli {

enum class Choice : unsigned char { allow, allow_always, deny };
struct Verdict {
  Choice choice{Choice::deny};
  std::string feedback;
};
// Nothing when the input ended or a signal came.
[[nodiscard]] std::optional<Verdict> ask_approval(Terminal& terminal, const Interrupts& interrupts, const Call& call);

struct Answer {
  std::string text;
  std::string mode;
};
[[nodiscard]] std::optional<Answer> ask_question(Terminal& terminal, const Interrupts& interrupts, const Call& call);

}  // namespace cli
