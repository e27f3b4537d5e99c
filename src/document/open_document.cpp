// OpenDocument: texts (ODT), spreadsheets (ODS), presentations (ODP).
#include <fmt/format.h>

#include <algorithm>

#include "document/office.hpp"

namespace joey {
namespace {

constexpr std::size_t repeats_max = 16;  // of a cell or of spaces, shown as such
constexpr std::size_t lists_max = 8;

// All of them have one form: paragraphs, tables and pages in one part.
class ContentHandler final : public XmlHandler {
 public:
  ContentHandler(TextSink& out, bool spreadsheet) : out_(out), spreadsheet_(spreadsheet) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (skipped_ > 0 || name == "tracked-changes" || name == "annotation" || name == "forms") {
      ++skipped_;
    } else if (name == "p" || name == "h") {
      Paragraph& paragraph = paragraphs_.emplace_back();
      paragraph.heading = name == "h" ? attributes.number("outline-level", 6, 1) : 0;
    } else if (name == "s") {
      write(std::string(attributes.number("c", repeats_max, 1), ' '));
    } else if (name == "tab") {
      write("\t");
    } else if (name == "line-break") {
      write("\n");
    } else if (name == "image") {
      write("[image]");
    } else if (name == "note-body") {
      write(" [note: ");
    } else if (name == "list") {
      ++lists_;
    } else if (name == "list-item") {
      item_ = true;
    } else if (name == "page") {
      out_.gap();
      out_.line(fmt::format("--- Slide {} ---", ++pages_));
    } else if (name == "table") {
      start_table(attributes.get("name"));
    } else if (name == "table-row" && !tables_.empty()) {
      tables_.back().line.clear();
      tables_.back().pending = 0;
      tables_.back().repeats = attributes.number("number-rows-repeated", 10'000'000, 1);
    } else if ((name == "table-cell" || name == "covered-table-cell") && !tables_.empty()) {
      tables_.back().cell.clear();
      tables_.back().columns = attributes.number("number-columns-repeated", 10'000'000, 1);
    }
  }

  void on_end(std::string_view name) override {
    if (skipped_ > 0) {
      --skipped_;
    } else if ((name == "p" || name == "h") && !paragraphs_.empty()) {
      end_paragraph();
    } else if (name == "note-body") {
      write("]");
    } else if (name == "list" && lists_ > 0) {
      --lists_;
    } else if (name == "table" && !tables_.empty()) {
      tables_.pop_back();
      if (tables_.empty()) out_.gap();
    } else if (name == "table-row" && !tables_.empty()) {
      end_row();
    } else if ((name == "table-cell" || name == "covered-table-cell") && !tables_.empty()) {
      end_cell();
    }
  }

  void on_text(std::string_view text) override {
    if (skipped_ == 0) write(text);
  }
  [[nodiscard]] bool done() const override { return out_.full(); }

  [[nodiscard]] std::size_t pages() const { return pages_; }
  [[nodiscard]] std::size_t sheets() const { return sheets_; }

 private:
  struct Paragraph {
    std::string text;
    std::size_t heading{0};
  };
  struct Table {
    std::string line;
    std::string cell;
    std::size_t columns{1};  // that the cell stands for
    std::size_t pending{0};  // empty cells before the next one
    std::size_t repeats{1};  // rows that the row stands for
    std::size_t row{0};
  };

  void start_table(std::string_view name) {
    if (spreadsheet_ && tables_.empty()) {
      ++sheets_;
      out_.gap();
      out_.line(fmt::format("--- Sheet \"{}\": row number, cells from column A on ---", name));
    }
    tables_.emplace_back();
  }

  void write(std::string_view text) {
    if (paragraphs_.empty()) return;
    std::string& to = paragraphs_.back().text;
    if (to.size() < document_text_size_max) to += text;
  }

  // A paragraph within another is a note's or a text box's: a part of that one's text.
  void end_paragraph() {
    Paragraph paragraph = std::move(paragraphs_.back());
    paragraphs_.pop_back();
    if (!paragraphs_.empty()) return write(paragraph.text);
    if (!tables_.empty()) {
      std::replace(paragraph.text.begin(), paragraph.text.end(), '\n', ' ');
      std::string& cell = tables_.back().cell;
      if (cell.size() < document_text_size_max) cell += (cell.empty() ? "" : " / ") + paragraph.text;
      return;
    }
    if (trim(paragraph.text).empty()) return;
    if (paragraph.heading > 0) {
      out_.gap();
      out_.append(std::string(paragraph.heading, '#') + " ");
    } else if (lists_ > 0) {
      out_.append(std::string(2 * (std::min(lists_, lists_max) - 1), ' ') + (item_ ? "- " : "  "));
      item_ = false;
    }
    out_.line(paragraph.text);
  }

  void end_cell() {
    Table& table = tables_.back();
    if (table.cell.empty()) {
      table.pending += table.columns;
      return;
    }
    if (table.line.size() > document_text_size_max) return;
    const std::string_view bar = spreadsheet_ ? "\t" : " | ";
    if (table.pending > repeats_max) {
      table.line += fmt::format("{}({} empty cells)", bar, table.pending);
    } else {
      for (; table.pending > 0; --table.pending) table.line += bar;
    }
    table.pending = 0;
    for (std::size_t i = std::min(table.columns, repeats_max); i > 0; --i) table.line.append(bar).append(table.cell);
    if (table.columns > repeats_max) {
      table.line += fmt::format("{}(and {} more like it)", bar, table.columns - repeats_max);
    }
  }

  void end_row() {
    Table& table = tables_.back();
    const std::size_t row = table.row + 1;
    table.row += table.repeats;
    if (table.line.empty()) return;
    std::string line = spreadsheet_ ? fmt::format("{}{}", row, table.line) : table.line.substr(1) + " |";
    if (table.repeats > 1) line += fmt::format("{}(the same down to row {})", spreadsheet_ ? "\t" : " ", table.row);
    if (tables_.size() == 1) return out_.line(line);
    std::string& outer = tables_[tables_.size() - 2].cell;
    if (outer.size() < document_text_size_max) outer += (outer.empty() ? "" : " / ") + line;
  }

  TextSink& out_;
  bool spreadsheet_;
  std::vector<Paragraph> paragraphs_;
  std::vector<Table> tables_;
  std::size_t lists_{0};
  bool item_{false};
  std::size_t pages_{0};
  std::size_t sheets_{0};
  std::size_t skipped_{0};
};

}  // namespace

Result<DocumentText> open_document_text(Archive& archive, std::string_view type) {
  constexpr std::string_view family = "application/vnd.oasis.opendocument.";
  if (!type.starts_with(family)) return failure(ErrorCode::not_found, "is a ZIP archive and no office document");
  const bool spreadsheet = type.substr(family.size()).starts_with("spreadsheet");
  TextSink out;
  ContentHandler content(out, spreadsheet);
  if (const Status read = read_xml(archive, "content.xml", content); !read) return tl::unexpected(read.error());
  std::string title = "OpenDocument text document";
  if (spreadsheet) title = "OpenDocument spreadsheet of " + counted(content.sheets(), "sheet");
  if (content.pages() > 0) title = "OpenDocument presentation of " + counted(content.pages(), "slide");
  return std::move(out).finish(std::move(title));
}

}  // namespace joey
