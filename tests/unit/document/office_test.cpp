#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.hpp"
#include "checks.hpp"
#include "document/archive.hpp"
#include "document/document.hpp"
#include "document/xml.hpp"
#include "mutation.hpp"
#include "samples.hpp"

using namespace joey;
using joey::test::archive_of;
using joey::test::holds;
using joey::test::Parts;

namespace {

DocumentText read(const Parts& parts) {
  const auto document = office_text(archive_of(parts), {});
  REQUIRE_MESSAGE(document, document.error().message);
  CHECK(is_utf8(document->text));
  return *document;
}

std::string office_problem(const std::string& bytes, ErrorCode code) {
  return test::problem(office_text(bytes, {}), code);
}

std::string with_part(Parts parts, std::string_view name, std::string bytes) {
  for (auto& [part, content] : parts) {
    if (part == name) content = std::move(bytes);
  }
  return archive_of(parts);
}

}  // namespace

TEST_CASE("a Word document is read as headings, paragraphs, lists and tables") {
  const DocumentText document = read(test::word_parts(
      R"(<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>One</w:t></w:r></w:p>)"
      R"(<w:p><w:r><w:t xml:space="preserve">Some </w:t></w:r><w:r><w:t>text&amp;more</w:t><w:tab/><w:t>x</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:pStyle w:val="berschrift2"/></w:pPr><w:r><w:t>Two</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:pStyle w:val="Own"/></w:pPr><w:r><w:t>Three</w:t></w:r></w:p>)"
      R"(<w:p/>)"
      R"(<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>dot</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>inner</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="2"/></w:numPr></w:pPr><w:r><w:t>first</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="2"/></w:numPr></w:pPr><w:r><w:t>second</w:t></w:r></w:p>)"
      R"(<w:p><w:pPr><w:pStyle w:val="Points"/></w:pPr><w:r><w:t>styled</w:t></w:r></w:p>)"
      R"(<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p>)"
      R"(<w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p/></w:tc><w:tc><w:tbl><w:tr><w:tc><w:p><w:r>)"
      R"(<w:t>in</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p/></w:tc></w:tr></w:tbl>)"
      R"(<w:p><w:r><w:t>End</w:t><w:footnoteReference w:id="2"/></w:r></w:p>)"));
  CHECK(document.title == "Word document");
  CHECK_FALSE(document.cut);
  CHECK(document.text ==
        "# One\nSome text&more\tx\n\n## Two\n\n### Three\n- dot\n  - inner\n1. first\n2. second\n- styled\n"
        "| a | b / c |\n|  | | in | |\n\nEnd[footnote 2]\n\n[footnote 2] See there.\n");
}

TEST_CASE("in a Word document what was deleted, moved away or is there twice is not read") {
  CHECK(
      read(
          test::word_parts(
              R"(<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>a</w:t></w:r>)"
              R"(<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom>)"
              R"(<w:r><w:instrText>PAGE</w:instrText><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t>)"
              R"(</w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback>)"
              R"(</mc:AlternateContent><w:drawing><wp:docPr descr="a cat"/><a:blip/></w:drawing></w:r></w:p>)"))
          .text == "box\na[image: a cat]\n\n[footnote 2] See there.\n");
}

TEST_CASE("a workbook is read as sheets of rows, with dates, strings, formulas and their values") {
  const DocumentText document = read(test::workbook_parts(
      R"(<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>)"
      R"(<row r="2"><c r="A2" t="s"><v>2</v></c><c r="C2"><v>0.10000000000000001</v></c></row>)"
      R"(<row r="3"><c r="A3" s="1"><v>45292</v></c><c r="B3" s="2"><v>1.5</v></c><c r="C3" s="3"><v>7</v></c></row>)"
      R"(<row r="4"><c r="A4" s="1"><v>0.75</v></c><c r="B4" t="b"><v>1</v></c><c r="C4" t="e"><v>#N/A</v></c></row>)"
      R"(<row r="9"><c r="A9" t="inlineStr"><is><t>in</t></is></c><c r="B9"><f>A1+1</f><v>3</v></c><c r="C9"><f>NOW()</f></c></row>)"
      R"(<row><c t="str"><v>no references</v></c><c t="s"><v>99</v></c></row>)"
      R"(<row r="11"><c r="XFD11"><v>1e300</v></c></row><row r="12"><c r="A12"/></row>)"));
  CHECK(document.title == "Excel workbook of 1 sheet");
  CHECK(document.text ==
        "--- Sheet \"Data\": row number, cells from column A on ---\n"
        "1\tname\tvalue\n"
        "2\ta b\t\t0.1\n"
        "3\t2024-01-01\t1900-01-01 12:00:00\t7\n"
        "4\t18:00:00\tTRUE\t#N/A\n"
        "(empty rows)\n"
        "9\tin\t3\t=NOW()\n"
        "10\tno references\t(text not read)\n"
        "11\t(column XFD) 1e+300\n");
}

