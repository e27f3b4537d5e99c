// Jupyter notebooks: JSON with cells, in which what a person wrote and what running it printed alternate.
#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.hpp"
#include "document/document.hpp"
#include "document/text_sink.hpp"

namespace joey {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t output_size_max = 4'000;  // bytes of one output

std::string_view string_of(const object& of, std::string_view name) {
  std::string_view text;
  return of.at_key(name).get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// A string, or an array of its lines.
std::string text_of(const element& value, std::size_t size_max) {
  std::string text;
  std::string_view part;
  simdjson::dom::array parts;
  if (value.get(part) == simdjson::SUCCESS) {
    text = part;
  } else if (value.get(parts) == simdjson::SUCCESS) {
    for (const element item : parts) {
      if (text.size() > size_max) break;
      if (item.get(part) == simdjson::SUCCESS) text += part;
    }
  }
  return text;
}
std::string text_of(const object& of, std::string_view name, std::size_t size_max) {
  element value;
  return of.at_key(name).get(value) == simdjson::SUCCESS ? text_of(value, size_max) : std::string();
}

void append_block(TextSink& out, std::string_view text, std::size_t size_max) {
  const std::string_view shown = utf8_prefix(text, size_max);
  out.append(shown);
  if (!shown.empty() && !shown.ends_with('\n')) out.append("\n");
  if (shown.size() < text.size())
    out.line(fmt::format("(... {} more bytes of this output)", text.size() - shown.size()));
}

// What stands for a result: its text, and for what is no text the name of its type.
void append_data(TextSink& out, const object& data) {
  for (const auto& [type, value] : data) {
    if (out.full()) return;
    if (type == "text/plain") {
      append_block(out, text_of(value, output_size_max), output_size_max);
    } else if (type.starts_with("image/")) {
      std::string_view encoded;
      if (value.get(encoded) != simdjson::SUCCESS) continue;
      out.line(fmt::format("({}, about {} bytes)", to_utf8(utf8_prefix(type, 60)), encoded.size() / 4 * 3));
    }
  }
}

void append_output(TextSink& out, const object& output) {
  const std::string_view type = string_of(output, "output_type");
  object data;
  if (type == "stream") {
    append_block(out, text_of(output, "text", output_size_max), output_size_max);
  } else if (type == "error") {
    append_block(out, fmt::format("{}: {}", string_of(output, "ename"), string_of(output, "evalue")), output_size_max);
  } else if (output.at_key("data").get(data) == simdjson::SUCCESS) {
    append_data(out, data);
  }
}

void append_cell(TextSink& out, const object& cell, std::size_t number) {
  const std::string_view type = string_of(cell, "cell_type");
  out.gap();
  out.line(fmt::format("--- Cell {} ({}) ---", number, type.empty() ? "unknown" : utf8_prefix(type, 40)));
  append_block(out, text_of(cell, "source", document_text_size_max), document_text_size_max);
  simdjson::dom::array outputs;
  if (cell.at_key("outputs").get(outputs) != simdjson::SUCCESS || outputs.size() == 0) return;
  out.line(fmt::format("--- Output of cell {} ---", number));
  for (const element item : outputs) {
    object output;
    if (out.full()) return;
    if (item.get(output) == simdjson::SUCCESS) append_output(out, output);
  }
}

}  // namespace

Result<DocumentText> notebook_text(std::string_view bytes) {
  simdjson::dom::parser parser;
  object root;
  simdjson::dom::array cells;
  const auto error = parser.parse(bytes.data(), bytes.size()).get(root);
  if (error != simdjson::SUCCESS || root.at_key("cells").get(cells) != simdjson::SUCCESS) {
    return failure(ErrorCode::corrupt,
                   fmt::format("is a damaged notebook ({}): look at it with a command, or write it anew",
                               error != simdjson::SUCCESS ? simdjson::error_message(error) : "it has no cells"));
  }
  TextSink out;
  std::size_t number = 0;
  for (const element item : cells) {
    object cell;
    if (out.full()) break;
    if (item.get(cell) == simdjson::SUCCESS) append_cell(out, cell, ++number);
  }
  return std::move(out).finish("Jupyter notebook");
}

}  // namespace joey
