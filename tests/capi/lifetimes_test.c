/* Handles in any order, and what the host still holds when they are gone. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

enum { handles_count = 4 };

static void destroy_handle(world *w, int which) {
  switch (which) {
    case 0: joey_engine_destroy(w->engine); w->engine = NULL; break;
    case 1: joey_session_destroy(w->session); w->session = NULL; break;
    case 2: joey_task_destroy(w->task); w->task = NULL; break;
    default: joey_subscription_destroy(w->events); w->events = NULL; break;
  }
}

/* With a request under way that the host ends: inside cancel, or when all is gone. */
static void in_one_order(int32_t loop, const int *order, int how) {
  world w = {0};
  joey_http_exchange *held;
  char command[128];
  int i;
  w.with_clock = 1;
  world_open(&w, loop);
  w.wire.how = how;
  world_session(&w, "all");
  world_start(&w, "Hang.");
  for (i = 0; i < 2000 && wire_asked(&w.wire) == 0; ++i) world_run(&w, 1);
  held = w.wire.held;
  CHECK(held != NULL);
  for (i = 0; i < handles_count; ++i) {
    CHECK(w.wire.destroyed == 0 && w.note.destroyed == 0 && memory_destroyed(w.memory) == 0 && w.hands.destroyed == 0);
    destroy_handle(&w, order[i]);
  }
  CHECK(w.wire.cancelled == 1);
  CHECK(w.wire.destroyed == 1 && w.note.destroyed == 1 && memory_destroyed(w.memory) == 1 && w.hands.destroyed == 1);
  if (how == ANSWER_NEVER && held) {
    joey_http_head(held, 200, NULL, 0);
    joey_http_body(held, "too late", 8);
    joey_http_end(held, JOEY_OK, NULL, 0);
  }
  CHECK(w.wire.destroyed == 1);
  memory_free(w.memory);
  snprintf(command, sizeof command, "rm -rf '%s'", w.directory);
  CHECK(system(command) == 0);
}

static void in_every_order(int32_t loop) {
  int a, b, c;
  for (a = 0; a < handles_count; ++a) {
    for (b = 0; b < handles_count; ++b) {
      for (c = 0; c < handles_count; ++c) {
        int order[handles_count];
        if (a == b || b == c || a == c) continue;
        order[0] = a;
        order[1] = b;
        order[2] = c;
        order[3] = 6 - a - b - c;
        in_one_order(loop, order, (a + b) % 2 ? ANSWER_NEVER : ANSWER_ON_CANCEL);
      }
    }
  }
}

