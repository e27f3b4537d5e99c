/* Arguments that make no sense, for every function: refused with a line about it, outputs NULL or 0, nothing changed. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

/* An output that was set before. */
#define STALE(type) ((type *)(void *)&stale)
static int stale;

static void engines(int32_t loop) {
  world w = {0};
  joey_engine *engine = STALE(joey_engine);
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  joey_text *text = STALE(joey_text);
  int32_t number = 77;
  world_open(&w, loop);

  INVALID(joey_engine_create(NULL, NULL));
  OK(joey_engine_create(NULL, &engine)); /* the defaults */
  joey_engine_destroy(engine);
  joey_engine_destroy(NULL);
  options.durability = 9;
  engine = STALE(joey_engine);
  INVALID(joey_engine_create(&options, &engine));
  CHECK(engine == NULL);
  options.durability = 0;
  options.loop = -1;
  INVALID(joey_engine_create(&options, &engine));
  options.loop = 0;
  options.database = "/nowhere/at/all/joey.db";
  engine = STALE(joey_engine);
  CHECK(joey_engine_create(&options, &engine) != JOEY_OK && engine == NULL && joey_last_error_message()[0]);
  options.database = "/dev/null/joey.db-with-a-tail";
  options.database_size = 17; /* the size counts, not the NUL */
  CHECK(joey_engine_create(&options, &engine) != JOEY_OK && strstr(joey_last_error_message(), "tail") == NULL);

  INVALID(joey_engine_poll_fd(NULL, &number));
  CHECK(number == -1);
  number = 77;
  INVALID(joey_engine_poll_timeout(NULL, &number));
  CHECK(number <= 0);
  INVALID(joey_engine_poll_fd(w.engine, NULL));
  INVALID(joey_engine_poll_timeout(w.engine, NULL));
  INVALID(joey_engine_step(NULL, 0));
  if (loop == JOEY_LOOP_ENGINE) { /* only a host's loop is driven by the host */
    INVALID(joey_engine_poll_fd(w.engine, &number));
    INVALID(joey_engine_poll_timeout(w.engine, &number));
    INVALID(joey_engine_step(w.engine, 0));
  }

  INVALID(joey_engine_list_tasks(NULL, NULL, 0, NULL, 0, 0, &text));
  CHECK(text == NULL);
  INVALID(joey_engine_list_tasks(w.engine, NULL, 0, NULL, 0, 0, NULL));
  INVALID(joey_engine_list_tasks(w.engine, NULL, 0, NULL, 0, 1001, &text));
  INVALID(joey_engine_list_tasks(w.engine, NULL, 5, NULL, 0, 0, &text));
  INVALID(joey_engine_list_tasks(w.engine, NULL, 0, NULL, 5, 0, &text));
  INVALID(joey_engine_list_tasks(w.engine, "x", SIZE_MAX, NULL, 0, 0, &text));
  OK(joey_engine_list_tasks(w.engine, "nobody", 6, "no cursor", 9, 1000, &text));
  joey_text_destroy(text);
  text = STALE(joey_text);
  INVALID(joey_engine_get_task(NULL, "x", 1, &text));
  CHECK(text == NULL);
  INVALID(joey_engine_get_task(w.engine, "x", 1, NULL));
  INVALID(joey_engine_get_task(w.engine, NULL, 1, &text));
  CHECK_STATUS(joey_engine_get_task(w.engine, "\xff\x00x", 3, &text), JOEY_ERR_NOT_FOUND);
  text = STALE(joey_text);
  INVALID(joey_engine_read_events(NULL, "x", 1, 1, 0, &text));
  CHECK(text == NULL);
  INVALID(joey_engine_read_events(w.engine, "x", 1, 1, 0, NULL));
  INVALID(joey_engine_read_events(w.engine, NULL, 1, 1, 0, &text));
  CHECK_STATUS(joey_engine_read_events(w.engine, "x", 1, UINT64_MAX, UINT32_MAX, &text), JOEY_ERR_NOT_FOUND);
  CHECK_STATUS(joey_engine_read_events(w.engine, NULL, 0, 0, 0, &text), JOEY_ERR_NOT_FOUND);
  text = STALE(joey_text);
  INVALID(joey_engine_replay(NULL, "x", 1, &text));
  CHECK(text == NULL);
  INVALID(joey_engine_replay(w.engine, "x", 1, NULL));
  INVALID(joey_engine_replay(w.engine, NULL, 1, &text));
  CHECK_STATUS(joey_engine_replay(w.engine, "task_none", 9, &text), JOEY_ERR_NOT_FOUND);
  INVALID(joey_engine_bill(NULL, "x", 1, &text));
  INVALID(joey_engine_bill(w.engine, "x", 1, NULL));
  INVALID(joey_engine_bill(w.engine, NULL, 1, &text));
  CHECK_STATUS(joey_engine_bill(w.engine, "task_none", 9, &text), JOEY_ERR_NOT_FOUND);
  world_close(&w);
}

