#include "document/office.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace joey {
namespace {

constexpr std::size_t relationships_max = 100'000;
constexpr std::size_t type_size_max = 200;  // bytes of the part "mimetype"
constexpr std::size_t list_level_max = 8;

std::string_view directory_of(std::string_view part) {
  const std::size_t slash = part.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : part.substr(0, slash);
}

// The part that `target` names where it stands in a part of `directory`.
std::string resolved(std::string_view directory, std::string_view target) {
  if (target.starts_with('/')) return std::string(target.substr(1));
  while (target.starts_with("../")) {
    target.remove_prefix(3);
    directory = directory_of(directory);
  }
  return directory.empty() ? std::string(target) : fmt::format("{}/{}", directory, target);
}

class RelationshipsHandler final : public XmlHandler {
 public:
  RelationshipsHandler(std::string_view directory, std::map<std::string, Relationships::Target, std::less<>>& targets)
      : directory_(directory), targets_(targets) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (name != "Relationship" || attributes.get("TargetMode") == "External") return;
    const std::string_view type = attributes.get("Type");
    const std::size_t slash = type.rfind('/');
    targets_.insert_or_assign(
        std::string(attributes.get("Id")),
        Relationships::Target{std::string(attributes.get("Id")),
                              std::string(type.substr(slash == std::string_view::npos ? 0 : slash + 1)),
                              resolved(directory_, attributes.get("Target"))});
  }
  [[nodiscard]] bool done() const override { return targets_.size() >= relationships_max; }

 private:
  std::string_view directory_;
  std::map<std::string, Relationships::Target, std::less<>>& targets_;
};

// The name of the first element says what a part is.
class RootHandler final : public XmlHandler {
 public:
  void on_start(std::string_view name, const XmlAttributes&) override { root = name; }
  [[nodiscard]] bool done() const override { return !root.empty(); }

  std::string root;
};

tl::unexpected<Error> no_document() { return failure(ErrorCode::not_found, "is a ZIP archive and no office document"); }

}  // namespace

Result<DocumentText> office_text(std::string_view bytes, const CancelToken& cancel) {
  Result<Archive> archive = Archive::open(bytes, cancel);
  if (!archive) return tl::unexpected(archive.error());
  if (archive->has("mimetype")) {
    std::string type;
    const Status read = archive->read("mimetype", [&type](std::string_view piece) {
      type += piece;
      return type.size() < type_size_max;
    });
    if (!read) return tl::unexpected(read.error());
    if (archive->has("content.xml")) return open_document_text(*archive, trim(type));
  }
  if (!archive->has("_rels/.rels")) return no_document();
  const Result<Relationships> relationships = Relationships::of(*archive, "");
  if (!relationships) return tl::unexpected(relationships.error());
  const std::string main = relationships->by_type("officeDocument");
  if (main.empty() || !archive->has(main)) return no_document();
  if (main.ends_with(".bin")) {
    return failure(ErrorCode::unsupported, "is a binary workbook (XLSB): save it as XLSX, which can be read");
  }
  RootHandler first;
  if (const Status read = read_xml(*archive, main, first); !read) return tl::unexpected(read.error());
  if (first.root == "document") return word_text(*archive, main);
  if (first.root == "workbook") return spreadsheet_text(*archive, main);
  if (first.root == "presentation") return presentation_text(*archive, main);
  return no_document();
}

// --- Relationships ---

Result<Relationships> Relationships::of(Archive& archive, const std::string& part) {
  const std::string_view directory = directory_of(part);
  const std::string_view name = std::string_view(part).substr(directory.empty() ? 0 : directory.size() + 1);
  const std::string where = fmt::format("{}{}_rels/{}.rels", directory, directory.empty() ? "" : "/", name);
  Relationships result;
  if (!archive.has(where)) return result;
  RelationshipsHandler handler(directory, result.targets_);
  if (const Status read = read_xml(archive, where, handler); !read) return tl::unexpected(read.error());
  return result;
}

std::string Relationships::by_id(std::string_view id) const {
  const auto found = targets_.find(id);
  return found == targets_.end() ? std::string() : found->second.part;
}

std::string Relationships::by_type(std::string_view type) const {
  for (const auto& [id, target] : targets_) {
    if (target.type == type) return target.part;
  }
  return {};
}

// --- FlowHandler ---

