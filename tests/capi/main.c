/* A C program that uses every function of joey.h, as a host does and as it should not. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

int checks_failed;
static int passed, failed;
static const char *only;

void check_failed(const char *file, int line, const char *what, const char *detail) {
  const char *name = strrchr(file, '/');
  printf("    %s:%d: %s %s\n", name ? name + 1 : file, line, what, detail);
  ++checks_failed;
}

int check_status(const char *file, int line, const char *what, joey_status status, joey_status expected) {
  char detail[512];
  if (status == expected) {
    /* Code and text agree. */
    if ((status == JOEY_OK) != (joey_last_error_message()[0] == '\0')) check_failed(file, line, what, "status and message differ");
    return 1;
  }
  snprintf(detail, sizeof detail, "is %s (%s), not %s", joey_status_name(status), joey_last_error_message(),
           joey_status_name(expected));
  check_failed(file, line, what, detail);
  return 0;
}

int check_holds(const char *file, int line, const char *text, const char *part) {
  if (text && strstr(text, part)) return 1;
  check_failed(file, line, part, "is not in:");
  printf("    %.2000s\n", text ? text : "(null)");
  return 0;
}

static void report(const char *name, const char *variant) {
  printf("%s %s%s\n", checks_failed ? "FAIL" : "ok  ", name, variant);
  fflush(stdout);
  if (checks_failed) ++failed;
  else ++passed;
}

void run_case(const char *name, void (*run)(void)) {
  if (only && !strstr(name, only)) return;
  checks_failed = 0;
  run();
  report(name, "");
}

void run_case_on_both_loops(const char *name, void (*run)(int32_t)) {
  if (only && !strstr(name, only)) return;
  checks_failed = 0;
  run(JOEY_LOOP_ENGINE);
  report(name, " [engine's loop]");
  checks_failed = 0;
  run(JOEY_LOOP_HOST);
  report(name, " [host's loop]");
}

int main(int argc, char **argv) {
  if (argc > 1) only = argv[1];
  test_scenario();
  test_models();
  test_transports();
  test_arguments();
  test_structs();
  test_lifetimes();
  test_callbacks();
  test_policies();
  test_secrets();
  test_workspaces();
  printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
