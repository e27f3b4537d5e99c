#include "interval.h"

#include <stdio.h>
#include <string.h>

/* Whether adding the intervals of `text`, one after the other, gives the set written as `expected`. */
static bool gives(const char *text, const char *expected) {
  interval_set set = {0};
  char formatted[256];
  bool parsed = interval_set_parse(&set, text);
  interval_set_format(&set, formatted, sizeof formatted);
  interval_set_clear(&set);
  if (parsed && strcmp(formatted, expected) == 0) return true;
  printf("  adding %s: expected %s, got %s\n", text, expected, parsed ? formatted : "a parse error");
  return false;
}

static bool empty_intervals_add_nothing(void) { return gives("3-3,9-5", ""); }
static bool disjoint_intervals_stay_sorted(void) { return gives("20-30,1-5,10-12", "1-5,10-12,20-30"); }
static bool overlapping_intervals_merge(void) { return gives("1-5,3-9", "1-9"); }
static bool touching_intervals_merge(void) { return gives("1-5,5-9", "1-9"); }
static bool a_bridge_joins_its_neighbours(void) { return gives("1-4,8-12,3-9", "1-12"); }
static bool a_wide_interval_swallows_others(void) { return gives("10-12,14-16,1-40", "1-40"); }

static bool contains_knows_both_ends(void) {
  interval_set set = {0};
  bool passed = interval_set_parse(&set, "1-4,8-10") && interval_set_contains(&set, 1) &&
                interval_set_contains(&set, 3) && !interval_set_contains(&set, 4) &&
                !interval_set_contains(&set, 7) && interval_set_contains(&set, 9) && interval_set_size(&set) == 5;
  interval_set_clear(&set);
  return passed;
}

static bool malformed_text_is_refused(void) {
  static const char *const texts[] = {"1", "1-", "-", "1-2,", "1-2;3-4", "a-b"};
  bool passed = true;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    interval_set set = {0};
    passed = passed && !interval_set_parse(&set, texts[i]);
    interval_set_clear(&set);
  }
  return passed;
}

int main(void) {
  static const struct {
    const char *name;
    bool (*run)(void);
  } tests[] = {
      {"empty intervals add nothing", empty_intervals_add_nothing},
      {"disjoint intervals stay sorted", disjoint_intervals_stay_sorted},
      {"overlapping intervals merge", overlapping_intervals_merge},
      {"touching intervals merge", touching_intervals_merge},
      {"a bridge joins its neighbours", a_bridge_joins_its_neighbours},
      {"a wide interval swallows others", a_wide_interval_swallows_others},
      {"contains knows both ends", contains_knows_both_ends},
      {"malformed text is refused", malformed_text_is_refused},
  };
  int passed = 0;
  int failed = 0;
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    bool ok = tests[i].run();
    printf("%s %s\n", ok ? "ok    " : "FAILED", tests[i].name);
    ok ? passed++ : failed++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
