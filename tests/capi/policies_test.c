/* The host's own word on tool calls, and a person's changes of them. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "host.h"

enum { verdicts_max = 8 };

typedef struct judge {
  int asked, cancelled, destroyed;
  int32_t verdicts[verdicts_max]; /* one a question */
  const char *reason;
  int never;
  char last_request[text_max];
} judge;

static void judge_decide(void *user_data, joey_policy_call *call) {
  judge *j = user_data;
  size_t size = 0;
  const char *request = joey_policy_call_request(call, &size);
  CHECK(strlen(request) == size);
  snprintf(j->last_request, sizeof j->last_request, "%s", request);
  CHECK(joey_policy_call_cancelled(call) == 0);
  ++j->asked;
  if (j->never) return;
  joey_policy_call_finish(call, j->verdicts[j->asked - 1], j->reason, strlen(j->reason));
}
static void judge_cancel(void *user_data, joey_policy_call *call) {
  judge *j = user_data;
  ++j->cancelled;
  CHECK(joey_policy_call_cancelled(call) == 1);
  joey_policy_call_finish(call, JOEY_VERDICT_ALLOW, NULL, 0); /* too late */
}
static void judge_destroy(void *user_data) { __atomic_add_fetch(&((judge *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST); }

static const joey_policy_vtable judge_vtable = {sizeof(joey_policy_vtable), judge_decide, judge_cancel, judge_destroy};

static void open_with_judge(world *w, judge *j, int32_t loop, uint32_t timeout_ms) {
  memset(j, 0, sizeof *j);
  j->reason = "as it is";
  world_open(w, loop);
  world_session(w, "all");
  OK(joey_session_set_policy(w->session, &judge_vtable, timeout_ms, j));
}

static void last_word(int32_t loop) {
  static judge j, other;
  world w = {0};
  seen e;
  open_with_judge(&w, &j, loop, 0);
  other.destroyed = 0;
  CHECK_STATUS(joey_session_set_policy(w.session, &judge_vtable, 0, &other), JOEY_ERR_CONFLICT);
  CHECK(other.destroyed == 1);
  INVALID(joey_session_set_policy(NULL, &judge_vtable, 0, &other));
  CHECK(other.destroyed == 2);
  INVALID(joey_session_set_policy(w.session, NULL, 0, NULL));

  wire_calls(&w.wire, "c1", "note", "{\"text\":\"one\"}");
  wire_calls(&w.wire, "c2", "note", "{\"text\":\"two\"}");
  wire_calls(&w.wire, "c3", "note", "{\"text\":\"three\"}");
  wire_calls(&w.wire, "c4", "note", "{\"text\":\"four\"}");
  wire_completes(&w.wire, "Done.");
  j.verdicts[0] = JOEY_VERDICT_DENY;
  j.verdicts[1] = JOEY_VERDICT_ASK;
  j.verdicts[2] = 77; /* no verdict at all */
  j.verdicts[3] = JOEY_VERDICT_ALLOW;
  world_start(&w, "Go.");
  CHECK(world_wait(&w, JOEY_EVENT_HOST_CONSULTED, &e) && strcmp(e.name, "note") == 0 && strcmp(e.text, "allow:all") == 0);
  CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "does not allow this call (host). as it is");

  CHECK(world_wait(&w, JOEY_EVENT_APPROVAL_REQUESTED, &e));
  CHECK_HOLDS(j.last_request, "\"tool\":\"note\",\"arguments\":{\"text\":\"two\"},\"mode\":\"code\",\"verdict\":\"allow\",\"rule\":\"allow:all\"}");
  INVALID(joey_task_approve_edited(w.task, e.call, strlen(e.call), "[]", 2, NULL, 0));
  INVALID(joey_task_approve_edited(w.task, e.call, strlen(e.call), NULL, 0, NULL, 0));
  INVALID(joey_task_approve_edited(NULL, e.call, strlen(e.call), "{}", 2, NULL, 0));
  CHECK_STATUS(joey_task_approve_edited(w.task, "c9", 2, "{}", 2, NULL, 0), JOEY_ERR_CONFLICT);
  OK(joey_task_approve_edited(w.task, e.call, strlen(e.call), "{\"text\": \"mine\"}", 16, "better", 6));
  CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "\"arguments\":{\"text\":\"mine\"},\"feedback\":\"better\"}");
  CHECK_HOLDS(e.text, "noted: {\"text\":\"mine\"}");

  CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "does not allow this call (host)");
  CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK(strcmp(e.text, "noted: {\"text\":\"four\"}") == 0);
  CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e) && strcmp(e.name, "completed") == 0);
  CHECK(j.asked == 4 && j.cancelled == 0 && w.note.runs == 2);
  CHECK_STATUS(joey_session_set_policy(w.session, &judge_vtable, 0, &other), JOEY_ERR_CONFLICT);
  world_close(&w);
  CHECK(j.destroyed == 1);
}

