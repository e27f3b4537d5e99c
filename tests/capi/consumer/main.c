#include <joey/joey.h>
#include <stdio.h>

int main(void) {
  joey_engine *engine = NULL;
  if (joey_version() != JOEY_VERSION || joey_engine_create(NULL, &engine) != JOEY_OK) {
    fprintf(stderr, "%s\n", joey_last_error_message());
    return 1;
  }
  joey_engine_destroy(engine);
  return 0;
}
