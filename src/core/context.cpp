#include "core/context.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "base/image_info.hpp"
#include "base/text.hpp"

namespace joey {
namespace {

// A result is never shortened to less: this much says at least what it was.
constexpr std::int64_t result_bytes_min = 300;
constexpr std::size_t files_named_max = 60;
// What stands for what has left is not cut to less.
constexpr std::int64_t text_bytes_min = 4'000;

std::int64_t size_of(std::string_view text) { return static_cast<std::int64_t>(text.size()); }

// The last message by the model, or the window's end.
std::size_t last_answer(std::span<const Message> window) {
  std::size_t at = window.size();
  while (at > 0 && window[at - 1].role != Role::assistant) --at;
  return at == 0 ? window.size() : at - 1;
}

void shorten(std::vector<Block>& blocks, std::int64_t bytes_max) {
  for (Block& block : blocks) {
    auto* result = std::get_if<ToolResult>(&block);
    if (result == nullptr) continue;
    result->text = shortened_result(result->text, bytes_max);
    result->images.clear();
  }
}

}  // namespace

std::int64_t weight_of(const Image& image) {
  // Providers differ, and make large ones smaller before they count.
  constexpr std::int64_t pixels_per_token = 750;
  constexpr std::int64_t tokens_min = 100;
  constexpr std::int64_t tokens_max = 2'000;
  constexpr std::int64_t bytes_per_token = 3;
  const auto info = image_info_of_base64(image.base64);
  if (!info || info->width == 0) return tokens_max * bytes_per_token;
  const auto pixels = static_cast<std::int64_t>(std::uint64_t{info->width} * info->height / pixels_per_token);
  return std::clamp(pixels, tokens_min, tokens_max) * bytes_per_token;
}

std::int64_t weight_of(std::span<const Image> images) {
  return std::accumulate(images.begin(), images.end(), std::int64_t{0}, [](std::int64_t sum, const Image& image) { return sum + weight_of(image); });
}

std::int64_t weight_of(const Block& block) {
  struct Weigher {
    std::int64_t operator()(const Text& text) const { return size_of(text.text); }
    std::int64_t operator()(const Image& image) const { return weight_of(image); }
    std::int64_t operator()(const Reasoning& reasoning) const { return size_of(reasoning.text) + size_of(reasoning.signature); }
    std::int64_t operator()(const ToolCall& call) const {
      return frame_weight + size_of(call.name) + size_of(call.arguments) + size_of(call.signature);
    }
    std::int64_t operator()(const ToolResult& result) const {
      return frame_weight + size_of(result.text) + weight_of(result.images);
    }
    std::int64_t operator()(const ProviderPart& part) const { return size_of(part.json); }
  };
  return std::visit(Weigher{}, block);
}

std::int64_t weight_of(std::span<const Message> messages) {
  std::int64_t weight = 0;
  for (const Message& message : messages) {
    weight += frame_weight;
    for (const Block& block : message.blocks) weight += weight_of(block);
  }
  return weight;
}

// ---- Applying. ------------------------------------------------------------------------------------------------------------

std::string shortened_result(std::string_view text, std::int64_t bytes_max) {
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(bytes_max, 0));
  if (text.size() <= limit) return std::string(text);
  const std::string_view head = utf8_prefix(text, limit * 3 / 4);
  std::string_view tail = text.substr(text.size() - limit / 4);
  while (!tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xC0) == 0x80) tail.remove_prefix(1);
  return fmt::format("{}\n\n[{} bytes were left out here to save context. Run the tool again if you need them.]\n\n{}", head,
                     text.size() - head.size() - tail.size(), tail);
}

std::string result_as_text(const ToolResult& result) {
  return fmt::format("[The {} of a tool call that is no longer shown]\n{}", result.error ? "error" : "result", result.text);
}

std::vector<Message> reduced_window(std::span<const Message> window, const event::ContextReduced& reduction) {
  const auto shorten_before = static_cast<std::size_t>(std::max<std::int64_t>(reduction.shorten_before, 0));
  auto from = static_cast<std::size_t>(std::max<std::int64_t>(reduction.keep_from, 0));
  // What stays begins with an answer, so that every result in it has its call; or all stays.
  if (from > 0 || !reduction.text.empty()) {
    while (from < window.size() && window[from].role != Role::assistant) ++from;
  }
  std::vector<Message> out;
  if (from > 0 || !reduction.text.empty()) out.push_back({Role::user, {Text{reduction.text}}, ""});
  for (std::size_t i = from; i < window.size(); ++i) {
    out.push_back(window[i]);
    if (reduction.shorten_to > 0 && i < shorten_before) shorten(out.back().blocks, reduction.shorten_to);
  }
  return out;
}