static void sessions(int32_t loop) {
  world w = {0};
  joey_session *session = STALE(joey_session);
  joey_session_options options;
  joey_text *text = STALE(joey_text);
  size_t i;
  world_open(&w, loop);
  world_session(&w, "all");

  options = world_options(&w, "all");
  INVALID(joey_session_create(NULL, &options, &session));
  CHECK(session == NULL);
  INVALID(joey_session_create(w.engine, &options, NULL));
  INVALID(joey_session_create(w.engine, NULL, &session)); /* a workspace is required */
  session = STALE(joey_session);
  options.workspace = "/nowhere/at/all";
  CHECK_STATUS(joey_session_create(w.engine, &options, &session), JOEY_ERR_NOT_FOUND);
  CHECK(session == NULL);
  CHECK_HOLDS(joey_last_error_message(), "/nowhere/at/all");
  options.workspace = "";
  INVALID(joey_session_create(w.engine, &options, &session));
  options = world_options(&w, "all");
  options.mode = "poet";
  INVALID(joey_session_create(w.engine, &options, &session));
  CHECK_HOLDS(joey_last_error_message(), "poet");
  options = world_options(&w, "all");
  options.provider = "nobody";
  INVALID(joey_session_create(w.engine, &options, &session));
  options = world_options(&w, "all");
  options.provider = "vllm"; /* which has no default model */
  options.model = NULL;
  INVALID(joey_session_create(w.engine, &options, &session));
  for (i = 0; i < 3; ++i) {
    const double costs[] = {-1, NAN, INFINITY};
    options = world_options(&w, "all");
    options.cost_usd_max = costs[i];
    INVALID(joey_session_create(w.engine, &options, &session));
  }
  options = world_options(&w, "all");
  options.condense_percent = 4;
  INVALID(joey_session_create(w.engine, &options, &session));
  options.condense_percent = 101;
  INVALID(joey_session_create(w.engine, &options, &session));
  options.condense_percent = 0;
  options.box = "landlock";
  options.box_root = "/";
  INVALID(joey_session_create(w.engine, &options, &session));
  CHECK_HOLDS(joey_last_error_message(), "oci");
  options.box = options.box_root = NULL;
  options.result_schema = "{\"type\":\"array\"}";
  INVALID(joey_session_create(w.engine, &options, &session));
  CHECK_HOLDS(joey_last_error_message(), "results are objects");
  options.result_schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"(\"}}}";
  INVALID(joey_session_create(w.engine, &options, &session));
  CHECK_HOLDS(joey_last_error_message(), "/properties/a/pattern");
  options.result_schema = NULL;
  options.reasoning_effort = "very";
  INVALID(joey_session_create(w.engine, &options, &session));
  CHECK_HOLDS(joey_last_error_message(), "medium");
  options = world_options(&w, " , ,,all, nothing-known ,");
  options.deny = ",,,";
  options.turns_max = options.retries_max = options.mistakes_max = options.repeats_max = UINT32_MAX;
  options.tokens_max = UINT64_MAX; /* no limit in practice, not a negative one */
  options.output_tokens_max = options.idle_timeout_ms = UINT32_MAX;
  INVALID(joey_session_create(w.engine, &options, &session)); /* answers larger than the window */
  CHECK_HOLDS(joey_last_error_message(), "output_tokens_max");
  options.output_tokens_max = UINT32_MAX / 2;
  options.context_window = UINT32_MAX;
  OK(joey_session_create(w.engine, &options, &session));
  {
    joey_task *task = NULL;
    seen e;
    wire_completes(&w.wire, "Large limits.");
    OK(joey_task_start(session, "Go.", 3, &task));
    world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
    CHECK(strcmp(e.name, "completed") == 0);
    joey_task_destroy(task);
  }
  joey_session_destroy(session);
  joey_session_destroy(NULL);

  INVALID(joey_session_tools(NULL, NULL, 0, &text));
  CHECK(text == NULL);
  INVALID(joey_session_tools(w.session, NULL, 0, NULL));
  INVALID(joey_session_tools(w.session, NULL, 3, &text));
  text = STALE(joey_text);
  INVALID(joey_session_run_tool(NULL, "note", 4, "{}", 2, 0, &text));
  CHECK(text == NULL);
  INVALID(joey_session_run_tool(w.session, "note", 4, "{}", 2, 0, NULL));
  INVALID(joey_session_run_tool(w.session, NULL, 4, "{}", 2, 0, &text));
  INVALID(joey_session_run_tool(w.session, "note", 4, NULL, 2, 0, &text));
  CHECK_STATUS(joey_session_run_tool(w.session, NULL, 0, "{}", 2, -1, &text), JOEY_ERR_NOT_FOUND);

  joey_text_destroy(NULL);
  CHECK(joey_text_size(NULL) == 0 && joey_text_data(NULL)[0] == '\0');
  world_close(&w);
}

