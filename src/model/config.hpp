// What a task is run with: a snapshot taken when it is created and kept in its journal, so that nothing a host changes
// later changes a task that exists.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace joey {

// Where a task's limits stand; 0 is no limit, except where a comment says otherwise.
struct Limits {
  std::int64_t turns_max{0};
  std::int64_t tokens_max{0};    // of all requests together, input and output
  double cost_usd_max{0};        // a request whose worst case would pass it is not sent
  std::int64_t mistakes_max{5};  // answers in a row that bring nothing but errors
  std::int64_t repeats_max{3};   // identical calls in a row; at twice as many the task ends
  std::int64_t retries_max{8};   // of one request, after failures that may pass
  bool operator==(const Limits&) const = default;
};

// Which calls may run without a person, as rules in the form that core/policy.hpp reads. Of the rules that fit a call the
// strictest decides: deny, ask, allow. What no rule names asks.
struct PolicySnapshot {
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::vector<std::string> ask{};
  bool bash{true};  // commands are run by Bash, in whose grammar they are judged; without it every command asks
  // The host itself has the last word on what the rules allow or ask; no answer by then, in milliseconds, denies. 0: the
  // rules alone decide.
  std::int64_t host_timeout_ms{0};
  bool operator==(const PolicySnapshot&) const = default;
};

// Which images a model takes; of more or others there is a note in their place. 0: no limit.
struct ImageLimits {
  std::string types{};           // "png,jpeg,webp"; "none"; empty: every type
  std::int64_t bytes_max{0};     // of one
  std::int64_t side_max{0};      // of one, in pixels
  std::int64_t count_max{0};     // in one request
  std::int64_t many{0};          // when there are more than that,
  std::int64_t many_side_max{0};  // every one is held to this side
  bool operator==(const ImageLimits&) const = default;
};

struct TaskConfig {
  std::string workspace;  // its root
  std::string mode;
  std::string provider;  // the preset's name, as "openrouter"
  std::string wire;      // the codec's name, as "openai"
  std::string base_url;  // empty: the preset's
  std::string model;
  std::int64_t context_window{0};  // tokens
  std::int64_t output_tokens_max{0};
  double temperature{-1};  // negative: not sent
  double price_input{0};   // prices in US dollars per million tokens
  double price_output{0};
  double price_cache_read{0};
  double price_cache_write{0};
  std::int64_t long_prompt_above{0};  // tokens read from which on the prices are multiplied; 0: never
  double long_prompt_input{1};
  double long_prompt_output{1};
  Limits limits;
  PolicySnapshot policy;
  std::int64_t depth{0};  // of subtasks: 0 for a task of its own
  std::string box{};      // that commands run in, as "bubblewrap"; empty: none
  std::string user{};     // the host's name for whom it works; may be empty
  // Which hosts commands may reach, as core/host_rules.hpp reads it; none allowed: the box has no network.
  std::vector<std::string> hosts_allow{};
  std::vector<std::string> hosts_deny{};
  std::int64_t condense_percent{0};  // of the window, from which on it is reduced; 0: when the next answer might not fit
  std::string reasoning_effort{};  // how much the model should think, as ModelParams says
  std::string profile{};  // the host's name for this model with its key; tells apart two that are the same otherwise
  ImageLimits images{};
  std::string result_schema{};  // a JSON Schema, in one line, that the task's result must fit; empty: the result is a text
  bool operator==(const TaskConfig&) const = default;
};

// Whether both ask the same model in the same way, whatever it costs.
[[nodiscard]] inline bool same_model(const TaskConfig& a, const TaskConfig& b) {
  return a.provider == b.provider && a.wire == b.wire && a.base_url == b.base_url && a.model == b.model &&
         a.context_window == b.context_window && a.output_tokens_max == b.output_tokens_max &&
         a.temperature == b.temperature && a.reasoning_effort == b.reasoning_effort && a.profile == b.profile;
}

// The part of `from` that says which model a task asks, and how.
inline void take_model(TaskConfig& to, const TaskConfig& from) {
  to.provider = from.provider;
  to.wire = from.wire;
  to.base_url = from.base_url;
  to.model = from.model;
  to.context_window = from.context_window;
  to.output_tokens_max = from.output_tokens_max;
  to.temperature = from.temperature;
  to.price_input = from.price_input;
  to.price_output = from.price_output;
  to.price_cache_read = from.price_cache_read;
  to.price_cache_write = from.price_cache_write;
  to.long_prompt_above = from.long_prompt_above;
  to.long_prompt_input = from.long_prompt_input;
  to.long_prompt_output = from.long_prompt_output;
  to.reasoning_effort = from.reasoning_effort;
  to.profile = from.profile;
  to.images = from.images;
}

}  // namespace joey
