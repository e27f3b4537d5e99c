#include "tool/file_edit.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "tool/common.hpp"

namespace joey {
namespace {

constexpr std::size_t file_size_max = 16U << 20;
constexpr int attempts_max = 2;  // the second when somebody else wrote the file between our read and our write

constexpr std::string_view saved_notice = "The change is saved. There is no need to read the file again.";
constexpr std::string_view same_notice = "No changes needed: the file already holds exactly this.";
constexpr std::string_view replaced_notice =
    "The file holds exactly the content you gave. There is no need to read it again.";

using Knowledge = FileLedger::Knowledge;

// Does `work` again when the file was not what it had been read as.
template <class Work>
ToolOutcome with_retry(const ToolContext& context, std::string_view path, Work work) {
  for (int attempt = 1;; ++attempt) {
    const auto file = read_present(context, path);
    if (!file) return tool_failure(file.error());
    Result<ToolOutcome> outcome = work(*file);
    if (outcome) return *std::move(outcome);
    if (outcome.error().code != ErrorCode::conflict || attempt == attempts_max) return tool_failure(outcome.error());
  }
}

std::string report(const PresentFile& file, const EditResult& result, bool changed) {
  std::string text;
  if (result.failed > 0) {
    text = fmt::format("Only {} of {} blocks were applied to \"{}\". Read the file again before you retry the others.\n{}\n",
                       result.applied, result.applied + result.failed, file.path, result.report);
  }
  std::string notice(!changed                                  ? same_notice
                     : file.knowledge == Knowledge::outdated ? changed_meanwhile_notice
                                                             : saved_notice);
  if (changed && !result.notes.empty()) notice.append(" ").append(trim(result.notes));
  return text + write_report(file.path, !changed ? "unchanged" : file.bytes ? "modified" : "created", notice);
}

Result<ToolOutcome> edit_once(const ToolContext& context, const PresentFile& file, const TextEdit& edit) {
  const auto before = decode_editable(context, file);
  if (!before) return tool_failure(before.error());
  const auto result = edit({file.path, file.bytes ? std::optional<std::string_view>(before->text()) : std::nullopt});
  if (!result) return tool_failure(result.error());
  if (result->applied == 0) {
    return tool_failure(
        within(fmt::format("\"{}\" is unchanged: {}", file.path, trim(result->report)), context.result_bytes_max));
  }
  if (file.knowledge == Knowledge::outdated && !result->exact) {
    return tool_failure(fmt::format("\"{}\" is unchanged: somebody else has changed it since you read it, and the edit does "
                                    "not match exactly what it holds now; read it again",
                                    file.path));
  }
  if (context.cancel.cancelled()) return tool_failure(fmt::format("\"{}\" is unchanged: the call was cancelled", file.path));
  const auto bytes = before->encode(file.path, result->text);
  if (!bytes) return tool_failure(bytes.error());
  const bool changed = file.bytes != *bytes;
  if (changed) {
    const auto written = context.workspace->write(file.path, *bytes, change_of(context, file));
    if (!written) return tl::unexpected(written.error());
    note_written(context, file, file.path, *bytes);
  }
  ToolOutcome outcome{true, within(report(file, *result, changed), context.result_bytes_max), {}, {}};
  if (changed) outcome.paths.push_back(file.path);
  return outcome;
}

// What replacing a file whole has changed of its form, which the model has not seen.
std::string changed_form(std::string_view before, std::string_view after) {
  std::string text;
  const TextEncoding was = detect_encoding(before);
  const TextEncoding is = detect_encoding(after);
  if (was != is && was == TextEncoding::utf8_with_mark) {
    text += " The file began with a byte order mark; it no longer does.";
  } else if (was != is && was != TextEncoding::utf8 && was != TextEncoding::binary && is == TextEncoding::utf8) {
    return fmt::format(" The file was {}; it is UTF-8 now.", encoding_name(was));
  }
  if (before.find("\r\n") != std::string_view::npos && after.find('\n') != std::string_view::npos &&
      after.find("\r\n") == std::string_view::npos) {
    text += " The file had CRLF line endings; they are LF now.";
  }
  return text;
}

Result<ToolOutcome> replace_once(const ToolContext& context, const PresentFile& file, std::string_view given) {
  if (file.knowledge == Knowledge::outdated) {
    return tool_failure(fmt::format("\"{}\" was not written: somebody else has changed it since you read it; read it again",
                                    file.path));
  }
  // A file that cannot be decoded can be written all the same; it has no secrets that the model knows of.
  auto before = decode_editable(context, file);
  if (!before) before = decode_editable(context, {file.path, std::nullopt, Knowledge::unknown});
  const auto content = before->reveal(file.path, given);
  if (!content) return tool_failure(content.error());
  if (file.bytes == *content) return ToolOutcome{true, write_report(file.path, "unchanged", same_notice), {}, {}};
  const auto written = context.workspace->write(file.path, *content, change_of(context, file));
  if (!written) return tl::unexpected(written.error());
  note_written(context, file, file.path, *content);
  const std::string notice = std::string(replaced_notice) + (file.bytes ? changed_form(*file.bytes, *content) : "");
  return ToolOutcome{true, write_report(file.path, file.bytes ? "modified" : "created", notice), {}, {file.path}};
}

}  // namespace

std::string_view path_argument(Arguments& arguments) {
  if (const auto path = arguments.optional_string("path")) return *path;
  if (const auto path = arguments.optional_string("file_path")) return *path;
  return arguments.string("path");
}

Result<PresentFile> read_present(const ToolContext& context, std::string_view path) {
  auto relative = context.workspace->relative(path);
  if (!relative) return tl::unexpected(std::move(relative.error()));
  PresentFile file{*std::move(relative), std::nullopt, Knowledge::unknown};
  auto bytes = context.workspace->read(file.path, file_size_max);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::not_found) return file;
    return tl::unexpected(std::move(bytes.error()));
  }
  file.bytes = *std::move(bytes);
  if (context.files != nullptr) file.knowledge = context.files->knowledge(file.path, *file.bytes);
  return file;
}

