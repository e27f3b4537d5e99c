/* A task from its first message to its last event, through everything a host can do with it. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

static const char *text_of(joey_text *text) {
  const char *data = joey_text_data(text);
  CHECK(strlen(data) == joey_text_size(text));
  return data;
}

/* One task: a tool of the host's, an approval, a denial, a question, a mode, its end, and a second life. */
static void whole_life(int32_t loop, int how, int tool_inside) {
  world w = {0};
  seen e;
  joey_text *text = NULL;
  joey_engine *second = NULL;
  char id[64];
  world_open(&w, loop);
  w.wire.how = how;
  world_session(&w, "read,custom");
  w.note.inside = tool_inside;
  write_file(&w, "a.txt", "alpha\n");

  wire_calls(&w.wire, "c1", "note", "{\"text\":\"hello\"}");
  wire_calls(&w.wire, "c2", "write_to_file", "{\"path\":\"b.txt\",\"content\":\"beta\\n\"}");
  wire_calls(&w.wire, "c3", "write_to_file", "{\"path\":\"c.txt\",\"content\":\"gamma\\n\"}");
  wire_calls(&w.wire, "c4", "ask_followup_question",
             "{\"question\":\"Which?\",\"follow_up\":[{\"text\":\"this\",\"mode\":\"ask\"}]}");
  wire_says(&w.wire, "Thinking about it, without a call.");
  wire_completes(&w.wire, "All is done.");
  wire_completes(&w.wire, "Once more.");

  world_start(&w, "Do everything.");
  strcpy(id, joey_task_id(w.task));
  CHECK(strncmp(id, "task_", 5) == 0);
  if (world_wait(&w, JOEY_EVENT_TASK_CREATED, &e)) CHECK(e.seq == 1 && strcmp(e.task, id) == 0);
  if (world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e)) {
    CHECK(strcmp(e.name, "note") == 0 && e.call[0] != '\0');
    CHECK_HOLDS(e.text, "noted: {\"text\":\"hello\"}");
  }

  world_wait(&w, JOEY_EVENT_APPROVAL_REQUESTED, &e);
  CHECK(strcmp(e.name, "write_to_file") == 0);
  CHECK_STATUS(joey_task_approve(w.task, "c9", 2, NULL, 0), JOEY_ERR_CONFLICT);
  CHECK_STATUS(joey_task_answer(w.task, e.call, strlen(e.call), "x", 1, NULL, 0), JOEY_ERR_CONFLICT);
  CHECK(file_content(&w, "b.txt")[0] == '\0');
  OK(joey_task_approve(w.task, e.call, strlen(e.call), "nicely", 6));
  world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e);
  CHECK_HOLDS(e.text, "nicely");
  CHECK(strcmp(file_content(&w, "b.txt"), "beta\n") == 0);

  world_wait(&w, JOEY_EVENT_APPROVAL_REQUESTED, &e);
  OK(joey_task_deny(w.task, e.call, strlen(e.call), "not this one", 12));
  world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e);
  CHECK_HOLDS(e.text, "not this one");
  CHECK(file_content(&w, "c.txt")[0] == '\0');

  world_wait(&w, JOEY_EVENT_QUESTION_ASKED, &e);
  CHECK_HOLDS(e.text, "Which?");
  OK(joey_task_answer(w.task, e.call, strlen(e.call), "this", 4, "ask", 3));
  world_wait(&w, JOEY_EVENT_MODE_CHANGED, &e);
  CHECK(strcmp(e.name, "ask") == 0);

  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "All is done.");
  CHECK(strcmp(e.name, "completed") == 0);
  CHECK_STATUS(joey_task_resume(w.task), JOEY_ERR_CONFLICT);
  OK(joey_task_cancel(w.task)); /* does nothing to a task that has ended */
  OK(joey_task_set_mode(w.task, "code", 4));
  OK(joey_task_say(w.task, "And again.", 10));
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Once more.");
  pthread_mutex_lock(&w.wire.mutex);
  CHECK(w.wire.saw_key);
  CHECK_HOLDS(w.wire.last_request, "And again.");
  pthread_mutex_unlock(&w.wire.mutex);
  CHECK(wire_asked(&w.wire) == 7);

  OK(joey_engine_list_tasks(w.engine, NULL, 0, NULL, 0, 0, &text));
  CHECK_HOLDS(text_of(text), id);
  CHECK_HOLDS(text_of(text), "\"title\":\"Do everything.\"");
  CHECK_HOLDS(text_of(text), "\"next\":\"\"");
  joey_text_destroy(text);
  OK(joey_engine_list_tasks(w.engine, id, strlen(id), NULL, 0, 10, &text));
  CHECK_HOLDS(text_of(text), "\"tasks\":[]");
  joey_text_destroy(text);
  OK(joey_engine_get_task(w.engine, id, strlen(id), &text));
  CHECK_HOLDS(text_of(text), "\"status\":\"completed\"");
  joey_text_destroy(text);
  OK(joey_engine_read_events(w.engine, id, strlen(id), 1, 0, &text));
  CHECK_HOLDS(text_of(text), "\"type\":\"task.created\"");
  CHECK_HOLDS(text_of(text), "\"type\":\"task.reopened\"");
  CHECK(strstr(text_of(text), "sk-secret") == NULL);
  joey_text_destroy(text);
  OK(joey_engine_read_events(w.engine, id, strlen(id), 2, 1, &text));
  CHECK_HOLDS(text_of(text), "\"seq\":2,");
  CHECK(strchr(text_of(text), '\n') == strrchr(text_of(text), '\n'));
  joey_text_destroy(text);
  OK(joey_engine_read_events(w.engine, id, strlen(id), 1000000, 0, &text));
  CHECK(joey_text_size(text) == 0);
  joey_text_destroy(text);
  OK(joey_engine_replay(w.engine, id, strlen(id), &text));
  CHECK_HOLDS(text_of(text), "\"requests\":7,\"matched\":7,\"mismatched\":[]");
  joey_text_destroy(text);
  CHECK_STATUS(joey_engine_get_task(w.engine, "task_none", 9, &text), JOEY_ERR_NOT_FOUND);
  CHECK(text == NULL);

  { /* Another engine on the same store sees all of it. */
    joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
    joey_store_vtable store = memory_vtable;
    store.destroy = NULL;
    options.store = &store;
    options.store_user_data = w.memory;
    OK(joey_engine_create(&options, &second));
    OK(joey_engine_replay(second, id, strlen(id), &text));
    CHECK_HOLDS(text_of(text), "\"mismatched\":[]");
    joey_text_destroy(text);
    joey_engine_destroy(second);
  }
  world_close(&w);
}

