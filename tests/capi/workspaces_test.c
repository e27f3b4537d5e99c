/* What a session knows of its workspace: the project's files, sections of the prompt, checkpoints. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

static const char *content_of(const joey_text *text) { return text ? joey_text_data(text) : ""; }

/* The value of a field that is a string. */
static const char *field(const joey_text *text, const char *name) {
  static char value[128];
  const char *from = strstr(content_of(text), name);
  size_t size;
  value[0] = '\0';
  if (!from) return value;
  from += strlen(name);
  size = strcspn(from, "\"");
  if (size >= sizeof value) return value;
  memcpy(value, from, size);
  value[size] = '\0';
  return value;
}

static void open_session(world *w, const joey_session_options *options) {
  joey_tool_vtable tool;
  OK(joey_session_create(w->engine, options, &w->session));
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w->session, &tool, &w->note));
}

static void project(int32_t loop) {
  world w = {0};
  joey_session_options options;
  joey_text *text = NULL;
  seen e;
  world_open(&w, loop);
  write_file(&w, ".roomodes", "{\"customModes\":[{\"slug\":\"poet\",\"name\":\"Poet\",\"roleDefinition\":\"You write.\",\"groups\":[\"read\"]}]}");
  options = world_options(&w, "all");
  options.mode = "poet";
  options.language = "German";
  options.deny = "command:rm,read:.env";
  options.ask = "command:git push\ncommand:touch a\\,b";
  open_session(&w, &options);
  OK(joey_session_project(w.session, &text));
  CHECK_HOLDS(content_of(text), "{\"slug\":\"poet\",\"name\":\"Poet\"");
  CHECK_HOLDS(content_of(text), "\"origin\":\"project\",\"groups\":[\"read\"]");
  CHECK_HOLDS(content_of(text), "\"warnings\":[]");
  joey_text_destroy(text);
  INVALID(joey_catalogue(NULL));
  OK(joey_catalogue(&text));
  CHECK_HOLDS(joey_text_data(text), "\"name\":\"anthropic\"");
  CHECK_HOLDS(joey_text_data(text), "\"id\":\"gpt-4.1\"");
  joey_text_destroy(text);
  INVALID(joey_session_project(NULL, &text));
  CHECK(text == NULL);
  INVALID(joey_session_project(w.session, NULL));

  OK(joey_session_set_prompt_section(w.session, "work", 4, "Work as MARKED.", 15));
  OK(joey_session_set_prompt_section(w.session, "modes", 5, NULL, 0));
  INVALID(joey_session_set_prompt_section(w.session, "none", 4, "x", 1));
  INVALID(joey_session_set_prompt_section(NULL, "work", 4, "x", 1));
  OK(joey_session_explain_call(w.session, "execute_command", 15, "{\"command\":\"ls; r'm' x\"}", 24, &text));
  CHECK_HOLDS(content_of(text), "{\"verdict\":\"deny\",\"rule\":\"deny:rm\",\"files\":[],\"parts\":[{\"text\":\"ls\",\"kind\":\"command\",\"verdict\":\"allow\",\"rule\":\"allow:*\"}");
  joey_text_destroy(text);
  OK(joey_session_explain_call(w.session, "execute_command", 15, "{\"command\":\"touch a,b\"}", 23, &text));
  CHECK_HOLDS(content_of(text), "{\"verdict\":\"ask\",\"rule\":\"ask:touch a,b\"");
  joey_text_destroy(text);
  OK(joey_session_explain_call(w.session, "read_file", 9, "{\"path\":\"x/.env\"}", 17, &text));
  CHECK_HOLDS(content_of(text), "{\"verdict\":\"deny\",\"rule\":\"deny:read:.env\",\"files\":[{\"path\":\"x/.env\",\"writes\":false,\"verdict\":\"deny\",\"rule\":\"deny:read:.env\"}],\"parts\":[]}");
  joey_text_destroy(text);
  CHECK_STATUS(joey_session_explain_call(w.session, "none", 4, "{}", 2, &text), JOEY_ERR_NOT_FOUND);
  INVALID(joey_session_explain_call(w.session, "read_file", 9, "[]", 2, &text));
  INVALID(joey_session_explain_call(NULL, "read_file", 9, "{}", 2, &text));
  CHECK(text == NULL);
  INVALID(joey_session_explain_call(w.session, "read_file", 9, "{}", 2, NULL));
  OK(joey_session_box(w.session, &text));
  CHECK_HOLDS(content_of(text), "{\"kind\":\"none\",\"reduced\":[");
  joey_text_destroy(text);
  INVALID(joey_session_box(NULL, &text));
  INVALID(joey_session_box(w.session, NULL));
  OK(joey_session_set_mention(w.session, "problems", 8, "a.c:7: SEVEN is not declared", 28));
  OK(joey_session_set_mention(w.session, "terminal", 8, "forgotten", 9));
  OK(joey_session_set_mention(w.session, "terminal", 8, NULL, 0));
  INVALID(joey_session_set_mention(w.session, "weather", 7, "x", 1));
  INVALID(joey_session_set_mention(NULL, "problems", 8, "x", 1));
  wire_completes(&w.wire, "done");
  world_start(&w, "Solve @problems, see @terminal.");
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(w.wire.last_request, "a.c:7: SEVEN is not declared");
  CHECK_HOLDS(w.wire.last_request, "No terminal output is known.");
  CHECK_HOLDS(w.wire.last_request, "Work as MARKED.");
  CHECK_HOLDS(w.wire.last_request, "answer in German");
  CHECK(strstr(w.wire.last_request, "# Modes") == NULL);
  world_close(&w);
}

