/* A project outside, with joey as it is installed. */
#include <joey/joey.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  joey_session_options options = JOEY_SESSION_OPTIONS_INIT;
  joey_engine *engine = NULL;
  joey_session *session = NULL;
  joey_text *json = NULL;
  const char *arguments = "{\"path\":\".\",\"recursive\":false}";
  int code = 1;
  options.workspace = ".";
  options.allow = "read";
  if (joey_engine_create(NULL, &engine) == JOEY_OK && joey_session_create(engine, &options, &session) == JOEY_OK &&
      joey_session_run_tool(session, "list_files", 10, arguments, strlen(arguments), -1, &json) == JOEY_OK) {
    printf("joey %d: %s\n", joey_version(), joey_text_data(json));
    code = joey_version() / 10000 != JOEY_VERSION / 10000;
  } else {
    printf("%s\n", joey_last_error_message());
  }
  joey_text_destroy(json);
  joey_session_destroy(session);
  joey_engine_destroy(engine);
  return code;
}
