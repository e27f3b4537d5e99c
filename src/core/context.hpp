// What leaves the model's window when a conversation outgrows it. Nothing is deleted: the journal has everything, and
// event::ContextReduced says what the window holds from there on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.hpp"
#include "model/message.hpp"

namespace joey {

// What a message or a result adds to an estimate of tokens besides its text and images, in bytes of text.
inline constexpr std::int64_t frame_weight = 100;
// The same of an image, by its size in pixels.
[[nodiscard]] std::int64_t weight_of(const Image& image);
[[nodiscard]] std::int64_t weight_of(std::span<const Image> images);
[[nodiscard]] std::int64_t weight_of(const Block& block);
[[nodiscard]] std::int64_t weight_of(std::span<const Message> messages);

// ---- Applying a reduction. Requests are replayed from journals byte for byte, so none of this may ever change. --------

// `text` with its middle left out and a note in its place, when it is longer than `bytes_max`.
[[nodiscard]] std::string shortened_result(std::string_view text, std::int64_t bytes_max);

// The window after the reduction. The first message is a user's, and no call is without its result, whatever the event says.
[[nodiscard]] std::vector<Message> reduced_window(std::span<const Message> window, const event::ContextReduced& reduction);

// A result whose call has left the window, as words.
[[nodiscard]] std::string result_as_text(const ToolResult& result);

// ---- Planning one. ------------------------------------------------------------------------------------------------------

// What a reduction has to work with. Sizes are weights.
struct ContextPlan {
  std::span<const Message> window;  // as the last request had it, with its answer
  std::int64_t pending{0};          // of results and words that join it with the next request,
  std::int64_t pending_results{0};  // the number of such results,
  std::int64_t pending_text{0};     // and what of their weight shortening can take
  std::int64_t room{0};             // for all of the conversation afterwards
};

// Shortens results before the last answer, when that is enough; nothing else leaves.
[[nodiscard]] std::optional<event::ContextReduced> plan_shorter_results(const ContextPlan& plan);

// ---- What stands for what has left. ---------------------------------------------------------------------------------------

// Asks a model to sum the conversation up; the last thing in a request.
[[nodiscard]] std::string_view condense_instruction();

struct ContextDigest {
  std::string summary;  // of the model's; empty: there is none
  std::vector<std::string> said;  // by the person, from the first message on
  std::vector<Todo> todos;
  std::vector<std::string> changed;  // files
};

// The window's first message, of about `bytes_max` bytes at most. `left`: the messages it stands for.
[[nodiscard]] std::string context_text(const ContextDigest& digest, std::span<const Message> left, std::int64_t bytes_max);

// Shortens results before the last answer as far as they go, and those that are only now joining, so that all fit: what makes
// room for a summary to be asked for.
[[nodiscard]] std::optional<event::ContextReduced> plan_fitting_results(const ContextPlan& plan);

// Keeps the latest messages that fit beside the text that stands for all before them, and shortens what is too large even so.
[[nodiscard]] event::ContextReduced plan_latest(const ContextPlan& plan, const ContextDigest& digest);

}  // namespace joey
