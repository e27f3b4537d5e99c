#include "document/kind.hpp"

#include <algorithm>
#include <cstddef>

namespace joey {
namespace {

std::uint32_t byte(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}
std::uint32_t big16(std::string_view bytes, std::size_t at) { return byte(bytes, at) << 8 | byte(bytes, at + 1); }
std::uint32_t big32(std::string_view bytes, std::size_t at) { return big16(bytes, at) << 16 | big16(bytes, at + 2); }
std::uint32_t little16(std::string_view bytes, std::size_t at) { return byte(bytes, at) | byte(bytes, at + 1) << 8; }
std::uint32_t little24(std::string_view bytes, std::size_t at) {
  return little16(bytes, at) | byte(bytes, at + 2) << 16;
}

bool has(std::string_view bytes, std::size_t at, std::string_view part) {
  return bytes.size() >= at && bytes.substr(at).starts_with(part);
}

ImageInfo png(std::string_view bytes) {
  constexpr std::size_t tail_size = 4096;  // some programs add bytes after the end
  const std::string_view tail = bytes.substr(bytes.size() - std::min(bytes.size(), tail_size));
  if (!has(bytes, 12, "IHDR") || tail.find("IEND") == std::string_view::npos) return {"image/png"};
  return {"image/png", big32(bytes, 16), big32(bytes, 20)};
}

// The size is in the segment that begins a frame, after others of any length.
ImageInfo jpeg(std::string_view bytes) {
  for (std::size_t at = 2; at + 9 < bytes.size();) {
    if (byte(bytes, at) != 0xFF) break;
    const std::uint32_t marker = byte(bytes, at + 1);
    if (marker == 0xFF) {
      ++at;  // filling
      continue;
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) return {"image/jpeg", big16(bytes, at + 7), big16(bytes, at + 5)};
    if (marker == 0xDA || marker == 0xD9) break;  // the picture itself, or its end
    const std::uint32_t size = big16(bytes, at + 2);
    if (size < 2) break;
    at += 2 + size;
  }
  return {"image/jpeg"};
}

ImageInfo webp(std::string_view bytes) {
  if (has(bytes, 12, "VP8 ") && bytes.size() >= 30) {
    return {"image/webp", little16(bytes, 26) & 0x3FFF, little16(bytes, 28) & 0x3FFF};
  }
  if (has(bytes, 12, "VP8L") && bytes.size() >= 25) {
    const std::uint32_t bits = little24(bytes, 21) | byte(bytes, 24) << 24;
    return {"image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  }
  if (has(bytes, 12, "VP8X") && bytes.size() >= 30) {
    return {"image/webp", little24(bytes, 24) + 1, little24(bytes, 27) + 1};
  }
  return {"image/webp"};
}

}  // namespace

std::optional<ImageInfo> image_info(std::string_view bytes) {
  std::optional<ImageInfo> info;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) {
    info = png(bytes);
  } else if (bytes.starts_with("\xFF\xD8\xFF")) {
    info = jpeg(bytes);
  } else if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) {
    info = {"image/gif", little16(bytes, 6), little16(bytes, 8)};
  } else if (bytes.starts_with("RIFF") && has(bytes, 8, "WEBP")) {
    info = webp(bytes);
  }
  if (info && (info->width == 0 || info->height == 0)) info->width = info->height = 0;
  return info;
}

std::string_view binary_kind(std::string_view bytes) {
  struct Magic {
    std::size_t at;
    std::string_view bytes;
    std::string_view name;
  };
  static constexpr Magic known[] = {
      {0, "BM", "BMP image"},
      {0, {"\0\0\1\0", 4}, "icon"},
      {0, {"II*\0", 4}, "TIFF image"},
      {0, {"MM\0*", 4}, "TIFF image"},
      {4, "ftypavif", "AVIF image"},
      {4, "ftypheic", "HEIC image"},
      {0, "8BPS", "Photoshop image"},
      {4, "ftyp", "MP4 or QuickTime file"},
      {0, "\x1A\x45\xDF\xA3", "Matroska or WebM video"},
      {8, "AVI ", "AVI video"},
      {8, "WAVE", "WAVE sound"},
      {0, "ID3", "MP3 sound"},
      {0, "OggS", "Ogg sound"},
      {0, "fLaC", "FLAC sound"},
      {0,
       "\x7F"
       "ELF",
       "ELF program or library"},
      {0, "MZ", "Windows program or library"},
      {0, "\xCF\xFA\xED\xFE", "Mach-O program"},
      {0, "\xCA\xFE\xBA\xBE", "Java class or Mach-O program"},
      {0, {"\0asm", 4}, "WebAssembly module"},
      {0, "!<arch>\n", "archive of object files"},
      {0, "PK\x03\x04", "ZIP archive"},
      {0, "\x1F\x8B", "gzip file"},
      {0, "BZh", "bzip2 file"},
      {0,
       {"\xFD"
        "7zXZ\0",
        6},
       "xz file"},
      {0, "\x28\xB5\x2F\xFD", "Zstandard file"},
      {0, "7z\xBC\xAF\x27\x1C", "7-Zip archive"},
      {0, "Rar!\x1A\x07", "RAR archive"},
      {257, "ustar", "tar archive"},
      {0, {"SQLite format 3\0", 16}, "SQLite database"},
      {0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "document of an old Office, or an encrypted one"},
      {0, "wOFF", "font"},
      {0, "wOF2", "font"},
      {0, "OTTO", "font"},
      {0, {"\0\1\0\0\0", 5}, "font"},
      {0, "PAR1", "Parquet file"},
      {0, "\x89HDF\r\n\x1A\n", "HDF5 file"},
      {0, "\x93NUMPY", "NumPy array"},
      {0, "%PDF-", "PDF document"},
  };
  for (const Magic& magic : known) {
    if (has(bytes, magic.at, magic.bytes)) return magic.name;
  }
  return {};
}

}  // namespace joey
