#include "project/yaml.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::string_view too_deep = "nested deeper than the 32 levels a file may have";

// How the parser is told to stop; caught in parse_yaml().
struct Refusal {
  Error error;
};

std::string at_line(std::size_t line, std::string_view what) {
  return line == 0 ? std::string(what) : fmt::format("line {}: {}", line, what);
}

// What a value may have, counted while it is built.
class Budget {
 public:
  // Empty, or what is too much.
  std::string_view take(std::size_t values, std::size_t text_bytes) {
    values_ += values;
    text_bytes_ += text_bytes;
    if (values_ > yaml_values_max) return "more values than the 10000 a file may have";
    if (text_bytes_ > yaml_text_bytes_max) return "more text than the 4 MiB a file may have, with what aliases repeat";
    return {};
  }

 private:
  std::size_t values_{0};
  std::size_t text_bytes_{0};
};

// Builds the value from the parser's events, so that a limit stops it in the middle of the file.
class Builder final : public YAML::EventHandler {
 public:
  [[nodiscard]] YamlValue take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(value_at(mark), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& text) override {
    YamlValue value = value_at(mark);
    value.kind = YamlValue::Kind::scalar;
    value.text = text;
    add(std::move(value), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(line_of(mark), "an alias stands inside what it names");
    const Anchored& anchored = found->second;
    if (open_.size() + anchored.depth > yaml_depth_max) refuse(line_of(mark), too_deep, ErrorCode::limit);
    take(line_of(mark), anchored.values, anchored.text_bytes);
    YamlValue value = anchored.value;
    value.line = line_of(mark);
    add(std::move(value), 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, YamlValue::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, YamlValue::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlValue value;
    YAML::anchor_t anchor{0};
    bool has_key{false};
    std::string key;
  };
  struct Anchored {
    YamlValue value;
    std::size_t values{0};
    std::size_t text_bytes{0};
    std::size_t depth{0};
  };

  static std::size_t line_of(const YAML::Mark& mark) { return static_cast<std::size_t>(std::max(mark.line, 0)) + 1; }
  static YamlValue value_at(const YAML::Mark& mark) {
    YamlValue value;
    value.line = line_of(mark);
    return value;
  }
  [[noreturn]] static void refuse(std::size_t line, std::string_view what,
                                  ErrorCode code = ErrorCode::invalid_argument) {
    throw Refusal{Error{code, at_line(line, what)}};
  }
  void take(std::size_t line, std::size_t values, std::size_t text_bytes) {
    if (const auto excess = budget_.take(values, text_bytes); !excess.empty()) refuse(line, excess, ErrorCode::limit);
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, YamlValue::Kind kind) {
    if (open_.size() >= yaml_depth_max) refuse(line_of(mark), too_deep, ErrorCode::limit);
    Open& opened = open_.emplace_back();
    opened.value = value_at(mark);
    opened.value.kind = kind;
    opened.anchor = anchor;
  }
  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed.value), closed.anchor);
  }

  void add(YamlValue value, YAML::anchor_t anchor) {
    take(value.line, 1, value.text.size());
    if (anchor != 0) {
      Anchored& anchored = anchors_[anchor];
      anchored.value = value;
      measure(value, 1, anchored);
      take(value.line, anchored.values, anchored.text_bytes);  // the copy
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (parent.value.kind == YamlValue::Kind::sequence) {
      parent.value.items.push_back(std::move(value));
    } else if (parent.has_key) {
      parent.value.fields.emplace_back(std::move(parent.key), std::move(value));
      parent.has_key = false;
    } else {
      add_key(parent, value);
    }
  }
  static void add_key(Open& parent, YamlValue& key) {
    if (key.kind != YamlValue::Kind::scalar) refuse(key.line, "a key is not a plain text");
    if (parent.value.find(key.text) != nullptr) {
      refuse(key.line, fmt::format("\"{}\" is there twice", elide_middle(key.text, 60)));
    }
    parent.key = std::move(key.text);
    parent.has_key = true;
  }
  static void measure(const YamlValue& value, std::size_t depth, Anchored& sum) {
    ++sum.values;
    sum.text_bytes += value.text.size();
    sum.depth = std::max(sum.depth, depth);
    for (const YamlValue& item : value.items) measure(item, depth + 1, sum);
    for (const auto& [key, field] : value.fields) measure(field, depth + 1, sum);
  }

  YamlValue root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Budget budget_;
};

Result<YamlValue> from_json(simdjson::dom::element element, std::size_t depth, Budget& budget) {
  if (depth > yaml_depth_max) return failure(ErrorCode::limit, std::string(too_deep));
  YamlValue value;
  const auto child = [&](simdjson::dom::element each, YamlValue& into) -> Status {
    Result<YamlValue> made = from_json(each, depth + 1, budget);
    if (!made) return tl::unexpected(std::move(made.error()));
    into = std::move(*made);
    return {};
  };
  if (simdjson::dom::array array; element.get(array) == simdjson::SUCCESS) {
    value.kind = YamlValue::Kind::sequence;
    for (const simdjson::dom::element each : array) {
      if (Status added = child(each, value.items.emplace_back()); !added) return tl::unexpected(added.error());
    }
  } else if (simdjson::dom::object object; element.get(object) == simdjson::SUCCESS) {
    value.kind = YamlValue::Kind::map;
    for (const auto& [key, each] : object) {
      if (value.find(key) != nullptr) {
        return failure(ErrorCode::invalid_argument, fmt::format("\"{}\" is there twice", elide_middle(key, 60)));
      }
      auto& field = value.fields.emplace_back(std::string(key), YamlValue{});
      if (Status added = child(each, field.second); !added) return tl::unexpected(added.error());
    }
  } else if (std::string_view text; element.get(text) == simdjson::SUCCESS) {
    value.kind = YamlValue::Kind::scalar;
    value.text = text;
  } else if (!element.is_null()) {
    value.kind = YamlValue::Kind::scalar;
    value.text = simdjson::minify(element);
  }
  if (const auto excess = budget.take(1, value.text.size()); !excess.empty()) {
    return failure(ErrorCode::limit, std::string(excess));
  }
  return value;
}

}  // namespace

const YamlValue* YamlValue::find(std::string_view key) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == key; });
  return found == fields.end() ? nullptr : &found->second;
}

Result<YamlValue> parse_yaml(std::string_view text) {
  // The parser guesses UTF-16 and UTF-32 from bytes of zero.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return failure(ErrorCode::invalid_argument, fmt::format("a NUL byte at byte {}: not a text", nul));
  }
  if (!is_utf8(text)) return failure(ErrorCode::invalid_argument, "not UTF-8");
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return YamlValue{};
    Builder rest;
    if (parser.HandleNextDocument(rest)) return failure(ErrorCode::invalid_argument, "more than one document");
    return builder.take();
  } catch (const Refusal& refusal) {
    return tl::unexpected(refusal.error);
  } catch (const YAML::Exception& error) {
    return failure(ErrorCode::invalid_argument,
                   at_line(static_cast<std::size_t>(std::max(error.mark.line, 0)) + 1, error.msg));
  } catch (const std::exception& error) {
    return failure(ErrorCode::invalid_argument, error.what());
  }
}

Result<YamlValue> parse_json(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS) {
    return failure(ErrorCode::invalid_argument, simdjson::error_message(error));
  }
  Budget budget;
  return from_json(root, 1, budget);
}

}  // namespace joey
