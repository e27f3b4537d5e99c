#include "document/document.hpp"

namespace joey {

Result<DocumentText> office_text(std::string_view, const CancelToken&) {
  return failure(
      ErrorCode::unsupported,
      "is a ZIP archive, perhaps an office document, which this joey is built without (JOEY_OFFICE): list it "
      "with unzip -l, or convert it to text with a command");
}

}  // namespace joey
