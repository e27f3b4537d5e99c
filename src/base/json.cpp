#include "base/json.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/text.hpp"

namespace joey {
namespace {

// What a byte needs inside a JSON string: 0 as it is, 1 an escape, 2 a look at the UTF-8 sequence it starts.
constexpr std::array<std::uint8_t, 256> byte_classes = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) classes[c] = c < 0x20 || c == '"' || c == '\\' ? 1 : c >= 0x80 ? 2 : 0;
  return classes;
}();

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c)); return;
  }
}

void append_canonical(std::string& out, simdjson::dom::element element);

void append_canonical(std::string& out, simdjson::dom::object object) {
  std::vector<std::pair<std::string_view, simdjson::dom::element>> fields;
  for (auto field : object) fields.emplace_back(field.key, field.value);
  std::stable_sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  out += '{';
  for (const auto& [name, value] : fields) {
    if (out.back() != '{') out += ',';
    append_json_string(out, name);
    out += ':';
    append_canonical(out, value);
  }
  out += '}';
}

void append_canonical(std::string& out, simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::OBJECT: append_canonical(out, simdjson::dom::object(element)); return;
    case simdjson::dom::element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (auto child : simdjson::dom::array(element)) {
        if (!first) out += ',';
        first = false;
        append_canonical(out, child);
      }
      out += ']';
      return;
    }
    case simdjson::dom::element_type::STRING: append_json_string(out, std::string_view(element)); return;
    default: out += simdjson::minify(element); return;
  }
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  std::size_t done = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte_classes[byte] == 0) {
      ++i;
      continue;
    }
    if (byte_classes[byte] == 2) {
      if (const std::size_t length = utf8_sequence_size(text.substr(i)); length > 0) {
        i += length;
        continue;
      }
    }
    out.append(text, done, i - done);
    if (byte_classes[byte] == 2) {
      out += "\xEF\xBF\xBD";
    } else {
      append_escape(out, text[i]);
    }
    done = ++i;
  }
  out.append(text, done, text.size() - done);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

void JsonWriter::separate() {
  if (out_.size() == start_) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':') out_ += ',';
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool boolean) { return raw(boolean ? "true" : "false"); }

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  const fmt::format_int text(number);
  return raw({text.data(), text.size()});
}

JsonWriter& JsonWriter::integer(std::uint64_t number) {
  const fmt::format_int text(number);
  return raw({text.data(), text.size()});
}

std::string canonical_json(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return std::string(json);
  std::string out;
  append_canonical(out, root);
  return out;
}

std::string minified_json_object(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS) return {};
  return simdjson::minify(object);
}

}  // namespace joey