TEST_CASE("a presentation is read slide by slide in the order of the show, with notes") {
  const DocumentText document = read(test::presentation_parts());
  CHECK(document.title == "PowerPoint presentation of 2 slides");
  CHECK(document.text ==
        "--- Slide 1 ---\nShown first\n--- Notes of slide 1 ---\nSay hello\n\n--- Slide 2 ---\nStored first\n");
}

TEST_CASE("OpenDocument texts, sheets and presentations are read") {
  DocumentText document = read(test::open_document_parts(
      "text",
      R"(<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>)"
      R"(<text:h text:outline-level="2">Head</text:h><text:p>a<text:s text:c="3"/>b<text:span>c</text:span>)"
      R"(<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>see</text:p></text:note-body></text:note></text:p>)"
      R"(<text:list><text:list-item><text:p>x</text:p><text:list><text:list-item><text:p>y</text:p></text:list-item></text:list></text:list-item></text:list>)"
      R"(<table:table><table:table-row><table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell><text:p>2</text:p><text:p>3</text:p></table:table-cell></table:table-row></table:table>)"));
  CHECK(document.title == "OpenDocument text document");
  CHECK(document.text == "## Head\na   bc1 [note: see]\n- x\n  - y\n| 1 | 2 / 3 |\n");
  document = read(test::open_document_parts(
      "spreadsheet",
      R"(<table:table table:name="T"><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>)"
      R"(<table:table-cell table:number-columns-repeated="2"/><table:table-cell table:number-columns-repeated="2"><text:p>b</text:p></table:table-cell>)"
      R"(<table:table-cell table:number-columns-repeated="16000"/></table:table-row>)"
      R"(<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="1000000"/></table:table-row>)"
      R"(<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="1000000"><text:p>c</text:p></table:table-cell></table:table-row></table:table>)"));
  CHECK(document.title == "OpenDocument spreadsheet of 1 sheet");
  CHECK(holds(document.text, "--- Sheet \"T\": row number, cells from column A on ---\n1\ta\t\t\tb\tb\n1000002\tc\tc"));
  CHECK(holds(document.text, "(and 999984 more like it)\t(the same down to row 1000004)\n"));
  document = read(test::open_document_parts("presentation", "<draw:page><text:p>hi</text:p></draw:page><draw:page/>"));
  CHECK(document.title == "OpenDocument presentation of 2 slides");
  CHECK(document.text == "--- Slide 1 ---\nhi\n\n--- Slide 2 ---\n");
}

TEST_CASE("a ZIP archive that is no document is told from one that is") {
  CHECK(holds(office_problem(archive_of({{"a.txt", "x"}}), ErrorCode::not_found), "no office document"));
  CHECK(holds(
      office_problem(archive_of({{"mimetype", "application/epub+zip"}, {"content.xml", "<x/>"}}), ErrorCode::not_found),
      "no office document"));
  CHECK(office_problem("PK\x03\x04"
                       "and then nothing",
                       ErrorCode::corrupt)
            .starts_with("is damaged ("));
  CHECK(holds(office_problem(with_part(test::word_parts("<w:p>"), "", ""), ErrorCode::corrupt),
              "word/document.xml: mismatched tag"));
}

TEST_CASE("documents cut anywhere are an error or a text") {
  const std::string bytes = archive_of(test::workbook_parts(R"(<row><c t="s"><v>0</v></c></row>)"));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto document = office_text(bytes.substr(0, size), {});
    if (!document) CHECK(document.error().message.find('\n') == std::string::npos);
  }
}