Result<EditableText> decode_editable(const ToolContext& context, const PresentFile& file) {
  EditableText editable;
  if (file.bytes) {
    const TextEncoding encoding = detect_encoding(*file.bytes);
    if (encoding == TextEncoding::utf8 || encoding == TextEncoding::utf8_with_mark || encoding == TextEncoding::binary) {
      editable.text_ = *file.bytes;
    } else {
      auto text = decode_text(*file.bytes, encoding);
      if (!text) return failure(text.error().code, fmt::format("\"{}\": {}", file.path, text.error().message));
      editable.text_ = *std::move(text);
      editable.encoding_ = encoding;
    }
  }
  if (context.redactor) editable.concealed_ = context.redactor->conceal(std::exchange(editable.text_, {}));
  return editable;
}

Result<std::string> EditableText::encode(std::string_view path, std::string edited) const {
  auto revealed = reveal(path, edited);
  if (!revealed || !encoding_) return revealed;
  auto bytes = encode_text(*revealed, *encoding_);
  if (!bytes) return failure(bytes.error().code, fmt::format("\"{}\": {}", path, bytes.error().message));
  return bytes;
}

Result<std::string> EditableText::reveal(std::string_view path, std::string_view content) const {
  if (!concealed_) return std::string(content);
  auto revealed = concealed_->reveal(content);
  if (!revealed) return failure(revealed.error().code, fmt::format("\"{}\" was not written: {}", path, revealed.error().message));
  return revealed;
}

ChangeOptions change_of(const ToolContext& context, const PresentFile& before) {
  ChangeOptions options;
  options.protected_files = context.protected_files;
  options.creates = !before.bytes;
  if (before.bytes) options.replaces = *before.bytes;
  return options;
}

void note_written(const ToolContext& context, const PresentFile& before, std::string_view path, std::string_view bytes) {
  if (context.files != nullptr && before.knowledge != Knowledge::outdated) context.files->saw(path, bytes);
}

ToolOutcome apply_edit(const ToolContext& context, std::string_view path, const TextEdit& edit) {
  return with_retry(context, path, [&](const PresentFile& file) { return edit_once(context, file, edit); });
}

ToolOutcome overwrite(const ToolContext& context, std::string_view path, std::string_view content) {
  const auto info = context.workspace->info(path);
  if (!info || info->kind != FileKind::file || info->size <= file_size_max) {
    return with_retry(context, path, [&](const PresentFile& file) { return replace_once(context, file, content); });
  }
  // Too large for a model to have seen all of it, and to be compared with.
  const auto relative = context.workspace->relative(path);
  if (!relative) return tool_failure(relative.error());
  const auto revealed = decode_editable(context, {*relative, std::nullopt, Knowledge::unknown})->reveal(*relative, content);
  if (!revealed) return tool_failure(revealed.error());
  const auto written = context.workspace->write(*relative, content, {.protected_files = context.protected_files});
  if (!written) return tool_failure(written.error());
  if (context.files != nullptr) context.files->saw(*relative, content);
  return {true, write_report(*relative, "modified", replaced_notice), {}, {*relative}};
}

tl::unexpected<Error> missing_file(std::string_view path, std::string_view remedy) {
  return failure(ErrorCode::not_found, fmt::format("\"{}\" does not exist: {}", path, remedy));
}

}  // namespace joey
