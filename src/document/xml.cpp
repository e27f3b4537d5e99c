#include "document/xml.hpp"

#include <expat.h>
#include <fmt/format.h>

#include <charconv>
#include <exception>
#include <memory>
#include <type_traits>

namespace joey {
namespace {

// Bytes without an element or text. Expat looks at a tag that does not end from its start again and again.
constexpr std::size_t silence_max = 2U << 20;

std::string_view local_name(const char* name) {
  const std::string_view full = name;
  const std::size_t colon = full.rfind(':');
  return colon == std::string_view::npos ? full : full.substr(colon + 1);
}

// One part on its way through expat.
class Reading {
 public:
  explicit Reading(XmlHandler& handler) : handler_(handler), parser_(XML_ParserCreate(nullptr), XML_ParserFree) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), on_start, on_end);
    XML_SetCharacterDataHandler(parser_.get(), on_text);
    XML_SetStartDoctypeDeclHandler(parser_.get(), on_doctype);
  }

  // False when there is nothing more to read, or it went wrong.
  bool take(std::string_view piece, bool last) {
    silence_ += piece.size();
    const XML_Status status = XML_Parse(parser_.get(), piece.data(), static_cast<int>(piece.size()), last ? 1 : 0);
    if (status != XML_STATUS_OK && problem_.empty() && !stopped_) {
      problem_ = fmt::format("{} in line {}", XML_ErrorString(XML_GetErrorCode(parser_.get())),
                             XML_GetCurrentLineNumber(parser_.get()));
    }
    if (silence_ > silence_max) problem_ = "one element is larger than 2 MB";
    return problem_.empty() && !stopped_;
  }

  [[nodiscard]] bool stopped() const { return stopped_; }  // by the handler, which has what it wants
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  // No exception may pass through the parser, which is C.
  template <class Call>
  static void guarded(void* self, Call&& call) {
    auto& reading = *static_cast<Reading*>(self);
    if (!reading.problem_.empty() || reading.stopped_) return;
    reading.silence_ = 0;
    try {
      call(reading);
      if (reading.handler_.done()) reading.stop("");
    } catch (const std::exception& error) {
      reading.stop(error.what());
    }
  }
  void stop(std::string problem) {
    stopped_ = problem.empty();
    problem_ = std::move(problem);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  static void on_start(void* self, const char* name, const char** attributes) {
    guarded(self, [&](Reading& reading) {
      if (++reading.depth_ > xml_depth_max) return reading.stop(fmt::format("elements {} deep", xml_depth_max));
      reading.handler_.on_start(local_name(name), XmlAttributes(attributes));
    });
  }
  static void on_end(void* self, const char* name) {
    guarded(self, [&](Reading& reading) {
      --reading.depth_;
      reading.handler_.on_end(local_name(name));
    });
  }
  static void on_text(void* self, const char* text, int size) {
    guarded(self, [&](Reading& reading) {
      reading.handler_.on_text(std::string_view(text, static_cast<std::size_t>(size)));
    });
  }
  static void on_doctype(void* self, const char*, const char*, const char*, int) {
    static_cast<Reading*>(self)->stop("it declares a document type, which no office program does");
  }

  XmlHandler& handler_;
  std::unique_ptr<std::remove_pointer_t<XML_Parser>, void (*)(XML_Parser)> parser_;
  std::string problem_;
  bool stopped_{false};
  std::size_t depth_{0};
  std::size_t silence_{0};
};

}  // namespace

std::string_view XmlAttributes::get(std::string_view name) const {
  for (const char** pair = pairs_; pair[0] != nullptr; pair += 2) {
    if (local_name(pair[0]) == name) return pair[1];
  }
  return {};
}

std::string_view XmlAttributes::get_prefixed(std::string_view name) const {
  for (const char** pair = pairs_; pair[0] != nullptr; pair += 2) {
    if (local_name(pair[0]) == name && name != pair[0]) return pair[1];
  }
  return {};
}

std::size_t XmlAttributes::number(std::string_view name, std::size_t max, std::size_t otherwise) const {
  const std::string_view text = get(name);
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value <= max ? value : otherwise;
}

Status read_xml(Archive& archive, const std::string& part, XmlHandler& handler) {
  Reading reading(handler);
  const Status status = archive.read(part, [&reading](std::string_view piece) { return reading.take(piece, false); });
  if (!status) return status;
  if (reading.problem().empty() && !reading.stopped()) reading.take("", true);
  if (!reading.problem().empty()) {
    return failure(ErrorCode::corrupt, fmt::format("is damaged ({}: {}): open and save it again with the program that "
                                                   "made it",
                                                   part_name(part), reading.problem()));
  }
  return {};
}

}  // namespace joey
