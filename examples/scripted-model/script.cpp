#include "script.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <initializer_list>

#include "text.hpp"

namespace scripted {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view turn_mark = "{turn}";
constexpr std::size_t huge_line_bytes_max = std::size_t{1} << 30;

// A value of the script that knows where it stands, so that every complaint names its place.
class Node {
 public:
  Node(dom::element value, std::string place) : value_(value), place_(std::move(place)) {}

  [[noreturn]] void fail(std::string_view what) const {
    throw ScriptError(place_.empty() ? std::string(what) : fmt::format("{}: {}", place_, what));
  }

  [[nodiscard]] bool is_null() const { return value_.is_null(); }
  [[nodiscard]] bool is_array() const { return value_.is_array(); }
  [[nodiscard]] std::string json() const { return simdjson::minify(value_); }

  [[nodiscard]] std::string string() const {
    std::string_view text;
    if (value_.get(text) != simdjson::SUCCESS) fail("expected a string");
    return std::string(text);
  }

  [[nodiscard]] bool boolean() const {
    bool flag = false;
    if (value_.get(flag) != simdjson::SUCCESS) fail("expected true or false");
    return flag;
  }

  [[nodiscard]] std::int64_t integer(std::int64_t min, std::int64_t max) const {
    std::int64_t number = 0;
    if (value_.get(number) != simdjson::SUCCESS || number < min || number > max) {
      fail(fmt::format("expected an integer from {} to {}", min, max));
    }
    return number;
  }

  template <class Integer>
  [[nodiscard]] Integer count(std::int64_t min = 0) const {
    return static_cast<Integer>(integer(min, std::numeric_limits<std::int32_t>::max()));
  }

  [[nodiscard]] std::vector<Node> items() const {
    dom::array array;
    if (value_.get(array) != simdjson::SUCCESS) fail("expected an array");
    std::vector<Node> nodes;
    for (const dom::element item : array) nodes.emplace_back(item, fmt::format("{}[{}]", place_, nodes.size()));
    return nodes;
  }

  // Calls `use(key, value)` for each member; a false answer means that the key is unknown.
  template <class Use>
  void members(Use&& use) const {
    dom::object object;
    if (value_.get(object) != simdjson::SUCCESS) fail("expected an object");
    for (const auto [key, value] : object) {
      const Node member(value, place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key));
      if (!use(key, member)) member.fail("unknown key");
    }
  }

 private:
  dom::element value_;
  std::string place_;
};

Needle needle(std::string plain) {
  Needle result{std::move(plain), {}};
  append_escaped(result.escaped, result.plain);
  return result;
}

ToolCall read_tool(const Node& node) {
  ToolCall tool;
  bool arguments = false;
  node.members([&](std::string_view key, const Node& value) {
    if (key == "name") tool.name = Template(value.string());
    else if (key == "arguments") tool.arguments = Template(value.json()), arguments = true;
    else if (key == "arguments_raw") tool.arguments = Template(value.string()), arguments = true;
    else if (key == "id") {
      tool.id_kind = value.is_null() ? ToolCall::Id::omitted : ToolCall::Id::given;
      if (!value.is_null()) tool.id = Template(value.string());
    } else return false;
    return true;
  });
  if (tool.name.empty()) node.fail("a tool call needs a \"name\"");
  if (!arguments) node.fail("a tool call needs \"arguments\" or \"arguments_raw\"");
  return tool;
}

Usage read_usage(const Node& node) {
  Usage usage;
  node.members([&](std::string_view key, const Node& value) {
    const auto tokens = value.count<std::int64_t>();
    if (key == "input") usage.input = tokens;
    else if (key == "output") usage.output = tokens;
    else if (key == "cache_read") usage.cache_read = tokens;
    else if (key == "cache_write") usage.cache_write = tokens;
    else return false;
    return true;
  });
  return usage;
}

Fault read_fault(const Node& node) {
  Fault fault;
  node.members([&](std::string_view key, const Node& value) {
    if (key == "times") fault.times = value.count<std::uint32_t>(1);
    else if (key == "status") fault.status = static_cast<int>(value.integer(400, 599));
    else if (key == "retry_after") fault.retry_after_s = value.count<std::int64_t>();
    else if (key == "retry_after_ms") fault.retry_after_ms = value.count<std::int64_t>();
    else if (key == "html") fault.html = value.boolean();
    else if (key == "error_event") fault.error_event = value.boolean();
    else if (key == "type") fault.error_type = value.string();
    else if (key == "code") fault.error_code = value.string();
    else if (key == "message") fault.error_message = value.string();
    else if (key == "cut_after_bytes") fault.cut_after_bytes = value.count<std::size_t>();
    else if (key == "reset_after_bytes") fault.reset_after_bytes = value.count<std::size_t>();
    else if (key == "stall_after_bytes") fault.stall_after_bytes = value.count<std::size_t>();
    else if (key == "garbage_after_bytes") fault.garbage_after_bytes = value.count<std::size_t>();
    else if (key == "huge_line_bytes")
      fault.huge_line_bytes = static_cast<std::size_t>(value.integer(1, huge_line_bytes_max));
    else if (key == "endless") fault.endless = value.boolean();
    else if (key == "truncate_json") fault.truncate_json = value.boolean();
    else if (key == "no_done") fault.no_done = value.boolean();
    else if (key == "wrong_content_type") fault.wrong_content_type = value.boolean();
    else if (key == "duplicate_ids") fault.duplicate_ids = value.boolean();
    else if (key == "missing_ids") fault.missing_ids = value.boolean();
    else return false;
    return true;
  });
  return fault;
}