static void checkpoints(int32_t loop) {
  world w = {0};
  joey_session_options options;
  joey_text *text = NULL;
  char kept[128], first[64], before[64];
  seen e;
  world_open(&w, loop);
  write_file(&w, "a.txt", "one\n");
  options = world_options(&w, "all");
  snprintf(kept, sizeof kept, "%s-checkpoints", w.directory);
  options.checkpoints = kept;
  open_session(&w, &options);
  OK(joey_session_take_checkpoint(w.session, "mine", 4, "by hand", 7, &text));
  CHECK_HOLDS(content_of(text), "\"label\":\"by hand\"");
  CHECK_HOLDS(content_of(text), "\"unchanged\":false");
  strcpy(first, field(text, "\"checkpoint\":\""));
  CHECK(strlen(first) == 40);
  joey_text_destroy(text);

  wire_calls(&w.wire, "c1", "write_to_file", "{\"path\":\"a.txt\",\"content\":\"two\\n\"}");
  wire_completes(&w.wire, "done");
  world_start(&w, "Go.");
  CHECK(world_wait(&w, JOEY_EVENT_CHECKPOINT_TAKEN, &e) && strlen(e.name) == 40 && e.call[0] != '\0');
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  OK(joey_session_list_checkpoints(w.session, joey_task_id(w.task), strlen(joey_task_id(w.task)), &text));
  CHECK_HOLDS(content_of(text), "\"label\":\"before write_to_file\"");
  joey_text_destroy(text);

  OK(joey_session_diff_checkpoints(w.session, first, 40, NULL, 0, &text));
  CHECK_HOLDS(content_of(text), "\"path\":\"a.txt\",\"change\":\"modified\"");
  CHECK_HOLDS(content_of(text), "-one\\n+two");
  joey_text_destroy(text);
  OK(joey_session_restore_checkpoint(w.session, first, 40, &text));
  strcpy(before, field(text, "\"before\":\""));
  joey_text_destroy(text);
  CHECK(strcmp(file_content(&w, "a.txt"), "one\n") == 0);
  OK(joey_session_restore_checkpoint(w.session, before, strlen(before), &text));
  joey_text_destroy(text);
  CHECK(strcmp(file_content(&w, "a.txt"), "two\n") == 0);

  CHECK_STATUS(joey_session_restore_checkpoint(w.session, "0123456789012345678901234567890123456789", 40, &text), JOEY_ERR_NOT_FOUND);
  CHECK(text == NULL);
  INVALID(joey_session_take_checkpoint(w.session, "../x", 4, NULL, 0, &text));
  INVALID(joey_session_take_checkpoint(NULL, "x", 1, NULL, 0, &text));
  INVALID(joey_session_list_checkpoints(w.session, "x", 1, NULL));
  INVALID(joey_session_diff_checkpoints(NULL, first, 40, NULL, 0, &text));
  INVALID(joey_session_restore_checkpoint(NULL, first, 40, &text));
  world_close(&w);
  {
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", kept);
    CHECK(system(command) == 0);
  }
}

