#include "document/kind.hpp"

#include <algorithm>
#include <cstddef>

namespace joey {
namespace {

bool has(std::string_view bytes, std::size_t at, std::string_view part) {
  return bytes.size() >= at && bytes.substr(at).starts_with(part);
}

}  // namespace

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