static void audits(int32_t loop) {
  world w = {0};
  seen e;
  joey_audit *audit = NULL;
  joey_text *text = NULL;
  joey_session_options options;
  joey_tool_vtable tool;
  char *whole = calloc(1, 1 << 16);
  int pages = 0;
  world_open(&w, loop);
  options = world_options(&w, "all");
  options.user = "ann";
  OK(joey_session_create(w.engine, &options, &w.session));
  note_vtable(&tool, "note");
  OK(joey_session_add_tool(w.session, &tool, &w.note));
  wire_completes(&w.wire, "Done.");
  world_start(&w, "Go.");
  CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
  OK(joey_engine_audit(w.engine, NULL, 0, &audit));
  for (;;) {
    OK(joey_audit_next(audit, &text));
    if (joey_text_size(text) == 0 || ++pages > 5) break;
    strcat(whole, joey_text_data(text));
    joey_text_destroy(text);
  }
  joey_text_destroy(text);
  joey_audit_destroy(audit);
  CHECK_HOLDS(whole, "\"kind\":\"task\",\"user\":\"ann\"");
  CHECK_HOLDS(whole, "\"kind\":\"ended\",\"reason\":\"completed\"");
  CHECK_HOLDS(whole, "{\"kind\":\"end\",\"tasks\":1,\"lines\":");
  OK(joey_audit_verify(whole, strlen(whole), &text));
  CHECK_HOLDS(joey_text_data(text), "{\"valid\":true,");
  joey_text_destroy(text);
  OK(joey_audit_verify(whole, strlen(whole) - 1, &text));
  CHECK_HOLDS(joey_text_data(text), "{\"valid\":false,");
  joey_text_destroy(text);
  OK(joey_audit_verify(NULL, 0, &text));
  CHECK_HOLDS(joey_text_data(text), "{\"valid\":false,");
  joey_text_destroy(text);
  INVALID(joey_audit_verify(NULL, 1, &text));
  CHECK(text == NULL);
  INVALID(joey_audit_verify("", 0, NULL));
  OK(joey_engine_audit(w.engine, "none", 4, &audit));
  CHECK_STATUS(joey_audit_next(audit, &text), JOEY_ERR_NOT_FOUND);
  INVALID(joey_audit_next(audit, NULL));
  INVALID(joey_audit_next(NULL, &text));
  joey_audit_destroy(audit);
  joey_audit_destroy(NULL);
  INVALID(joey_engine_audit(NULL, NULL, 0, &audit));
  CHECK(audit == NULL);
  INVALID(joey_engine_audit(w.engine, NULL, 0, NULL));
  free(whole);
  world_close(&w);
}

