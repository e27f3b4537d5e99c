/* Secrets of the host, and keys of the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

typedef struct vault {
  int asked;
  int destroyed;
  int fails;
} vault;

static void vault_resolve(void *user_data, joey_secret_request *request) {
  vault *v = user_data;
  char value[40];
  size_t size = 0;
  CHECK(strcmp(joey_secret_request_name(request, &size), "prod-key") == 0 && size == 8);
  if (v->fails) {
    joey_secret_failed(request, JOEY_ERR_DENIED, "the vault is sealed", 19);
    return;
  }
  snprintf(value, sizeof value, "key-number-%d", ++v->asked);
  joey_secret_resolved(request, value, strlen(value));
}
static void vault_destroy(void *user_data) { ++((vault *)user_data)->destroyed; }

static void keys_rotate(int32_t loop) {
  world w = {0};
  vault v = {0};
  joey_secrets_vtable secrets = JOEY_SECRETS_VTABLE_INIT;
  joey_store_key keys[1];
  joey_engine_options engine_options = JOEY_ENGINE_OPTIONS_INIT;
  joey_session_options options;
  joey_tool_vtable tool;
  seen e;
  memset(keys, 0, sizeof keys);
  keys[0].id = "test";
  world_open(&w, loop);
  joey_subscription_destroy(w.events);
  joey_engine_destroy(w.engine);
  /* The same once more, with secrets and an encrypted store. */
  w.wire.destroyed = 0;
  secrets.resolve = vault_resolve;
  secrets.destroy = vault_destroy;
  engine_options.loop = loop;
  engine_options.transport = &wire_vtable;
  engine_options.transport_user_data = &w.wire;
  engine_options.secrets = &secrets;
  engine_options.secrets_user_data = &v;
  engine_options.store_keys = keys;
  engine_options.store_keys_count = 1;
  OK(joey_engine_create(&engine_options, &w.engine));
  OK(joey_engine_rewrap_store_keys(w.engine));
  OK(joey_subscribe(w.engine, NULL, &w.events));
  options = world_options(&w, "all");
  options.api_key_secret = "prod-key";
  INVALID(joey_session_create(w.engine, &options, &w.session)); /* and an api_key */
  options.api_key = NULL;
  OK(joey_session_create(w.engine, &options, &w.session));
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w.session, &tool, &w.note));
  wire_fails(&w.wire, 401, NULL, "invalid x-api-key");
  wire_completes(&w.wire, "Done.");
  world_start(&w, "Go.");
  CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
  CHECK(v.asked == 2);
  world_close(&w);
  CHECK(v.destroyed == 1);
}

static void known_values(int32_t loop) {
  world w = {0};
  joey_text *text = NULL;
  joey_engine *engine = NULL;
  joey_store_key keys[1];
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  char command[200];
  world_open(&w, loop);
  world_session(&w, "all");
  INVALID(joey_session_add_secret(w.session, "pin", 3, "1234567", 7));
  CHECK(strstr(joey_last_error_message(), "pin") && !strstr(joey_last_error_message(), "1234567"));
  INVALID(joey_session_add_secret(NULL, "pin", 3, "12345678", 8));
  OK(joey_session_add_secret(w.session, "DB_PASSWORD", 11, "correct horse", 13));
  snprintf(command, sizeof command, "{\"command\":\"echo correct 'horse'; echo correct 'ho''rse'; echo sk-secret-of-the-test\"}");
  OK(joey_session_run_tool(w.session, "execute_command", 15, command, strlen(command), 20000, &text));
  CHECK(strstr(joey_text_data(text), "[secret:db-password:") != NULL);
  CHECK(strstr(joey_text_data(text), "[secret:api-key:") != NULL);
  CHECK(strstr(joey_text_data(text), "horse\\n") == NULL && strstr(joey_text_data(text), "of-the-test") == NULL);
  joey_text_destroy(text);
  CHECK_STATUS(joey_engine_rewrap_store_keys(w.engine), JOEY_ERR_CONFLICT);
  INVALID(joey_engine_rewrap_store_keys(NULL));
  memset(keys, 0, sizeof keys);
  options.store_keys_count = 1;
  INVALID(joey_engine_create(&options, &engine));
  options.store_keys = keys; /* without an id */
  INVALID(joey_engine_create(&options, &engine));
  joey_secret_resolved(NULL, "x", 1);
  joey_secret_failed(NULL, JOEY_ERR_IO, NULL, 0);
  CHECK(strcmp(joey_secret_request_name(NULL, NULL), "") == 0);
  world_close(&w);
}

