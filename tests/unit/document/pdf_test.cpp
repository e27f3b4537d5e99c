#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "checks.hpp"
#include "document/document.hpp"
#include "document/program.hpp"
#include "mutation.hpp"
#include "samples.hpp"

using namespace joey;

namespace {

bool installed() { return ::access("/usr/bin/pdftotext", X_OK) == 0; }

std::ptrdiff_t descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// Whether a process is there and is no zombie that nobody has waited for yet. One that was killed may take a moment.
bool runs(int pid) {
  for (int tries = 0; tries < 500; ++tries) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string number;
    std::string name;
    std::string state = "Z";
    file >> number >> name >> state;
    if (state == "Z") return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

Result<ProgramOutput> shell(const std::string& script, std::string_view input = "", const ProgramLimits& limits = {},
                            const CancelToken& cancel = {}) {
  return run_program({"/bin/sh", "-c", script}, input, limits, cancel);
}

}  // namespace

TEST_CASE("a program gets its input and a bare environment, and its output comes back") {
  const std::string input(1U << 20, 'x');
  const auto run = shell("cat; echo problem >&2; exit 3", input);
  REQUIRE(run);
  CHECK(run->output == input);
  CHECK(run->errors == "problem\n");
  CHECK(run->code == 3);
  CHECK(shell("env | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=' | sort")->output ==
        "LC_ALL=C.UTF-8\nPATH=/usr/bin:/bin\n");
  CHECK(shell("ls /proc/self/fd | wc -l")->output == "4\n");  // three, and the one ls reads the directory with
  CHECK(shell("kill -9 $$")->code == -1);
  std::string file = "/tmp/joey-test-XXXXXX";
  ::close(::mkstemp(file.data()));
  CHECK(shell("echo x > " + file)->code != 0);
  CHECK(std::filesystem::file_size(file) == 0);
  std::filesystem::remove(file);
  CHECK(run_program({"/nowhere/program"}, "", {}, {}).error().code == ErrorCode::not_found);
}

TEST_CASE("a program that does not end, writes without end or takes too much memory is stopped") {
  const auto before = descriptors();
  const auto start = std::chrono::steady_clock::now();
  ProgramLimits limits;
  limits.time_max = std::chrono::milliseconds(200);
  CHECK(shell("sleep 100 & sleep 100", "", limits).error().code == ErrorCode::timeout);
  const auto left = shell("sleep 100 >/dev/null 2>&1 & echo $!");
  REQUIRE(left);
  CHECK(left->code == 0);
  CHECK_FALSE(runs(std::stoi(left->output)));  // what it left behind
  CHECK(shell("exec >&- 2>&-; sleep 100", "", limits).error().code == ErrorCode::timeout);
  limits = {};
  limits.output_max = 1000;
  const auto endless = shell("while :; do echo 12345678; done", "", limits);
  REQUIRE(endless);
  CHECK(endless->cut);
  CHECK(endless->output.size() == 1000);
  limits = {};
  limits.memory_max = 64U << 20;
  CHECK(shell("exec tail -c 200000000 /dev/zero", "", limits)->code != 0);
  CHECK(shell("head -c 100000 /dev/zero | tr '\\0' 'e' >&2")->errors.size() == 4096);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  CHECK(descriptors() == before);
}

TEST_CASE("a cancel ends a program") {
  const CancelToken cancel;
  std::thread canceller([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  CHECK(shell("sleep 100", "", {}, cancel).error().code == ErrorCode::cancelled);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  canceller.join();
}

TEST_CASE("a PDF is read page by page") {
  if (!installed()) {
    CHECK(test::holds(test::problem(pdf_text("%PDF-1.4", {}), ErrorCode::unsupported), "install poppler-utils"));
    return;
  }
  auto document = pdf_text(test::pdf_of({"Hello", "", "World"}), {});
  REQUIRE_MESSAGE(document, document.error().message);
  CHECK(document->title == "PDF of 3 pages");
  std::string text;
  for (const std::string_view line : split_lines(document->text)) text.append(trim(line)).append("\n");
  CHECK(text == "--- Page 1 ---\nHello\n\n--- Page 2 ---\n\n--- Page 3 ---\nWorld\n");
  document = pdf_text(test::pdf_of({""}), {});
  REQUIRE(document);
  CHECK(document->title == "PDF of 1 page");
  CHECK(document->text.find("scanned") != std::string::npos);
}

TEST_CASE("a PDF that cannot be read is an error of one line") {
  if (!installed()) return;
  for (const std::string bytes : {"%PDF-1.4", "%PDF-1.4\nnot really\n%%EOF"}) {
    const auto document = pdf_text(bytes, {});
    CHECK(test::holds(test::problem(document, ErrorCode::corrupt), "pdftotext cannot read"));
  }
}

TEST_CASE("PDFs changed at random are read or refused") {
  // The program that reads them is started each time, so there are fewer than of the others.
  test::mutate_and_check(test::pdf_of({"Hello", "World"}), 200, 100);
}
