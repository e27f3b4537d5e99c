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

TEST_CASE("the bounded distance is the plain one up to its bound") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string a(random() % 12, ' ');
    std::string b(random() % 12, ' ');
    for (char& c : a) c = static_cast<char>('a' + random() % 3);
    for (char& c : b) c = static_cast<char>('a' + random() % 3);
    const std::size_t expected = plain_distance(a, b);
    CAPTURE(a);
    CAPTURE(b);
    for (std::size_t bound = 0; bound < 13; ++bound) {
      WorkBudget budget(1'000'000);
      CHECK(bounded_distance(a, b, bound, budget) == std::min(expected, bound + 1));
    }
  }
}

TEST_CASE("a spent budget ends a comparison") {
  WorkBudget budget(100);
  const std::string a(1000, 'a');
  const std::string b(1000, 'b');
  CHECK(bounded_distance(a, b, 1000, budget) == 1001);
  CHECK(budget.spent());
}

TEST_CASE("typographic look-alikes become plain") {
  CHECK(plain_typography("\u201Cit\u2019s\u201D \u2013 so\u2026\u00A0\u20AC") == "\"it's\" - so... \u20AC");
}