static void whole_life_inside(int32_t loop) { whole_life(loop, ANSWER_INSIDE, 1); }
static void whole_life_from_threads(int32_t loop) { whole_life(loop, ANSWER_FROM_A_THREAD, 0); }

static void pause_and_resume(int32_t loop) {
  world w = {0};
  seen e;
  joey_http_exchange *held;
  world_open(&w, loop);
  world_session(&w, "all");
  w.wire.how = ANSWER_NEVER;
  world_start(&w, "Wait.");
  world_wait(&w, JOEY_EVENT_MODEL_REQUESTED, &e);
  world_run(&w, 20);
  held = wire_held(&w.wire);
  CHECK_STATUS(joey_task_say(w.task, "", 0), JOEY_ERR_INVALID_ARGUMENT);
  OK(joey_task_say(w.task, "By the way.", 11));
  OK(joey_task_pause(w.task));
  world_wait(&w, JOEY_EVENT_TASK_PAUSED, &e);
  CHECK(w.wire.cancelled == 1); /* a request under way is closed */
  if (held) joey_http_end(held, JOEY_ERR_CANCELLED, "stopped", 7);
  pthread_mutex_lock(&w.wire.mutex);
  w.wire.how = ANSWER_INSIDE;
  pthread_mutex_unlock(&w.wire.mutex);
  wire_completes(&w.wire, "unused: the first request had no answer");
  wire_completes(&w.wire, "Resumed.");
  OK(joey_task_resume(w.task));
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Resumed.");
  CHECK_HOLDS(w.wire.last_request, "By the way.");
  world_close(&w);
}

