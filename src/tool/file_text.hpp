// The text of a file or document, which passes by in pieces, as often as it is wanted: a file of any size is read with
// little memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/function.hpp"
#include "base/result.hpp"
#include "document/encoding.hpp"
#include "redact/redact.hpp"
#include "workspace/workspace.hpp"

namespace joey {

class FileText {
 public:
  // That of bytes which are there already. Without the secrets that `redactor`, which may be null, finds.
  FileText(std::string_view bytes, TextEncoding encoding, std::shared_ptr<const Redactor> redactor = nullptr);
  // That of a file, read anew each time. The workspace outlives it.
  FileText(const Workspace& workspace, std::string path, TextEncoding encoding,
           std::shared_ptr<const Redactor> redactor = nullptr)
      : workspace_(&workspace), path_(std::move(path)), encoding_(encoding), redactor_(std::move(redactor)) {}

  // Hands the text over in pieces that end between characters, until `take` returns false or the text ends. `limit`
  // when it is larger than scan_size_max and `take` has not had enough.
  [[nodiscard]] Status pass(const CancelToken& cancel, const UniqueFunction<bool(std::string_view)>& take);

  // What has passed had bytes that are not of the encoding; they are U+FFFD in it.
  [[nodiscard]] bool damaged() const { return damaged_; }
  [[nodiscard]] TextEncoding encoding() const { return encoding_; }

  static constexpr std::uint64_t scan_size_max = std::uint64_t{16} << 30;

 private:
  std::string text_;
  const Workspace* workspace_{nullptr};
  std::string path_;
  TextEncoding encoding_;
  std::shared_ptr<const Redactor> redactor_;
  bool damaged_{false};
};

}  // namespace joey