TEST_CASE("a document that would unpack to gigabytes is read no further than its limits") {
  const std::string much(260U << 20, ' ');
  CHECK(
      holds(office_problem(with_part(test::word_parts(""), "word/styles.xml", "<s>" + much + "</s>"), ErrorCode::limit),
            "unpacks to more than 256 MB"));
  std::string body;
  for (int i = 0; i < 400'000; ++i) body += "<w:p><w:r><w:t>a text that is repeated very often</w:t></w:r></w:p>";
  const DocumentText document = read(test::word_parts(body));
  CHECK(document.cut);
  CHECK(document.text.size() == document_text_size_max);
}

TEST_CASE("a shared string that every cell shows does not make a text of gigabytes") {
  Parts parts = test::workbook_parts(R"(<row><c t="s"><v>0</v></c>)" + [] {
    std::string cells;
    for (int i = 0; i < 200'000; ++i) cells += R"(<c t="s"><v>0</v></c>)";
    return cells;
  }() + "</row>");
  const DocumentText document = *office_text(
      with_part(parts, "xl/sharedStrings.xml", "<sst><si><t>" + std::string(32U << 20, 'x') + "</t></si></sst>"), {});
  CHECK(document.cut);
  CHECK(document.text.size() == document_text_size_max);
}

TEST_CASE("entities and document types are refused") {
  const std::string bomb =
      R"(<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><document>&b;</document>)";
  CHECK(holds(office_problem(with_part(test::word_parts(""), "word/document.xml", bomb), ErrorCode::corrupt),
              "document type"));
  const std::string outside =
      R"(<?xml version="1.0"?><!DOCTYPE d SYSTEM "file:///etc/passwd"><document><p><t>x</t></p></document>)";
  CHECK(holds(office_problem(with_part(test::word_parts(""), "word/document.xml", outside), ErrorCode::corrupt),
              "document type"));
}

TEST_CASE("elements nested without end, and tags without one, are refused in little time") {
  std::string deep = "<document>";
  for (int i = 0; i < 1'000'000; ++i) deep += "<tbl><tr><tc>";
  CHECK(holds(office_problem(with_part(test::word_parts(""), "word/document.xml", deep), ErrorCode::corrupt),
              "500 deep"));
  const std::string endless = "<document><p a=\"" + std::string(100U << 20, 'x');
  CHECK(holds(office_problem(with_part(test::word_parts(""), "word/document.xml", endless), ErrorCode::corrupt),
              "larger than 2 MB"));
}

TEST_CASE("names of parts cannot break a message") {
  const std::string rels =
      R"(<Relationships><Relationship Id="1" Type="x/officeDocument" Target="a&#10;b"/></Relationships>)";
  const std::string bytes = archive_of({{"_rels/.rels", rels}, {"a\nb", "<document"}});
  CHECK(holds(office_problem(bytes, ErrorCode::corrupt), "a?b"));
}

TEST_CASE("a cancelled call ends the reading of a document") {
  const CancelToken cancel;
  cancel.cancel();
  const auto document = office_text(archive_of(test::presentation_parts()), cancel);
  REQUIRE_FALSE(document.has_value());
  CHECK(document.error().code == ErrorCode::cancelled);
}

TEST_CASE("office documents changed at random are read or refused") {
  const std::vector<Parts> documents{
      test::word_parts(R"(<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>One</w:t></w:r></w:p>)"
                       R"(<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr></w:tbl>)"
                       R"(<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="2"/></w:numPr></w:pPr></w:p>)"),
      test::workbook_parts(R"(<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>45292.5</v></c></row>)"
                           R"(<row r="9"><c r="XFD9" t="inlineStr"><is><t>x</t></is></c><c><f>A1</f></c></row>)"),
      test::presentation_parts(),
      test::open_document_parts("text",
                                R"(<text:h text:outline-level="1">H</text:h><text:list><text:list-item><text:p>)"
                                R"(a<text:s text:c="3"/></text:p></text:list-item></text:list>)"),
      test::open_document_parts(
          "spreadsheet", R"(<table:table table:name="T"><table:table-row table:number-rows-repeated="9">)"
                         R"(<table:table-cell table:number-columns-repeated="3"><text:p>a</text:p></table:table-cell>)"
                         R"(</table:table-row></table:table>)")};
  std::uint64_t seed = 2;
  for (const Parts& parts : documents) {
    test::mutate_and_check(archive_of(parts), 1'000, seed++);
    // Inside as well, where no checksum stops what was changed.
    for (std::uint64_t i = 0; i < 1'000; ++i) {
      const std::uint64_t run = seed * 1'000'000 + i;
      CAPTURE(run);
      test::Random random(run);
      Parts changed = parts;
      for (std::size_t changes = 1 + random.below(4); changes > 0; --changes) {
        test::mutate(changed[random.below(changed.size())].second, random);
      }
      test::check_document(archive_of(changed));
    }
    ++seed;
  }
}