static void tools_and_providers(int32_t loop) {
  world w = {0};
  note n = {0};
  joey_tool_vtable tool;
  joey_provider_vtable provider = JOEY_PROVIDER_VTABLE_INIT;
  const char *bad_names[] = {"", "has space", "umläut", "x.y", NULL,
                             "a23456789012345678901234567890123456789012345678901234567890123456"};
  const char *bad_schemas[] = {"", "[]", "no json", "{\"type\":"};
  size_t i;
  int destroyed = 0;
  world_open(&w, loop);
  world_session(&w, "all");
  for (i = 0; i < sizeof bad_names / sizeof bad_names[0]; ++i) {
    note_vtable(&tool, bad_names[i]);
    INVALID(joey_session_add_tool(w.session, &tool, &n));
    CHECK(n.destroyed == ++destroyed); /* exactly once, also when the call fails */
  }
  for (i = 0; i < sizeof bad_schemas / sizeof bad_schemas[0]; ++i) {
    note_vtable(&tool, "good_name");
    tool.parameters = bad_schemas[i];
    INVALID(joey_session_add_tool(w.session, &tool, &n));
    CHECK(n.destroyed == ++destroyed);
  }
  note_vtable(&tool, "no_run");
  tool.run = NULL;
  INVALID(joey_session_add_tool(w.session, &tool, &n));
  CHECK(n.destroyed == ++destroyed);
  note_vtable(&tool, "note");
  INVALID(joey_session_add_tool(NULL, &tool, &n));
  CHECK(n.destroyed == ++destroyed);
  INVALID(joey_session_add_tool(w.session, NULL, &n));
  for (i = 0; i < 2; ++i) { /* the names of the host's and of joey's own tools are taken */
    note_vtable(&tool, i ? "read_file" : "note");
    CHECK_STATUS(joey_session_add_tool(w.session, &tool, &n), JOEY_ERR_CONFLICT);
    CHECK(n.destroyed == ++destroyed);
  }
  {
    seen e;
    wire_completes(&w.wire, "x");
    world_start(&w, "Go.");
    world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
    note_vtable(&tool, "too_late");
    CHECK_STATUS(joey_session_add_tool(w.session, &tool, &n), JOEY_ERR_CONFLICT);
    CHECK(n.destroyed == ++destroyed);
  }

  provider.destroy = tool.destroy;
  INVALID(joey_engine_add_provider(w.engine, "mine", 4, &provider, &n)); /* no start */
  CHECK(n.destroyed == ++destroyed);
  INVALID(joey_engine_add_provider(w.engine, "mine", 4, NULL, &n));
  INVALID(joey_engine_add_provider(NULL, "mine", 4, &provider, &n));
  CHECK(n.destroyed == ++destroyed);
  provider.start = (void (*)(void *, joey_model_call *))(void (*)(void))tool.run; /* never called */
  INVALID(joey_engine_add_provider(w.engine, NULL, 0, &provider, &n));
  CHECK(n.destroyed == ++destroyed);
  INVALID(joey_engine_add_provider(w.engine, NULL, 4, &provider, &n));
  CHECK(n.destroyed == ++destroyed);
  world_close(&w);
}