static void no_checkpoints(int32_t loop) {
  world w = {0};
  joey_session_options options;
  joey_session *none = NULL;
  joey_text *text = NULL;
  world_open(&w, loop);
  world_session(&w, "all");
  CHECK_STATUS(joey_session_take_checkpoint(w.session, "x", 1, NULL, 0, &text), JOEY_ERR_UNSUPPORTED);
  CHECK_STATUS(joey_session_list_checkpoints(w.session, "x", 1, &text), JOEY_ERR_UNSUPPORTED);
  options = world_options(&w, "all");
  options.checkpoints = w.directory; /* inside the workspace */
  CHECK_STATUS(joey_session_create(w.engine, &options, &none), JOEY_ERR_DENIED);
  CHECK(none == NULL);
  options.checkpoints = NULL;
  options.home = "/no/such/directory";
  CHECK_STATUS(joey_session_create(w.engine, &options, &none), JOEY_ERR_NOT_FOUND);
  options.home = NULL;
  options.image_model = "painter";
  options.image_provider = "nobody";
  INVALID(joey_session_create(w.engine, &options, &none));
  world_close(&w);
}

/* What .rooignore forbids a boxed command is looked at again with every message. */
static void boxes_are_renewed(int32_t loop) {
  world w = {0};
  joey_session_options options;
  joey_text *text = NULL;
  seen e;
  const char *look = "{\"command\":\"n=key; cat a.$n b.$n 2>&1; echo looked\"}";
  joey_tool_vtable tool;
  world_open(&w, loop);
  write_file(&w, ".rooignore", "*.key\n");
  write_file(&w, "a.key", "FIRST\n");
  options = world_options(&w, "all");
  options.box = "bubblewrap";
  if (joey_session_create(w.engine, &options, &w.session) != JOEY_OK) {
    printf("    skipped: %s\n", joey_last_error_message());
    options.box = NULL;
    OK(joey_session_create(w.engine, &options, &w.session));
  }
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w.session, &tool, &w.note));
  OK(joey_session_box(w.session, &text));
  if (strstr(joey_text_data(text), "bubblewrap") != NULL) {
    wire_calls(&w.wire, "c1", "execute_command", look);
    wire_completes(&w.wire, "Done.");
    wire_calls(&w.wire, "c2", "execute_command", look);
    wire_completes(&w.wire, "Done.");
    wire_calls(&w.wire, "c3", "execute_command", look);
    wire_completes(&w.wire, "Done.");
    world_start(&w, "Go.");
    CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
    CHECK(strstr(e.text, "looked") != NULL && strstr(e.text, "FIRST") == NULL);
    CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
    write_file(&w, "b.key", "SECOND\n");
    OK(joey_task_say(w.task, "Again.", 6));
    CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
    CHECK(strstr(e.text, "looked") != NULL && strstr(e.text, "FIRST") == NULL && strstr(e.text, "SECOND") == NULL);
    CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
    write_file(&w, ".rooignore", "b.key\n");
    OK(joey_task_say(w.task, "Once more.", 10));
    CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
    CHECK(strstr(e.text, "FIRST") != NULL && strstr(e.text, "SECOND") == NULL);
    CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
  }
  joey_text_destroy(text);
  world_close(&w);
}

void test_workspaces(void) {
  run_case_on_both_loops("what a box hides is looked at again with every message", boxes_are_renewed);
  run_case_on_both_loops("the project's modes are known, and sections of the prompt replaced", project);
  run_case_on_both_loops("checkpoints are taken, listed, compared and restored", checkpoints);
  run_case_on_both_loops("a session without checkpoints says so, and options that cannot be kept are refused", no_checkpoints);
}
