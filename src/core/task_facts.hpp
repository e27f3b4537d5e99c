// What follows from a task's state, for both halves of it: deciding and applying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/digest.hpp"
#include "core/task.hpp"

namespace joey {

[[nodiscard]] Digest digest_of_call(std::string_view name, std::string_view arguments);

// Mistakes in a row if the next request were sent now: an answer whose every call failed is one, and so is an answer
// without a call; one call that went well clears the count.
[[nodiscard]] std::int64_t mistakes_after(const Task& task);

// Whether a summary that failed so is done without.
[[nodiscard]] bool is_final_for_summary(ModelErrorClass error);

// ---- Sizes: bytes of text until a provider has counted them. ---------------------------------------------------------

[[nodiscard]] std::int64_t added_weight(std::size_t text, std::span<const Image> images = {});
[[nodiscard]] std::int64_t tokens_of(const Task& task, std::int64_t weight);
// Of the next request, and rather too many than too few.
[[nodiscard]] std::int64_t input_tokens_max(const Task& task);
// What bytes_per_token is once `bytes` were counted as `tokens`.
[[nodiscard]] double calibrated(double bytes_per_token, std::int64_t bytes, std::int64_t tokens);

// ---- Money: in US dollars. --------------------------------------------------------------------------------------------

[[nodiscard]] double cost_of(const TaskConfig& config, const Usage& usage);

// What an attempt that brought no answer is billed, as far as can be known, and rather too much than too little.
struct AttemptBill {
  Usage usage;
  double cost_usd{0};
  bool estimated{false};
};
[[nodiscard]] AttemptBill bill_of(const Task& task, const Spent& spent);
// The same when nothing is known of it.
[[nodiscard]] AttemptBill worst_bill_of(const Task& task);

}  // namespace joey
