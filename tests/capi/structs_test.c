/* Structs of other versions: what an older caller's lack is zero, what a newer caller's hold is refused unless zero. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

/* A struct of another version, in a block of exactly its size: reading past it is found by a sanitizer. */
static void *of_size(const void *from, size_t known, size_t size) {
  unsigned char *block = calloc(1, size);
  memcpy(block, from, size < known ? size : known);
  memcpy(block, &size, sizeof size);
  return block;
}

static void engine_options(void) {
  joey_engine_options full = JOEY_ENGINE_OPTIONS_INIT;
  const size_t past[] = {sizeof(size_t),
                         offsetof(joey_engine_options, database_size),
                         offsetof(joey_engine_options, durability),
                         offsetof(joey_engine_options, loop),
                         offsetof(joey_engine_options, workers_max),
                         offsetof(joey_engine_options, requests_max),
                         offsetof(joey_engine_options, store),
                         offsetof(joey_engine_options, store_user_data),
                         offsetof(joey_engine_options, transport),
                         offsetof(joey_engine_options, transport_user_data),
                         offsetof(joey_engine_options, clock),
                         offsetof(joey_engine_options, clock_user_data),
                         sizeof(joey_engine_options),
                         sizeof(joey_engine_options) + 8,
                         sizeof(joey_engine_options) + 200};
  const size_t absurd[] = {0, 1, sizeof(size_t) - 1, 1u << 20, SIZE_MAX};
  size_t i;
  joey_engine *engine;
  for (i = 0; i < sizeof past / sizeof past[0]; ++i) {
    joey_engine_options *options = of_size(&full, sizeof full, past[i]);
    engine = NULL;
    OK(joey_engine_create(options, &engine));
    joey_engine_destroy(engine);
    if (past[i] > sizeof full) {
      ((unsigned char *)options)[past[i] - 1] = 1; /* a field that this version cannot honour */
      INVALID(joey_engine_create(options, &engine));
      CHECK(engine == NULL);
    }
    free(options);
  }
  for (i = 0; i < sizeof absurd / sizeof absurd[0]; ++i) {
    joey_engine_options options = full;
    options.struct_size = absurd[i];
    INVALID(joey_engine_create(&options, &engine));
  }
  { /* Fields past an older caller's end are not read: here the clock, which lacks `now`. */
    joey_clock_vtable clock = JOEY_CLOCK_VTABLE_INIT;
    joey_engine_options options = full;
    options.clock = &clock;
    INVALID(joey_engine_create(&options, &engine));
    options.struct_size = offsetof(joey_engine_options, clock);
    OK(joey_engine_create(&options, &engine));
    joey_engine_destroy(engine);
  }
}

static void session_options(void) {
  world w = {0};
  joey_session_options full;
  const size_t past[] = {offsetof(joey_session_options, mode),         offsetof(joey_session_options, provider),
                         offsetof(joey_session_options, model),        offsetof(joey_session_options, base_url),
                         offsetof(joey_session_options, api_key),      offsetof(joey_session_options, allow),
                         offsetof(joey_session_options, deny),         offsetof(joey_session_options, instructions),
                         offsetof(joey_session_options, turns_max),    offsetof(joey_session_options, retries_max),
                         offsetof(joey_session_options, mistakes_max), offsetof(joey_session_options, repeats_max),
                         offsetof(joey_session_options, tokens_max),   offsetof(joey_session_options, cost_usd_max),
                         offsetof(joey_session_options, output_tokens_max),
                         offsetof(joey_session_options, idle_timeout_ms),
                         sizeof(joey_session_options),                 sizeof(joey_session_options) + 64};
  joey_session *session = NULL;
  size_t i;
  world_open(&w, JOEY_LOOP_ENGINE);
  full = world_options(&w, "all");
  for (i = 0; i < sizeof past / sizeof past[0]; ++i) {
    joey_session_options *options = of_size(&full, sizeof full, past[i]);
    OK(joey_session_create(w.engine, options, &session));
    joey_session_destroy(session);
    if (past[i] > sizeof full) {
      ((unsigned char *)options)[sizeof full] = 1;
      INVALID(joey_session_create(w.engine, options, &session));
      CHECK(session == NULL);
    }
    free(options);
  }
  full.struct_size = sizeof(size_t); /* without the workspace */
  INVALID(joey_session_create(w.engine, &full, &session));
  full.struct_size = 0;
  INVALID(joey_session_create(w.engine, &full, &session));
  world_close(&w);
}

