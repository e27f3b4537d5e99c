// Small documents, made where they are needed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace joey::test {

using Parts = std::vector<std::pair<std::string, std::string>>;

// A ZIP archive of these parts, packed.
std::string archive_of(const Parts& parts);

// A Word document with this body, with styles "Heading1" (in German: "berschrift2" is the second level) and lists 1
// (bullets) and 2 (numbers).
Parts word_parts(std::string_view body);
// A workbook of one sheet "Data" with these rows; style 1 is a date. Shared strings: "name", "value", "a\nb".
Parts workbook_parts(std::string_view rows);
Parts presentation_parts();
Parts open_document_parts(std::string_view kind, std::string_view body);

std::string notebook();

// A PDF with a text on each page; empty texts make empty pages.
std::string pdf_of(const std::vector<std::string>& pages);

}  // namespace joey::test
