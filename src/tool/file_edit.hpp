// How the tools that edit change files: one way to read, decode, edit, encode, write and report.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "edit/edit.hpp"
#include "document/encoding.hpp"
#include "redact/redact.hpp"
#include "tool/arguments.hpp"
#include "tool/tool.hpp"

namespace joey {

// The argument that names the file: "path", or else "file_path", as some tools of Roo Code have it. In the order of
// changed_path(), so that the file that is changed is the one that a mode's pattern was held against.
[[nodiscard]] std::string_view path_argument(Arguments& arguments);

// A file as a tool finds it.
struct PresentFile {
  std::string path;                  // relative to the workspace, in its shortest form
  std::optional<std::string> bytes;  // none: there is nothing of that name
  FileLedger::Knowledge knowledge{FileLedger::Knowledge::unknown};  // the model's, of these bytes
};

// `limit`: a file of more than 16 MB.
[[nodiscard]] Result<PresentFile> read_present(const ToolContext& context, std::string_view path);

// A file's text as the model knows it, and what makes its bytes of it again. Other encodings are edited as UTF-8; UTF-8, and
// what is no text at all, as the bytes it is, which leaves a byte order mark and stray bytes alone. Placeholders stand for
// the file's secrets, and are them again when it is written; so a secret stays in its file, and no other gets it.
class EditableText {
 public:
  [[nodiscard]] const std::string& text() const { return concealed_ ? concealed_->text() : text_; }
  // The bytes of the file with `edited` as its text. `path` is for the message: `edited` may have characters that the
  // encoding lacks, or placeholders of secrets that the file does not hold.
  [[nodiscard]] Result<std::string> encode(std::string_view path, std::string edited) const;
  // `content` as it is, but for placeholders: of a file that is written anew.
  [[nodiscard]] Result<std::string> reveal(std::string_view path, std::string_view content) const;

 private:
  friend Result<EditableText> decode_editable(const ToolContext& context, const PresentFile& file);
  std::string text_;                        // unless it is concealed
  std::optional<ConcealedText> concealed_;  // none: there are no secrets here
  std::optional<TextEncoding> encoding_;    // none: the text is the bytes
};
[[nodiscard]] Result<EditableText> decode_editable(const ToolContext& context, const PresentFile& file);

// What a write of these bytes is conditional on: that the file is still what was read.
[[nodiscard]] ChangeOptions change_of(const ToolContext& context, const PresentFile& before);

// The model knows what the file holds now, unless somebody else's change to it is something it has not seen.
void note_written(const ToolContext& context, const PresentFile& before, std::string_view path, std::string_view bytes);

// What the model is told when a file that it read has changed since.
inline constexpr std::string_view changed_meanwhile_notice =
    "Somebody else has changed the file since you read it: the edit matched what it holds now, but read it again before you "
    "rely on the rest.";

// The text of a file that is to be edited; none when there is no such file, which only an edit that creates one takes.
struct TextToEdit {
  std::string_view path;
  std::optional<std::string_view> text;
};
using TextEdit = std::function<Result<EditResult>(const TextToEdit& file)>;

// Edits one file and reports it: {"path", "operation": "created" | "modified" | "unchanged", "notice"}, after an account
// of what failed when an edit applied in part. The write is conditional on what was read; when somebody else was quicker,
// the edit is made once more on what the file holds then. A file that changed since the model read it is edited only
// when the edit matches it exactly.
[[nodiscard]] ToolOutcome apply_edit(const ToolContext& context, std::string_view path, const TextEdit& edit);

// Writes exactly `content`, whatever the file held, unless that is not what the model last saw of it.
[[nodiscard]] ToolOutcome overwrite(const ToolContext& context, std::string_view path, std::string_view content);

// "does not exist", with what to do about it.
[[nodiscard]] tl::unexpected<Error> missing_file(std::string_view path, std::string_view remedy);

}  // namespace joey