namespace {

// Elements that say how others look.
bool describes(std::string_view name) {
  static constexpr std::array<std::string_view, 7> names{"pPr", "rPr", "tblPr", "trPr", "tcPr", "sectPr", "tblGrid"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Text that is there twice, or no more.
bool is_left_out(std::string_view name) { return name == "Fallback" || name == "moveFrom"; }

void append_bounded(std::string& to, std::string_view text) {
  if (to.size() < document_text_size_max) to += text;
}

}  // namespace

void FlowHandler::on_start(std::string_view name, const XmlAttributes& attributes) {
  if (skipped_ > 0 || is_left_out(name)) {
    ++skipped_;
  } else if (properties_ > 0 || describes(name)) {
    if (describes(name)) ++properties_;
    start_property(name, attributes);
  } else if (name == "p") {
    paragraphs_.emplace_back().text = std::exchange(note_, {});
  } else if (name == "t") {
    ++texts_;
  } else if (name == "tab") {
    write("\t");
  } else if (name == "br" || name == "cr") {
    write("\n");
  } else if (name == "noBreakHyphen") {
    write("-");
  } else if (name == "tbl") {
    tables_.emplace_back();
  } else if (name == "tr" && !tables_.empty()) {
    tables_.back().row.clear();
  } else if (name == "tc" && !tables_.empty()) {
    tables_.back().cell.clear();
  } else if (name == "docPr" || name == "cNvPr") {
    description_ = attributes.get("descr");
  } else if (name == "blip") {
    write(description_.empty() ? "[image]" : fmt::format("[image: {}]", description_));
    description_.clear();
  } else if (name == "footnoteReference" || name == "endnoteReference") {
    write(fmt::format("[{} {}]", name.substr(0, name.find("Reference")), attributes.get("id")));
  } else if (name == "footnote" || name == "endnote") {
    note_ = attributes.get("type").empty() ? fmt::format("[{} {}] ", name, attributes.get("id")) : "";
  }
}

void FlowHandler::start_property(std::string_view name, const XmlAttributes& attributes) {
  if (paragraphs_.empty()) return;
  Paragraph& paragraph = paragraphs_.back();
  if (name == "pStyle") {
    const auto style = styles_.by_id.find(attributes.get("val"));
    if (style != styles_.by_id.end()) paragraph.style = style->second;
  } else if (name == "outlineLvl") {
    const std::size_t level = attributes.number("val", list_level_max, list_level_max + 1);
    if (level < list_level_max + 1) paragraph.style.heading = level + 1;
  } else if (name == "ilvl") {
    paragraph.list_level = attributes.number("val", list_level_max);
  } else if (name == "numId") {
    paragraph.list_number = attributes.number("val", 1'000'000'000);
    if (paragraph.list_number == 0) paragraph.style.list = ListKind::none;  // taken out of its style's list
  }
}

void FlowHandler::on_end(std::string_view name) {
  if (skipped_ > 0) {
    --skipped_;
  } else if (describes(name)) {
    --properties_;
  } else if (properties_ > 0) {
    return;
  } else if (name == "p" && !paragraphs_.empty()) {
    end_paragraph();
  } else if (name == "t") {
    --texts_;
  } else if (name == "tc" && !tables_.empty()) {
    Table& table = tables_.back();
    append_bounded(table.row, table.row.empty() ? "| " : " | ");
    append_bounded(table.row, table.cell);
    table.cell.clear();
  } else if (name == "tr" && !tables_.empty() && !tables_.back().row.empty()) {
    end_row(std::exchange(tables_.back().row, {}) + " |");
  } else if (name == "tbl" && !tables_.empty()) {
    tables_.pop_back();
    if (tables_.empty()) out_.gap();
  }
}

void FlowHandler::on_text(std::string_view text) {
  if (texts_ > 0 && skipped_ == 0 && properties_ == 0) write(text);
}

void FlowHandler::write(std::string_view text) {
  if (!paragraphs_.empty()) append_bounded(paragraphs_.back().text, text);
}

void FlowHandler::end_paragraph() {
  const Paragraph paragraph = std::move(paragraphs_.back());
  paragraphs_.pop_back();
  if (!trim(paragraph.text).empty()) emit(paragraph);
}

// A row of a table in a cell of another is a text of that cell.
void FlowHandler::end_row(const std::string& row) {
  if (tables_.size() == 1) return out_.line(row);
  std::string& outer = tables_[tables_.size() - 2].cell;
  append_bounded(outer, outer.empty() ? "" : " / ");
  append_bounded(outer, row);
}

void FlowHandler::emit(const Paragraph& paragraph) {
  if (!tables_.empty()) {
    std::string text = paragraph.text;
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::string& cell = tables_.back().cell;
    append_bounded(cell, cell.empty() ? "" : " / ");
    append_bounded(cell, text);
    return;
  }
  if (paragraph.style.heading > 0) {
    out_.gap();
    out_.append(std::string(std::min<std::size_t>(paragraph.style.heading, 6), '#') + " ");
  } else {
    out_.append(list_prefix(paragraph));
  }
  out_.line(paragraph.text);
}

std::string FlowHandler::list_prefix(const Paragraph& paragraph) {
  ListKind kind = paragraph.style.list;
  if (paragraph.list_number > 0) {
    kind = ListKind::bullet;
    const auto list = styles_.lists.find(paragraph.list_number);
    if (list != styles_.lists.end() && paragraph.list_level < list->second.size()) {
      kind = list->second[paragraph.list_level];
    }
  }
  if (kind == ListKind::none) return {};
  std::string prefix(2 * paragraph.list_level, ' ');
  if (kind == ListKind::bullet) return prefix + "- ";
  std::vector<std::size_t>& counters = counters_[paragraph.list_number];
  counters.resize(paragraph.list_level + 1);  // deeper ones begin anew
  return prefix + fmt::format("{}. ", ++counters.back());
}

}  // namespace joey
