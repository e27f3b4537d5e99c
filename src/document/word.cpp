// Word documents: DOCX, DOCM, DOTX.
#include <fmt/format.h>

#include "document/office.hpp"

namespace joey {
namespace {

constexpr std::size_t styles_max = 10'000;
constexpr std::size_t lists_max = 10'000;
constexpr std::size_t heading_max = 9;

// Names of styles are English in every language's Word; their ids are not.
class StylesHandler final : public XmlHandler {
 public:
  explicit StylesHandler(FlowStyles& styles) : styles_(styles) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (name == "style") {
      id_ = attributes.get("styleId");
      style_ = {};
    } else if (name == "name") {
      const std::string_view value = attributes.get("val");
      if (value.starts_with("heading ") && value.size() == 9 && value[8] >= '1' && value[8] <= '9') {
        style_.heading = static_cast<std::size_t>(value[8] - '0');
      } else if (value == "Title") {
        style_.heading = 1;
      } else if (value.starts_with("List Bullet")) {
        style_.list = ListKind::bullet;
      } else if (value.starts_with("List Number")) {
        style_.list = ListKind::number;
      }
    } else if (name == "outlineLvl" && style_.heading == 0) {
      style_.heading = attributes.number("val", heading_max - 1, heading_max) + 1;
      if (style_.heading > heading_max) style_.heading = 0;
    }
  }
  void on_end(std::string_view name) override {
    if (name == "style") styles_.by_id.insert_or_assign(id_, style_);
  }
  [[nodiscard]] bool done() const override { return styles_.by_id.size() >= styles_max; }

 private:
  FlowStyles& styles_;
  std::string id_;
  ParagraphStyle style_;
};

// A list names an abstract one, which says what its levels look like.
class NumberingHandler final : public XmlHandler {
 public:
  explicit NumberingHandler(FlowStyles& styles) : styles_(styles) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    constexpr std::size_t id_max = 1'000'000'000;
    if (name == "abstractNum") {
      abstract_ = attributes.number("abstractNumId", id_max);
    } else if (name == "lvl") {
      level_ = attributes.number("ilvl", heading_max - 1);
    } else if (name == "numFmt") {
      std::vector<ListKind>& levels = abstracts_[abstract_];
      if (levels.size() <= level_) levels.resize(level_ + 1, ListKind::number);
      const std::string_view format = attributes.get("val");
      levels[level_] = format == "bullet" ? ListKind::bullet : format == "none" ? ListKind::none : ListKind::number;
    } else if (name == "num") {
      list_ = attributes.number("numId", id_max);
    } else if (name == "abstractNumId") {
      const auto abstract = abstracts_.find(attributes.number("val", id_max));
      if (abstract != abstracts_.end()) styles_.lists.insert_or_assign(list_, abstract->second);
    }
  }
  [[nodiscard]] bool done() const override {
    return styles_.lists.size() >= lists_max || abstracts_.size() >= lists_max;
  }

 private:
  FlowStyles& styles_;
  std::map<std::size_t, std::vector<ListKind>> abstracts_;
  std::size_t abstract_{0};
  std::size_t level_{0};
  std::size_t list_{0};
};

}  // namespace

Result<DocumentText> word_text(Archive& archive, const std::string& main) {
  const Result<Relationships> parts = Relationships::of(archive, main);
  if (!parts) return tl::unexpected(parts.error());
  FlowStyles styles;
  StylesHandler styles_handler(styles);
  NumberingHandler numbering_handler(styles);
  // A document may do without them, and its text is worth more than they are.
  if (const std::string part = parts->by_type("styles"); archive.has(part)) {
    static_cast<void>(read_xml(archive, part, styles_handler));
  }
  if (const std::string part = parts->by_type("numbering"); archive.has(part)) {
    static_cast<void>(read_xml(archive, part, numbering_handler));
  }

  TextSink out;
  FlowHandler body(out, styles);
  if (const Status read = read_xml(archive, main, body); !read) return tl::unexpected(read.error());
  for (const char* type : {"footnotes", "endnotes"}) {
    const std::string part = parts->by_type(type);
    if (!archive.has(part)) continue;
    out.gap();
    FlowHandler notes(out, styles);
    if (const Status read = read_xml(archive, part, notes); !read) return tl::unexpected(read.error());
  }
  return std::move(out).finish("Word document");
}

}  // namespace joey
