// XML as it streams by: elements, attributes and text, without the prefixes of namespaces.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "document/archive.hpp"

namespace joey {

// Those of one element.
class XmlAttributes {
 public:
  explicit XmlAttributes(const char** pairs) : pairs_(pairs) {}
  // The value of the first with this local name; empty when there is none.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  // The same among those with a prefix, as "r:id" beside "id".
  [[nodiscard]] std::string_view get_prefixed(std::string_view name) const;
  // get() as a number from 0 to `max`; `otherwise` when it is none.
  [[nodiscard]] std::size_t number(std::string_view name, std::size_t max, std::size_t otherwise = 0) const;

 private:
  const char** pairs_;
};

// What is told of a part while it is read. Names are local: "w:p" is "p".
class XmlHandler {
 public:
  virtual ~XmlHandler() = default;
  virtual void on_start(std::string_view name, const XmlAttributes& attributes) = 0;
  virtual void on_end(std::string_view) {}
  virtual void on_text(std::string_view) {}
  [[nodiscard]] virtual bool done() const { return false; }  // the rest need not be read
};

// Reads a part of `archive`. Declarations of document types, and with them entities, are `corrupt`, as is an element
// within xml_depth_max others. What follows once the handler is done is not looked at.
[[nodiscard]] Status read_xml(Archive& archive, const std::string& part, XmlHandler& handler);

constexpr std::size_t xml_depth_max = 500;

}  // namespace joey
