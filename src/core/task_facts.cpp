#include "core/task_facts.hpp"

#include <algorithm>
#include <cmath>

#include "core/context.hpp"

namespace joey {
namespace {

// Bytes of text a token stands for, until a provider has counted: few, for estimates must not be too low.
constexpr double bytes_per_token_max = 3;
// Below this a count says more of the frames around a text than of the text.
constexpr std::int64_t counted_bytes_min = 2'000;

// Of the request under way.
std::int64_t sent_tokens_max(const Task& task) { return task.context_tokens + tokens_of(task, task.sent_bytes); }

}  // namespace

Digest digest_of_call(std::string_view name, std::string_view arguments) {
  Digester digester;
  digester.update(name);
  digester.update("\n");
  digester.update(arguments);
  return digester.finish();
}

std::int64_t mistakes_after(const Task& task) {
  if (task.turn == 0 || !task.answered || task.forgiven) return task.mistakes;
  const bool all_failed = std::all_of(task.calls.begin(), task.calls.end(), [](const auto& call) { return call.failed; });
  return all_failed ? task.mistakes + 1 : 0;
}

bool is_final_for_summary(ModelErrorClass error) {
  return error == ModelErrorClass::too_long || error == ModelErrorClass::bad_request || error == ModelErrorClass::malformed;
}

std::int64_t added_weight(std::size_t text, std::span<const Image> images) {
  return frame_weight + static_cast<std::int64_t>(text) + weight_of(images);
}

std::int64_t tokens_of(const Task& task, std::int64_t weight) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(weight) / task.bytes_per_token));
}

std::int64_t input_tokens_max(const Task& task) { return task.context_tokens + tokens_of(task, task.new_bytes); }

// Texts differ in how many bytes make a token: dense ones are believed at once, others slowly.
double calibrated(double bytes_per_token, std::int64_t bytes, std::int64_t tokens) {
  if (bytes < counted_bytes_min || tokens <= 0) return bytes_per_token;
  const double counted = 0.95 * static_cast<double>(bytes) / static_cast<double>(tokens);
  const double next = counted < bytes_per_token ? counted : (3 * bytes_per_token + counted) / 4;
  return std::clamp(next, 1.0, bytes_per_token_max);
}

double cost_of(const TaskConfig& config, const Usage& usage) {
  const auto dollars = [](std::int64_t tokens, double price) { return static_cast<double>(tokens) * price / 1e6; };
  const std::int64_t read = usage.input + usage.cache_read + usage.cache_write;
  const bool is_long = config.long_prompt_above > 0 && read > config.long_prompt_above;
  const double prompt = dollars(usage.input, config.price_input) + dollars(usage.cache_read, config.price_cache_read) +
                        dollars(usage.cache_write, config.price_cache_write);
  const double answer = dollars(usage.output, config.price_output);
  return is_long ? prompt * config.long_prompt_input + answer * config.long_prompt_output : prompt + answer;
}

AttemptBill bill_of(const Task& task, const Spent& spent) {
  if (!spent.begun) return {};
  AttemptBill bill{spent.usage, 0, false};
  if (bill.usage.total() == bill.usage.output) {
    bill.usage.input = sent_tokens_max(task);
    bill.estimated = true;
  }
  const auto written = static_cast<std::int64_t>(std::ceil(static_cast<double>(spent.bytes) / bytes_per_token_max));
  if (bill.usage.output < written) {
    bill.usage.output = written;
    bill.estimated = true;
  }
  bill.cost_usd = cost_of(task.config, bill.usage);
  return bill;
}

AttemptBill worst_bill_of(const Task& task) {
  AttemptBill bill{{}, task.reserved_usd, true};
  bill.usage.input = sent_tokens_max(task);
  bill.usage.output = task.config.output_tokens_max;
  return bill;
}

}  // namespace joey
