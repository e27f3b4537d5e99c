// PDF files, by poppler's program pdftotext: a library that reads them well is under the GPL, which joey's users could
// not link, and hostile files are better read in a process of their own.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "document/document.hpp"
#include "document/program.hpp"
#include "document/text_sink.hpp"

namespace joey {
namespace {

constexpr const char* programs[] = {"/usr/bin/pdftotext", "/usr/local/bin/pdftotext"};

// What the program complained of: the first line that is no warning of a syntax it coped with.
std::string complaint(std::string_view errors) {
  constexpr std::size_t shown_max = 160;
  for (const std::string_view line : split_lines(errors)) {
    if (!line.starts_with("Syntax Warning")) return to_utf8(utf8_prefix(trim(line), shown_max));
  }
  return "it gives no reason";
}

// The pages, which end with form feeds, under their numbers.
DocumentText pages_of(std::string_view output, bool cut) {
  TextSink out;
  std::size_t pages = 0;
  bool any = false;
  while (!output.empty()) {
    const std::size_t end = std::min(output.find('\f'), output.size());
    std::string_view page = output.substr(0, end);
    page.remove_prefix(std::min(page.find_first_not_of('\n'), page.size()));
    page = page.substr(0, page.find_last_not_of(" \n") + 1);
    output.remove_prefix(std::min(end + 1, output.size()));
    out.gap();
    out.line(fmt::format("--- Page {} ---", ++pages));
    if (page.empty()) continue;
    any = true;
    out.line(to_utf8(page));
  }
  DocumentText text = std::move(out).finish("PDF of " + counted(pages, "page"));
  text.cut = text.cut || cut;
  if (!any) text.text = "(No page has text: they may be images, as scanned pages are.)\n";
  return text;
}

}  // namespace

Result<DocumentText> pdf_text(std::string_view bytes, const CancelToken& cancel) {
  const auto program = std::find_if(std::begin(programs), std::end(programs),
                                    [](const char* path) { return ::access(path, X_OK) == 0; });
  if (program == std::end(programs)) {
    return failure(
        ErrorCode::unsupported,
        "is a PDF, whose text is read with the program pdftotext, which is not installed: install poppler-utils");
  }
  // Laid out as on paper, so that tables and code stay what they are.
  ProgramLimits limits;
  limits.output_max = document_text_size_max;
  const Result<ProgramOutput> run =
      run_program({*program, "-layout", "-enc", "UTF-8", "-eol", "unix", "-", "-"}, bytes, limits, cancel);
  if (!run) {
    return failure(
        run.error().code,
        fmt::format("is a PDF that could not be read ({}): convert it to text with a command", run.error().message));
  }
  // With an exit code of 1 it has read nothing, and a signal is a crash or a limit.
  if (!run->cut && run->code != 0 && run->output.empty()) {
    return failure(ErrorCode::corrupt,
                   fmt::format("is a PDF that pdftotext cannot read ({}): it may be damaged, or need a password",
                               run->code == -1 ? "it crashed or met a limit" : complaint(run->errors)));
  }
  return pages_of(run->output, run->cut || run->code != 0);
}

}  // namespace joey