// ---- Planning. ------------------------------------------------------------------------------------------------------------

std::optional<event::ContextReduced> plan_shorter_results(const ContextPlan& plan) {
  const std::size_t last = last_answer(plan.window);
  event::ContextReduced out;
  out.shorten_before = static_cast<std::int64_t>(last);
  out.shorten_to = result_bytes_min;
  const std::int64_t before = weight_of(plan.window);
  const std::int64_t after = weight_of(reduced_window(plan.window, out));
  // One that frees little is not worth what the provider's cache loses.
  if (after > before * 3 / 4 || after + plan.pending > plan.room) return std::nullopt;
  out.weight = after + plan.pending;
  return out;
}

namespace {

// The weight of what joins the window when each result's text is shortened to so many bytes. Words and images stay.
std::int64_t shortened_pending(const ContextPlan& plan, std::int64_t bytes) {
  return plan.pending - plan.pending_text + std::min(plan.pending_text, plan.pending_results * (bytes + 2 * frame_weight));
}

}  // namespace

std::optional<event::ContextReduced> plan_fitting_results(const ContextPlan& plan) {
  event::ContextReduced out;
  out.shorten_before = static_cast<std::int64_t>(last_answer(plan.window));
  out.shorten_to = result_bytes_min;
  const std::int64_t window = weight_of(reduced_window(plan.window, out));
  // Nothing of what was sent changes where it need not.
  if (window == weight_of(plan.window)) out.shorten_before = out.shorten_to = 0;
  std::int64_t pending = plan.pending;
  if (window + pending > plan.room && plan.pending_results > 0) {
    const std::int64_t room = plan.room - window - (plan.pending - plan.pending_text);
    out.pending_to = std::max(result_bytes_min, room / plan.pending_results - 2 * frame_weight);
    pending = shortened_pending(plan, out.pending_to);
  }
  if (window + pending > plan.room) return std::nullopt;
  out.weight = window + pending;
  return out;
}

// ---- Words. ---------------------------------------------------------------------------------------------------------------

std::string_view condense_instruction() {
  return "The conversation is about to outgrow your context window. Before it goes on, write a summary that will stand for all "
         "of it: whoever goes on will see the summary, the person's own messages and the todo list, and nothing else. This "
         "was written by the engine, not by the person; call no tool now, and answer with the summary alone.\n\n"
         "Say, under headings:\n"
         "1. What the person wants, and every rule or preference they have stated.\n"
         "2. What has been decided, and why; what was tried and did not work.\n"
         "3. The files that matter, with what is in them or was changed: names of functions and types, exact lines where they "
         "are needed to go on.\n"
         "4. Errors that came up and how they were mended; anything learnt about this project that would be costly to find "
         "out again.\n"
         "5. Where the work stands, and the next step, with the words it follows from.\n\n"
         "Be exact with names, paths, commands and numbers. Leave out what the files themselves say.";
}

namespace {

// A part of the text that stands for a conversation. What is in it cannot close the tag it stands in.
void add_part(std::string& out, std::string_view tag, std::string_view text) {
  out += fmt::format("\n\n<{0}>\n{1}\n</{0}>", tag, without_closing_tag(std::string(text), tag));
}

std::string path_in(const ToolCall& call) {
  simdjson::dom::parser parser;
  std::string_view path;
  const auto arguments = parser.parse(simdjson::padded_string(call.arguments));
  return arguments["path"].get(path) == simdjson::SUCCESS ? std::string(path) : std::string();
}

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  const std::size_t first = names.size() > files_named_max ? names.size() - files_named_max : 0;
  for (std::size_t i = first; i < names.size(); ++i) out.append(out.empty() ? "" : ", ").append(names[i]);
  if (first > 0) out += fmt::format(", and {} before these", first);
  return out;
}

std::string left_out(std::span<const Message> left, const std::vector<std::string>& changed) {
  std::map<std::string, std::int64_t> calls;
  std::vector<std::string> seen;
  std::int64_t answers = 0, count = 0;
  for (const Message& message : left) {
    if (message.role == Role::assistant) ++answers;
    for (const Block& block : message.blocks) {
      const auto* call = std::get_if<ToolCall>(&block);
      if (call == nullptr) continue;
      ++count;
      ++calls[call->name];
      std::string path = path_in(*call);
      if (path.empty() || std::find(changed.begin(), changed.end(), path) != changed.end()) continue;
      std::erase(seen, path);
      seen.push_back(std::move(path));
    }
  }
  std::string out = fmt::format("{} of your answers, with {} tool calls and their results", answers, count);
  const char* separator = ": ";
  for (const auto& [name, times] : calls) {
    out += fmt::format("{}{} {}", std::exchange(separator, ", "), name, times);
  }
  if (!changed.empty()) out += fmt::format("\nFiles changed in this task: {}", list_of(changed));
  if (!seen.empty()) out += fmt::format("\nFiles and folders looked at: {}", list_of(seen));
  out += "\nWhat you need of these again, read again.";
  return out;
}

