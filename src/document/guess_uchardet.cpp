#include <uchardet/uchardet.h>

#include <memory>
#include <utility>

#include "document/guess.hpp"

namespace joey {

std::optional<TextEncoding> guess_encoding(std::string_view text) {
  // Of an encoding that another one extends, the larger one: programs write it and call it by the name of the smaller.
  static constexpr std::pair<std::string_view, TextEncoding> known[] = {
      {"ISO-8859-1", TextEncoding::windows_1252},
      {"WINDOWS-1252", TextEncoding::windows_1252},
      {"WINDOWS-1250", TextEncoding::windows_1250},
      {"WINDOWS-1251", TextEncoding::windows_1251},
      {"WINDOWS-1253", TextEncoding::windows_1253},
      {"ISO-8859-9", TextEncoding::windows_1254},
      {"WINDOWS-1254", TextEncoding::windows_1254},
      {"ISO-8859-8", TextEncoding::windows_1255},
      {"WINDOWS-1255", TextEncoding::windows_1255},
      {"WINDOWS-1256", TextEncoding::windows_1256},
      {"WINDOWS-1257", TextEncoding::windows_1257},
      {"WINDOWS-1258", TextEncoding::windows_1258},
      {"ISO-8859-2", TextEncoding::iso_8859_2},
      {"ISO-8859-3", TextEncoding::iso_8859_3},
      {"ISO-8859-4", TextEncoding::iso_8859_4},
      {"ISO-8859-5", TextEncoding::iso_8859_5},
      {"ISO-8859-6", TextEncoding::iso_8859_6},
      {"ISO-8859-7", TextEncoding::iso_8859_7},
      {"ISO-8859-10", TextEncoding::iso_8859_10},
      {"ISO-8859-11", TextEncoding::windows_874},
      {"TIS-620", TextEncoding::windows_874},
      {"ISO-8859-13", TextEncoding::iso_8859_13},
      {"ISO-8859-15", TextEncoding::iso_8859_15},
      {"ISO-8859-16", TextEncoding::iso_8859_16},
      {"KOI8-R", TextEncoding::koi8_r},
      {"IBM852", TextEncoding::ibm_852},
      {"IBM855", TextEncoding::ibm_855},
      {"IBM866", TextEncoding::ibm_866},
      {"MAC-CENTRALEUROPE", TextEncoding::mac_central_europe},
      {"MAC-CYRILLIC", TextEncoding::mac_cyrillic},
      {"SHIFT_JIS", TextEncoding::shift_jis},
      {"EUC-JP", TextEncoding::euc_jp},
      {"GB18030", TextEncoding::gb18030},
      {"BIG5", TextEncoding::big5},
      {"EUC-KR", TextEncoding::euc_kr},
      {"UHC", TextEncoding::euc_kr},
      {"EUC-TW", TextEncoding::euc_tw},
  };
  const std::unique_ptr<uchardet, void (*)(uchardet_t)> detector(uchardet_new(), uchardet_delete);
  if (uchardet_handle_data(detector.get(), text.data(), text.size()) != 0) return std::nullopt;
  uchardet_data_end(detector.get());
  const std::string_view name = uchardet_get_charset(detector.get());
  for (const auto& [label, encoding] : known) {
    if (label == name) return encoding;
  }
  return std::nullopt;
}

}  // namespace joey