std::vector<Fault> read_faults(const Node& node) {
  if (!node.is_array()) return {read_fault(node)};
  std::vector<Fault> faults;
  for (const Node& item : node.items()) faults.push_back(read_fault(item));
  return faults;
}

Stop read_stop(const Node& node) {
  const std::string name = node.string();
  if (name == "end_turn") return Stop::natural;
  if (name == "max_tokens") return Stop::max_tokens;
  if (name == "refusal") return Stop::refusal;
  node.fail("expected \"end_turn\", \"max_tokens\" or \"refusal\"");
}

// A turn that answers the `repeat` turns after `before`.
Turn read_turn(const Node& node, std::uint64_t before) {
  Turn turn;
  std::uint64_t repeat = 1;
  node.members([&](std::string_view key, const Node& value) {
    if (key == "reasoning") turn.reasoning = Template(value.string());
    else if (key == "text") turn.text = Template(value.string());
    else if (key == "tools") for (const Node& tool : value.items()) turn.tools.push_back(read_tool(tool));
    else if (key == "usage") turn.usage = read_usage(value);
    else if (key == "stop") turn.stop = read_stop(value);
    else if (key == "expect") turn.expect = needle(value.string());
    else if (key == "fault") turn.faults = read_faults(value);
    else if (key == "delay_ms") turn.delay_ms = value.count<std::uint32_t>();
    else if (key == "chunk_delay_ms") turn.chunk_delay_ms = value.count<std::uint32_t>();
    else if (key == "chunk_bytes") turn.chunk_bytes = value.count<std::uint32_t>(1);
    else if (key == "repeat") repeat = value.count<std::uint64_t>(1);
    else return false;
    return true;
  });
  turn.last = before + repeat;
  return turn;
}

Conversation read_conversation(const Node& node) {
  Conversation conversation;
  node.members([&](std::string_view key, const Node& value) {
    if (key == "match") {
      conversation.match = needle(value.string());
    } else if (key == "turns") {
      for (const Node& turn : value.items()) {
        const std::uint64_t before = conversation.turns.empty() ? 0 : conversation.turns.back().last;
        conversation.turns.push_back(read_turn(turn, before));
      }
    } else {
      return key == "about";
    }
    return true;
  });
  if (conversation.turns.empty()) node.fail("a conversation needs at least one entry in \"turns\"");
  return conversation;
}

Script read_script(const Node& root) {
  Script script;
  root.members([&](std::string_view key, const Node& value) {
    if (key == "model") script.model = value.string();
    else if (key == "conversations")
      for (const Node& conversation : value.items()) script.conversations.push_back(read_conversation(conversation));
    else return key == "about";
    return true;
  });
  if (script.conversations.empty()) root.fail("a script needs at least one entry in \"conversations\"");

  std::string scratch;
  for (const Conversation& conversation : script.conversations) {
    for (const Turn& turn : conversation.turns) {
      for (const ToolCall& tool : turn.tools) script.tool_names.emplace(tool.name.at(turn.last, scratch));
    }
  }
  return script;
}

std::string syntax_error(std::string_view json, std::string_view otherwise) {
  std::size_t at = 0;
  if (const std::size_t end = skip_value(json, 0, at); end != std::string_view::npos) {
    at = json.find_first_not_of(" \n\r\t", end);
    if (at == std::string_view::npos) return std::string(otherwise);
  }
  const auto line = std::count(json.begin(), json.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
  const std::size_t before = at == 0 ? std::string_view::npos : json.rfind('\n', at - 1);
  const std::size_t column = before == std::string_view::npos ? at + 1 : at - before;
  return fmt::format("line {}, column {}: not valid JSON", line, column);
}

}  // namespace

Template::Template(std::string text) : text_(std::move(text)), varies_(text_.find(turn_mark) != std::string::npos) {}

std::string_view Template::at(std::uint64_t number, std::string& scratch) const {
  if (!varies_) return text_;
  scratch.clear();
  std::size_t from = 0;
  for (std::size_t mark; (mark = text_.find(turn_mark, from)) != std::string::npos; from = mark + turn_mark.size()) {
    scratch.append(text_, from, mark - from);
    scratch += fmt::format_int(number).c_str();
  }
  scratch.append(text_, from);
  return scratch;
}

const Turn* Conversation::turn(std::uint64_t number) const {
  const auto found = std::lower_bound(turns.begin(), turns.end(), number,
                                      [](const Turn& turn, std::uint64_t wanted) { return turn.last < wanted; });
  return found == turns.end() ? nullptr : &*found;
}

Script load_script(const std::string& path) {
  simdjson::padded_string json;
  if (const auto error = simdjson::padded_string::load(path).get(json); error != simdjson::SUCCESS) {
    throw ScriptError(fmt::format("{}: cannot be read", path));
  }
  dom::parser parser;
  dom::element root;
  if (const auto error = parser.parse(json).get(root); error != simdjson::SUCCESS) {
    throw ScriptError(fmt::format("{}: {}", path, syntax_error(json, simdjson::error_message(error))));
  }
  try {
    return read_script(Node(root, ""));
  } catch (const ScriptError& error) {
    throw ScriptError(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace scripted
