/* What a callback may call, and what it must not. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

typedef struct caller {
  world *w;
  joey_task *started; /* from within */
  int ran;
} caller;

#define MISUSE(call) CHECK_STATUS(call, JOEY_ERR_MISUSE)

static void misuse_everything(void *user_data, joey_tool_call *call) {
  caller *c = user_data;
  world *w = c->w;
  joey_text *text = NULL;
  joey_task *task = NULL;
  joey_event event;
  joey_tool_vtable tool;
  size_t count = 5;
  const char *id = joey_tool_call_task(call);
  ++c->ran;
  MISUSE(joey_session_run_tool(w->session, "note", 4, "{\"text\":\"\"}", 11, 1000, &text));
  CHECK(text == NULL);
  MISUSE(joey_task_open(w->session, id, strlen(id), &task));
  CHECK(task == NULL);
  MISUSE(joey_task_say(w->task, "x", 1));
  MISUSE(joey_task_approve(w->task, "c", 1, NULL, 0));
  MISUSE(joey_task_deny(w->task, "c", 1, NULL, 0));
  MISUSE(joey_task_answer(w->task, "c", 1, "x", 1, NULL, 0));
  MISUSE(joey_task_set_mode(w->task, "ask", 3));
  MISUSE(joey_task_condense(w->task));
  MISUSE(joey_task_pause(w->task));
  MISUSE(joey_task_resume(w->task));
  MISUSE(joey_task_cancel(w->task));
  MISUSE(joey_engine_list_tasks(w->engine, NULL, 0, NULL, 0, 0, &text));
  MISUSE(joey_engine_get_task(w->engine, id, strlen(id), &text));
  MISUSE(joey_engine_read_events(w->engine, id, strlen(id), 1, 0, &text));
  MISUSE(joey_engine_replay(w->engine, id, strlen(id), &text));
  MISUSE(joey_engine_bill(w->engine, id, strlen(id), &text));
  MISUSE(joey_subscription_next(w->events, &event, sizeof event, 1, -1, &count));
  CHECK(count == 0);
  note_vtable(&tool, "another");
  tool.destroy = NULL;
  MISUSE(joey_session_add_tool(w->session, &tool, NULL));
  if (w->loop == JOEY_LOOP_HOST) MISUSE(joey_engine_step(w->engine, 0));
  OK(joey_task_start(w->session, "From within.", 12, &c->started)); /* callback-safe */
  joey_tool_call_finish(call, 1, "misused", 7);
}

static void misuse(int32_t loop) {
  world w = {0};
  caller c = {0};
  joey_tool_vtable tool;
  seen e;
  int ended;
  c.w = &w;
  world_open(&w, loop);
  world_session(&w, "all");
  note_vtable(&tool, "misuse");
  tool.run = misuse_everything;
  tool.destroy = NULL;
  OK(joey_session_add_tool(w.session, &tool, &c));
  wire_calls(&w.wire, "c1", "misuse", "{\"text\":\"\"}");
  wire_completes(&w.wire, "One.");
  wire_completes(&w.wire, "The other.");
  world_start(&w, "Go.");
  for (ended = 0; ended < 2; ++ended) {
    world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
    CHECK(strcmp(e.name, "completed") == 0);
  }
  CHECK(c.ran == 1 && c.started != NULL);
  joey_task_destroy(c.started);
  world_close(&w);
}

/* The last handles go in a callback: the engine ends all the same. */
typedef struct last {
  world *w;
  int started, ran;
} last;

static void let_go(void *user_data, joey_tool_call *call) {
  last *l = user_data;
  while (!__atomic_load_n(&l->started, __ATOMIC_SEQ_CST)) sleep_ms(1); /* the handles are the other thread's until then */
  joey_task_destroy(l->w->task);
  joey_session_destroy(l->w->session);
  joey_subscription_destroy(l->w->events);
  joey_engine_destroy(l->w->engine);
  joey_tool_call_finish(call, 1, "gone", 4);
  l->ran = 1;
}

static void last_handle_in_a_callback(int32_t loop) {
  world w = {0};
  last l = {0};
  joey_tool_vtable tool;
  int i;
  char command[128];
  l.w = &w;
  world_open(&w, loop);
  world_session(&w, "all");
  note_vtable(&tool, "let_go");
  tool.run = let_go;
  tool.destroy = NULL;
  OK(joey_session_add_tool(w.session, &tool, &l));
  wire_calls(&w.wire, "c1", "let_go", "{\"text\":\"\"}");
  world_start(&w, "Go.");
  __atomic_store_n(&l.started, 1, __ATOMIC_SEQ_CST);
  if (loop == JOEY_LOOP_HOST) {
    for (i = 0; i < 2000 && !l.ran; ++i) OK(joey_engine_step(w.engine, 5));
  }
  for (i = 0; i < 3000; ++i) { /* the engine ends on a thread of its own */
    if (__atomic_load_n(&w.wire.destroyed, __ATOMIC_SEQ_CST) && __atomic_load_n(&w.note.destroyed, __ATOMIC_SEQ_CST) &&
        memory_destroyed(w.memory)) {
      break;
    }
    sleep_ms(10);
  }
  CHECK(w.wire.destroyed == 1 && w.note.destroyed == 1);
  CHECK(memory_destroyed(w.memory) == 1);
  memory_free(w.memory);
  snprintf(command, sizeof command, "rm -rf '%s'", w.directory);
  CHECK(system(command) == 0);
}

void test_callbacks(void) {
  run_case_on_both_loops("calls that wait are refused in callbacks, others work", misuse);
  run_case_on_both_loops("the last handle may go in a callback", last_handle_in_a_callback);
}
