#include <doctest/doctest.h>
#include <fmt/format.h>
#include <zip.h>

#include "samples.hpp"

namespace joey::test {
namespace {

constexpr std::string_view xml = R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>)";
constexpr std::string_view relationship = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";

std::string relationships(const Parts& targets) {
  std::string text = fmt::format(R"({}<Relationships xmlns="x">)", xml);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    text += fmt::format(R"(<Relationship Id="rId{}" Type="{}{}" Target="{}"/>)", i + 1, relationship, targets[i].first,
                        targets[i].second);
  }
  return text + "</Relationships>";
}

}  // namespace

std::string archive_of(const Parts& parts) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* archive = zip_open_from_source(buffer, ZIP_CREATE | ZIP_TRUNCATE, &error);
  REQUIRE(archive != nullptr);
  zip_source_keep(buffer);
  for (const auto& [name, bytes] : parts) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    REQUIRE(index >= 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_DEFLATE, 1);  // quickly
  }
  REQUIRE(zip_close(archive) == 0);
  REQUIRE(zip_source_open(buffer) == 0);
  std::string bytes;
  char piece[4096];
  while (true) {
    const zip_int64_t size = zip_source_read(buffer, piece, sizeof piece);
    if (size <= 0) break;
    bytes.append(piece, static_cast<std::size_t>(size));
  }
  zip_source_close(buffer);
  zip_source_free(buffer);
  zip_error_fini(&error);
  return bytes;
}

Parts word_parts(std::string_view body) {
  return {
      {"_rels/.rels", relationships({{"officeDocument", "word/document.xml"}})},
      {"word/_rels/document.xml.rels",
       relationships({{"styles", "styles.xml"}, {"numbering", "/word/numbering.xml"}, {"footnotes", "footnotes.xml"}})},
      {"word/styles.xml", fmt::format(R"({}<w:styles xmlns:w="w">
        <w:style w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
        <w:style w:styleId="Own"><w:name w:val="Own"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>
        <w:style w:styleId="Points"><w:name w:val="List Bullet"/></w:style></w:styles>)",
                                      xml)},
      {"word/numbering.xml", fmt::format(R"({}<w:numbering xmlns:w="w">
        <w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl>
          <w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
        <w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl></w:abstractNum>
        <w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
        <w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num></w:numbering>)",
                                         xml)},
      {"word/footnotes.xml", fmt::format(R"({}<w:footnotes xmlns:w="w">
        <w:footnote w:type="separator" w:id="0"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>
        <w:footnote w:id="2"><w:p><w:r><w:t>See there.</w:t></w:r></w:p></w:footnote></w:footnotes>)",
                                         xml)},
      {"word/document.xml", fmt::format(R"({}<w:document xmlns:w="w" xmlns:mc="mc" xmlns:wp="wp" xmlns:a="a">)"
                                        "<w:body>{}</w:body></w:document>",
                                        xml, body)},
  };
}

Parts workbook_parts(std::string_view rows) {
  return {
      {"_rels/.rels", relationships({{"officeDocument", "xl/workbook.xml"}})},
      {"xl/_rels/workbook.xml.rels",
       relationships(
           {{"worksheet", "worksheets/sheet1.xml"}, {"sharedStrings", "sharedStrings.xml"}, {"styles", "styles.xml"}})},
      {"xl/workbook.xml", fmt::format(R"({}<workbook xmlns:r="r"><sheets><sheet name="Data" sheetId="1" r:id="rId1"/>)"
                                      "</sheets></workbook>",
                                      xml)},
      {"xl/sharedStrings.xml", fmt::format("{}<sst><si><t>name</t></si><si><r><t>val</t></r><r><t>ue</t></r>"
                                           "<rPh><t>x</t></rPh></si><si><t>a\nb</t></si></sst>",
                                           xml)},
      {"xl/styles.xml",
       fmt::format(R"({}<styleSheet><numFmts><numFmt numFmtId="165" formatCode="[$-409]d\ mmm"/>)"
                   R"(<numFmt numFmtId="166" formatCode="0.0 &quot;days&quot;"/></numFmts>)"
                   R"(<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>)"
                   R"(<xf numFmtId="14"/><xf numFmtId="165"/><xf numFmtId="166"/></cellXfs></styleSheet>)",
                   xml)},
      {"xl/worksheets/sheet1.xml", fmt::format("{}<worksheet><sheetData>{}</sheetData></worksheet>", xml, rows)},
  };
}

Parts presentation_parts() {
  const auto slide = [](std::string_view text) {
    return fmt::format(
        R"({}<p:sld xmlns:p="p" xmlns:a="a"><p:sp><p:txBody><a:p><a:pPr lvl="1"/><a:r><a:t>{}</a:t></a:r>)"
        "</a:p></p:txBody></p:sp></p:sld>",
        xml, text);
  };
  return {
      {"_rels/.rels", relationships({{"officeDocument", "ppt/presentation.xml"}})},
      {"ppt/_rels/presentation.xml.rels",
       relationships({{"slide", "slides/slide1.xml"}, {"slide", "slides/slide2.xml"}})},
      {"ppt/presentation.xml", fmt::format(R"({}<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst>)"
                                           R"(<p:sldId id="257" r:id="rId2"/><p:sldId id="256" r:id="rId1"/>)"
                                           "</p:sldIdLst></p:presentation>",
                                           xml)},
      {"ppt/slides/slide1.xml", slide("Stored first")},
      {"ppt/slides/slide2.xml", slide("Shown first")},
      {"ppt/slides/_rels/slide2.xml.rels", relationships({{"notesSlide", "../notesSlides/notes1.xml"}})},
      {"ppt/notesSlides/notes1.xml", slide("Say hello")},
  };
}

Parts open_document_parts(std::string_view kind, std::string_view body) {
  return {
      {"mimetype", fmt::format("application/vnd.oasis.opendocument.{}", kind)},
      {"content.xml", fmt::format(R"({}<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="b" )"
                                  R"(xmlns:draw="d"><office:body>{}</office:body></office:document-content>)",
                                  xml, body)},
  };
}

}  // namespace joey::test