std::string todos_as_text(const std::vector<Todo>& todos) {
  std::string out;
  for (const Todo& todo : todos) {
    const char* mark = todo.status == TodoStatus::completed ? "x" : todo.status == TodoStatus::in_progress ? "-" : " ";
    out += fmt::format("{}[{}] {}", out.empty() ? "" : "\n", mark, todo.text);
  }
  return out;
}

// The first message, and of the later ones the latest: when not all have room, the middle is what can be missed.
std::string words_of_person(const std::vector<std::string>& said, std::size_t bytes_max) {
  if (said.empty()) return {};
  const auto cut = [](const std::string& text, std::size_t bytes) {
    return text.size() <= bytes ? text : fmt::format("{} [cut: {} bytes more]", utf8_prefix(text, bytes), text.size() - bytes);
  };
  std::string first = cut(said.front(), bytes_max / 2);
  std::size_t used = first.size(), from = said.size();
  while (from > 1 && used + said[from - 1].size() <= bytes_max) used += said[--from].size();
  if (from == said.size() && from > 1 && used < bytes_max) --from;  // the last one at least, cut
  if (from > 1) first += fmt::format("\n\n[{} messages were left out here]", from - 1);
  for (; from < said.size() && from > 0; ++from) first += "\n\n" + cut(said[from], bytes_max / 2);
  return first;
}

}  // namespace

std::string context_text(const ContextDigest& digest, std::span<const Message> left, std::int64_t bytes_max) {
  std::string out =
      "The beginning of this conversation has left your context window. What follows stands for it; it was put together by the "
      "engine. Go on with the task from where it stands.";
  const auto half = static_cast<std::size_t>(std::max<std::int64_t>(bytes_max, text_bytes_min)) / 2;
  const std::string said = words_of_person(digest.said, half);
  if (!said.empty()) add_part(out, "messages_of_the_person", said);
  if (!digest.summary.empty()) add_part(out, "summary", utf8_prefix(digest.summary, half));
  if (!digest.todos.empty()) add_part(out, "todos", todos_as_text(digest.todos));
  add_part(out, "left_out", left_out(left, digest.changed));
  return out;
}

event::ContextReduced plan_latest(const ContextPlan& plan, const ContextDigest& digest) {
  event::ContextReduced out;
  out.text = context_text(digest, plan.window, plan.room / 2);
  const std::int64_t room = plan.room - size_of(out.text) - frame_weight;
  // Results that are only now joining may be what is too large.
  std::int64_t pending = plan.pending;
  if (pending > room / 2 && plan.pending_results > 0) {
    out.pending_to = std::max(result_bytes_min, room / 3 / plan.pending_results);
    pending = shortened_pending(plan, out.pending_to);
  }
  // Back from the end while it fits, an answer and what followed it at a time.
  std::int64_t weight = 0;
  std::size_t from = plan.window.size();
  for (std::size_t i = plan.window.size(); i-- > 0;) {
    weight += weight_of(plan.window.subspan(i, 1));
    if (weight + pending > room) break;
    if (plan.window[i].role == Role::assistant) from = i;
  }
  const std::size_t last = last_answer(plan.window);
  if (from > last) {
    // Not even the last answer fits with all that its calls brought.
    std::int64_t results = 0;
    for (const Message& message : plan.window.subspan(last)) {
      results += std::count_if(message.blocks.begin(), message.blocks.end(),
                               [](const Block& block) { return std::holds_alternative<ToolResult>(block); });
    }
    out.shorten_before = static_cast<std::int64_t>(plan.window.size());
    out.shorten_to = results > 0 ? std::max(result_bytes_min, room / 3 / results) : 0;
    event::ContextReduced with_last = out;
    with_last.keep_from = static_cast<std::int64_t>(last);
    if (last < plan.window.size() && weight_of(reduced_window(plan.window, with_last)) + pending <= plan.room) from = last;
  }
  out.keep_from = static_cast<std::int64_t>(from);
  out.text = context_text(digest, plan.window.first(from), plan.room / 2);
  out.weight = weight_of(reduced_window(plan.window, out)) + pending;
  return out;
}

}  // namespace joey
