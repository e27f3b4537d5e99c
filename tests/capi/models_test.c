/* Models of the host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

typedef struct brain {
  int asked, cancelled, destroyed;
  int never;
  joey_model_call *held;
  char last_request[4 * text_max];
} brain;

static void brain_start(void *user_data, joey_model_call *call) {
  brain *b = user_data;
  size_t size = 0;
  const char *request = joey_model_call_request(call, &size);
  const joey_usage usage = {1000, 10, 5, 7, 0.25};
  CHECK(strlen(request) == size);
  snprintf(b->last_request, sizeof b->last_request, "%s", request);
  CHECK(joey_model_call_cancelled(call) == 0);
  ++b->asked;
  if (b->never) {
    __atomic_store_n(&b->held, call, __ATOMIC_SEQ_CST);
    return;
  }
  switch (b->asked) {
    case 1: joey_model_call_fail(call, JOEY_MODEL_OVERLOAD, "busy", 4, 1); return;
    case 2:
      joey_model_call_reasoning(call, "Hm. ", 4);
      joey_model_call_reasoning(call, "Yes.", 4);
      joey_model_call_text(call, "I take ", 7);
      joey_model_call_text(call, "a note.", 7);
      joey_model_call_tool(call, "note", 4, "{\"text\":\"x\"}", 12);
      joey_model_call_finish(call, &usage, sizeof usage);
      return;
    case 3:
      joey_model_call_tool(call, "note", 4, "no json", 7);
      joey_model_call_finish(call, NULL, 0);
      return;
    case 4: joey_model_call_finish(call, NULL, 0); return; /* an answer that is empty is tried again */
    default:
      joey_model_call_tool(call, "attempt_completion", 18, "{\"result\":\"Thought.\"}", 21);
      joey_model_call_finish(call, &usage, 2 * sizeof(int64_t)); /* an older host's, shorter */
  }
}
static void brain_cancel(void *user_data, joey_model_call *call) {
  ++((brain *)user_data)->cancelled;
  CHECK(joey_model_call_cancelled(call) == 1);
}
static void brain_destroy(void *user_data) { __atomic_add_fetch(&((brain *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

static const joey_provider_vtable brain_vtable = {sizeof(joey_provider_vtable), brain_start, brain_cancel, brain_destroy};

static void add_note(world *w) {
  joey_tool_vtable tool;
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w->session, &tool, &w->note));
}

static void open_with_brain(world *w, brain *b, int32_t loop) {
  joey_session_options options;
  memset(b, 0, sizeof *b);
  world_open(w, loop);
  OK(joey_engine_add_provider(w->engine, "mine", 4, &brain_vtable, b));
  options = world_options(w, "all");
  options.provider = "mine";
  options.model = NULL;
  OK(joey_session_create(w->engine, &options, &w->session));
  add_note(w);
}

static void host_model(int32_t loop) {
  static brain b, other;
  world w = {0};
  seen e;
  joey_text *text = NULL;
  char id[64], said[256] = "";
  open_with_brain(&w, &b, loop);
  other.destroyed = 0;
  CHECK_STATUS(joey_engine_add_provider(w.engine, "mine", 4, &brain_vtable, &other), JOEY_ERR_CONFLICT);
  CHECK(other.destroyed == 1);
  CHECK_STATUS(joey_engine_add_provider(w.engine, "anthropic", 9, &brain_vtable, &other), JOEY_ERR_CONFLICT);
  CHECK(other.destroyed == 2);
  world_start(&w, "Think.");
  strcpy(id, joey_task_id(w.task));
  while (world_next(&w, 30000, &e)) {
    if (e.kind == JOEY_EVENT_DELTA_TEXT || e.kind == JOEY_EVENT_DELTA_REASONING) strcat(said, e.text);
    if (e.kind == JOEY_EVENT_TASK_ENDED) break;
  }
  CHECK(e.kind == JOEY_EVENT_TASK_ENDED);
  CHECK_HOLDS(e.text, "Thought.");
  CHECK(strcmp(said, "Hm. Yes.I take a note.") == 0);
  CHECK(b.asked == 5 && w.note.runs == 1);
  CHECK_HOLDS(b.last_request, "\"role\":\"user\"");
  CHECK_HOLDS(b.last_request, "{\"type\":\"tool_result\",\"id\":");
  CHECK_HOLDS(b.last_request, "\"error\":true"); /* of the arguments that were no JSON */
  OK(joey_engine_get_task(w.engine, id, strlen(id), &text));
  CHECK_HOLDS(joey_text_data(text), "\"cost_usd\":0.25");
  CHECK_HOLDS(joey_text_data(text), "\"tokens_input\":2012"); /* 1000 + 5 + 7, and 1000 */
  joey_text_destroy(text);
  OK(joey_engine_replay(w.engine, id, strlen(id), &text)); /* what a host's model was asked is replayed as well */
  CHECK_HOLDS(joey_text_data(text), "\"requests\":5,\"matched\":5");
  joey_text_destroy(text);
  OK(joey_engine_bill(w.engine, id, strlen(id), &text));
  CHECK_HOLDS(joey_text_data(text), "\"turn\":1,\"attempt\":1,\"provider\":\"mine\",\"model\":\"mine\",\"outcome\":\"overload\"");
  CHECK_HOLDS(joey_text_data(text), "\"outcome\":\"answered\",\"usage\":{\"input\":1000,\"output\":10,\"cache_read\":5,\"cache_write\":7,\"reasoning\":0},\"cost_usd\":0.25,");
  CHECK_HOLDS(joey_text_data(text), "\"outcome\":\"malformed\"");
  joey_text_destroy(text);
  world_close(&w);
  CHECK(b.destroyed == 1 && b.cancelled == 0);
}

static void host_model_cancelled(int32_t loop) {
  static brain b;
  world w = {0};
  seen e;
  open_with_brain(&w, &b, loop);
  b.never = 1;
  world_start(&w, "Think for ever.");
  world_wait(&w, JOEY_EVENT_MODEL_REQUESTED, &e);
  for (int i = 0; i < 1000 && !__atomic_load_n(&b.held, __ATOMIC_SEQ_CST); ++i) world_run(&w, 5);
  CHECK(__atomic_load_n(&b.held, __ATOMIC_SEQ_CST) != NULL);
  OK(joey_task_cancel(w.task));
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK(strcmp(e.name, "cancelled") == 0);
  CHECK(b.cancelled == 1 && joey_model_call_cancelled(b.held) == 1);
  joey_model_call_text(b.held, "too late", 8);
  world_close(&w);
  joey_model_call_finish(b.held, NULL, 0); /* the engine is gone */
  CHECK(b.destroyed == 1 && b.cancelled == 1);
}

/* Wants a key that nobody has. */
static void closed_start(void *user_data, joey_model_call *call) {
  ++((brain *)user_data)->asked;
  joey_model_call_fail(call, JOEY_MODEL_AUTH, "no such key", 11, -1);
}
static const joey_provider_vtable closed_vtable = {sizeof(joey_provider_vtable), closed_start, brain_cancel, brain_destroy};

static void host_model_stands_in(int32_t loop) {
  static brain closed, open;
  world w = {0};
  joey_session_options options;
  joey_model_options model = JOEY_MODEL_OPTIONS_INIT;
  seen e;
  memset(&closed, 0, sizeof closed);
  memset(&open, 0, sizeof open);
  open.asked = 4; /* it ends the task */
  world_open(&w, loop);
  OK(joey_engine_add_provider(w.engine, "closed", 6, &closed_vtable, &closed));
  OK(joey_engine_add_provider(w.engine, "open", 4, &brain_vtable, &open));
  options = world_options(&w, "all");
  options.provider = "closed";
  options.model = NULL;
  OK(joey_session_create(w.engine, &options, &w.session));
  add_note(&w);
  model.provider = "closed";
  CHECK_STATUS(joey_session_add_model(w.session, &model), JOEY_ERR_CONFLICT);
  CHECK_HOLDS(joey_last_error_message(), "profile");
  model.profile = "the second key";
  OK(joey_session_add_model(w.session, &model));
  model.provider = "open";
  model.profile = NULL;
  OK(joey_session_add_model(w.session, &model));
  world_start(&w, "Go.");
  world_wait(&w, JOEY_EVENT_MODEL_CHANGED, &e);
  CHECK(strcmp(e.name, "closed") == 0);
  CHECK_HOLDS(e.json, "\"profile\":\"the second key\"");
  CHECK_HOLDS(e.json, "\"cause\":\"failed\"");
  world_wait(&w, JOEY_EVENT_MODEL_CHANGED, &e);
  CHECK(strcmp(e.name, "open") == 0 && strcmp(e.text, "open") == 0);
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Thought.");
  CHECK(closed.asked == 2 && open.asked == 5);
  world_close(&w);
  CHECK(closed.destroyed == 1 && open.destroyed == 1);
}

static void wrong_models(int32_t loop) {
  world w = {0};
  joey_model_options model = JOEY_MODEL_OPTIONS_INIT;
  const double prices[] = {NAN, INFINITY};
  size_t i;
  world_open(&w, loop);
  world_session(&w, "all");
  INVALID(joey_session_add_model(NULL, &model));
  INVALID(joey_session_add_model(w.session, NULL));
  model.struct_size = 3;
  INVALID(joey_session_add_model(w.session, &model));
  model.struct_size = sizeof model;
  model.provider = "nobody";
  INVALID(joey_session_add_model(w.session, &model));
  CHECK_HOLDS(joey_last_error_message(), "nobody");
  model.provider = "vllm"; /* which has no default model */
  INVALID(joey_session_add_model(w.session, &model));
  model.model = "a-model";
  model.api_key = "a";
  model.api_key_secret = "b";
  INVALID(joey_session_add_model(w.session, &model));
  model.api_key = NULL; /* without a resolver */
  INVALID(joey_session_add_model(w.session, &model));
  model.api_key_secret = NULL;
  model.reasoning_effort = "very";
  INVALID(joey_session_add_model(w.session, &model));
  model.reasoning_effort = NULL;
  for (i = 0; i < 2; ++i) {
    model.price_input = prices[i];
    INVALID(joey_session_add_model(w.session, &model));
  }
  model.price_input = -1;
  model.tokens_per_minute = UINT64_MAX;
  OK(joey_session_add_model(w.session, &model));
  CHECK_STATUS(joey_session_add_model(w.session, &model), JOEY_ERR_CONFLICT);
  world_close(&w);
}

/* What the catalogue says of a model's price counts until the host says otherwise. */
static void prices_of_the_host(int32_t loop) {
  static const double wanted[][2] = {{0, 0}, {8, 0}, {0, 16}, {-1, -1}};
  static const char *const costs[] = {"\"price_input\":3,\"price_output\":15", "\"price_input\":8,\"price_output\":15",
                                      "\"price_input\":3,\"price_output\":16", "\"task.created\""};
  size_t i;
  for (i = 0; i < 4; ++i) {
    world w = {0};
    joey_session_options options;
    seen e;
    world_open(&w, loop);
    options = world_options(&w, "all");
    options.model = "claude-sonnet-4-5";
    options.price_input = wanted[i][0];
    options.price_output = wanted[i][1];
    OK(joey_session_create(w.engine, &options, &w.session));
    add_note(&w);
    wire_completes(&w.wire, "Done.");
    world_start(&w, "Go.");
    world_wait(&w, JOEY_EVENT_TASK_CREATED, &e);
    CHECK_HOLDS(e.json, costs[i]);
    CHECK((strstr(e.json, "price_input") == NULL) == (wanted[i][0] < 0));
    world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
    world_close(&w);
  }
}

void test_models(void) {
  run_case_on_both_loops("a model of the host answers, fails and is billed", host_model);
  run_case_on_both_loops("models of the host stand in for one another", host_model_stands_in);
  run_case_on_both_loops("a model that lacks something, or is there already, is refused", wrong_models);
  run_case_on_both_loops("prices of the host count instead of those that are known", prices_of_the_host);
  run_case_on_both_loops("a model of the host is cancelled once, and may end after the engine did", host_model_cancelled);
}
