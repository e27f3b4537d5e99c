#include "document/document.hpp"

namespace joey {

DocumentKind document_kind(std::string_view bytes) {
  if (bytes.starts_with("%PDF-")) return DocumentKind::pdf;
  if (bytes.starts_with("PK\x03\x04")) return DocumentKind::package;
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || bytes[first] != '{') return DocumentKind::none;
  const bool notebook =
      bytes.find("\"nbformat\"") != std::string_view::npos && bytes.find("\"cells\"") != std::string_view::npos;
  return notebook ? DocumentKind::notebook : DocumentKind::none;
}

Result<DocumentText> document_text(std::string_view bytes, DocumentKind kind, const CancelToken& cancel) {
  switch (kind) {
    case DocumentKind::pdf: return pdf_text(bytes, cancel);
    case DocumentKind::package: return office_text(bytes, cancel);
    case DocumentKind::notebook: return notebook_text(bytes);
    case DocumentKind::none: break;
  }
  return failure(ErrorCode::not_found, "is no document");
}

}  // namespace joey
