#include "document/archive.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace joey {
namespace {

constexpr std::size_t piece_size = 64U << 10;
constexpr std::size_t name_shown_max = 100;

tl::unexpected<Error> damaged(std::string_view part, std::string_view what) {
  return failure(ErrorCode::corrupt,
                 fmt::format("is damaged ({}{}{}): open and save it again with the program that made it",
                             part_name(part), part.empty() ? "" : ": ", what));
}

}  // namespace

std::string part_name(std::string_view part) {
  std::string name = to_utf8(utf8_prefix(part, name_shown_max));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return name;
}

void Archive::Close::operator()(zip* archive) const { zip_discard(archive); }

Result<Archive> Archive::open(std::string_view bytes, const CancelToken& cancel) {
  zip_error_t error;
  zip_error_init(&error);
  zip* archive = nullptr;
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source != nullptr) {
    archive = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (archive == nullptr) zip_source_free(source);
  }
  const std::string what = archive == nullptr ? zip_error_strerror(&error) : "";
  zip_error_fini(&error);
  if (archive == nullptr) return damaged("", what);
  return Archive(archive, cancel);
}

bool Archive::has(const std::string& part) const { return zip_name_locate(archive_.get(), part.c_str(), 0) >= 0; }

Status Archive::read(const std::string& part, UniqueFunction<bool(std::string_view)> take) {
  if (!has(part)) return failure(ErrorCode::not_found, fmt::format("has no part \"{}\"", part_name(part)));
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen(archive_.get(), part.c_str(), 0), zip_fclose);
  if (!file) return damaged(part, zip_error_strerror(zip_get_error(archive_.get())));
  std::vector<char> piece(piece_size);
  while (true) {
    if (cancel_->cancelled()) return failure(ErrorCode::cancelled, "was not read: the call was cancelled");
    const zip_int64_t size = zip_fread(file.get(), piece.data(), piece.size());
    if (size < 0) return damaged(part, zip_file_strerror(file.get()));
    if (size == 0) return {};
    read_ += static_cast<std::size_t>(size);
    if (read_ > archive_read_max) {
      return failure(ErrorCode::limit, fmt::format("unpacks to more than {} MB: split it, or convert it with a command",
                                                   archive_read_max >> 20));
    }
    if (!take(std::string_view(piece.data(), static_cast<std::size_t>(size)))) return {};
  }
}

}  // namespace joey
