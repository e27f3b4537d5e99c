#include "interval.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Reads a number and what follows it; false when there is none. */
static bool read_number(const char **text, long *number) {
  char *end;
  errno = 0;
  *number = strtol(*text, &end, 10);
  if (end == *text || errno != 0) return false;
  *text = end;
  return true;
}

bool interval_set_parse(interval_set *set, const char *text) {
  if (*text == '\0') return true;
  for (;;) {
    interval item;
    if (!read_number(&text, &item.begin)) return false;
    if (*text++ != '-') return false;
    if (!read_number(&text, &item.end)) return false;
    if (!interval_set_add(set, item)) return false;
    if (*text == '\0') return true;
    if (*text++ != ',') return false;
  }
}

size_t interval_set_format(const interval_set *set, char *out, size_t size) {
  size_t length = 0;
  if (size > 0) out[0] = '\0';
  for (size_t i = 0; i < set->count; i++) {
    size_t room = length < size ? size - length : 0;
    int written = snprintf(room > 0 ? out + length : NULL, room, "%s%ld-%ld", i == 0 ? "" : ",",
                           set->items[i].begin, set->items[i].end);
    length += (size_t)written;
  }
  return length;
}
