// The script: which conversations the model knows, and what it answers at each turn of them.
// The file's format is described in README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace scripted {

// A string in which `{turn}` stands for the turn's number.
class Template {
 public:
  Template() = default;
  explicit Template(std::string text);

  [[nodiscard]] bool empty() const { return text_.empty(); }

  // The text at turn `number`; lives in the template or in `scratch`.
  [[nodiscard]] std::string_view at(std::uint64_t number, std::string& scratch) const;

 private:
  std::string text_;
  bool varies_ = false;
};

// A substring to look for, also in the form it has inside raw JSON.
struct Needle {
  std::string plain;
  std::string escaped;
};

struct ToolCall {
  enum class Id { generated, given, omitted };

  Template name;
  Template arguments;  // JSON text, or whatever `arguments_raw` says
  Id id_kind = Id::generated;
  Template id;
};

// `input` counts what was neither read from the cache nor written to it.
struct Usage {
  std::optional<std::int64_t> input;   // absent: request bytes / 4
  std::optional<std::int64_t> output;  // absent: answer bytes / 4
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;
};

// What goes wrong with an answer. Several may be combined; offsets count bytes of the answer's body.
struct Fault {
  static constexpr std::uint32_t always = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t times = always;  // attempts at the turn that suffer it

  int status = 0;  // an HTTP error instead of an answer
  std::optional<std::int64_t> retry_after_s;
  std::optional<std::int64_t> retry_after_ms;
  bool html = false;  // the error's body is a proxy's page

  bool error_event = false;  // an error in mid-stream
  std::string error_type;    // of `status` and `error_event`; empty: what the vendor says
  std::string error_code;
  std::string error_message;

  std::optional<std::size_t> cut_after_bytes;
  std::optional<std::size_t> reset_after_bytes;
  std::optional<std::size_t> stall_after_bytes;
  std::optional<std::size_t> garbage_after_bytes;
  std::size_t huge_line_bytes = 0;
  bool endless = false;
  bool truncate_json = false;
  bool no_done = false;
  bool wrong_content_type = false;
  bool duplicate_ids = false;
  bool missing_ids = false;
};

enum class Stop { natural, max_tokens, refusal };

struct Turn {
  Template reasoning;
  Template text;
  std::vector<ToolCall> tools;
  Usage usage;
  Stop stop = Stop::natural;  // natural: tool use when there are tools, else the end of the turn
  Needle expect;
  std::vector<Fault> faults;  // each used up before the next
  std::uint32_t delay_ms = 0;        // before the first byte
  std::uint32_t chunk_delay_ms = 0;  // between events
  std::uint32_t chunk_bytes = 16;    // of text, reasoning or arguments in one event
  std::uint64_t last = 0;            // number of the last turn it answers
};

struct Conversation {
  Needle match;  // empty: matches when nothing else does
  std::vector<Turn> turns;

  // nullptr past the end.
  [[nodiscard]] const Turn* turn(std::uint64_t number) const;
};

struct Script {
  std::string model = "scripted-1";
  std::vector<Conversation> conversations;
  std::unordered_set<std::string> tool_names;  // all that its turns call
};

// One line: file, place, what is wrong.
struct ScriptError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws ScriptError.
[[nodiscard]] Script load_script(const std::string& path);

}  // namespace scripted