static joey_status add_host_secret(world *w, const char *name, const char *value, const char *hosts, const char *variable) {
  joey_host_secret_options options = JOEY_HOST_SECRET_OPTIONS_INIT;
  options.name = name;
  options.value = value;
  options.hosts = hosts;
  options.variable = variable;
  return joey_session_add_host_secret(w->session, &options);
}

static void wrong_host_secrets(int32_t loop) {
  world w = {0};
  joey_host_secret_options options = JOEY_HOST_SECRET_OPTIONS_INIT;
  world_open(&w, loop);
  world_session(&w, "all");
  INVALID(joey_session_add_host_secret(w.session, NULL));
  INVALID(joey_session_add_host_secret(NULL, &options));
  INVALID(joey_session_add_host_secret(w.session, &options));
  options.struct_size = 3;
  INVALID(joey_session_add_host_secret(w.session, &options));
  INVALID(add_host_secret(&w, "TOKEN", "", "api.test", NULL));
  INVALID(add_host_secret(&w, "TOKEN", "1234567", "api.test", NULL));
  INVALID(add_host_secret(&w, "TOKEN", "of two\nlines", "api.test", NULL));
  CHECK(strstr(joey_last_error_message(), "line break") && !strstr(joey_last_error_message(), "of two"));
  INVALID(add_host_secret(&w, "TOKEN", "12345678", NULL, NULL));
  INVALID(add_host_secret(&w, "TOKEN", "12345678", "http://api.test", NULL));
  CHECK(strstr(joey_last_error_message(), "http://api.test") != NULL);
  INVALID(add_host_secret(&w, "TOKEN", "12345678", "api.test,*:443", NULL));
  INVALID(add_host_secret(&w, "TOKEN", "12345678", "api.test", "A TOKEN"));
  INVALID(add_host_secret(&w, "1TOKEN", "12345678", "api.test", NULL));
  INVALID(add_host_secret(&w, "TOKEN", "12345678", "api.test", NULL)); /* the session has no box */
  CHECK(strstr(joey_last_error_message(), "TOKEN") && strstr(joey_last_error_message(), "box"));
  world_close(&w);
}

static void host_secrets(int32_t loop) {
  world w = {0};
  joey_session_options options;
  joey_tool_vtable tool;
  joey_text *text = NULL;
  joey_status made;
  const char *command = "{\"command\":\"env; echo tick-tock-token; echo x >> $SSL_CERT_FILE\"}";
  world_open(&w, loop);
  options = world_options(&w, "all");
  options.box = "bubblewrap";
  options.allow_hosts = "api.test";
  made = joey_session_create(w.engine, &options, &w.session);
  if (made != JOEY_OK) { /* no bubblewrap here */
    CHECK_STATUS(made, JOEY_ERR_UNSUPPORTED);
    world_session(&w, "all");
    world_close(&w);
    return;
  }
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w.session, &tool, &w.note));
  OK(add_host_secret(&w, "FIRST", "first-of-them", "api.test", NULL));
  OK(add_host_secret(&w, "the token", "tick-tock-token", "api.test:443,*.api.test", "TOKEN"));
  OK(joey_session_run_tool(w.session, "execute_command", 15, command, strlen(command), 20000, &text));
  CHECK(strstr(joey_text_data(text), "\\nTOKEN=joey-secret-") != NULL);
  CHECK(strstr(joey_text_data(text), "FIRST=joey-secret-") != NULL);
  CHECK(strstr(joey_text_data(text), "[secret:the-token:") != NULL);
  CHECK(strstr(joey_text_data(text), "tick-tock") == NULL && strstr(joey_text_data(text), "first-of") == NULL);
  CHECK(strstr(joey_text_data(text), "SSL_CERT_FILE=/") != NULL && strstr(joey_text_data(text), "CURL_CA_BUNDLE=/") != NULL);
  CHECK(strstr(joey_text_data(text), "Read-only file system") != NULL);
  joey_text_destroy(text);
  world_close(&w);
}

void test_secrets(void) {
  run_case_on_both_loops("a key that a server refuses is resolved anew, and the request sent again", keys_rotate);
  run_case_on_both_loops("values that are known are not shown, and short ones are refused", known_values);
  run_case_on_both_loops("a secret for hosts that lacks something, or a box, is refused", wrong_host_secrets);
  run_case_on_both_loops("commands have placeholders of secrets for hosts, and certificates that they cannot change", host_secrets);
}