static void no_answer_in_time(int32_t loop) {
  static judge j;
  world w = {0};
  seen e;
  w.with_clock = 1;
  open_with_judge(&w, &j, loop, 60000);
  wire_calls(&w.wire, "c1", "note", "{\"text\":\"one\"}");
  wire_completes(&w.wire, "Done.");
  j.never = 1;
  world_start(&w, "Go.");
  CHECK(world_wait(&w, JOEY_EVENT_HOST_CONSULTED, &e));
  hands_move(&w.hands, 59000);
  world_run(&w, 30);
  CHECK(j.cancelled == 0);
  hands_move(&w.hands, 2000);
  CHECK(world_wait(&w, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "host: no answer in time");
  CHECK(world_wait(&w, JOEY_EVENT_TASK_ENDED, &e));
  CHECK(j.cancelled == 1 && w.note.runs == 0);
  world_close(&w);
  CHECK(j.destroyed == 1);
}

/* The store is left, for another engine. */
static void end_engine(world *w) {
  joey_task_destroy(w->task);
  joey_session_destroy(w->session);
  joey_subscription_destroy(w->events);
  joey_engine_destroy(w->engine);
}

/* The engine ends while a person is asked; days later another takes the task up, with the same store. */
static void asks_for_days(int32_t loop) {
  static judge j, later;
  world first = {0}, second = {0};
  seen e;
  char id[64], call[128], command[128];
  first.with_clock = second.with_clock = 1;
  open_with_judge(&first, &j, loop, 0);
  wire_calls(&first.wire, "c1", "note", "{\"text\":\"one\"}");
  j.verdicts[0] = JOEY_VERDICT_ASK;
  world_start(&first, "Go.");
  strcpy(id, joey_task_id(first.task));
  CHECK(world_wait(&first, JOEY_EVENT_APPROVAL_REQUESTED, &e));
  strcpy(call, e.call);
  end_engine(&first);
  CHECK(j.destroyed == 1);
  wire_join(&first.wire);

  second.memory = first.memory;
  open_with_judge(&second, &later, loop, 0);
  hands_move(&second.hands, (int64_t)5 * 24 * 3600 * 1000);
  wire_calls(&second.wire, "c2", "note", "{\"text\":\"two\"}");
  wire_completes(&second.wire, "Done.");
  later.verdicts[0] = JOEY_VERDICT_DENY;
  OK(joey_task_open(second.session, id, strlen(id), &second.task));
  world_run(&second, 30);
  CHECK(second.note.runs == 0 && later.asked == 0);
  OK(joey_task_approve(second.task, call, strlen(call), NULL, 0));
  CHECK(world_wait(&second, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK(strcmp(e.text, "noted: {\"text\":\"one\"}") == 0);
  CHECK(world_wait(&second, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "does not allow this call (host)"); /* the new host is asked about the next one */
  CHECK(world_wait(&second, JOEY_EVENT_TASK_ENDED, &e));
  CHECK(second.note.runs == 1 && later.asked == 1);
  world_close(&second);
  snprintf(command, sizeof command, "rm -rf '%s'", first.directory);
  CHECK(system(command) == 0);
}

/* A task that was started under a policy does not go on without one. */
static void policy_is_missed(int32_t loop) {
  static judge j;
  world first = {0}, second = {0};
  seen e;
  char id[64], call[128], command[128];
  open_with_judge(&first, &j, loop, 0);
  wire_calls(&first.wire, "c1", "note", "{\"text\":\"one\"}");
  j.verdicts[0] = JOEY_VERDICT_ASK;
  world_start(&first, "Go.");
  strcpy(id, joey_task_id(first.task));
  CHECK(world_wait(&first, JOEY_EVENT_APPROVAL_REQUESTED, &e));
  strcpy(call, e.call);
  end_engine(&first);
  wire_join(&first.wire);

  second.memory = first.memory;
  world_open(&second, loop);
  world_session(&second, "all");
  wire_calls(&second.wire, "c2", "note", "{\"text\":\"two\"}");
  wire_completes(&second.wire, "Done.");
  OK(joey_task_open(second.session, id, strlen(id), &second.task));
  OK(joey_task_approve(second.task, call, strlen(call), NULL, 0));
  CHECK(world_wait(&second, JOEY_EVENT_TOOL_FINISHED, &e) && strcmp(e.text, "noted: {\"text\":\"one\"}") == 0);
  CHECK(world_wait(&second, JOEY_EVENT_TOOL_FINISHED, &e));
  CHECK_HOLDS(e.text, "has no policy of the host's");
  CHECK(second.note.runs == 1);
  world_close(&second);
  snprintf(command, sizeof command, "rm -rf '%s'", first.directory);
  CHECK(system(command) == 0);
}

void test_policies(void) {
  run_case_on_both_loops("a host's policy has the last word, and a person changes arguments", last_word);
  run_case_on_both_loops("an audit is exported and checked", audits);
  run_case_on_both_loops("a host that does not answer in time has refused", no_answer_in_time);
  run_case_on_both_loops("an approval is waited for across a restart, for days", asks_for_days);
  run_case_on_both_loops("a task started under a policy does not go on without it", policy_is_missed);
}