static void tasks(int32_t loop) {
  world w = {0};
  joey_task *task = STALE(joey_task);
  seen e;
  char *huge = malloc(JOEY_INPUT_SIZE_MAX + 1);
  memset(huge, 'x', JOEY_INPUT_SIZE_MAX + 1);
  world_open(&w, loop);
  world_session(&w, "all");

  INVALID(joey_task_start(NULL, "x", 1, &task));
  CHECK(task == NULL);
  INVALID(joey_task_start(w.session, "x", 1, NULL));
  task = STALE(joey_task);
  INVALID(joey_task_start(w.session, NULL, 0, &task));
  CHECK(task == NULL);
  INVALID(joey_task_start(w.session, NULL, 1, &task));
  INVALID(joey_task_start(w.session, " \n\t", 3, &task));
  INVALID(joey_task_start(w.session, huge, JOEY_INPUT_SIZE_MAX + 1, &task));
  INVALID(joey_task_start(w.session, "x", SIZE_MAX, &task));
  INVALID(joey_task_open(NULL, "x", 1, &task));
  INVALID(joey_task_open(w.session, "x", 1, NULL));
  INVALID(joey_task_open(w.session, NULL, 0, &task));
  INVALID(joey_task_open(w.session, NULL, 1, &task));
  CHECK_STATUS(joey_task_open(w.session, "../../etc/passwd", 16, &task), JOEY_ERR_NOT_FOUND);
  CHECK(task == NULL);

  wire_calls(&w.wire, "c1", "ask_followup_question", "{\"question\":\"Well?\",\"follow_up\":[{\"text\":\"yes\",\"mode\":null}]}");
  wire_completes(&w.wire, "Bytes are fine.");
  OK(joey_task_start(w.session, "\xff\xfe not UTF-8 \x00 and a NUL", 24, &w.task));
  world_wait(&w, JOEY_EVENT_QUESTION_ASKED, &e);

  INVALID(joey_task_say(NULL, "x", 1));
  INVALID(joey_task_say(w.task, NULL, 1));
  INVALID(joey_task_say(w.task, NULL, 0));
  INVALID(joey_task_say(w.task, huge, JOEY_INPUT_SIZE_MAX + 1));
  INVALID(joey_task_approve(NULL, "c1", 2, NULL, 0));
  INVALID(joey_task_approve(w.task, NULL, 1, NULL, 0));
  INVALID(joey_task_approve(w.task, e.call, strlen(e.call), NULL, 1));
  INVALID(joey_task_approve(w.task, e.call, strlen(e.call), huge, JOEY_INPUT_SIZE_MAX + 1));
  CHECK_STATUS(joey_task_approve(w.task, e.call, strlen(e.call), NULL, 0), JOEY_ERR_CONFLICT); /* it waits for an answer */
  CHECK_STATUS(joey_task_approve(w.task, NULL, 0, NULL, 0), JOEY_ERR_CONFLICT);
  INVALID(joey_task_deny(NULL, "c1", 2, NULL, 0));
  INVALID(joey_task_deny(w.task, NULL, 1, NULL, 0));
  INVALID(joey_task_deny(w.task, e.call, strlen(e.call), NULL, 1));
  CHECK_STATUS(joey_task_deny(w.task, e.call, strlen(e.call), NULL, 0), JOEY_ERR_CONFLICT);
  INVALID(joey_task_answer(NULL, "c1", 2, "x", 1, NULL, 0));
  INVALID(joey_task_answer(w.task, NULL, 1, "x", 1, NULL, 0));
  INVALID(joey_task_answer(w.task, e.call, strlen(e.call), NULL, 1, NULL, 0));
  INVALID(joey_task_answer(w.task, e.call, strlen(e.call), "x", 1, NULL, 1));
  INVALID(joey_task_answer(w.task, e.call, strlen(e.call), huge, JOEY_INPUT_SIZE_MAX + 1, NULL, 0));
  INVALID(joey_task_answer(w.task, e.call, strlen(e.call), "x", 1, "poet", 4));
  INVALID(joey_task_set_mode(NULL, "code", 4));
  INVALID(joey_task_set_mode(w.task, NULL, 4));
  INVALID(joey_task_set_mode(w.task, NULL, 0));
  INVALID(joey_task_set_mode(w.task, "poet", 4));
  INVALID(joey_task_condense(NULL));
  INVALID(joey_task_pause(NULL));
  INVALID(joey_task_resume(NULL));
  INVALID(joey_task_cancel(NULL));
  joey_task_destroy(NULL);
  CHECK(joey_task_id(NULL) != NULL && joey_task_id(NULL)[0] == '\0');

  OK(joey_task_answer(w.task, e.call, strlen(e.call), "\xc3(", 2, NULL, 0));
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  CHECK_HOLDS(e.text, "Bytes are fine.");
  free(huge);
  world_close(&w);
}

