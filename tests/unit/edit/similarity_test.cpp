#include "edit/similarity.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace joey;

namespace {

std::size_t plain_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> cell(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cell[i][j] = i + j;
      } else {
        cell[i][j] = std::min({cell[i - 1][j - 1] + (a[i - 1] != b[j - 1]), cell[i - 1][j] + 1, cell[i][j - 1] + 1});
      }
    }
  }
  return cell[a.size()][b.size()];
}

}  // namespace

TEST_CASE("the distance of lines is the plain one up to its bound, however long they are") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t size_max = round % 10 == 0 ? 200 : 12;  // several words, and less than one
    std::string a(random() % size_max, ' ');
    for (char& c : a) c = static_cast<char>('a' + random() % 3);
    std::string b(random() % size_max, ' ');
    for (char& c : b) c = static_cast<char>('a' + random() % 3);
    if (random() % 2 == 0) {  // a line like the other
      b = a;
      for (auto changes = random() % 6; changes > 0 && !b.empty(); --changes) {
        const std::size_t at = random() % b.size();
        random() % 2 == 0 ? b.erase(at, 1) : b.insert(at, 1, static_cast<char>(random() % 256));
      }
    }
    const std::size_t expected = plain_distance(a, b);
    CAPTURE(a);
    CAPTURE(b);
    const LineDistance from_a(a);
    for (const std::size_t bound : {0U, 1U, 2U, 3U, 4U, 5U, 8U, 12U, 40U, 200U}) {
      WorkBudget budget(1'000'000);
      CHECK(from_a.to(b, bound, budget) == std::min(expected, bound + 1));
    }
  }
}

TEST_CASE("a line may have every byte there is") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  WorkBudget budget(1'000'000);
  CHECK(LineDistance(all).to(all, 10, budget) == 0);
  CHECK(LineDistance(all).to(all.substr(1), 10, budget) <= 2);
}

TEST_CASE("a spent budget ends a comparison") {
  WorkBudget budget(100);
  const std::string a(1000, 'a');
  const std::string b(1000, 'b');
  CHECK(LineDistance(a).to(b, 1000, budget) == 1001);
  CHECK(budget.spent());
}

TEST_CASE("typographic look-alikes become plain") {
  CHECK(plain_typography("\u201Cit\u2019s\u201D \u2013 so\u2026\u00A0\u20AC") == "\"it's\" - so... \u20AC");
}
