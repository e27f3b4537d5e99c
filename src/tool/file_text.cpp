#include "tool/file_text.hpp"

#include <fmt/format.h>

namespace joey {
namespace {

constexpr std::size_t piece_size = 1U << 20;

}  // namespace

FileText::FileText(std::string_view bytes, TextEncoding encoding, std::shared_ptr<const Redactor> redactor)
    : encoding_(encoding), redactor_(std::move(redactor)) {
  TextDecoder decoder(encoding);
  decoder.append(bytes, text_);
  decoder.finish(text_);
  damaged_ = decoder.damage().has_value();
  if (redactor_) text_ = redactor_->redact(text_);
}

Status FileText::pass(const CancelToken& cancel, const UniqueFunction<bool(std::string_view)>& take) {
  if (workspace_ == nullptr) {
    take(text_);
    return {};
  }
  TextDecoder decoder(encoding_);
  std::optional<RedactionStream> clean;
  if (redactor_) clean.emplace(redactor_);
  std::string text;
  for (std::uint64_t offset = 0; offset < scan_size_max; offset += piece_size) {
    if (cancel.cancelled()) return failure(ErrorCode::cancelled, "read_file was cancelled");
    const Result<std::string> bytes = workspace_->read_range(path_, offset, piece_size);
    if (!bytes) return tl::unexpected(bytes.error());
    text.clear();
    decoder.append(*bytes, text);
    const bool last = bytes->size() < piece_size;
    if (last) decoder.finish(text);
    damaged_ = damaged_ || decoder.damage().has_value();
    if (clean) text = clean->feed(text);
    if (clean && last) text += clean->finish();
    if (!take(text) || last) return {};
  }
  return failure(ErrorCode::limit,
                 fmt::format("\"{}\" is not searched for lines beyond its first {} GB: print the part you need with a "
                             "command, as with tail -c or dd",
                             path_, scan_size_max >> 30));
}

}  // namespace joey
