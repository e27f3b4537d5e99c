// PowerPoint presentations: PPTX, PPTM.
#include <fmt/format.h>

#include "document/office.hpp"

namespace joey {
namespace {

constexpr std::size_t slides_max = 10'000;

// The slides in their order, by the ids of their relationships.
class SlidesHandler final : public XmlHandler {
 public:
  void on_start(std::string_view name, const XmlAttributes& attributes) override {
    if (name != "sldId") return;
    ids.emplace_back(attributes.get_prefixed("id"));
  }
  [[nodiscard]] bool done() const override { return ids.size() >= slides_max; }

  std::vector<std::string> ids;
};

}  // namespace

Result<DocumentText> presentation_text(Archive& archive, const std::string& main) {
  const Result<Relationships> parts = Relationships::of(archive, main);
  if (!parts) return tl::unexpected(parts.error());
  SlidesHandler slides;
  if (const Status read = read_xml(archive, main, slides); !read) return tl::unexpected(read.error());

  TextSink out;
  const FlowStyles styles;
  for (std::size_t i = 0; i < slides.ids.size() && !out.full(); ++i) {
    const std::string part = parts->by_id(slides.ids[i]);
    if (!archive.has(part)) continue;
    out.gap();
    out.line(fmt::format("--- Slide {} ---", i + 1));
    FlowHandler slide(out, styles);
    if (const Status read = read_xml(archive, part, slide); !read) return tl::unexpected(read.error());
    const Result<Relationships> beside = Relationships::of(archive, part);
    if (!beside) return tl::unexpected(beside.error());
    const std::string notes = beside->by_type("notesSlide");
    if (!archive.has(notes)) continue;
    out.line(fmt::format("--- Notes of slide {} ---", i + 1));
    FlowHandler handler(out, styles);
    if (const Status read = read_xml(archive, notes, handler); !read) return tl::unexpected(read.error());
  }
  return std::move(out).finish("PowerPoint presentation of " + counted(slides.ids.size(), "slide"));
}

}  // namespace joey
