#include "samples.hpp"

#include <fmt/format.h>

namespace joey::test {

std::string notebook() {
  return R"({
 "cells": [
  {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
  {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "print('é')\n1 + 1", "outputs": [
    {"output_type": "stream", "name": "stdout", "text": ["é\n"]},
    {"output_type": "execute_result", "data": {"text/plain": ["2"], "image/png": "aGVsbG8gd29ybGQh"}},
    {"output_type": "error", "ename": "ValueError", "evalue": "bad", "traceback": []}
  ]},
  {"cell_type": "code", "source": [], "outputs": []}
 ],
 "metadata": {}, "nbformat": 4, "nbformat_minor": 5
})";
}

std::string pdf_of(const std::vector<std::string>& pages) {
  std::vector<std::string> objects{"<</Type/Catalog/Pages 2 0 R>>", "",
                                   "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"};
  std::string kids;
  for (const std::string& text : pages) {
    const std::size_t page = objects.size() + 1;
    kids += fmt::format("{} 0 R ", page);
    objects.push_back(
        fmt::format("<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents {} 0 R"
                    "/Resources<</Font<</F1 3 0 R>>>>>>",
                    page + 1));
    const std::string content = text.empty() ? "" : fmt::format("BT /F1 12 Tf 20 200 Td ({}) Tj ET", text);
    objects.push_back(fmt::format("<</Length {}>>stream\n{}\nendstream", content.size(), content));
  }
  objects[1] = fmt::format("<</Type/Pages/Kids[{}]/Count {}>>", kids, pages.size());
  std::string file = "%PDF-1.4\n";
  std::string table = fmt::format("xref\n0 {}\n0000000000 65535 f \n", objects.size() + 1);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    table += fmt::format("{:010} 00000 n \n", file.size());
    file += fmt::format("{} 0 obj{}endobj\n", i + 1, objects[i]);
  }
  const std::size_t start = file.size();
  return file + table +
         fmt::format("trailer<</Size {}/Root 1 0 R>>\nstartxref\n{}\n%%EOF\n", objects.size() + 1, start);
}

}  // namespace joey::test