/* A second engine goes on with what the first left: the host's store knows who holds a task. */
static void taken_up_again(int32_t loop) {
  world first = {0}, second = {0};
  memory *kept;
  joey_task *task = NULL;
  joey_session_options options;
  seen e;
  char id[64], directory[64];
  world_open(&first, loop);
  world_session(&first, "all");
  wire_calls(&first.wire, "c1", "note", "{\"text\":\"one\"}");
  world_start(&first, "Go.");
  strcpy(id, joey_task_id(first.task));
  world_wait(&first, JOEY_EVENT_TOOL_FINISHED, &e);
  world_wait(&first, JOEY_EVENT_MODEL_FAILED, &e); /* the script is at its end: it will be tried again */

  { /* While the first has it, nobody else gets it. */
    joey_engine_options other = JOEY_ENGINE_OPTIONS_INIT;
    joey_store_vtable store = memory_vtable;
    joey_engine *engine = NULL;
    joey_session *session = NULL;
    store.destroy = NULL;
    other.store = &store;
    other.store_user_data = first.memory;
    OK(joey_engine_create(&other, &engine));
    options = world_options(&first, "all");
    OK(joey_session_create(engine, &options, &session));
    CHECK_STATUS(joey_task_open(session, id, strlen(id), &task), JOEY_ERR_BUSY);
    CHECK(task == NULL && joey_status_retryable(JOEY_ERR_BUSY) == 1);
    joey_session_destroy(session);
    joey_engine_destroy(engine);
  }
  OK(joey_task_open(first.session, id, strlen(id), &task)); /* live here already */
  CHECK(strcmp(joey_task_id(task), id) == 0);
  joey_task_destroy(task);

  kept = first.memory;
  strcpy(directory, first.directory);
  first.memory = memory_create(); /* world_close() frees it; the journal stays */
  joey_task_destroy(first.task);
  joey_session_destroy(first.session);
  joey_subscription_destroy(first.events);
  joey_engine_destroy(first.engine);
  CHECK(first.wire.destroyed == 1 && first.note.destroyed == 1 && memory_destroyed(kept) == 1);
  memory_free(first.memory);

  second.memory = kept;
  world_open(&second, loop);
  options = world_options(&second, "all");
  options.workspace = directory;
  {
    joey_tool_vtable tool;
    note_vtable(&tool, "note");
    OK(joey_session_create(second.engine, &options, &second.session));
    OK(joey_session_add_tool(second.session, &tool, &second.note));
  }
  wire_completes(&second.wire, "In the second engine.");
  {
    joey_subscription_options from_the_start = JOEY_SUBSCRIPTION_OPTIONS_INIT;
    from_the_start.task = id;
    from_the_start.from_seq = 1;
    from_the_start.flags = JOEY_SUBSCRIBE_NO_DELTAS;
    joey_subscription_destroy(second.events);
    OK(joey_subscribe(second.engine, &from_the_start, &second.events));
  }
  OK(joey_task_open(second.session, id, strlen(id), &second.task));
  {
    uint64_t seq = 0;
    int ended = 0;
    while (!ended && world_next(&second, 30000, &e)) {
      CHECK(e.kind < JOEY_EVENT_DELTA_TEXT);
      CHECK(e.seq == seq + 1); /* none is missed or doubled */
      seq = e.seq;
      ended = e.kind == JOEY_EVENT_TASK_ENDED;
    }
    CHECK(ended);
    CHECK_HOLDS(e.text, "In the second engine.");
  }
  CHECK(second.note.runs == 0); /* it ran in the first engine, and does not again */
  CHECK_STATUS(joey_task_open(second.session, "task_none", 9, &task), JOEY_ERR_NOT_FOUND);
  world_close(&second);
  {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    CHECK(system(command) == 0);
  }
}

static void slow_subscriber(int32_t loop) {
  world w = {0};
  joey_subscription_options options = JOEY_SUBSCRIPTION_OPTIONS_INIT;
  joey_subscription *slow = NULL;
  char words[4000];
  seen e;
  int fd = -1, lagged = 0, ended = 0, deltas = 0;
  uint64_t seq = 0;
  memset(words, 'x', sizeof words - 1);
  words[sizeof words - 1] = '\0';
  world_open(&w, loop);
  world_session(&w, "all");
  options.queue_max = 1; /* as few as joey keeps */
  OK(joey_subscribe(w.engine, &options, &slow));
  OK(joey_subscription_poll_fd(slow, &fd));
  CHECK(fd >= 0);
  words[900] = '\0'; /* a hundred deltas */
  wire_says(&w.wire, words);
  wire_calls(&w.wire, "c1", "note", "{\"text\":\"one\"}");
  wire_completes(&w.wire, "End.");
  world_start(&w, "Talk.");
  while (world_next(&w, 20000, &e)) {
    deltas += e.kind == JOEY_EVENT_DELTA_TEXT;
    if (e.kind == JOEY_EVENT_TASK_ENDED) break;
  }
  CHECK(e.kind == JOEY_EVENT_TASK_ENDED && deltas > 50);
  {
    struct pollfd readable = {fd, POLLIN, 0};
    CHECK(poll(&readable, 1, 5000) == 1);
  }
  while (!ended) {
    joey_event event;
    size_t count = 0;
    if (!OK(joey_subscription_next(slow, &event, sizeof event, 1, 20000, &count)) || count == 0) break;
    if (event.kind == JOEY_EVENT_LAGGED) ++lagged;
    if (event.kind < JOEY_EVENT_DELTA_TEXT) {
      CHECK(event.seq == seq + 1);
      seq = event.seq;
    }
    ended = event.kind == JOEY_EVENT_TASK_ENDED;
  }
  CHECK(ended && lagged > 0);
  joey_subscription_destroy(slow);
  world_close(&w);
}

