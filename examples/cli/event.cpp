#include "event.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace cli {
namespace {

template <class T>
T field(Object object, std::string_view name) {
  T value{};
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return T{};
  return value;
}

}  // namespace

std::string_view text_of(Object object, std::string_view name) { return field<std::string_view>(object, name); }
std::int64_t number_of(Object object, std::string_view name) { return field<std::int64_t>(object, name); }
double real_of(Object object, std::string_view name) { return field<double>(object, name); }
bool flag_of(Object object, std::string_view name) { return field<bool>(object, name); }

Object object_of(Object object, std::string_view name) {
  Object value;
  if (object.at_key(name).get(value) == simdjson::SUCCESS) return value;
  static simdjson::dom::parser parser;
  static const Object empty = parser.parse(std::string_view("{}")).get_object();
  return empty;
}

Array array_of(Object object, std::string_view name) {
  Array value;
  if (object.at_key(name).get(value) == simdjson::SUCCESS) return value;
  static simdjson::dom::parser parser;
  static const Array empty = parser.parse(std::string_view("[]")).get_array();
  return empty;
}

std::vector<std::string> texts_of(Object object, std::string_view name) {
  std::vector<std::string> texts;
  for (const auto item : array_of(object, name)) {
    std::string_view text;
    if (item.get(text) == simdjson::SUCCESS) texts.emplace_back(text);
  }
  return texts;
}

Object JsonReader::object(std::string_view json) {
  Object object;
  if (const auto error = parser_.parse(json.data(), json.size()).get(object)) {
    throw std::runtime_error(fmt::format("not a JSON object: {}", simdjson::error_message(error)));
  }
  return object;
}

Event JsonReader::event(std::string_view json) {
  Event event;
  event.fields = object(json);
  event.task = event.text("task");
  event.type = event.text("type");
  event.seq = static_cast<std::uint64_t>(event.number("seq"));
  event.at = event.number("at");
  if (event.task.empty() || event.type.empty()) throw std::runtime_error("an event without \"task\" or \"type\"");
  return event;
}

Object JsonReader::object_or_empty(std::string_view json) {
  Object object;
  if (parser_.parse(json.data(), json.size()).get(object) == simdjson::SUCCESS) return object;
  return this->object("{}");
}

}  // namespace cli
