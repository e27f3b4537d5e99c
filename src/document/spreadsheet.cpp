// Excel workbooks: XLSX, XLSM.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "document/office.hpp"

namespace joey {
namespace {

constexpr std::size_t sheets_max = 1'000;
constexpr std::size_t strings_size_max = 64U << 20;  // of all shared strings; those beyond are not shown
constexpr std::size_t strings_max = 4'000'000;
constexpr std::size_t formats_max = 100'000;
constexpr std::size_t columns_max = 16'384;
constexpr std::size_t rows_max = 1'048'576;
constexpr std::size_t cell_size_max = 131'072;  // bytes of a cell's text: Excel allows 32,767 characters
constexpr std::size_t gap_max = 16;             // empty cells in a row that are shown as such

// --- Numbers ---

// A day count as Excel has it, with the time of day as its fraction.
std::string date_text(double serial, bool since_1904) {
  constexpr double serial_max = 2'958'466;  // the year 10000
  constexpr std::int64_t day_s = 86'400;
  if (!(serial >= 0) || serial >= serial_max) return fmt::format("{:.15g}", serial);
  auto total = static_cast<std::int64_t>(std::llround(serial * static_cast<double>(day_s)));
  const std::int64_t time = total % day_s;
  const std::string clock = fmt::format("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
  std::int64_t days = total / day_s;
  if (days == 0 && !since_1904) return clock;
  // Excel counts a 29th of February 1900 that never was.
  if (!since_1904 && days < 60) ++days;
  using std::chrono::year_month_day;
  const auto origin = since_1904 ? std::chrono::sys_days(std::chrono::year(1904) / 1 / 1)
                                 : std::chrono::sys_days(std::chrono::year(1899) / 12 / 30);
  const year_month_day date(origin + std::chrono::days(days));
  const std::string day = fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return time == 0 ? day : day + " " + clock;
}

// Whether a number format shows a date or a time: by its letters outside of quotes, brackets and escapes.
bool is_date_format(std::string_view format) {
  if (format == "General") return false;
  for (std::size_t i = 0; i < format.size(); ++i) {
    switch (format[i]) {
      case '"': i = std::min(format.find('"', i + 1), format.size()); break;
      case '\\':
      case '_':
      case '*': ++i; break;
      case '[':
        if (format.substr(i).starts_with("[h") || format.substr(i).starts_with("[m")) return true;
        i = std::min(format.find(']', i), format.size());
        break;
      case 'y':
      case 'Y':
      case 'm':
      case 'M':
      case 'd':
      case 'D':
      case 'h':
      case 'H':
      case 's':
      case 'S': return true;
      default: break;
    }
  }
  return false;
}

bool is_date_format(std::size_t number) {
  return (number >= 14 && number <= 22) || (number >= 27 && number <= 36) || (number >= 45 && number <= 47) ||
         (number >= 50 && number <= 58);
}

// --- Parts ---

// Which of the cells' styles are dates.
class StylesHandler final : public XmlHandler {
 public:
  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    constexpr std::size_t number_max = 100'000;
    if (name == "numFmt") {
      custom_.insert_or_assign(attributes.number("numFmtId", number_max), is_date_format(attributes.get("formatCode")));
    } else if (name == "cellXfs") {
      in_cells_ = true;
    } else if (name == "xf" && in_cells_) {
      const std::size_t number = attributes.number("numFmtId", number_max);
      const auto custom = custom_.find(number);
      dates.push_back(custom != custom_.end() ? custom->second : is_date_format(number));
    }
  }
  void on_end(std::string_view name) override {
    if (name == "cellXfs") in_cells_ = false;
  }
  [[nodiscard]] bool done() const override { return dates.size() >= formats_max || custom_.size() >= formats_max; }

  std::vector<bool> dates;  // by the style's index

 private:
  std::map<std::size_t, bool> custom_;
  bool in_cells_{false};
};

// The texts that cells refer to by number.
class StringsHandler final : public XmlHandler {
 public:
  void on_start(std::string_view name, const XmlAttributes&) override {
    if (name == "t" && readings_ == 0) ++texts_;
    if (name == "rPh") ++readings_;  // how it is pronounced
  }
  void on_end(std::string_view name) override {
    if (name == "t" && texts_ > 0) --texts_;
    if (name == "rPh" && readings_ > 0) --readings_;
    if (name == "si") ends_.push_back(text_.size());
  }
  void on_text(std::string_view text) override {
    if (texts_ > 0) text_ += text;
  }
  [[nodiscard]] bool done() const override { return text_.size() >= strings_size_max || ends_.size() >= strings_max; }

  [[nodiscard]] std::string_view at(std::size_t index) const {
    if (index >= ends_.size()) return "(text not read)";
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_;
  std::size_t texts_{0};
  std::size_t readings_{0};
};

class WorkbookHandler final : public XmlHandler {
 public:
  struct Sheet {
    std::string name;
    std::string id;
    bool hidden{false};
  };
  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (name == "sheet") {
      sheets.push_back({std::string(attributes.get("name")), std::string(attributes.get_prefixed("id")),
                        attributes.get("state").ends_with("idden")});
    } else if (name == "workbookPr") {
      const std::string_view value = attributes.get("date1904");
      since_1904 = value == "1" || value == "true";
    }
  }
  [[nodiscard]] bool done() const override { return sheets.size() >= sheets_max; }

