// Text as a reader of a document gathers it, up to a limit.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "document/document.hpp"

namespace joey {

// "1 page", "2 pages".
[[nodiscard]] inline std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

class TextSink {
 public:
  // Nothing more is taken.
  [[nodiscard]] bool full() const { return full_; }

  void append(std::string_view text) {
    if (full_) return;
    const std::size_t left = document_text_size_max - text_.size();
    full_ = text.size() > left;
    text_ += utf8_prefix(text, left);
  }
  void line(std::string_view text) {
    append(text);
    append("\n");
  }
  // An empty line before what comes, unless it is the first or there is one.
  void gap() {
    if (!text_.empty() && !text_.ends_with("\n\n")) append("\n");
  }

  // The document whose text it is.
  [[nodiscard]] DocumentText finish(std::string title) && {
    while (text_.ends_with("\n\n")) text_.pop_back();
    return {std::move(title), std::move(text_), full_};
  }

 private:
  std::string text_;
  bool full_{false};
};

}  // namespace joey
