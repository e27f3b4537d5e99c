// Constants never change: programs have them compiled in. A new one is added at the end of its group, and here.
#include <joey/joey.h>

#include <cstddef>
#include <type_traits>

static_assert(std::is_same_v<joey_status, int32_t>);
static_assert(JOEY_OK == 0);
static_assert(JOEY_ERR_INVALID_ARGUMENT == -1);
static_assert(JOEY_ERR_NOT_FOUND == -2);
static_assert(JOEY_ERR_CONFLICT == -3);
static_assert(JOEY_ERR_LIMIT == -4);
static_assert(JOEY_ERR_UNSUPPORTED == -5);
static_assert(JOEY_ERR_DENIED == -6);
static_assert(JOEY_ERR_IO == -7);
static_assert(JOEY_ERR_CORRUPT == -8);
static_assert(JOEY_ERR_CANCELLED == -9);
static_assert(JOEY_ERR_TIMEOUT == -10);
static_assert(JOEY_ERR_CLOSED == -11);
static_assert(JOEY_ERR_OUT_OF_MEMORY == -12);
static_assert(JOEY_ERR_INTERNAL == -13);
static_assert(JOEY_ERR_BUSY == -14);
static_assert(JOEY_ERR_MISUSE == -15);
static_assert(JOEY_LOOP_ENGINE == 0);
static_assert(JOEY_LOOP_HOST == 1);
static_assert(JOEY_DURABILITY_FULL == 0);
static_assert(JOEY_DURABILITY_PROCESS == 1);
static_assert(JOEY_INPUT_SIZE_MAX == 4194304);
static_assert(JOEY_SECRET_SIZE_MIN == 8 && JOEY_SECRET_SIZE_MAX == 8192 && JOEY_SECRETS_SIZE_MAX == 65536);
static_assert(JOEY_STORE_KEY_SIZE == 32 && JOEY_SESSION_KEEP_KEY_SHAPES == 8 && JOEY_SESSION_TOOLS_AS_TEXT == 16);
static_assert(JOEY_EVENT_TASK_CREATED == 1);
static_assert(JOEY_EVENT_PROMPT_SET == 2);
static_assert(JOEY_EVENT_USER_MESSAGE == 3);
static_assert(JOEY_EVENT_MODE_CHANGED == 4);
static_assert(JOEY_EVENT_MODEL_REQUESTED == 5);
static_assert(JOEY_EVENT_MODEL_FAILED == 6);
static_assert(JOEY_EVENT_MODEL_FINISHED == 7);
static_assert(JOEY_EVENT_APPROVAL_REQUESTED == 8);
static_assert(JOEY_EVENT_APPROVAL == 9);
static_assert(JOEY_EVENT_QUESTION_ASKED == 10);
static_assert(JOEY_EVENT_TOOL_STARTED == 11);
static_assert(JOEY_EVENT_TOOL_FINISHED == 12);
static_assert(JOEY_EVENT_TODOS_UPDATED == 13);
static_assert(JOEY_EVENT_SUBTASK_STARTED == 14);
static_assert(JOEY_EVENT_SUBTASK_FINISHED == 15);
static_assert(JOEY_EVENT_CACHE_BROKEN == 16);
static_assert(JOEY_EVENT_TASK_PAUSED == 17);
static_assert(JOEY_EVENT_TASK_RESUMED == 18);
static_assert(JOEY_EVENT_TASK_ENDED == 19);
static_assert(JOEY_EVENT_TASK_REOPENED == 20);
static_assert(JOEY_EVENT_ENVIRONMENT_NOTED == 21);
static_assert(JOEY_EVENT_CHECKPOINT_TAKEN == 22);
static_assert(JOEY_EVENT_HOST_CONSULTED == 23);
static_assert(JOEY_EVENT_INSTRUCTIONS_FOUND == 24);
static_assert(JOEY_EVENT_EGRESS == 25);
static_assert(JOEY_EVENT_CONDENSE_ASKED == 26);
static_assert(JOEY_EVENT_CONTEXT_REDUCED == 27);
static_assert(JOEY_EVENT_MODEL_CHANGED == 28);
static_assert(JOEY_EVENT_DELTA_TEXT == 100);
static_assert(JOEY_EVENT_DELTA_REASONING == 101);
static_assert(JOEY_EVENT_DELTA_TOOL_ARGUMENTS == 102);
static_assert(JOEY_EVENT_DELTA_TOOL_OUTPUT == 103);
static_assert(JOEY_EVENT_LAGGED == 200);
static_assert(JOEY_EVENT_TASK_STALLED == 201);
static_assert(JOEY_SUBSCRIBE_NO_DELTAS == 1U);
static_assert(JOEY_TOOL_READ_ONLY == 1U);
static_assert(JOEY_VERDICT_ALLOW == 0);
static_assert(JOEY_VERDICT_ASK == 1);
static_assert(JOEY_VERDICT_DENY == 2);
static_assert(JOEY_MODEL_RATE == 1);
static_assert(JOEY_MODEL_OVERLOAD == 2);
static_assert(JOEY_MODEL_SERVER == 3);
static_assert(JOEY_MODEL_NETWORK == 4);
static_assert(JOEY_MODEL_MALFORMED == 5);
static_assert(JOEY_MODEL_AUTH == 6);
static_assert(JOEY_MODEL_QUOTA == 7);
static_assert(JOEY_MODEL_TOO_LONG == 8);
static_assert(JOEY_MODEL_BAD_REQUEST == 9);
static_assert(JOEY_MODEL_NOT_FOUND == 10);

// Nor do the places of fields, on machines of 64 bits; new ones come at the end.
static_assert(sizeof(void*) != 8 || (offsetof(joey_event, kind) == 0 && offsetof(joey_event, seq) == 8 &&
                                     offsetof(joey_event, task) == 32 && offsetof(joey_event, json) == 48 &&
                                     offsetof(joey_event, text) == 64 && offsetof(joey_event, name_size) == 104));
static_assert(sizeof(void*) != 8 || (offsetof(joey_engine_options, database) == 8 && offsetof(joey_engine_options, loop) == 28 &&
                                     offsetof(joey_engine_options, clock_user_data) == 80));
static_assert(sizeof(void*) != 8 || (offsetof(joey_session_options, workspace) == 8 &&
                                     offsetof(joey_session_options, tokens_max) == 96 &&
                                     offsetof(joey_session_options, idle_timeout_ms) == 116 &&
                                     offsetof(joey_session_options, profile) == 264 &&
                                     offsetof(joey_session_options, price_cache_write) == 312));
static_assert(sizeof(void*) != 8 || (offsetof(joey_model_options, provider) == 8 &&
                                     offsetof(joey_model_options, context_window) == 64 &&
                                     offsetof(joey_model_options, price_cache_write) == 112));