static void subscriptions(int32_t loop) {
  world w = {0};
  joey_subscription_options options = JOEY_SUBSCRIPTION_OPTIONS_INIT;
  joey_subscription *subscription = STALE(joey_subscription);
  joey_event events[4];
  size_t count = 7;
  int32_t fd = 77;
  world_open(&w, loop);
  INVALID(joey_subscribe(NULL, NULL, &subscription));
  CHECK(subscription == NULL);
  INVALID(joey_subscribe(w.engine, NULL, NULL));
  options.from_seq = 1; /* of which task? */
  INVALID(joey_subscribe(w.engine, &options, &subscription));
  options.from_seq = UINT64_MAX;
  options.task = "task_none"; /* nothing comes, and that is all */
  options.flags = UINT32_MAX;
  options.queue_max = UINT32_MAX;
  if (joey_subscribe(w.engine, &options, &subscription) == JOEY_OK) {
    OK(joey_subscription_next(subscription, events, sizeof events[0], 4, 50, &count));
    CHECK(count == 0);
    joey_subscription_destroy(subscription);
  }
  joey_subscription_destroy(NULL);

  count = 7;
  INVALID(joey_subscription_next(NULL, events, sizeof events[0], 4, 0, &count));
  CHECK(count == 0);
  INVALID(joey_subscription_next(w.events, NULL, sizeof events[0], 4, 0, &count));
  INVALID(joey_subscription_next(w.events, events, sizeof events[0], 4, 0, NULL));
  INVALID(joey_subscription_next(w.events, events, 0, 4, 0, &count));
  INVALID(joey_subscription_next(w.events, events, 3, 4, 0, &count));
  INVALID(joey_subscription_next(w.events, events, SIZE_MAX, 4, 0, &count));
  INVALID(joey_subscription_next(w.events, events, sizeof events[0], 0, 0, &count));
  INVALID(joey_subscription_poll_fd(NULL, &fd));
  CHECK(fd <= 0);
  INVALID(joey_subscription_poll_fd(w.events, NULL));
  world_close(&w);
}