  std::vector<Sheet> sheets;
  bool since_1904{false};
};

// "BC12": column 55, row 12, both from 1.
struct Reference {
  std::size_t column{0};
  std::size_t row{0};
};

std::optional<Reference> parse_reference(std::string_view text) {
  Reference reference;
  std::size_t i = 0;
  for (; i < text.size() && text[i] >= 'A' && text[i] <= 'Z'; ++i) {
    reference.column = reference.column * 26 + static_cast<std::size_t>(text[i] - 'A' + 1);
    if (reference.column > columns_max) return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), reference.row);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (reference.column == 0 || reference.row == 0 || reference.row > rows_max) return std::nullopt;
  return reference;
}

std::string column_name(std::size_t column) {
  std::string name;
  for (; column > 0; column = (column - 1) / 26) name.insert(name.begin(), static_cast<char>('A' + (column - 1) % 26));
  return name;
}

// The rows of a sheet, a line each: the row's number and its cells, with tabs between.
class SheetHandler final : public XmlHandler {
 public:
  SheetHandler(TextSink& out, const StringsHandler& strings, const StylesHandler& styles, bool since_1904)
      : out_(out), strings_(strings), styles_(styles), since_1904_(since_1904) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (name == "row") {
      row_ = attributes.number("r", rows_max, row_ + 1);
      column_ = 0;
      line_.clear();
    } else if (name == "c") {
      cell_ = {};
      cell_.type = attributes.get("t");
      cell_.style = attributes.number("s", formats_max, 0);
      const auto reference = parse_reference(attributes.get("r"));
      cell_.column = reference ? reference->column : column_ + 1;
    } else if (name == "v" || name == "t") {
      target_ = &cell_.value;
    } else if (name == "f") {
      target_ = &cell_.formula;
    }
  }
  void on_text(std::string_view text) override {
    if (target_ != nullptr && target_->size() < cell_size_max) *target_ += text;
  }
  void on_end(std::string_view name) override {
    if (name == "v" || name == "t" || name == "f") {
      target_ = nullptr;
    } else if (name == "c") {
      append_cell();
    } else if (name == "row" && !line_.empty()) {
      if (row_ > last_row_ + 1 && last_row_ > 0) out_.line("(empty rows)");
      out_.line(fmt::format("{}{}", row_, line_));
      last_row_ = row_;
    }
  }
  [[nodiscard]] bool done() const override { return out_.full(); }

 private:
  struct Cell {
    std::string type;
    std::string value;
    std::string formula;
    std::size_t style{0};
    std::size_t column{0};
  };

  void append_cell() {
    if (line_.size() > document_text_size_max) return;
    std::string text = value_of(cell_);
    if (text.empty()) return;
    const std::size_t column = std::max(cell_.column, column_ + 1);
    for (char& c : text) c = c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
    if (column - column_ > gap_max) {
      line_ += fmt::format("\t(column {}) ", column_name(column));
    } else {
      line_.append(column - column_, '\t');
    }
    line_ += text;
    column_ = column;
  }

  [[nodiscard]] std::string value_of(const Cell& cell) const {
    if (cell.value.empty()) return cell.formula.empty() ? std::string() : "=" + cell.formula;
    if (cell.type == "s") {
      std::size_t index = strings_max;
      std::from_chars(cell.value.data(), cell.value.data() + cell.value.size(), index);
      return std::string(utf8_prefix(strings_.at(index), cell_size_max));
    }
    if (cell.type == "b") return cell.value == "0" ? "FALSE" : "TRUE";
    if (!cell.type.empty() && cell.type != "n") return cell.value;
    double number = 0;
    const auto [end, error] = std::from_chars(cell.value.data(), cell.value.data() + cell.value.size(), number);
    if (error != std::errc() || end != cell.value.data() + cell.value.size()) return cell.value;
    if (cell.style < styles_.dates.size() && styles_.dates[cell.style]) return date_text(number, since_1904_);
    return fmt::format("{:.15g}", number);
  }

  TextSink& out_;
  const StringsHandler& strings_;
  const StylesHandler& styles_;
  bool since_1904_;
  Cell cell_;
  std::string* target_{nullptr};  // what text belongs to
  std::string line_;
  std::size_t row_{0};
  std::size_t last_row_{0};
  std::size_t column_{0};
};

}  // namespace

Result<DocumentText> spreadsheet_text(Archive& archive, const std::string& main) {
  const Result<Relationships> parts = Relationships::of(archive, main);
  if (!parts) return tl::unexpected(parts.error());
  WorkbookHandler workbook;
  if (const Status read = read_xml(archive, main, workbook); !read) return tl::unexpected(read.error());
  StringsHandler strings;
  if (const std::string part = parts->by_type("sharedStrings"); archive.has(part)) {
    if (const Status read = read_xml(archive, part, strings); !read) return tl::unexpected(read.error());
  }
  StylesHandler styles;
  if (const std::string part = parts->by_type("styles"); archive.has(part)) {
    static_cast<void>(read_xml(archive, part, styles));  // without, dates are numbers
  }

  TextSink out;
  for (const WorkbookHandler::Sheet& sheet : workbook.sheets) {
    const std::string part = parts->by_id(sheet.id);
    if (out.full() || !archive.has(part)) continue;
    out.gap();
    out.line(fmt::format("--- Sheet \"{}\"{}: row number, cells from column A on ---", sheet.name,
                         sheet.hidden ? " (hidden)" : ""));
    SheetHandler handler(out, strings, styles, workbook.since_1904);
    if (const Status read = read_xml(archive, part, handler); !read) return tl::unexpected(read.error());
  }
  return std::move(out).finish("Excel workbook of " + counted(workbook.sheets.size(), "sheet"));
}

}  // namespace joey
