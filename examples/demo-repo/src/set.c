/* Invariant: items[i].begin < items[i].end, and items[i].end < items[i + 1].begin. */
#include "interval.h"

#include <stdlib.h>
#include <string.h>

/* Index of the first interval that ends at or after `value`; `count` when there is none. */
static size_t first_ending_at(const interval_set *set, long value) {
  size_t low = 0;
  size_t high = set->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (set->items[middle].end < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool reserve(interval_set *set, size_t count) {
  if (count <= set->capacity) return true;
  size_t capacity = set->capacity == 0 ? 4 : set->capacity * 2;
  interval *items = realloc(set->items, capacity * sizeof *items);
  if (items == NULL) return false;
  set->items = items;
  set->capacity = capacity;
  return true;
}

void interval_set_clear(interval_set *set) {
  free(set->items);
  memset(set, 0, sizeof *set);
}

bool interval_set_add(interval_set *set, interval added) {
  if (added.begin >= added.end) return true;
  if (!reserve(set, set->count + 1)) return false;

  /* items[first..last) overlap `added` or touch it: one interval takes the place of them all. */
  size_t first = first_ending_at(set, added.begin);
  size_t last = first;
  while (last < set->count && set->items[last].begin <= added.end) last++;

  interval merged = added;
  if (last > first) {
    if (set->items[first].begin < merged.begin) merged.begin = set->items[first].begin;
    if (set->items[first].end > merged.end) merged.end = set->items[first].end;
  }
  memmove(set->items + first + 1, set->items + last, (set->count - last) * sizeof *set->items);
  set->items[first] = merged;
  set->count = set->count + 1 - (last - first);
  return true;
}

bool interval_set_contains(const interval_set *set, long value) {
  size_t index = first_ending_at(set, value + 1);
  return index < set->count && set->items[index].begin <= value;
}

long interval_set_size(const interval_set *set) {
  long size = 0;
  for (size_t i = 0; i < set->count; i++) size += set->items[i].end - set->items[i].begin;
  return size;
}