static void ends_of_nothing(void) {
  size_t size = 7;
  CHECK(joey_tool_call_arguments(NULL, &size)[0] == '\0' && size == 0);
  CHECK(joey_tool_call_arguments(NULL, NULL)[0] == '\0');
  CHECK(joey_tool_call_task(NULL)[0] == '\0' && joey_tool_call_cancelled(NULL) == 0);
  joey_tool_call_output(NULL, "x", 1);
  joey_tool_call_finish(NULL, 1, "x", 1);
  size = 7;
  CHECK(joey_model_call_request(NULL, &size)[0] == '\0' && size == 0 && joey_model_call_cancelled(NULL) == 0);
  joey_model_call_text(NULL, "x", 1);
  joey_model_call_reasoning(NULL, "x", 1);
  joey_model_call_tool(NULL, "x", 1, "{}", 2);
  joey_model_call_finish(NULL, NULL, 0);
  joey_model_call_fail(NULL, 1, "x", 1, -1);
  joey_http_head(NULL, 200, NULL, 0);
  joey_http_body(NULL, "x", 1);
  joey_http_end(NULL, JOEY_OK, NULL, 0);
  joey_store_entry(NULL, 1, "x", 1);
  joey_store_done(NULL, JOEY_OK, NULL, 0);
}

static void statuses(void) {
  joey_status status;
  CHECK(joey_version() == JOEY_VERSION);
  for (status = JOEY_ERR_MISUSE; status <= JOEY_OK; ++status) {
    CHECK(strcmp(joey_status_name(status), "unknown") != 0);
    CHECK(joey_status_retryable(status) == 0 || joey_status_retryable(status) == 1);
  }
  CHECK(strcmp(joey_status_name(JOEY_ERR_MISUSE - 1), "unknown") == 0);
  CHECK(strcmp(joey_status_name(1), "unknown") == 0 && strcmp(joey_status_name(INT32_MIN), "unknown") == 0);
  CHECK(joey_status_retryable(JOEY_OK) == 0 && joey_status_retryable(12345) == 0);
}

/* A host's own answers that make no sense reach a task as failures. */
static void nonsense_head(void *user_data, const joey_http_request *request, joey_http_exchange *exchange) {
  int *asked = user_data;
  (void)request;
  switch ((*asked)++) {
    case 0:
      joey_http_head(exchange, 200, NULL, 5);
      joey_http_body(exchange, NULL, 7);
      joey_http_end(exchange, 12345, NULL, 9);
      break;
    case 1:
      joey_http_body(exchange, "before the head", 15);
      joey_http_end(exchange, JOEY_OK, NULL, 0);
      break;
    default: {
      const joey_http_header header = {NULL, NULL};
      joey_http_head(exchange, -1, &header, 1);
      joey_http_head(exchange, 99999, &header, 1);
      joey_http_end(exchange, INT32_MIN, "x", 1);
    }
  }
}

static void nonsense_of_the_host(int32_t loop) {
  world w = {0};
  seen e;
  int asked = 0, i;
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  joey_transport_vtable transport = JOEY_TRANSPORT_VTABLE_INIT;
  world_open(&w, loop);
  joey_subscription_destroy(w.events);
  joey_engine_destroy(w.engine);
  CHECK(w.wire.destroyed == 1 && memory_destroyed(w.memory) == 1);
  transport.start = nonsense_head;
  options.loop = loop;
  options.transport = &transport;
  options.transport_user_data = &asked;
  OK(joey_engine_create(&options, &w.engine));
  OK(joey_subscribe(w.engine, NULL, &w.events));
  world_session(&w, "all");
  world_start(&w, "Go.");
  for (i = 0; i < 2; ++i) {
    world_wait(&w, JOEY_EVENT_MODEL_FAILED, &e);
    CHECK(e.text[0] != '\0');
  }
  OK(joey_task_cancel(w.task));
  world_close(&w);
}

void test_arguments(void) {
  run_case("statuses have names", statuses);
  run_case_on_both_loops("engines refuse arguments that make no sense", engines);
  run_case_on_both_loops("sessions refuse arguments that make no sense", sessions);
  run_case_on_both_loops("tools and providers that make no sense are refused, and destroyed once", tools_and_providers);
  run_case_on_both_loops("tasks refuse arguments that make no sense", tasks);
  run_case_on_both_loops("subscriptions refuse arguments that make no sense", subscriptions);
  run_case("ending nothing does nothing", ends_of_nothing);
  run_case_on_both_loops("a host's nonsense is a failure of the request", nonsense_of_the_host);
}
