/* Sets of integers as sorted, half-open intervals. */
#ifndef INTERVAL_H
#define INTERVAL_H

#include <stdbool.h>
#include <stddef.h>

/* The integers from `begin` up to, but not including, `end`. Empty unless begin < end. */
typedef struct interval {
  long begin;
  long end;
} interval;

typedef struct interval_set {
  interval *items;
  size_t count;
  size_t capacity;
} interval_set;

/* A set begins as all zeros. interval_set_clear() frees what it holds and leaves it empty. */
void interval_set_clear(interval_set *set);

/* Adds every integer of `added`. False when memory ran out; the set is then as it was. */
bool interval_set_add(interval_set *set, interval added);

bool interval_set_contains(const interval_set *set, long value);

/* How many integers the set holds. */
long interval_set_size(const interval_set *set);

/* Adds the intervals of a text such as "1-4,8-10". False when it is malformed or memory ran out. */
bool interval_set_parse(interval_set *set, const char *text);

/* Writes the set as such a text, cut to fit `size` bytes with the final NUL. Returns the uncut length. */
size_t interval_set_format(const interval_set *set, char *out, size_t size);

#endif