static void direct_tools(int32_t loop) {
  world w = {0};
  joey_text *text = NULL;
  const char *path = "{\"path\":\"a.txt\"}";
  int64_t began;
  world_open(&w, loop);
  world_session(&w, "read,custom,execute_command");
  write_file(&w, "a.txt", "alpha\n");
  OK(joey_session_tools(w.session, NULL, 0, &text));
  CHECK_HOLDS(text_of(text), "\"name\":\"note\",\"description\":\"Takes a note.\",\"group\":\"custom\"");
  CHECK_HOLDS(text_of(text), "\"name\":\"apply_diff\"");
  joey_text_destroy(text);
  OK(joey_session_tools(w.session, "ask", 3, &text));
  CHECK(strstr(text_of(text), "apply_diff") == NULL && strstr(text_of(text), "\"note\"") != NULL);
  joey_text_destroy(text);
  INVALID(joey_session_tools(w.session, "poet", 4, &text));
  CHECK(text == NULL);

  OK(joey_session_run_tool(w.session, "read_file", 9, path, strlen(path), -1, &text));
  CHECK_HOLDS(text_of(text), "{\"ok\":true,\"text\":");
  CHECK_HOLDS(text_of(text), "alpha");
  joey_text_destroy(text);
  OK(joey_session_run_tool(w.session, "read_file", 9, "{\"path\":\"none\"}", 15, 10000, &text));
  CHECK_HOLDS(text_of(text), "{\"ok\":false,");
  joey_text_destroy(text);
  OK(joey_session_run_tool(w.session, "note", 4, "{\"text\":\"direct\"}", 17, -1, &text));
  CHECK_HOLDS(text_of(text), "noted: ");
  joey_text_destroy(text);
  CHECK_STATUS(joey_session_run_tool(w.session, "write_to_file", 13, "{\"path\":\"x\",\"content\":\"\"}", 25, -1, &text), JOEY_ERR_DENIED);
  CHECK(text == NULL);
  CHECK_STATUS(joey_session_run_tool(w.session, "fly", 3, "{}", 2, -1, &text), JOEY_ERR_NOT_FOUND);
  OK(joey_session_run_tool(w.session, "attempt_completion", 18, "{}", 2, -1, &text)); /* only rehearsed */
  CHECK_HOLDS(text_of(text), "{\"ok\":false,");
  joey_text_destroy(text);
  OK(joey_session_run_tool(w.session, "attempt_completion", 18, "{\"result\":\"All.\"}", 17, -1, &text));
  CHECK_HOLDS(text_of(text), "Would end the task with: All.");
  joey_text_destroy(text);
  INVALID(joey_session_run_tool(w.session, "note", 4, "[]", 2, -1, &text));
  INVALID(joey_session_run_tool(w.session, "note", 4, "{", 1, -1, &text));
  INVALID(joey_session_run_tool(w.session, "note", 4, NULL, 0, -1, &text));
  began = steady_ms();
  {
    const char *sleep = "{\"command\":\"sleep 300\",\"cwd\":null,\"timeout\":null}";
    CHECK_STATUS(joey_session_run_tool(w.session, "execute_command", 15, sleep, strlen(sleep), 200, &text), JOEY_ERR_TIMEOUT);
  }
  CHECK(text == NULL && steady_ms() - began < 20000);
  world_close(&w);
  CHECK(steady_ms() - began < 30000);
}

void test_scenario(void) {
  run_case_on_both_loops("a task lives through approvals, questions, modes and its end", whole_life_inside);
  run_case_on_both_loops("and so it does when the host answers from its own threads", whole_life_from_threads);
  run_case_on_both_loops("a paused task closes its request and goes on", pause_and_resume);
  run_case_on_both_loops("another engine takes up a task, and repeats nothing", taken_up_again);
  run_case_on_both_loops("a slow subscriber loses deltas, is told so, and gets every durable event", slow_subscriber);
  run_case_on_both_loops("tools run without a model, under the session's policy", direct_tools);
}
