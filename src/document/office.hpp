// What the readers of office documents share: how the parts of a package refer to each other, and flowing text.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/archive.hpp"
#include "document/document.hpp"
#include "document/text_sink.hpp"
#include "document/xml.hpp"

namespace joey {

// --- Readers, by the main part of a package ---

[[nodiscard]] Result<DocumentText> word_text(Archive& archive, const std::string& main);
[[nodiscard]] Result<DocumentText> spreadsheet_text(Archive& archive, const std::string& main);
[[nodiscard]] Result<DocumentText> presentation_text(Archive& archive, const std::string& main);
// `type` is what the part "mimetype" says.
[[nodiscard]] Result<DocumentText> open_document_text(Archive& archive, std::string_view type);

// --- Relationships ---

// The parts that a part refers to. None when it names none.
class Relationships {
 public:
  struct Target {
    std::string id;
    std::string type;  // its last component: "worksheet"
    std::string part;
  };
  // Of `part`; "" is the package itself.
  [[nodiscard]] static Result<Relationships> of(Archive& archive, const std::string& part);

  // The part; empty when there is none.
  [[nodiscard]] std::string by_id(std::string_view id) const;
  [[nodiscard]] std::string by_type(std::string_view type) const;

 private:
  std::map<std::string, Target, std::less<>> targets_;  // by id
};

// --- Flowing text ---

enum class ListKind : std::uint8_t { none, bullet, number };

struct ParagraphStyle {
  std::size_t heading{0};  // its level; 0: none
  ListKind list{ListKind::none};
};

// What a Word document says of its paragraphs elsewhere.
struct FlowStyles {
  std::map<std::string, ParagraphStyle, std::less<>> by_id;
  std::map<std::size_t, std::vector<ListKind>> lists;  // by number, of each level
};

// Paragraphs, lists and tables of WordprocessingML and DrawingML, which name them alike: a paragraph is a line, a row
// of a table is a line with its cells between bars.
class FlowHandler final : public XmlHandler {
 public:
  FlowHandler(TextSink& out, const FlowStyles& styles) : out_(out), styles_(styles) {}

  void on_start(std::string_view name, const XmlAttributes& attributes) override;
  void on_end(std::string_view name) override;
  void on_text(std::string_view text) override;
  [[nodiscard]] bool done() const override { return out_.full(); }

 private:
  struct Paragraph {
    std::string text;
    ParagraphStyle style;
    std::size_t list_number{0};  // 0: in no list of its own
    std::size_t list_level{0};
  };
  struct Table {
    std::string row;
    std::string cell;
  };

  void start_property(std::string_view name, const XmlAttributes& attributes);
  void write(std::string_view text);
  void end_paragraph();
  void end_row(const std::string& row);
  void emit(const Paragraph& paragraph);
  [[nodiscard]] std::string list_prefix(const Paragraph& paragraph);

  TextSink& out_;
  const FlowStyles& styles_;
  std::vector<Paragraph> paragraphs_;  // text boxes nest them
  std::vector<Table> tables_;
  // Of numbered lists, by level.
  std::map<std::size_t, std::vector<std::size_t>> counters_;
  std::string description_;    // of the picture in hand
  std::string note_;           // what the next paragraph begins with
  std::size_t skipped_{0};     // depth within an element that is left out
  std::size_t properties_{0};  // depth of elements that describe others
  std::size_t texts_{0};
};

}  // namespace joey
