#include "document/document.hpp"

namespace joey {

Result<DocumentText> pdf_text(std::string_view, const CancelToken&) {
  return failure(ErrorCode::unsupported,
                 "is a PDF, which this joey is built without (JOEY_PDF): convert it to text with a command");
}

}  // namespace joey
