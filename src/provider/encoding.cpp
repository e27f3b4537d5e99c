#include "provider/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"

namespace joey {

std::string wire_tool_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  std::string out(name.substr(0, 64));
  for (char& c : out) {
    if (!fits(c)) c = '_';
  }
  return out.empty() ? "unnamed" : out;
}

std::string wire_parameters(const ToolSpec& tool) {
  std::string schema = minified_json_object(tool.parameters);
  return schema.empty() ? R"({"type":"object","properties":{}})" : schema;
}

std::string_view wire_arguments(const ToolCall& call) {
  return call.arguments.empty() ? std::string_view("{}") : std::string_view(call.arguments);
}

bool says_something(std::string_view text) { return !trim(text).empty(); }

std::string wire_url(std::string_view base, std::string_view version, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  std::string url(base);
  if (base.ends_with(path)) return url;
  const std::size_t host = base.find("://");
  const bool bare = base.find('/', host == base.npos ? 0 : host + 3) == base.npos;
  if (bare) url += version;
  url += path;
  return url;
}

std::string wire_path(std::string_view model) { return percent_encoded(model, "-._~/:@"); }

std::string vertex_url(std::string_view base) {
  constexpr auto places = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"https://global-aiplatform.googleapis.com", "https://aiplatform.googleapis.com"},
      {"https://us-aiplatform.googleapis.com", "https://aiplatform.us.rep.googleapis.com"},
      {"https://eu-aiplatform.googleapis.com", "https://aiplatform.eu.rep.googleapis.com"},
  });
  const auto found = std::find_if(places.begin(), places.end(), [&](const auto& place) { return base.starts_with(place.first); });
  if (found == places.end()) return std::string(base);
  return std::string(found->second).append(base.substr(found->first.size()));
}

}  // namespace joey
