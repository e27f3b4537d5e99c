// Texts from outside that speak to the model as if they were the person: what prompt injections look like.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace joey {

// The place where `text` gives a model orders, tries to set aside those it has, wants something kept from the person,
// imitates the marks between messages, or hides letters that no person sees: an excerpt of at most 200 bytes, without line
// ends. What it finds is a reason to look, and what it does not find is not therefore harmless: the policy and the box hold
// in any case. Linear in the text's size.
[[nodiscard]] std::optional<std::string> find_instructions(std::string_view text);

}  // namespace joey