/* A tool that takes its time, and does not listen. */
typedef struct slow {
  pthread_mutex_t mutex;
  joey_tool_call *call;
  int cancelled, destroyed;
} slow;
static void slow_run(void *user_data, joey_tool_call *call) {
  slow *s = user_data;
  pthread_mutex_lock(&s->mutex);
  s->call = call;
  pthread_mutex_unlock(&s->mutex);
}
static void slow_cancel(void *user_data, joey_tool_call *call) {
  slow *s = user_data;
  pthread_mutex_lock(&s->mutex);
  CHECK(call == s->call && joey_tool_call_cancelled(call) == 1);
  ++s->cancelled;
  pthread_mutex_unlock(&s->mutex);
}
static void slow_destroy(void *user_data) { __atomic_add_fetch(&((slow *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

static void slow_tool(slow *s, world *w) {
  joey_tool_vtable tool;
  memset(s, 0, sizeof *s);
  pthread_mutex_init(&s->mutex, NULL);
  note_vtable(&tool, "slow");
  tool.parameters = NULL;
  tool.run = slow_run;
  tool.cancel = slow_cancel;
  tool.destroy = slow_destroy;
  OK(joey_session_add_tool(w->session, &tool, s));
}

static void tool_outlives_engine(int32_t loop) {
  world w = {0};
  slow s;
  seen e;
  int64_t began;
  world_open(&w, loop);
  world_session(&w, "all");
  slow_tool(&s, &w);
  wire_calls(&w.wire, "c1", "slow", "{}");
  world_start(&w, "Hang.");
  world_wait(&w, JOEY_EVENT_TOOL_STARTED, &e);
  world_run(&w, 20);
  CHECK(s.call != NULL);
  CHECK(strcmp(joey_tool_call_task(s.call), joey_task_id(w.task)) == 0);
  began = steady_ms();
  world_close(&w); /* waits a few seconds for the tool, and no longer */
  CHECK(steady_ms() - began < 20000);
  CHECK(s.cancelled == 1 && joey_tool_call_cancelled(s.call) == 1);
  joey_tool_call_output(s.call, "still here", 10);
  joey_tool_call_finish(s.call, 1, "done at last", 12);
  CHECK(s.destroyed == 1);
}

static void cancel_crosses_finish(int32_t loop) {
  world w = {0};
  slow s;
  seen e;
  world_open(&w, loop);
  world_session(&w, "all");
  slow_tool(&s, &w);
  wire_calls(&w.wire, "c1", "slow", "{}");
  world_start(&w, "Hang.");
  world_wait(&w, JOEY_EVENT_TOOL_STARTED, &e);
  world_run(&w, 20);
  OK(joey_task_cancel(w.task));
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK(strcmp(e.name, "cancelled") == 0 && s.cancelled == 1);
  joey_tool_call_finish(s.call, 1, "too late", 8);
  world_run(&w, 20);
  world_close(&w);
  CHECK(s.destroyed == 1);
}

static void task_goes_on(void) {
  world w = {0};
  seen e;
  world_open(&w, JOEY_LOOP_ENGINE);
  world_session(&w, "all");
  w.wire.how = ANSWER_FROM_A_THREAD;
  wire_calls(&w.wire, "c1", "note", "{\"text\":\"1\"}");
  wire_completes(&w.wire, "Without a handle.");
  world_start(&w, "Go.");
  joey_task_destroy(w.task);
  joey_session_destroy(w.session);
  w.task = NULL;
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Without a handle.");
  joey_subscription_destroy(w.events);
  joey_engine_destroy(w.engine);
  w.events = NULL;
  w.engine = NULL;
  w.session = NULL;
  CHECK(w.note.destroyed == 1);
  w.note.destroyed = 0; /* world_close() sees no session */
  world_close(&w);
}

static void *cancel_it(void *argument) {
  joey_task *task = argument;
  sleep_ms(50);
  OK(joey_task_cancel(task));
  return NULL;
}

static void cancel_from_a_thread(void) {
  world w = {0};
  seen e;
  pthread_t thread;
  world_open(&w, JOEY_LOOP_ENGINE);
  w.wire.how = ANSWER_ON_CANCEL;
  world_session(&w, "all");
  world_start(&w, "Hang.");
  pthread_create(&thread, NULL, cancel_it, w.task);
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK(strcmp(e.name, "cancelled") == 0);
  pthread_join(thread, NULL);
  CHECK(w.wire.cancelled == 1);
  world_close(&w);
}

/* Many threads, each with its own handles, on one engine. */
typedef struct guest {
  joey_engine *engine;
  world *w;
  int failed;
} guest;

static void *be_a_guest(void *argument) {
  guest *g = argument;
  const joey_session_options options = world_options(g->w, "all");
  joey_session *session = NULL;
  joey_task *task = NULL;
  joey_text *text = NULL;
  int i;
  for (i = 0; i < 10; ++i) {
    g->failed += joey_session_create(g->engine, &options, &session) != JOEY_OK;
    g->failed += joey_task_start(session, "Go.", 3, &task) != JOEY_OK;
    g->failed += joey_engine_list_tasks(g->engine, NULL, 0, NULL, 0, 5, &text) != JOEY_OK;
    joey_text_destroy(text);
    g->failed += joey_session_run_tool(session, "list_files", 10, "{\"path\":\".\",\"recursive\":false}", 30, -1, &text) != JOEY_OK;
    joey_text_destroy(text);
    g->failed += joey_task_cancel(task) != JOEY_OK;
    g->failed += joey_task_cancel(NULL) != JOEY_ERR_INVALID_ARGUMENT;
    g->failed += strstr(joey_last_error_message(), "task") == NULL; /* of this thread's own call */
    joey_session_destroy(session);
    joey_task_destroy(task);
  }
  return NULL;
}

static void many_threads(void) {
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  world w = {0};
  pthread_t threads[4];
  guest guests[4];
  joey_engine *engine = NULL;
  int i;
  world_open(&w, JOEY_LOOP_ENGINE);
  w.wire.how = ANSWER_ON_CANCEL;
  options.transport = &wire_vtable;
  options.transport_user_data = &w.wire;
  OK(joey_engine_create(&options, &engine));
  for (i = 0; i < 4; ++i) {
    guests[i].engine = engine;
    guests[i].w = &w;
    guests[i].failed = 0;
    pthread_create(&threads[i], NULL, be_a_guest, &guests[i]);
  }
  for (i = 0; i < 4; ++i) {
    pthread_join(threads[i], NULL);
    CHECK(guests[i].failed == 0);
  }
  joey_engine_destroy(engine);
  CHECK(w.wire.destroyed == 1);
  w.wire.destroyed = 0;
  world_close(&w);
}

void test_lifetimes(void) {
  run_case_on_both_loops("handles are destroyed in every order, and callbacks once", in_every_order);
  run_case_on_both_loops("a tool may end its call when the engine is gone", tool_outlives_engine);
  run_case_on_both_loops("a tool may end its call after it was cancelled", cancel_crosses_finish);
  run_case("a task goes on without its handle and its session's", task_goes_on);
  run_case("a task is cancelled from another thread", cancel_from_a_thread);
  run_case("threads share an engine, each with handles of its own", many_threads);
}
