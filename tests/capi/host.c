#include "host.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

void sleep_ms(int ms) {
  struct timespec time;
  time.tv_sec = ms / 1000;
  time.tv_nsec = (long)(ms % 1000) * 1000000L;
  nanosleep(&time, NULL);
}

int64_t steady_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- Transport ---- */

void wire_init(wire *w) {
  memset(w, 0, sizeof *w);
  pthread_mutex_init(&w->mutex, NULL);
}

static void append(char *out, const char *text) {
  const size_t used = strlen(out);
  snprintf(out + used, text_max - used, "%s", text);
}

static void append_escaped(char *out, const char *text) {
  size_t used = strlen(out);
  for (; *text && used + 3 < text_max; ++text) {
    if (*text == '"' || *text == '\\') out[used++] = '\\';
    out[used++] = *text;
  }
  out[used] = '\0';
}

static answer *next_answer(wire *w) {
  answer *a = &w->answers[w->answers_count++];
  a->status = 200;
  append(a->body,
         "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
         "\"role\":\"assistant\",\"model\":\"claude-test\",\"content\":[],\"stop_reason\":null,"
         "\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n");
  return a;
}

static void end_answer(answer *a, const char *stop) {
  append(a->body, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                  "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
  append(a->body, stop);
  append(a->body, "\"},\"usage\":{\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

void wire_calls(wire *w, const char *id, const char *tool, const char *arguments) {
  answer *a;
  pthread_mutex_lock(&w->mutex);
  a = next_answer(w);
  append(a->body, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
                  "{\"type\":\"tool_use\",\"id\":\"");
  append(a->body, id);
  append(a->body, "\",\"name\":\"");
  append(a->body, tool);
  append(a->body, "\",\"input\":{}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                  "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"");
  append_escaped(a->body, arguments);
  append(a->body, "\"}}\n\n");
  end_answer(a, "tool_use");
  pthread_mutex_unlock(&w->mutex);
}

void wire_completes(wire *w, const char *result) {
  char arguments[1024], id[32];
  snprintf(arguments, sizeof arguments, "{\"result\":\"%s\"}", result);
  snprintf(id, sizeof id, "done_%d", w->answers_count);
  wire_calls(w, id, "attempt_completion", arguments);
}

void wire_says(wire *w, const char *text) {
  answer *a;
  size_t at;
  pthread_mutex_lock(&w->mutex);
  a = next_answer(w);
  append(a->body, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
                  "{\"type\":\"text\",\"text\":\"\"}}\n\n");
  for (at = 0; at < strlen(text); at += 8) { /* in deltas of eight bytes */
    char piece[9] = "";
    strncpy(piece, text + at, 8);
    append(a->body, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                    "\"delta\":{\"type\":\"text_delta\",\"text\":\"");
    append_escaped(a->body, piece);
    append(a->body, "\"}}\n\n");
  }
  end_answer(a, "end_turn");
  pthread_mutex_unlock(&w->mutex);
}

void wire_fails(wire *w, int32_t status, const char *retry_after, const char *message) {
  answer *a;
  pthread_mutex_lock(&w->mutex);
  a = &w->answers[w->answers_count++];
  a->status = status;
  a->retry_after = retry_after;
  append(a->body, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"");
  append_escaped(a->body, message);
  append(a->body, "\"}}");
  pthread_mutex_unlock(&w->mutex);
}

int wire_asked(wire *w) {
  int asked;
  pthread_mutex_lock(&w->mutex);
  asked = w->asked;
  pthread_mutex_unlock(&w->mutex);
  return asked;
}

joey_http_exchange *wire_held(wire *w) {
  int i;
  for (i = 0; i < 6000; ++i) {
    joey_http_exchange *held;
    pthread_mutex_lock(&w->mutex);
    held = w->held;
    pthread_mutex_unlock(&w->mutex);
    if (held) return held;
    sleep_ms(10);
  }
  return NULL;
}

typedef struct delivery {
  const answer *answer;
  joey_http_exchange *exchange;
} delivery;

static void *deliver(void *argument) {
  const delivery it = *(delivery *)argument;
  joey_http_header headers[2] = {{"content-type", "text/event-stream"}, {"retry-after", NULL}};
  size_t at, size;
  free(argument);
  if (!it.answer) {
    const char message[] = "the script is at its end";
    joey_http_end(it.exchange, JOEY_ERR_IO, message, sizeof message - 1);
    return NULL;
  }
  headers[1].value = it.answer->retry_after;
  joey_http_head(it.exchange, it.answer->status, headers, it.answer->retry_after ? 2 : 1);
  size = strlen(it.answer->body);
  for (at = 0; at < size; at += 50) joey_http_body(it.exchange, it.answer->body + at, size - at < 50 ? size - at : 50);
  joey_http_end(it.exchange, JOEY_OK, NULL, 0);
  return NULL;
}

static void wire_start(void *user_data, const joey_http_request *request, joey_http_exchange *exchange) {
  wire *w = user_data;
  delivery *it = malloc(sizeof *it);
  size_t i;
  int how;
  pthread_mutex_lock(&w->mutex);
  how = w->how;
  for (i = 0; i < request->headers_count; ++i) {
    if (strcmp(request->headers[i].value, "sk-secret-of-the-test") == 0) w->saw_key = 1;
  }
  snprintf(w->last_request, sizeof w->last_request, "%.*s", (int)request->body_size, request->body);
  it->exchange = exchange;
  it->answer = w->asked < w->answers_count ? &w->answers[w->asked] : NULL;
  ++w->asked;
  if (how == ANSWER_NEVER || how == ANSWER_ON_CANCEL) w->held = exchange;
  pthread_mutex_unlock(&w->mutex);
  if (how == ANSWER_INSIDE) {
    deliver(it);
  } else if (how == ANSWER_FROM_A_THREAD) {
    pthread_create(&w->threads[w->threads_count++], NULL, deliver, it);
  } else {
    free(it);
  }
}

static void wire_cancel(void *user_data, joey_http_exchange *exchange) {
  wire *w = user_data;
  int how;
  pthread_mutex_lock(&w->mutex);
  ++w->cancelled;
  how = w->how;
  pthread_mutex_unlock(&w->mutex);
  if (how == ANSWER_ON_CANCEL) joey_http_end(exchange, JOEY_ERR_CANCELLED, "cancelled", 9);
}

static void wire_destroy(void *user_data) { __atomic_add_fetch(&((wire *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

void wire_join(wire *w) {
  while (w->threads_count > 0) pthread_join(w->threads[--w->threads_count], NULL);
}

const joey_transport_vtable wire_vtable = {sizeof(joey_transport_vtable), wire_start, wire_cancel, wire_destroy};

/* ---- Store ---- */

typedef struct bytes {
  char *data;
  size_t size;
} bytes;

typedef struct stream {
  bytes name;
  bytes *entries;
  size_t count;
  bytes summary;
  int leased;
} stream;

struct memory {
  pthread_mutex_t mutex;
  stream streams[16];
  size_t streams_count;
  struct {
    bytes digest, content;
  } blobs[64];
  size_t blobs_count;
  int destroyed;
};

static bytes copy(joey_bytes from) {
  bytes to;
  to.data = malloc(from.size + 1);
  to.size = from.size;
  if (from.size) memcpy(to.data, from.data, from.size);
  to.data[from.size] = '\0';
  return to;
}

static int same(bytes a, joey_bytes b) { return a.size == b.size && memcmp(a.data, b.data, b.size) == 0; }

static stream *find_stream(memory *m, joey_bytes name, int make) {
  size_t i;
  for (i = 0; i < m->streams_count; ++i) {
    if (same(m->streams[i].name, name)) return &m->streams[i];
  }
  if (!make || m->streams_count == sizeof m->streams / sizeof m->streams[0]) return NULL;
  m->streams[m->streams_count].name = copy(name);
  return &m->streams[m->streams_count++];
}

static void say_done(joey_store_request *request, joey_status status) {
  const char *message = status == JOEY_OK ? "" : joey_status_name(status);
  joey_store_done(request, status, message, strlen(message));
}

static void memory_append(void *user_data, joey_store_request *request, joey_bytes name, uint64_t expected,
                          const joey_bytes *entries, size_t entries_count, const joey_bytes *blobs, size_t blobs_count,
                          joey_bytes summary) {
  memory *m = user_data;
  joey_status status = JOEY_OK;
  stream *s;
  size_t i, k;
  pthread_mutex_lock(&m->mutex);
  s = find_stream(m, name, 1);
  if (!s) {
    status = JOEY_ERR_LIMIT;
  } else if (s->count != expected) {
    status = JOEY_ERR_CONFLICT;
  } else {
    s->entries = realloc(s->entries, (s->count + entries_count) * sizeof *s->entries);
    for (i = 0; i < entries_count; ++i) s->entries[s->count++] = copy(entries[i]);
    for (i = 0; i < blobs_count; ++i) {
      for (k = 0; k < m->blobs_count && !same(m->blobs[k].digest, blobs[2 * i]); ++k) continue;
      if (k < m->blobs_count || k == sizeof m->blobs / sizeof m->blobs[0]) continue;
      m->blobs[k].digest = copy(blobs[2 * i]);
      m->blobs[k].content = copy(blobs[2 * i + 1]);
      ++m->blobs_count;
    }
    if (summary.size) {
      free(s->summary.data);
      s->summary = copy(summary);
    }
  }
  pthread_mutex_unlock(&m->mutex);
  say_done(request, status);
}

static void memory_read(void *user_data, joey_store_request *request, joey_bytes name, uint64_t from, size_t entries_max,
                        size_t bytes_max) {
  memory *m = user_data;
  stream *s;
  size_t i, size = 0;
  pthread_mutex_lock(&m->mutex);
  s = find_stream(m, name, 0);
  for (i = from ? (size_t)from - 1 : 0; s && i < s->count && i - (size_t)from + 1 < entries_max && size <= bytes_max; ++i) {
    joey_store_entry(request, i + 1, s->entries[i].data, s->entries[i].size);
    size += s->entries[i].size;
  }
  pthread_mutex_unlock(&m->mutex);
  say_done(request, JOEY_OK);
}

static void memory_get_blob(void *user_data, joey_store_request *request, joey_bytes digest) {
  memory *m = user_data;
  joey_status status = JOEY_ERR_NOT_FOUND;
  size_t k;
  pthread_mutex_lock(&m->mutex);
  for (k = 0; k < m->blobs_count; ++k) {
    if (!same(m->blobs[k].digest, digest)) continue;
    joey_store_entry(request, 0, m->blobs[k].content.data, m->blobs[k].content.size);
    status = JOEY_OK;
    break;
  }
  pthread_mutex_unlock(&m->mutex);
  say_done(request, status);
}

static void memory_list(void *user_data, joey_store_request *request, joey_bytes parent, joey_bytes cursor, size_t tasks_max) {
  memory *m = user_data;
  char wanted[256];
  size_t i, count = 0;
  int after = cursor.size == 0;
  snprintf(wanted, sizeof wanted, "\"parent\":\"%.*s\"", (int)parent.size, parent.size ? parent.data : "");
  pthread_mutex_lock(&m->mutex);
  for (i = m->streams_count; i-- > 0 && count < tasks_max;) {
    const stream *s = &m->streams[i];
    if (!s->summary.data || !strstr(s->summary.data, wanted)) continue;
    if (after) {
      joey_store_entry(request, 0, s->summary.data, s->summary.size);
      ++count;
    } else if (same(s->name, cursor)) {
      after = 1;
    }
  }
  pthread_mutex_unlock(&m->mutex);
  say_done(request, JOEY_OK);
}

static void memory_get_summary(void *user_data, joey_store_request *request, joey_bytes task) {
  memory *m = user_data;
  const stream *s;
  pthread_mutex_lock(&m->mutex);
  s = find_stream(m, task, 0);
  if (s && s->summary.data) joey_store_entry(request, 0, s->summary.data, s->summary.size);
  pthread_mutex_unlock(&m->mutex);
  say_done(request, s && s->summary.data ? JOEY_OK : JOEY_ERR_NOT_FOUND);
}

static void memory_acquire(void *user_data, joey_store_request *request, joey_bytes name) {
  memory *m = user_data;
  joey_status status = JOEY_OK;
  stream *s;
  pthread_mutex_lock(&m->mutex);
  s = find_stream(m, name, 1);
  if (!s) {
    status = JOEY_ERR_LIMIT;
  } else if (s->leased) {
    status = JOEY_ERR_BUSY;
  } else {
    s->leased = 1;
  }
  pthread_mutex_unlock(&m->mutex);
  say_done(request, status);
}

static void memory_release(void *user_data, joey_bytes name) {
  memory *m = user_data;
  stream *s;
  pthread_mutex_lock(&m->mutex);
  s = find_stream(m, name, 0);
  if (s) s->leased = 0;
  pthread_mutex_unlock(&m->mutex);
}

static void memory_destroy(void *user_data) {
  memory *m = user_data;
  size_t i;
  pthread_mutex_lock(&m->mutex);
  for (i = 0; i < m->streams_count; ++i) m->streams[i].leased = 0; /* the engine that held them has ended */
  pthread_mutex_unlock(&m->mutex);
  __atomic_add_fetch(&m->destroyed, 1, __ATOMIC_SEQ_CST); /* last: who sees it may free the store */
}

const joey_store_vtable memory_vtable = {sizeof(joey_store_vtable), memory_append,      memory_read,    memory_get_blob,
                                         memory_list,               memory_get_summary, memory_acquire, memory_release,
                                         memory_destroy};

memory *memory_create(void) {
  memory *m = calloc(1, sizeof *m);
  pthread_mutex_init(&m->mutex, NULL);
  return m;
}

void memory_free(memory *m) {
  size_t i, k;
  for (i = 0; i < m->streams_count; ++i) {
    for (k = 0; k < m->streams[i].count; ++k) free(m->streams[i].entries[k].data);
    free(m->streams[i].entries);
    free(m->streams[i].name.data);
    free(m->streams[i].summary.data);
  }
  for (i = 0; i < m->blobs_count; ++i) {
    free(m->blobs[i].digest.data);
    free(m->blobs[i].content.data);
  }
  pthread_mutex_destroy(&m->mutex);
  free(m);
}

int memory_destroyed(const memory *m) { return __atomic_load_n(&m->destroyed, __ATOMIC_SEQ_CST); }

/* ---- Clock ---- */

static int64_t hands_now(void *user_data) {
  hands *h = user_data;
  int64_t now;
  pthread_mutex_lock(&h->mutex);
  now = h->now;
  pthread_mutex_unlock(&h->mutex);
  return now;
}
static void hands_destroy(void *user_data) { __atomic_add_fetch(&((hands *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

const joey_clock_vtable hands_vtable = {sizeof(joey_clock_vtable), hands_now, hands_destroy};

void hands_init(hands *h) {
  pthread_mutex_init(&h->mutex, NULL);
  h->now = 1700000000000;
  h->destroyed = 0;
}

void hands_move(hands *h, int64_t ms) {
  pthread_mutex_lock(&h->mutex);
  h->now += ms;
  pthread_mutex_unlock(&h->mutex);
}

/* ---- Tool ---- */

static void *note_finish(void *argument) {
  joey_tool_call *call = argument;
  char text[1024];
  size_t size = 0;
  const char *arguments = joey_tool_call_arguments(call, &size);
  CHECK(strlen(arguments) == size);
  joey_tool_call_output(call, "writing", 7);
  snprintf(text, sizeof text, "noted: %s", arguments);
  joey_tool_call_finish(call, 1, text, strlen(text));
  return NULL;
}

static void note_run(void *user_data, joey_tool_call *call) {
  note *n = user_data;
  ++n->runs;
  CHECK(joey_tool_call_cancelled(call) == 0);
  if (n->inside) {
    note_finish(call);
  } else {
    pthread_t thread;
    pthread_create(&thread, NULL, note_finish, call);
    pthread_detach(thread);
  }
}
static void note_destroy(void *user_data) { __atomic_add_fetch(&((note *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

void note_vtable(joey_tool_vtable *vtable, const char *name) {
  const joey_tool_vtable empty = JOEY_TOOL_VTABLE_INIT;
  *vtable = empty;
  vtable->name = name;
  vtable->description = "Takes a note.";
  vtable->parameters = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}";
  vtable->run = note_run;
  vtable->destroy = note_destroy;
}

/* ---- World ---- */

void world_open(world *w, int32_t loop) {
  joey_engine_options options = JOEY_ENGINE_OPTIONS_INIT;
  const int with_clock = w->with_clock;
  memory *kept = w->memory;
  memset(w, 0, sizeof *w);
  w->loop = loop;
  w->with_clock = with_clock;
  w->memory = kept ? kept : memory_create();
  w->memory->destroyed = 0;
  strcpy(w->directory, "/tmp/joey-capi.XXXXXX");
  CHECK(mkdtemp(w->directory) != NULL);
  wire_init(&w->wire);
  hands_init(&w->hands);
  w->note.inside = 1;
  options.loop = loop;
  options.transport = &wire_vtable;
  options.transport_user_data = &w->wire;
  options.store = &memory_vtable;
  options.store_user_data = w->memory;
  if (with_clock) {
    options.clock = &hands_vtable;
    options.clock_user_data = &w->hands;
  }
  OK(joey_engine_create(&options, &w->engine));
  OK(joey_subscribe(w->engine, NULL, &w->events));
}

joey_session_options world_options(world *w, const char *allow) {
  joey_session_options options = JOEY_SESSION_OPTIONS_INIT;
  options.workspace = w->directory;
  options.provider = "anthropic";
  options.model = "claude-test";
  options.api_key = "sk-secret-of-the-test";
  options.allow = allow;
  return options;
}

void world_session(world *w, const char *allow) {
  const joey_session_options options = world_options(w, allow);
  joey_tool_vtable tool;
  note_vtable(&tool, "note");
  OK(joey_session_create(w->engine, &options, &w->session));
  OK(joey_session_add_tool(w->session, &tool, &w->note));
}

void world_start(world *w, const char *input) { OK(joey_task_start(w->session, input, strlen(input), &w->task)); }

void world_close(world *w) {
  const int had_session = w->session != NULL;
  char command[128];
  joey_task_destroy(w->task);
  joey_session_destroy(w->session);
  joey_subscription_destroy(w->events);
  joey_engine_destroy(w->engine);
  wire_join(&w->wire);
  CHECK(w->wire.destroyed == 1);
  CHECK(w->memory->destroyed == 1);
  CHECK(w->hands.destroyed == w->with_clock);
  CHECK(w->note.destroyed == had_session);
  memory_free(w->memory);
  snprintf(command, sizeof command, "rm -rf '%s'", w->directory);
  CHECK(system(command) == 0);
}

static void copy_text(char *out, size_t size, const char *text, size_t text_size) {
  snprintf(out, size, "%.*s", (int)text_size, text);
  CHECK(text[text_size] == '\0'); /* lent text ends in a NUL that its size does not count */
}

int world_next(world *w, int timeout_ms, seen *out) {
  const int64_t deadline = steady_ms() + timeout_ms;
  for (;;) {
    joey_event event;
    size_t count = 99;
    const int wait = w->loop == JOEY_LOOP_ENGINE ? timeout_ms : 0;
    if (!OK(joey_subscription_next(w->events, &event, sizeof event, 1, wait, &count))) return 0;
    if (count == 1) {
      out->kind = event.kind;
      out->seq = event.seq;
      copy_text(out->text, sizeof out->text, event.text, event.text_size);
      copy_text(out->json, sizeof out->json, event.json, event.json_size);
      copy_text(out->call, sizeof out->call, event.call, event.call_size);
      copy_text(out->name, sizeof out->name, event.name, event.name_size);
      copy_text(out->task, sizeof out->task, event.task, event.task_size);
      CHECK(event.json_size > 2 && event.json[event.json_size] == '\0' && event.reserved == 0);
      return 1;
    }
    CHECK(count == 0);
    if (steady_ms() >= deadline) return 0;
    if (w->loop == JOEY_LOOP_HOST) { /* as a host's own loop does */
      struct pollfd fd = {0, POLLIN, 0};
      int32_t timeout = 0;
      int64_t left = deadline - steady_ms();
      OK(joey_engine_poll_fd(w->engine, &fd.fd));
      OK(joey_engine_poll_timeout(w->engine, &timeout));
      if (timeout < 0 || timeout > left) timeout = (int32_t)(left < 0 ? 0 : left);
      poll(&fd, 1, timeout);
      OK(joey_engine_step(w->engine, 0));
    }
  }
}

int world_wait(world *w, int32_t kind, seen *out) {
  const int64_t deadline = steady_ms() + 30000;
  while (steady_ms() < deadline) {
    if (!world_next(w, 1000, out)) continue;
    if (out->kind == kind) return 1;
    if (out->kind == JOEY_EVENT_TASK_ENDED || out->kind == JOEY_EVENT_TASK_STALLED) {
      printf("    event %d of %s: %s %s\n", out->kind, out->task, out->name, out->text);
      break;
    }
  }
  check_failed(__FILE__, __LINE__, "the event never came", "");
  printf("    kind %d\n", kind);
  return 0;
}

void world_run(world *w, int ms) {
  const int64_t deadline = steady_ms() + ms;
  do {
    if (w->loop == JOEY_LOOP_HOST) {
      OK(joey_engine_step(w->engine, 5));
    } else {
      sleep_ms(5);
    }
  } while (steady_ms() < deadline);
}

void write_file(const world *w, const char *name, const char *content) {
  char path[256];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", w->directory, name);
  file = fopen(path, "w");
  CHECK(file != NULL);
  if (!file) return;
  fputs(content, file);
  fclose(file);
}

const char *file_content(const world *w, const char *name) {
  static char content[4096];
  char path[256];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", w->directory, name);
  content[0] = '\0';
  file = fopen(path, "r");
  if (!file) return content;
  content[fread(content, 1, sizeof content - 1, file)] = '\0';
  fclose(file);
  return content;
}