static void subscription_options_and_events(void) {
  world w = {0};
  joey_subscription_options full = JOEY_SUBSCRIPTION_OPTIONS_INIT;
  const size_t past[] = {sizeof(size_t), offsetof(joey_subscription_options, from_seq),
                         offsetof(joey_subscription_options, flags), offsetof(joey_subscription_options, queue_max),
                         sizeof(joey_subscription_options), sizeof(joey_subscription_options) + 16};
  const size_t event_sizes[] = {offsetof(joey_event, seq), offsetof(joey_event, task), offsetof(joey_event, text), sizeof(joey_event),
                                sizeof(joey_event) + 24};
  joey_subscription *subscription = NULL;
  size_t i, k;
  seen e;
  world_open(&w, JOEY_LOOP_ENGINE);
  for (i = 0; i < sizeof past / sizeof past[0]; ++i) {
    joey_subscription_options *options = of_size(&full, sizeof full, past[i]);
    OK(joey_subscribe(w.engine, options, &subscription));
    joey_subscription_destroy(subscription);
    if (past[i] > sizeof full) {
      ((unsigned char *)options)[past[i] - 1] = 1;
      INVALID(joey_subscribe(w.engine, options, &subscription));
    }
    free(options);
  }
  /* Events are written no further than the caller's size, and a newer caller's tail is zero. */
  world_session(&w, "all");
  wire_completes(&w.wire, "Done.");
  world_start(&w, "Go.");
  world_wait(&w, JOEY_EVENT_TASK_ENDED, &e);
  for (i = 0; i < sizeof event_sizes / sizeof event_sizes[0]; ++i) {
    const size_t size = event_sizes[i];
    unsigned char *events = malloc(3 * size);
    size_t count = 0;
    full.task = joey_task_id(w.task);
    full.from_seq = 1;
    OK(joey_subscribe(w.engine, &full, &subscription));
    memset(events, 0xee, 3 * size);
    for (k = 0; k < 200 && count < 2; ++k) {
      OK(joey_subscription_next(subscription, (joey_event *)(void *)events, size, 2, 5000, &count));
      if (count == 1) break;
    }
    CHECK(count >= 1 && count <= 2);
    for (k = 0; k < count; ++k) {
      int32_t kind = 0;
      memcpy(&kind, events + k * size, sizeof kind);
      CHECK(kind >= JOEY_EVENT_TASK_CREATED && kind <= JOEY_EVENT_MODEL_CHANGED);
      if (size > sizeof(joey_event)) CHECK(events[k * size + sizeof(joey_event)] == 0 && events[(k + 1) * size - 1] == 0);
    }
    CHECK(events[count * size] == 0xee && events[3 * size - 1] == 0xee);
    joey_subscription_destroy(subscription);
    free(events);
  }
  world_close(&w);
}

static void vtables(void) {
  world w = {0};
  note n = {0};
  joey_tool_vtable tool;
  joey_provider_vtable provider = JOEY_PROVIDER_VTABLE_INIT;
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  joey_engine *engine = NULL;
  void *block;
  world_open(&w, JOEY_LOOP_ENGINE);
  world_session(&w, "all");
  note_vtable(&tool, "old"); /* from before `cancel` and `destroy` */
  block = of_size(&tool, sizeof tool, offsetof(joey_tool_vtable, cancel));
  OK(joey_session_add_tool(w.session, block, &n));
  free(block);
  note_vtable(&tool, "new");
  block = of_size(&tool, sizeof tool, sizeof tool + 8);
  OK(joey_session_add_tool(w.session, block, &n));
  note_vtable(&tool, "newer");
  free(block);
  block = of_size(&tool, sizeof tool, sizeof tool + 8);
  ((unsigned char *)block)[sizeof tool] = 1;
  INVALID(joey_session_add_tool(w.session, block, &n));
  CHECK(n.destroyed == 1);
  free(block);
  block = of_size(&tool, sizeof tool, offsetof(joey_tool_vtable, run)); /* from before it could run */
  INVALID(joey_session_add_tool(w.session, block, &n));
  CHECK(n.destroyed == 1); /* it has no destroy, as far as it says */
  free(block);
  tool.struct_size = 3;
  INVALID(joey_session_add_tool(w.session, &tool, &n));
  provider.struct_size = 1u << 30;
  INVALID(joey_engine_add_provider(w.engine, "mine", 4, &provider, &n));

  { /* of an engine: the transport of a newer version */
    joey_transport_vtable *transport = of_size(&wire_vtable, sizeof wire_vtable, sizeof wire_vtable + 8);
    wire fresh;
    wire_init(&fresh);
    options.transport = transport;
    options.transport_user_data = &fresh;
    OK(joey_engine_create(&options, &engine));
    joey_engine_destroy(engine);
    CHECK(fresh.destroyed == 1);
    ((unsigned char *)transport)[sizeof wire_vtable] = 1;
    INVALID(joey_engine_create(&options, &engine));
    CHECK(engine == NULL && fresh.destroyed == 2);
    free(transport);
  }
  { /* a store without what it needs */
    joey_store_vtable store = memory_vtable;
    memory *m = memory_create();
    joey_engine_options bad = JOEY_ENGINE_OPTIONS_INIT;
    store.get_summary = NULL;
    bad.store = &store;
    bad.store_user_data = m;
    INVALID(joey_engine_create(&bad, &engine));
    CHECK(memory_destroyed(m) == 1);
    store = memory_vtable;
    bad.durability = 7; /* whatever is wrong */
    INVALID(joey_engine_create(&bad, &engine));
    INVALID(joey_engine_create(&bad, NULL));
    CHECK(memory_destroyed(m) == 3);
    bad.durability = 0;
    INVALID(joey_engine_create(&bad, NULL));
    CHECK(memory_destroyed(m) == 4);
    memory_free(m);
  }
  world_close(&w);
  CHECK(n.destroyed == 2);
}

void test_structs(void) {
  run_case("engine options of every past size work", engine_options);
  run_case("session options of every past size work", session_options);
  run_case("subscription options and events of every past size work", subscription_options_and_events);
  run_case("vtables of every past size work", vtables);
}
