/* What a host brings to joey in these tests: a transport that answers from a list, a store in memory, a clock, a tool. */
#ifndef JOEY_TESTS_CAPI_HOST_H
#define JOEY_TESTS_CAPI_HOST_H

#include <joey/joey.h>
#include <pthread.h>

/* ---- Transport: a model that speaks Anthropic's API, in process ---- */

enum { answers_max = 32, text_max = 16384 };

typedef struct answer {
  int32_t status;          /* of HTTP */
  const char *retry_after; /* seconds; NULL: no such header */
  char body[text_max];
} answer;

enum { ANSWER_INSIDE, ANSWER_FROM_A_THREAD, ANSWER_NEVER, ANSWER_ON_CANCEL };

typedef struct wire {
  pthread_mutex_t mutex; /* guards the rest */
  answer answers[answers_max];
  int answers_count;
  int how; /* ANSWER_ */
  int asked;
  int cancelled;
  int destroyed;
  joey_http_exchange *held; /* with ANSWER_NEVER: the last exchange */
  char last_request[4 * text_max];
  int saw_key;
  pthread_t threads[answers_max];
  int threads_count;
} wire;

extern const joey_transport_vtable wire_vtable;

void wire_init(wire *w);
/* The next answers: a tool call, text without one, or a failure. */
void wire_calls(wire *w, const char *id, const char *tool, const char *arguments);
void wire_completes(wire *w, const char *result);
void wire_says(wire *w, const char *text);
void wire_fails(wire *w, int32_t status, const char *retry_after, const char *message);
int wire_asked(wire *w);
joey_http_exchange *wire_held(wire *w); /* waits for it; NULL after a while */
void wire_join(wire *w);

/* ---- Store ---- */

typedef struct memory memory;
extern const joey_store_vtable memory_vtable; /* its destroy counts only */
memory *memory_create(void);
void memory_free(memory *m);
int memory_destroyed(const memory *m);

/* ---- Clock ---- */

typedef struct hands {
  pthread_mutex_t mutex;
  int64_t now;
  int destroyed;
} hands;
extern const joey_clock_vtable hands_vtable;
void hands_init(hands *h);
void hands_move(hands *h, int64_t ms);

/* ---- Tool: "note" answers "noted: ARGUMENTS" ---- */

typedef struct note {
  int inside; /* 1: finishes inside run; 0: from a thread */
  int runs;
  int destroyed;
} note;
void note_vtable(joey_tool_vtable *vtable, const char *name);

/* ---- One engine with all of it ---- */

typedef struct seen {
  int32_t kind;
  uint64_t seq;
  char text[text_max], json[text_max], call[128], name[128], task[128];
} seen;

typedef struct world {
  int32_t loop;
  char directory[64];
  wire wire;
  hands hands;
  memory *memory;
  note note;
  int with_clock;
  joey_engine *engine;
  joey_session *session;
  joey_subscription *events;
  joey_task *task;
} world;

/* An engine of that loop, without a session. */
void world_open(world *w, int32_t loop);
/* The session's options for the scripted model; change and use them. */
joey_session_options world_options(world *w, const char *allow);
void world_session(world *w, const char *allow);
void world_start(world *w, const char *input);
/* Destroys what is there, and checks that every `destroy` ran exactly once. */
void world_close(world *w);

/* The next event of `kind`, within half a minute; 0 when none came. Events before it are dropped. */
int world_wait(world *w, int32_t kind, seen *out);
/* Any next event; 0 when there is none within `timeout_ms`. */
int world_next(world *w, int timeout_ms, seen *out);
/* Lets the engine work for that long. */
void world_run(world *w, int ms);

void write_file(const world *w, const char *name, const char *content);
/* The content, in a buffer of the function's own; "" when there is none. */
const char *file_content(const world *w, const char *name);

void sleep_ms(int ms);
int64_t steady_ms(void);

#endif
