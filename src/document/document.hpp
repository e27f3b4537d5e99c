// The text of documents: PDF, Word, Excel, PowerPoint, OpenDocument, Jupyter notebooks.
//
// Documents come from anybody. Whatever they hold, reading one ends within a bound of time and memory, in a text or in
// an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace joey {

constexpr std::size_t document_size_max = 64U << 20;      // of the file
constexpr std::size_t document_text_size_max = 8U << 20;  // of its text; the rest is left out

enum class DocumentKind : std::uint8_t {
  none,
  pdf,
  package,  // a ZIP archive: it may be an office document
  notebook,
};

// By the content: the name of a file does not matter. `bytes` may be its beginning, in which a notebook is seldom seen.
[[nodiscard]] DocumentKind document_kind(std::string_view bytes);

struct DocumentText {
  std::string title;  // "Word document", "PDF of 12 pages"
  std::string text;   // lines of UTF-8; tables have a row a line
  bool cut{false};    // there is more
};

// `bytes` are all of the file. `not_found`: a package that is none of these documents. `unsupported`: not built in, or
// a program is missing. `corrupt`, `limit`, `timeout`, `cancelled`. The messages are to follow the file's path.
//
// Threads: any. A PDF is read by another process, which this one waits for.
[[nodiscard]] Result<DocumentText> document_text(std::string_view bytes, DocumentKind kind, const CancelToken& cancel);

// --- One function a kind ---

[[nodiscard]] Result<DocumentText> notebook_text(std::string_view bytes);
[[nodiscard]] Result<DocumentText> office_text(std::string_view bytes, const CancelToken& cancel);
[[nodiscard]] Result<DocumentText> pdf_text(std::string_view bytes, const CancelToken& cancel);

}  // namespace joey
