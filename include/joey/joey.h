/*
 * joey: an agent engine that fits in your process.
 *
 * An engine hosts sessions; a session is a workspace with a mode, a model and a policy; a task is one agent run in it.
 * Everything that happens to a task is an event with a sequence number in its journal; subscriptions hand events out.
 *
 *     joey_engine_options engine_options = JOEY_ENGINE_OPTIONS_INIT;
 *     joey_session_options options = JOEY_SESSION_OPTIONS_INIT;
 *     joey_engine *engine; joey_session *session; joey_task *task; joey_subscription *events;
 *     engine_options.database = "agents.db";
 *     options.workspace = "/home/me/project";
 *     options.provider = "anthropic";
 *     options.api_key = getenv("ANTHROPIC_API_KEY");
 *     options.allow = "read,edit,command";
 *     if (joey_engine_create(&engine_options, &engine) || joey_session_create(engine, &options, &session) ||
 *         joey_subscribe(engine, NULL, &events) || joey_task_start(session, "Fix the failing test", 20, &task)) {
 *       fprintf(stderr, "%s\n", joey_last_error_message());
 *       return 1;
 *     }
 *     for (joey_event event = {0}; event.kind != JOEY_EVENT_TASK_ENDED;) {
 *       size_t count;
 *       if (joey_subscription_next(events, &event, sizeof event, 1, -1, &count)) break;
 *       if (count && event.kind == JOEY_EVENT_DELTA_TEXT) fwrite(event.text, 1, event.text_size, stdout);
 *     }
 *     joey_task_destroy(task); joey_subscription_destroy(events);
 *     joey_session_destroy(session); joey_engine_destroy(engine);
 *
 * OWNERSHIP. A handle made by joey_x_create, _start, _open or joey_subscribe is the caller's, and goes back with
 * joey_x_destroy, which takes NULL and cannot fail. Handles may be destroyed in any order: a child keeps alive what it
 * uses. Destroying a task's handle does not end the task; destroying the engine's ends its loop once nothing else holds
 * the engine, and a task that still runs is taken up again later with joey_task_open.
 *
 * TEXT. UTF-8. A string goes in as pointer and size, and need not end in NUL; NULL is allowed with size 0. In options a
 * size of 0 beside a pointer that is not NULL means that the string ends in NUL. Text comes out in three ways, and each
 * function says which: lent until a moment it names, in a joey_text that the caller destroys, or inside an event. Lent
 * and owned text ends in a NUL that its size does not count.
 *
 * THREADS. `const` handles may be used from several threads at once, others by one at a time; different handles are
 * independent, also those of one engine. An engine has one loop thread. By default it is the engine's own; with
 * JOEY_LOOP_HOST the host's thread is it, inside joey_engine_step() and inside the calls that wait. Callbacks (the
 * functions of a vtable) run on the loop thread: they return soon, may call the functions marked "callback-safe", must
 * not throw or longjmp, and must not call one that waits (JOEY_ERR_MISUSE).
 *
 * ERRORS. A function that can fail returns a joey_status: JOEY_OK or a negative code that says what to do;
 * joey_last_error_message() has one line about it for a person. Outputs are set on every path, to NULL or 0 on failure.
 * What goes wrong later is an event. Outcomes are not errors: a denied tool or a cancelled task is a value.
 *
 * GROWTH. Within version 1 functions, constants and trailing struct fields are added, and nothing else changes. Structs
 * that the caller fills begin with their size, and zero is the default of every field: start from the _INIT macros.
 *
 * joey writes nothing to standard output or error, installs no signal handler and changes nothing process-wide.
 */
#ifndef JOEY_JOEY_H
#define JOEY_JOEY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define JOEY_API __attribute__((visibility("default")))
#else
#define JOEY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

/** The version of this header: major * 10000 + minor * 100 + patch. */
#define JOEY_VERSION 10000

/** The version of the library, in the form of JOEY_VERSION. Threads: any. Since: 1.0. */
JOEY_API int32_t joey_version(void);

/* ---- Status ----------------------------------------------------------------------------------------------------- */

/** JOEY_OK or one of the JOEY_ERR_ constants. */
typedef int32_t joey_status;

#define JOEY_OK 0
#define JOEY_ERR_INVALID_ARGUMENT (-1) /**< Fix the call. */
#define JOEY_ERR_NOT_FOUND (-2)        /**< What it names does not exist. */
#define JOEY_ERR_CONFLICT (-3)         /**< Not in this state: too late, too early, or somebody else was first. */
#define JOEY_ERR_LIMIT (-4)            /**< A stated limit is reached; nothing changed. */
#define JOEY_ERR_UNSUPPORTED (-5)      /**< Not in this build, on this machine, or in this version. */
#define JOEY_ERR_DENIED (-6)           /**< A policy, the workspace's boundary or the system refuses. */
#define JOEY_ERR_IO (-7)               /**< A file, socket or database failed. */
#define JOEY_ERR_CORRUPT (-8)          /**< What is stored is not what was written. */
#define JOEY_ERR_CANCELLED (-9)        /**< It was stopped. */
#define JOEY_ERR_TIMEOUT (-10)         /**< The time given ran out; nothing changed. */
#define JOEY_ERR_CLOSED (-11)          /**< The engine has ended. */
#define JOEY_ERR_OUT_OF_MEMORY (-12)
#define JOEY_ERR_INTERNAL (-13) /**< A defect of joey. */
#define JOEY_ERR_BUSY (-14)     /**< Another engine, perhaps in another process, runs that task now. */
#define JOEY_ERR_MISUSE (-15)   /**< A call that waits, made from a callback. */

/** The constant's name without JOEY_ERR_, in lower case, as "not_found"; "unknown" for no constant. Static. Since: 1.0. */
JOEY_API const char *joey_status_name(joey_status status);

/** 1 when the same call may succeed later without a change, else 0. Since: 1.0. */
JOEY_API int32_t joey_status_retryable(joey_status status);

/**
 * One line about the last call on this thread that returned a status: what was wrong, the value, the remedy; "" after
 * JOEY_OK. Holds no secret. Lent until the next such call on this thread. Since: 1.0.
 */
JOEY_API const char *joey_last_error_message(void);

/* ---- Owned text --------------------------------------------------------------------------------------------------- */

/** A text that the caller owns. Immutable: any threads at once. */
typedef struct joey_text joey_text;

/** The bytes, lent until joey_text_destroy; a NUL follows them. Never NULL; "" for NULL. Since: 1.0. */
JOEY_API const char *joey_text_data(const joey_text *text);
/** Bytes, without the NUL. 0 for NULL. Since: 1.0. */
JOEY_API size_t joey_text_size(const joey_text *text);
JOEY_API void joey_text_destroy(joey_text *text);

/* ---- Handles ------------------------------------------------------------------------------------------------------ */

typedef struct joey_engine joey_engine;
typedef struct joey_session joey_session;
typedef struct joey_task joey_task;
typedef struct joey_subscription joey_subscription;

typedef struct joey_store_vtable joey_store_vtable;
typedef struct joey_transport_vtable joey_transport_vtable;
typedef struct joey_clock_vtable joey_clock_vtable;
typedef struct joey_provider_vtable joey_provider_vtable;
typedef struct joey_tool_vtable joey_tool_vtable;
typedef struct joey_policy_vtable joey_policy_vtable;
typedef struct joey_secrets_vtable joey_secrets_vtable;

/* ---- Engine ------------------------------------------------------------------------------------------------------- */

#define JOEY_LOOP_ENGINE 0 /**< The engine has a loop thread of its own. */
#define JOEY_LOOP_HOST 1   /**< The host drives the loop: joey_engine_poll_fd() and joey_engine_step(). */

#define JOEY_DURABILITY_FULL 0    /**< An event that was handed out survives a power failure. */
#define JOEY_DURABILITY_PROCESS 1 /**< It survives the death of the process (kill -9), not of the machine. */

/** Bytes of a store's key. */
#define JOEY_STORE_KEY_SIZE 32

/** A key that what is stored is encrypted with (XChaCha20-Poly1305, by way of data keys that the store keeps sealed). */
typedef struct joey_store_key {
  const char *id; /**< What errors call it: [A-Za-z0-9._-]{1,64}, ends in NUL. */
  unsigned char bytes[JOEY_STORE_KEY_SIZE]; /**< Random. Whoever has them can read the store; nobody can without. */
} joey_store_key;

typedef struct joey_engine_options {
  size_t struct_size;   /**< sizeof as the caller compiled it: use JOEY_ENGINE_OPTIONS_INIT. */
  const char *database; /**< Path of the SQLite file, made when missing. NULL: journals live in memory. */
  size_t database_size; /**< Bytes; 0: `database` ends in NUL. */
  int32_t durability;   /**< JOEY_DURABILITY_. */
  int32_t loop;         /**< JOEY_LOOP_. */
  uint32_t workers_max; /**< Threads for what blocks: files, searches, reading the database. 0: 4. */
  uint32_t requests_max; /**< Model requests under way at once; further ones wait in line. 0: 256. */
  const joey_store_vtable *store;         /**< Instead of SQLite or memory. NULL: those. */
  void *store_user_data;                  /**< For `store`. */
  const joey_transport_vtable *transport; /**< Instead of libcurl. NULL: libcurl. */
  void *transport_user_data;              /**< For `transport`. */
  const joey_clock_vtable *clock;         /**< Instead of the system's. NULL: the system's. */
  void *clock_user_data;                  /**< For `clock`. */
  const joey_secrets_vtable *secrets;     /**< Resolves the secrets that sessions name. NULL: none can be named. */
  void *secrets_user_data;                /**< For `secrets`. */
  const joey_store_key *store_keys; /**< What is kept in the database, memory or `store` is encrypted with the first; the
                                         others are for what was written before. Copied. Without the key that a store was
                                         encrypted with, every call on it fails with JOEY_ERR_DENIED and the key's id.
                                         NULL: nothing is encrypted. */
  size_t store_keys_count;
} joey_engine_options;

#define JOEY_ENGINE_OPTIONS_INIT \
  { sizeof(joey_engine_options), NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }

/**
 * Starts an engine.
 *
 * @param options     Read during the call. NULL: the defaults, an engine in memory.
 * @param out_engine  Receives the engine: joey_engine_destroy(). NULL on failure.
 * @return JOEY_OK; JOEY_ERR_IO or JOEY_ERR_DENIED when the database cannot be opened; JOEY_ERR_CORRUPT when the file is
 *         no database of joey's; JOEY_ERR_UNSUPPORTED when a newer version wrote it; JOEY_ERR_INVALID_ARGUMENT;
 *         JOEY_ERR_OUT_OF_MEMORY. The file is left as it was.
 *
 * The `destroy` function of a vtable in the options runs exactly once, also when this fails.
 * Threads: any. Since: 1.0.
 */
JOEY_API joey_status joey_engine_create(const joey_engine_options *options, joey_engine **out_engine);

/**
 * Gives the handle back. When no session, task or subscription holds the engine any more, everything its tasks had
 * under way is stopped (requests closed, commands ended), the journals are completed, and the loop thread ends; tasks
 * can be opened again by the next engine. Then waits for that, at most a few seconds. Since: 1.0.
 */
JOEY_API void joey_engine_destroy(joey_engine *engine);

/**
 * A descriptor that is readable when joey_engine_step() has something to do. For JOEY_LOOP_HOST; lent until the engine
 * ends. JOEY_ERR_INVALID_ARGUMENT with an engine that owns its loop. Since: 1.0.
 */
JOEY_API joey_status joey_engine_poll_fd(const joey_engine *engine, int32_t *out_fd);

/**
 * How long a host may sleep on the descriptor at most before it steps again, because a timer is due: milliseconds, or -1
 * for as long as it likes. Since: 1.0.
 */
JOEY_API joey_status joey_engine_poll_timeout(const joey_engine *engine, int32_t *out_timeout_ms);

/**
 * Does what can be done: I/O that is ready, timers that are due, callbacks. For JOEY_LOOP_HOST.
 *
 * @param timeout_ms  How long to wait for something to do: 0 not at all, negative until there is something.
 * Threads: always the same one. Since: 1.0.
 */
JOEY_API joey_status joey_engine_step(joey_engine *engine, int32_t timeout_ms);

/**
 * Makes the first of the engine's store_keys the only one that is needed from the next engine on: the data keys are sealed
 * with it anew, and nothing else is written. Waits.
 * @return JOEY_OK; JOEY_ERR_CONFLICT when the store is not encrypted; JOEY_ERR_DENIED when a key is missing; JOEY_ERR_IO.
 * Since: 1.0.
 */
JOEY_API joey_status joey_engine_rewrap_store_keys(joey_engine *engine);

/**
 * The providers and models known by name: {"providers":[{"name","wire","base_url","key_variable","model"}...],"models":
 * [{"id","context_window","output_tokens_max","images","temperature","price_input","price_output","price_cache_read",
 * "price_cache_write"}...]}. `{NAME}` in a base_url is for the host to fill in; `key_variable` is where people keep the key,
 * "" when none is needed; `model` is the default, "" when one has to be named. A model belongs to the longest id that its own
 * begins with; prices are US dollars per million tokens, 0 where none is known. Threads: any. Since: 1.0.
 */
JOEY_API joey_status joey_catalogue(joey_text **out_json);

/* ---- Session ------------------------------------------------------------------------------------------------------ */

typedef struct joey_session_options {
  size_t struct_size; /**< Use JOEY_SESSION_OPTIONS_INIT. */
  /* Strings end in NUL and are read during the call. */
  const char *workspace;    /**< A directory; the root of all paths. Required. */
  const char *mode;         /**< Slug of the mode that tasks start in. NULL: "code". */
  const char *provider;     /**< "anthropic", "openai", "openrouter", "ollama", ..., or one added with
                                 joey_engine_add_provider(). NULL: "anthropic". */
  const char *model;        /**< NULL: the provider's default. */
  const char *base_url;     /**< As "http://127.0.0.1:8080/v1". NULL: the provider's. */
  const char *api_key;      /**< Kept in memory only: it is in no journal, event or message. For "bedrock" a token, or what AWS
                                 signs with: "ACCESS_KEY_ID:SECRET_ACCESS_KEY" or with ":SESSION_TOKEN". NULL: none is sent. */
  const char *allow;        /**< Rules for what runs without asking, between commas or one a line (a comma of a rule's own is
                                 "\\,"). A rule is
                                   "read", "edit", "command", "mcp", "modes", "subtasks", "custom", "all": groups of tools;
                                   "write_to_file", "mcp--github--get_*": tools, in which * stands for anything;
                                   "command:git diff": commands that begin with these words. A line runs when every
                                   command in it, of pipes, substitutions, bash -c and sudo too, is allowed;
                                   "read:src/", "edit:*.md": files, by a pattern as in .gitignore at the workspace's root;
                                   "protected": changes of files that steer agents, editors and git (.roo, .roomodes,
                                   .rooignore, AGENTS.md, .vscode, .git, ...), which nothing else allows;
                                   "tainted", to ask or deny: what does more than read, once a tool has brought a text
                                   that gives the model orders (JOEY_EVENT_INSTRUCTIONS_FOUND), until a person says
                                   something.
                                 Of the rules that fit a call the strictest decides: deny, ask, allow; what none names asks.
                                 See joey_session_explain_call(). NULL: no rule. */
  const char *deny;         /**< What never runs, likewise. Files that may not be read are hidden from searches, listings,
                                 mentions and, in a box, from commands; those that may not be edited do not change there. */
  const char *instructions; /**< Added to the system prompt. */
  uint32_t turns_max;       /**< Model turns of a task. 0: no limit. */
  uint32_t retries_max;     /**< Repetitions of one request after failures that may pass. 0: 8. */
  uint32_t mistakes_max;    /**< Answers in a row with nothing but errors. 0: 5. */
  uint32_t repeats_max;     /**< Identical tool calls in a row. 0: 3. */
  uint64_t tokens_max;      /**< Tokens of a task, input and output. 0: no limit. */
  double cost_usd_max;      /**< US dollars of a task: a request that could pass it is not sent. 0: no limit. */
  uint32_t output_tokens_max; /**< Of one answer. 0: the model's own, at most 32,000. */
  uint32_t idle_timeout_ms;   /**< Longest silence of the model. 0: 120,000. */
  const char *home;        /**< The person's own directory: its .roo and .agents hold modes, rules, commands, skills and
                                tools of all their projects. NULL: none, and nothing outside the workspace is read. */
  const char *checkpoints; /**< A directory outside the workspace, made when missing, where checkpoints of workspaces are
                                kept: one is taken before each call that may change something. NULL: none are. */
  const char *language;    /**< To think and answer in, as "German". NULL: the person's. */
  const char *commands_unlimited; /**< Comma-separated beginnings of commands, as "make,npm test", that
                                       `command_timeout_ms` does not end. */
  uint32_t command_timeout_ms;    /**< Then a command of execute_command is ended, also in the background. 0: never. */
  uint32_t flags;                 /**< JOEY_SESSION_. */
  const char *image_model;    /**< For generate_image, as "google/gemini-2.5-flash-image". NULL: none, and the tool says so. */
  const char *image_provider; /**< "openrouter" or "openai". NULL: "openrouter". */
  const char *image_base_url; /**< NULL: the provider's. */
  const char *image_api_key;  /**< Kept in memory only. NULL: none is sent. */
  const char *ask; /**< Rules for what a person decides each time, like `allow`, and stricter. NULL: none. */
  const char *box; /**< What commands of tools can reach: "landlock" (works in containers), "bubblewrap" (namespaces of its
                        own) or "oci" (a container of runc's for each command): the system to read, the workspace to
                        change, no network but `allow_hosts`; not what .rooignore or `deny` forbids, as it is when a
                        message is given to a task, nor, but for landlock, git's hooks, protected files and those that
                        `deny` keeps to change. In landlock nothing new can appear beside what is
                        hidden. "bubblewrap" and "oci" need the program of that name, bwrap or runc, and user namespaces:
                        without, the session is JOEY_ERR_UNSUPPORTED. joey_session_box() tells more. A task keeps its box.
                        NULL or "none": what the process's user may. */
  const char *tools; /**< Which tools the model is told of, where that is not to be what suits it: "+edit,-apply_diff".
                          Models that were trained on another way to edit get that instead of apply_diff. A tool left
                          out can still be called by a model that knows it: `deny` forbids. NULL: no change. */
  const char *api_key_secret; /**< Instead of `api_key`: the name by which joey_engine_options.secrets resolves it, before
                                   the first request, and again when a server answers 401: keys rotate without a restart.
                                   NULL: `api_key`. */
  const char *user; /**< For whom the session works, in the host's words: an id, for audits. NULL: nobody is named. */
  const char *allow_hosts; /**< Hosts that commands in a box may reach, comma-separated: "api.github.com" at ports 80 and 443,
                                "*.npmjs.org", "db.example:5432", "git.example:*", an address, or "*". Names lead to public
                                addresses alone, unless the rule is "NAME+private", names localhost, or another rule names the
                                very address. Commands reach them by HTTP and CONNECT through a proxy that their box has
                                and nobody else (HTTP_PROXY and its kin), and nothing but them; each connection is a
                                JOEY_EVENT_EGRESS. Needs `box`. A task keeps its rules. NULL: no network in a box. */
  const char *deny_hosts;  /**< Hosts that they may not, likewise, at every port unless one is named; wins. NULL: none. */
  uint32_t context_window;   /**< Tokens that the model reads and writes together. 0: what is known of it, or 128,000. */
  uint32_t condense_percent; /**< Of `context_window`, 5 to 100, from which on a conversation is reduced before the next
                                  request: JOEY_EVENT_CONTEXT_REDUCED. 0: when the next answer might not fit. */
  const char *reasoning_effort; /**< How much the model is to think: "none", "minimal", "low", "medium", "high", "xhigh" or
                                     "max"; the nearest level that the model has. NULL: the model's own. */
  const char *profile; /**< The host's name for the model with its key, shown in events; it tells apart models of one session
                            that are the same otherwise. NULL: none. */
  uint32_t requests_open_max;   /**< Requests to the model at once, of all sessions with its address and key together; more
                                     wait in line. 0: no limit but joey_engine_options.requests_max. */
  uint32_t requests_per_minute; /**< In any 60 seconds, likewise. 0: no limit. */
  uint64_t tokens_per_minute;   /**< Read and written, likewise; estimated until the answer counts them. 0: no limit. */
  /* US dollars per million tokens, where they are not those that joey_catalogue() knows. 0: those; below 0: nothing. */
  double price_input;
  double price_output;
  double price_cache_read;  /**< 0, with a `price_input` of the host's: that. */
  double price_cache_write; /**< Likewise. */
  const char *result_schema; /**< A JSON Schema of an object, at most 64 KB (drafts 7 to 2020-12; references lead into itself, and
                                  patterns are RE2's), that the result of a task must fit. The model is told, and again what does
                                  not fit, `mistakes_max` times at most. The result of JOEY_EVENT_TASK_ENDED is then the object, as
                                  JSON. Subtasks tell theirs in words. NULL: results are texts. */
  /* Of each command in a `box`. What this machine cannot keep is told by joey_session_box(), or fails the session with
     JOEY_SESSION_BOX_DEMANDS_ALL. */
  uint64_t box_memory_max;    /**< Bytes, of all its processes together. 0: no limit. */
  uint64_t box_file_size_max; /**< Bytes of each file that it writes. 0: no limit. */
  uint32_t box_processes_max; /**< And threads. 0: 4,096. */
  uint32_t box_cpu_percent;   /**< Of one processor's time, for all its processes together: 150 is one and a half. 0: no limit. */
  uint32_t box_cpu_time_s;    /**< Seconds of a processor's time of each process. 0: no limit. */
  const char *box_readable;   /**< Directories that it may read besides the system's own, absolute, comma-separated, as of toolchains
                                   in a home directory. NULL: none. */
  const char *box_root;       /**< "oci" alone: an absolute directory that is the system in the box, as an unpacked image. NULL: the
                                   machine's own. */
} joey_session_options;

#define JOEY_SESSION_OPTIONS_INIT                                                                                     \
  { sizeof(joey_session_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, NULL, \
    NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL }

#define JOEY_SESSION_NO_AGENT_RULES 1U  /**< AGENTS.md and its kin are not read. */
#define JOEY_SESSION_SUBFOLDER_RULES 2U /**< Rules beside .roo folders in subdirectories are read too. */
#define JOEY_SESSION_BOX_DEMANDS_ALL 4U /**< A guarantee of `box` that this machine cannot give fails the session. */
#define JOEY_SESSION_KEEP_KEY_SHAPES 8U /**< What only has the shape of a well-known key (AKIA..., ghp_..., a JWT, a private
                                             key in PEM) is shown; secrets that are known are not. */
#define JOEY_SESSION_TOOLS_AS_TEXT 16U  /**< The model calls no tools by itself: they are described in its prompt, and it calls
                                             them in what it writes. */

/**
 * Makes a session. Its options are copied into each task it starts and do not change that task later.
 *
 * @return JOEY_OK; JOEY_ERR_NOT_FOUND when the workspace does not exist; JOEY_ERR_DENIED when it cannot be read;
 *         JOEY_ERR_INVALID_ARGUMENT for an unknown mode or provider, or no model; JOEY_ERR_CLOSED.
 * Reads the project's files (.roo, .roomodes, AGENTS.md, ...); joey_session_project() says what was wrong in them.
 * Threads: any. Since: 1.0.
 */
JOEY_API joey_status joey_session_create(joey_engine *engine, const joey_session_options *options,
                                         joey_session **out_session);
JOEY_API void joey_session_destroy(joey_session *session);

/** A model that stands in for a session's own. The fields are those of joey_session_options. */
typedef struct joey_model_options {
  size_t struct_size; /**< Use JOEY_MODEL_OPTIONS_INIT. */
  /* Strings end in NUL and are read during the call. */
  const char *provider;
  const char *model;
  const char *base_url;
  const char *api_key;
  const char *api_key_secret;
  const char *profile;
  const char *reasoning_effort;
  uint32_t context_window;
  uint32_t output_tokens_max;
  uint32_t requests_open_max;
  uint32_t requests_per_minute;
  uint64_t tokens_per_minute;
  double price_input;
  double price_output;
  double price_cache_read;
  double price_cache_write;
  uint32_t flags; /**< JOEY_SESSION_TOOLS_AS_TEXT; others mean nothing here. */
} joey_model_options;

#define JOEY_MODEL_OPTIONS_INIT \
  { sizeof(joey_model_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Adds a model that tasks go on with when the one before keeps failing: the session's own, then those added, in their order.
 * A model that has another after it is tried three times rather than `retries_max` + 1 times, and not waited for longer than
 * ten seconds; when it wants a key, refuses the request or is not there, the next one is asked at once. What was said is
 * encoded anew for it (JOEY_EVENT_MODEL_CHANGED), and the task stays with it until a person opens it again after its end.
 * One with the same provider and model and another key needs a `profile` of its own. The tools offered stay those that suit
 * the session's own model.
 *
 * @return JOEY_OK; JOEY_ERR_INVALID_ARGUMENT as of joey_session_create(); JOEY_ERR_CONFLICT when the session has it already.
 * Callback-safe. Since: 1.0.
 */
JOEY_API joey_status joey_session_add_model(joey_session *session, const joey_model_options *options);

/**
 * Adds a tool of the host's to a session, before its first task. It is offered in every mode and asks for approval as
 * "custom" or by its name.
 *
 * @param vtable     Copied during the call, with its strings.
 * @param user_data  Passed to the vtable's functions; `destroy` gets it exactly once, also when this call fails.
 * @return JOEY_OK; JOEY_ERR_CONFLICT when the session has a tool of that name; JOEY_ERR_INVALID_ARGUMENT.
 * Since: 1.0.
 */
JOEY_API joey_status joey_session_add_tool(joey_session *session, const joey_tool_vtable *vtable, void *user_data);

/**
 * The tools a mode offers: a JSON array of {"name", "description", "group", "read_only", "offered", "parameters"},
 * parameters being a JSON Schema. `mode` NULL with size 0: every tool of the session, `offered` or not. Since: 1.0.
 */
JOEY_API joey_status joey_session_tools(const joey_session *session, const char *mode, size_t mode_size,
                                        joey_text **out_json);

/**
 * Gives the host the last word on tool calls: after the rules, on what they allow or ask. What they deny is denied.
 *
 * @param vtable      Copied during the call.
 * @param timeout_ms  For one decision; none by then denies the call. 0: 30,000.
 * @param user_data   Passed to the vtable's functions; `destroy` gets it exactly once, also when this call fails.
 * @return JOEY_OK; JOEY_ERR_CONFLICT when the session has a policy or has started a task; JOEY_ERR_INVALID_ARGUMENT.
 *
 * A task that was started under a policy and is opened in a session without one gets no call allowed. Tools without side
 * effects on anything but the task (attempt_completion, update_todo_list, ...) and joey_session_run_tool() do not consult it.
 * Since: 1.0.
 */
JOEY_API joey_status joey_session_set_policy(joey_session *session, const joey_policy_vtable *vtable, uint32_t timeout_ms,
                                             void *user_data);

/**
 * What the session's rules say of a call, and why: {"verdict":"allow"|"ask"|"deny","rule","files":[{"path","writes":bool,
 * "verdict","rule"}...],"parts":[{"text","kind":"command"|"redirect"|"assignment"|"unknown","verdict","rule"}...]}. The
 * files are those that a rule is about. The parts are all that the command line of execute_command would run, the files it
 * would read and write, the variables it would set, and what is not understood. Nothing is run.
 *
 * @param arguments  A JSON object, as {"command":"git diff | tee log"}.
 * @return JOEY_OK; JOEY_ERR_NOT_FOUND when there is no such tool; JOEY_ERR_INVALID_ARGUMENT. Since: 1.0.
 */
JOEY_API joey_status joey_session_explain_call(const joey_session *session, const char *name, size_t name_size,
                                               const char *arguments, size_t arguments_size, joey_text **out_json);

/**
 * The box that commands run in: {"kind":"none"|"landlock"|"bubblewrap"|"oci","reduced":[line...],"restricted":[line...]}: what
 * this machine cannot guarantee, with the remedy, and what commands may expect and do not get. Since: 1.0.
 */
JOEY_API joey_status joey_session_box(const joey_session *session, joey_text **out_json);

/**
 * What the project's files and the person's own say: {"modes":[{"slug","name","description","when_to_use","origin",
 * "groups":[...]}...],"commands":[{"name","description","argument_hint","mode","origin"}...],"skills":[{"name",
 * "description","modes":[...],"origin"}...],"warnings":[line...]}, where origin is "built-in", "global" or "project". It
 * is as it was last read: when the session was made, or when a task was started since. Since: 1.0.
 */
JOEY_API joey_status joey_session_project(const joey_session *session, joey_text **out_json);

/**
 * Replaces a section of the system prompt of the tasks that are started from now on: "role", "work", "modes", "skills",
 * "surroundings", "language", "instructions", "mode" or "rules", in this order. `text` of size 0 leaves it out.
 * @return JOEY_OK; JOEY_ERR_INVALID_ARGUMENT when there is no such section. Since: 1.0.
 */
JOEY_API joey_status joey_session_set_prompt_section(joey_session *session, const char *section, size_t section_size,
                                                     const char *text, size_t text_size);

/**
 * Says what @problems or @terminal in a person's message means from now on: what an editor or compiler finds wrong, what
 * the person's terminal shows. At most 50,000 bytes of it reach the model; `text` of size 0: nothing is known. Copied.
 * @param mention  "problems" or "terminal"; else JOEY_ERR_INVALID_ARGUMENT.
 * Since: 1.0.
 */
JOEY_API joey_status joey_session_set_mention(joey_session *session, const char *mention, size_t mention_size,
                                              const char *text, size_t text_size);

/** Bytes of a secret of joey_session_add_secret(), at least and at most; and of all those of one session. */
#define JOEY_SECRET_SIZE_MIN 8
#define JOEY_SECRET_SIZE_MAX 8192
#define JOEY_SECRETS_SIZE_MAX 65536

/**
 * Makes a value known that no model, journal, event or output is to hold from now on. What tools, files, commands and
 * providers bring with it has "[secret:NAME:1f3a9c7d]" instead, also where the value is in base64, hexadecimal, percent-
 * encoded, escaped, quoted or broken into lines. Equal values have equal tags within an engine's life, and tags tell nothing
 * of the value. A file that is edited keeps its secrets where their placeholders stay; none gets into another file this way.
 * The session's api_key, image_api_key and resolved api_key_secret are known without this.
 *
 * @param name   What is shown, in [a-z0-9-], at most 40 characters; others are changed to those.
 * @param value  JOEY_SECRET_SIZE_MIN to JOEY_SECRET_SIZE_MAX bytes, not counting white space around it. Copied.
 * @return JOEY_OK; JOEY_ERR_INVALID_ARGUMENT when it is shorter: it would be found in ordinary text; JOEY_ERR_LIMIT when it
 *         is longer, or the session knows JOEY_SECRETS_SIZE_MAX bytes. Of one name the last four values are kept.
 * Callback-safe. Since: 1.0.
 */
JOEY_API joey_status joey_session_add_secret(joey_session *session, const char *name, size_t name_size, const char *value,
                                             size_t value_size);

typedef struct joey_host_secret_options {
  size_t struct_size; /**< Use JOEY_HOST_SECRET_OPTIONS_INIT. */
  /* Strings end in NUL and are read during the call. */
  const char *name;  /**< What is shown. Required. */
  const char *value; /**< As of joey_session_add_secret(), and without line breaks and other control characters. Required. */
  const char *hosts; /**< That it may be sent to, comma-separated, as joey_session_options.allow_hosts has them; not "*".
                          Without a port it is 443 alone: nothing is sent unencrypted that "host:80" does not ask for.
                          Required. */
  const char *variable; /**< Of the environment, that commands find the placeholder in. NULL: `name`. */
} joey_host_secret_options;

#define JOEY_HOST_SECRET_OPTIONS_INIT \
  { sizeof(joey_host_secret_options), NULL, NULL, NULL, NULL }

/**
 * Lets commands use a secret that they never see. Those that are started in the session's box from now on find
 * "joey-secret-" and 32 hexadecimal digits in `variable`, and where they send that to one of `hosts`, it becomes the value:
 * in the path and query of a URL, in headers, the credentials of Basic, and bodies up to 256 KB or in chunks. Elsewhere
 * it stays what it is. In what such a host answers the value becomes the placeholder again. The value is known as by
 * joey_session_add_secret(), and of one name the last counts.
 *
 * `hosts` must also be in the session's `allow_hosts`. HTTPS to them ends at the proxy, which checks their certificates
 * against those of the system or of SSL_CERT_FILE; commands get one by an authority of the engine's own, whose key stays
 * in memory. They are told of it by SSL_CERT_FILE, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS,
 * GIT_SSL_CAINFO and others. Such connections carry HTTP/1.1, one request each. JOEY_EVENT_EGRESS names the secrets that
 * were sent. What a host does with a secret, as showing it in another form, is its own: name hosts that you would give it to.
 *
 * @return JOEY_OK; JOEY_ERR_INVALID_ARGUMENT when something required is missing or malformed, or the session has no box or no
 *         `allow_hosts`; JOEY_ERR_NOT_FOUND when this machine has no certificates to trust; JOEY_ERR_LIMIT as of
 *         joey_session_add_secret().
 * Callback-safe, but the first call of an engine takes some ten milliseconds. Since: 1.0.
 */
JOEY_API joey_status joey_session_add_host_secret(joey_session *session, const joey_host_secret_options *options);

/**
 * Takes a checkpoint of the workspace now, for `task`: a task's id, or any name of the host's.
 *
 * A checkpoint holds every file that git would not ignore, byte for byte, whoever changed it. The workspace's own git
 * repository is neither used nor touched.
 * @param task      Letters, digits, '_', '-' and single '.'.
 * @param out_json  {"checkpoint","task","seq","label","created_at","changed":paths,"unchanged":bool,"not_kept":[{"path",
 *                  "reason","size"}...],"not_kept_count"}: what is too large, unreadable or no file is not kept.
 * @return JOEY_OK; JOEY_ERR_UNSUPPORTED when the session takes none; JOEY_ERR_LIMIT when the workspace is too large;
 *         JOEY_ERR_IO. Waits, like the functions below. Since: 1.0.
 */
JOEY_API joey_status joey_session_take_checkpoint(joey_session *session, const char *task, size_t task_size,
                                                  const char *label, size_t label_size, joey_text **out_json);

/**
 * The checkpoints of a task, oldest first: {"checkpoints":[{"checkpoint","task","seq","label","created_at",
 * "changed"}...]}, where seq is that of the event after which it was taken. Since: 1.0.
 */
JOEY_API joey_status joey_session_list_checkpoints(joey_session *session, const char *task, size_t task_size,
                                                   joey_text **out_json);

/**
 * What changed from one checkpoint to another, or, with `to` of size 0, to the workspace as it is:
 * {"files":[{"path","change":"added"|"modified"|"deleted"|"type"|"mode","binary":bool,"mode_before","mode_after","diff",
 * "cut":bool}...],"files_count"}: at most 1,000 files and 1 MB of unified diffs, `cut` where one is shortened for that.
 * JOEY_ERR_NOT_FOUND when there is no such checkpoint. Since: 1.0.
 */
JOEY_API joey_status joey_session_diff_checkpoints(joey_session *session, const char *from, size_t from_size,
                                                   const char *to, size_t to_size, joey_text **out_json);

/**
 * Makes the workspace's files what they were at a checkpoint. Takes one first, which undoes this.
 * What the checkpoint does not hold is left alone.
 * @param out_json  {"restored","before","written","removed","left":[{"path","why"}...],"left_count"}: `before` is the
 *                  checkpoint that was taken first, of the task "restore"; `left` is what could not be made as it was.
 * Since: 1.0.
 */
JOEY_API joey_status joey_session_restore_checkpoint(joey_session *session, const char *checkpoint,
                                                     size_t checkpoint_size, joey_text **out_json);

/**
 * Runs one tool on the workspace without a model, and waits for it. Those that act on a task (attempt_completion and the
 * like) have none here: their arguments are checked, and the result says what they would do. The session's policy holds:
 * a tool that it denies, or that would ask, is not run (JOEY_ERR_DENIED).
 *
 * @param arguments   A JSON object.
 * @param timeout_ms  Negative: as long as it takes. When it runs out the tool is cancelled: JOEY_ERR_TIMEOUT.
 * @param out_json    Receives {"ok":bool,"text":...} and, where it applies, "images" and "paths", the files it changed.
 * @return JOEY_OK when it ran, whatever came of it; JOEY_ERR_NOT_FOUND when there is no such tool.
 * Since: 1.0.
 */
JOEY_API joey_status joey_session_run_tool(joey_session *session, const char *name, size_t name_size,
                                           const char *arguments, size_t arguments_size, int32_t timeout_ms,
                                           joey_text **out_json);

/* ---- Task --------------------------------------------------------------------------------------------------------- */

/** Bytes of one message, at most. */
#define JOEY_INPUT_SIZE_MAX 4194304

/**
 * Starts a task: one user message, then turns until the task completes, waits or fails.
 *
 * Returns at once; the task is durable when its first event arrives (joey_subscription_next()).
 *
 * @param session     Borrowed for the call; the task keeps alive what it needs of it.
 * @param input       UTF-8, copied before return.
 * @param input_size  Bytes in `input`; at most JOEY_INPUT_SIZE_MAX.
 * @param out_task    Receives the task: joey_task_destroy(). NULL on failure.
 * @return JOEY_OK; JOEY_ERR_INVALID_ARGUMENT when the message is empty or too large; JOEY_ERR_CLOSED.
 * Threads: any, one at a time per session. Never waits; callback-safe. Since: 1.0.
 */
JOEY_API joey_status joey_task_start(joey_session *session, const char *input, size_t input_size,
                                     joey_task **out_task);

/**
 * Takes up a task of the store: one that this or an earlier engine ran. What was under way when that engine ended goes
 * on: a request is sent again, a tool that only reads runs again, any other that had started is reported to the model as
 * interrupted. A task that waits, is paused or has ended stays so. In a session with another provider, model or window it
 * goes on with that one from its next request on: JOEY_EVENT_MODEL_CHANGED. What it may do, and its limits, stay.
 *
 * @return JOEY_OK, also when the task is live in this engine already; JOEY_ERR_NOT_FOUND; JOEY_ERR_BUSY when another
 *         engine runs it; JOEY_ERR_CORRUPT when its journal cannot be read; JOEY_ERR_INVALID_ARGUMENT.
 * Waits for the store. Since: 1.0.
 */
JOEY_API joey_status joey_task_open(joey_session *session, const char *id, size_t id_size, joey_task **out_task);
JOEY_API void joey_task_destroy(joey_task *task);

/** The task's id, as "task_0192f0a4c3d1a9b8c7d6e5f4"; lent until joey_task_destroy. Since: 1.0. */
JOEY_API const char *joey_task_id(const joey_task *task);

/*
 * The functions below hand one input to a task and wait until what it led to is durable, or it was refused:
 * JOEY_ERR_CONFLICT when the task is not in the state for it (nothing waits for that approval, say),
 * JOEY_ERR_INVALID_ARGUMENT, JOEY_ERR_IO when the store failed, JOEY_ERR_CLOSED. When one returns, subscriptions have the
 * events it led to directly. Since: 1.0.
 */

/**
 * Says something to the task. It answers a question that waits; a task that had ended goes on with it; otherwise the
 * model reads it with the next request. It approves nothing.
 */
JOEY_API joey_status joey_task_say(joey_task *task, const char *text, size_t text_size);

/** Allows the call that waits for approval. `feedback` may be empty; the model reads it with the result. */
JOEY_API joey_status joey_task_approve(joey_task *task, const char *call, size_t call_size, const char *feedback,
                                       size_t feedback_size);

/**
 * Allows it with other arguments, a JSON object: the tool runs with these, the event `approval` records them, and the model
 * is told with the result. JOEY_ERR_DENIED when the session's rules deny them; nothing changes then.
 */
JOEY_API joey_status joey_task_approve_edited(joey_task *task, const char *call, size_t call_size, const char *arguments,
                                              size_t arguments_size, const char *feedback, size_t feedback_size);

/** Refuses it; the rest of that answer's calls are skipped. `feedback` may be empty; the model reads it. */
JOEY_API joey_status joey_task_deny(joey_task *task, const char *call, size_t call_size, const char *feedback,
                                    size_t feedback_size);

/** Answers a question. `mode`: of the suggestion chosen, to switch to; may be empty. */
JOEY_API joey_status joey_task_answer(joey_task *task, const char *call, size_t call_size, const char *text,
                                      size_t text_size, const char *mode, size_t mode_size);

/** Goes on in another mode from the next request on. */
JOEY_API joey_status joey_task_set_mode(joey_task *task, const char *mode, size_t mode_size);

/** Before its next request the task asks the model for a summary of the conversation, which takes its place: the journal
 *  keeps everything. JOEY_ERR_CONFLICT when there has been no request yet. */
JOEY_API joey_status joey_task_condense(joey_task *task);

/** Sends no further request and starts no further tool; a request under way is closed, tools that run finish. */
JOEY_API joey_status joey_task_pause(joey_task *task);

/**
 * A paused task goes on; one that failed, was cancelled or reached a limit tries again, its limits counted anew.
 * JOEY_ERR_CONFLICT when it is completed: say something instead. Does nothing to a task that runs.
 */
JOEY_API joey_status joey_task_resume(joey_task *task);

/** Ends the task with everything it has under way, its subtasks too. Does nothing to a task that has ended. */
JOEY_API joey_status joey_task_cancel(joey_task *task);

/* ---- The store, without a session --------------------------------------------------------------------------------- */

/**
 * Tasks, newest first, without opening a journal: {"tasks":[{"task","parent","session","title","status","mode",
 * "provider","model","created_at","updated_at","tokens_input","tokens_output","cost_usd","turns","last_seq"}...],
 * "next":cursor}, where times are milliseconds since 1970, `session` is the workspace, and next is "" at the end.
 *
 * @param parent     Lists the subtasks of this task; NULL: tasks of their own.
 * @param cursor     `next` of an earlier page; NULL: from the newest.
 * @param tasks_max  0: 100; at most 1,000.
 * Waits for the store. Since: 1.0.
 */
JOEY_API joey_status joey_engine_list_tasks(joey_engine *engine, const char *parent, size_t parent_size,
                                            const char *cursor, size_t cursor_size, uint32_t tasks_max,
                                            joey_text **out_json);

/** One task in the form of that list. JOEY_ERR_NOT_FOUND. Waits for the store. Since: 1.0. */
JOEY_API joey_status joey_engine_get_task(joey_engine *engine, const char *task, size_t task_size,
                                          joey_text **out_json);

/**
 * Events of a journal as JSON lines, from sequence `from_seq` on (1 is the first); none past the end.
 *
 * @param events_max  0: 1,000. Fewer come when they are large (4 MB a call, but always one).
 * @return JOEY_OK; JOEY_ERR_NOT_FOUND when there is no such task; JOEY_ERR_CORRUPT.
 * Waits for the store. Since: 1.0.
 */
JOEY_API joey_status joey_engine_read_events(joey_engine *engine, const char *task, size_t task_size,
                                             uint64_t from_seq, uint32_t events_max, joey_text **out_lines);

/**
 * Rebuilds every provider request of a task from its journal and compares digests. Sends nothing.
 *
 * @param out_json  {"task","requests":n,"matched":n,"mismatched":[{"seq","turn","attempt","expected","actual"}...]}
 * @return JOEY_OK also when some do not match; JOEY_ERR_NOT_FOUND; JOEY_ERR_CORRUPT; JOEY_ERR_UNSUPPORTED when a
 *         newer version of this library ran the task.
 * Waits. Since: 1.0.
 */
JOEY_API joey_status joey_engine_replay(joey_engine *engine, const char *task, size_t task_size, joey_text **out_json);

/**
 * What a task has cost, from its journal: a line for each request to a model, whatever came of it.
 *
 * @param out_json  {"task","attempts":[{"seq","turn","attempt","provider","model","outcome","usage","cost_usd","estimated"}...],
 *                  "subtasks":[{"task","usage","cost_usd"}...],"breaks":[{"seq","cause","cost_usd"}...],"usage","cost_usd",
 *                  "cached_share"}. `outcome` is "answered", a class of failure ("rate", "network", ..., "interrupted") or
 *                  "open"; `estimated` says that the provider had not counted all of it. A usage is {"input","output",
 *                  "cache_read","cache_write","reasoning"} in tokens, the last a part of the second. `breaks` are requests that
 *                  could not share their beginning with the one before, with what that is estimated to have cost. The sums
 *                  hold the subtasks that have ended. `cached_share`: of what was read, what came from the provider's cache, 0 to 1.
 * @return JOEY_OK; JOEY_ERR_NOT_FOUND; JOEY_ERR_CORRUPT; JOEY_ERR_UNSUPPORTED, as of joey_engine_replay().
 * Waits. Since: 1.0.
 */
JOEY_API joey_status joey_engine_bill(joey_engine *engine, const char *task, size_t task_size, joey_text **out_json);

/**
 * An export for auditors, of the whole store or of one task: what was decided, by which rule or whose word, what was run and
 * changed, in lines bound to each other by hashes.
 */
typedef struct joey_audit joey_audit;

/**
 * Begins an export. It shows tasks as they are when it comes to them, the oldest first, subtasks behind their parent.
 * @param task  With its subtasks; size 0: every task of the store.
 * Never waits. Threads: any. Since: 1.0.
 */
JOEY_API joey_status joey_engine_audit(joey_engine *engine, const char *task, size_t task_size, joey_audit **out_audit);
JOEY_API void joey_audit_destroy(joey_audit *audit);

/**
 * The next lines, some thousands at most: a JSON object each, {"task","n","seq","at","kind",...,"prev","hash"}; size 0 at the
 * end. `n` counts the lines of a task; `hash` is the BLAKE2b-256 digest, in hexadecimal, of the line's bytes before
 * `,"hash":`, `prev` the hash of the task's line before, at first the digest of its id. The last line of all has the kind
 * "end", the numbers of tasks and lines, and in "heads" the digest of the last hashes of the tasks, one behind the other: kept
 * elsewhere it proves that an export is the one that was made. A later export of a task begins with the lines of an
 * earlier one. Kinds: "task" (user, workspace, rules, box), "consulted", "asked", "decision", "command" (with its
 * arguments), "call" (with their digest), "checkpoint", "result" (with the files that were changed), "egress", "instructions",
 * "mode", "subtask", "ended", "reopened".
 * @return JOEY_OK; JOEY_ERR_NOT_FOUND when there is no such task; JOEY_ERR_CORRUPT. Waits for the store. Since: 1.0.
 */
JOEY_API joey_status joey_audit_next(joey_audit *audit, joey_text **out_lines);

/**
 * Whether an export is as it was written: {"valid":bool,"lines","tasks","problem"}; `lines` counts those that fit, and
 * problem says in which line something was changed, dropped, added or moved, or that the end is missing.
 * @param lines  A whole export; any size. Threads: any; callback-safe. Since: 1.0.
 */
JOEY_API joey_status joey_audit_verify(const char *lines, size_t lines_size, joey_text **out_json);

/* ---- Events ------------------------------------------------------------------------------------------------------- */

/** What an event is. Durable ones are in the journal; the rest (100 and up) are not. New kinds may be added. */
#define JOEY_EVENT_TASK_CREATED 1
#define JOEY_EVENT_PROMPT_SET 2
#define JOEY_EVENT_USER_MESSAGE 3
#define JOEY_EVENT_MODE_CHANGED 4
#define JOEY_EVENT_MODEL_REQUESTED 5
#define JOEY_EVENT_MODEL_FAILED 6 /**< An attempt brought no answer: `text` says why. As JSON it has the "usage" and "cost_usd" of
                                       what had come until then, "estimated" where the provider had not counted all of it. */
#define JOEY_EVENT_MODEL_FINISHED 7
#define JOEY_EVENT_APPROVAL_REQUESTED 8
#define JOEY_EVENT_APPROVAL 9
#define JOEY_EVENT_QUESTION_ASKED 10
#define JOEY_EVENT_TOOL_STARTED 11
#define JOEY_EVENT_TOOL_FINISHED 12
#define JOEY_EVENT_TODOS_UPDATED 13
#define JOEY_EVENT_SUBTASK_STARTED 14
#define JOEY_EVENT_SUBTASK_FINISHED 15
#define JOEY_EVENT_CACHE_BROKEN 16
#define JOEY_EVENT_TASK_PAUSED 17
#define JOEY_EVENT_TASK_RESUMED 18
#define JOEY_EVENT_TASK_ENDED 19
#define JOEY_EVENT_TASK_REOPENED 20
#define JOEY_EVENT_ENVIRONMENT_NOTED 21 /**< What the model is told of its surroundings: `text`. */
#define JOEY_EVENT_CHECKPOINT_TAKEN 22  /**< The workspace before the call `call`: `name` is the checkpoint; "" when it could
                                             not be taken, and `text` says why. */
#define JOEY_EVENT_HOST_CONSULTED 23    /**< The host was asked for its word on the call `call`: joey_session_set_policy(). */
#define JOEY_EVENT_INSTRUCTIONS_FOUND 24 /**< What the tool of `call` brought seems to give the model orders: `text`. */
#define JOEY_EVENT_EGRESS 25            /**< A connection of the command of the call `call`: `name` is "refused", "opened" or
                                             "closed", `text` why or what went wrong; the JSON has host, port, address, method,
                                             rule, bytes_up, bytes_down and, when it is closed, the names of
                                             the `secrets` that were put into its request. May follow the task's end, which closes them. */
#define JOEY_EVENT_CONDENSE_ASKED 26    /**< joey_task_condense(). */
#define JOEY_EVENT_CONTEXT_REDUCED 27   /**< The conversation outgrew the model's window, and the next request has less of it:
                                             `name` is "summary" (the model summed it up), "results" (old results of tools
                                             were shortened) or "latest" (the rest has left); `text` is what the conversation
                                             begins with now, "" when that is what it was. The journal keeps everything. */
#define JOEY_EVENT_MODEL_CHANGED 28     /**< The task goes on with another model: `name` is the provider, `text` the model. As JSON it
                                             has a "cause": "session", that of the session it was opened in; "failed", the
                                             next of its session, since the one before kept failing; "first", its session's
                                             own again, since a person has opened it. */
#define JOEY_EVENT_DELTA_TEXT 100           /**< A piece of the model's answer: `text`. */
#define JOEY_EVENT_DELTA_REASONING 101      /**< A piece of its reasoning: `text`. */
#define JOEY_EVENT_DELTA_TOOL_ARGUMENTS 102 /**< A piece of a call's arguments: `name` is the tool, `text` the JSON. */
#define JOEY_EVENT_DELTA_TOOL_OUTPUT 103    /**< A piece of what a running tool prints: `call`, `name`, `text`. */
#define JOEY_EVENT_LAGGED 200               /**< Deltas of this task were dropped: the subscriber was too slow. */
#define JOEY_EVENT_TASK_STALLED 201         /**< The task left memory because the store failed: `text` says why. Open it
                                                 again when the cause is gone. */

/**
 * One event, for reading without parsing. Everything it points to is lent until the next call on its subscription.
 *
 * As JSON an event is {"task","seq","type","at",...}; `type` is the constant's name in the form "tool.finished". An
 * ephemeral one has "ephemeral":true, and "seq" is that of the durable event it belongs to.
 */
typedef struct joey_event {
  int32_t kind;      /**< JOEY_EVENT_. */
  uint32_t reserved; /**< 0. */
  uint64_t seq;      /**< In the task's journal; of an ephemeral event, the durable one it belongs to. */
  uint64_t delta;    /**< 1, 2, 3 ... within `seq` for deltas, else 0. */
  int64_t at_ms;     /**< Milliseconds since 1970. */
  const char *task;  /**< The task's id. */
  size_t task_size;
  const char *json; /**< The whole event. */
  size_t json_size;
  const char *text; /**< What a person reads of it: the message, delta, result, question, error; "" when none. */
  size_t text_size;
  const char *call; /**< The tool call it is about; "" when none. */
  size_t call_size;
  const char *name; /**< The tool it is about, or the mode; "" when none. */
  size_t name_size;
} joey_event;

typedef struct joey_subscription_options {
  size_t struct_size; /**< Use JOEY_SUBSCRIPTION_OPTIONS_INIT. */
  const char *task;   /**< Id, ending in NUL: only this task. NULL: every task live in this engine, from now on. */
  uint64_t from_seq;  /**< With `task`: hand out its journal from here first. 0: from now on. */
  uint32_t flags;     /**< JOEY_SUBSCRIBE_. */
  uint32_t queue_max; /**< Events kept for a slow subscriber. 0: 4,096. Past that deltas are dropped (JOEY_EVENT_LAGGED)
                           and durable events are read from the journal later: none is ever missed or doubled. */
} joey_subscription_options;

#define JOEY_SUBSCRIPTION_OPTIONS_INIT \
  { sizeof(joey_subscription_options), NULL, 0, 0, 0 }

#define JOEY_SUBSCRIBE_NO_DELTAS 1U /**< Durable events only. */

/**
 * Subscribes to events. A subscriber that is slow or gone costs bounded memory and slows no task.
 * @param options  NULL: the defaults.
 * Threads: any. Since: 1.0.
 */
JOEY_API joey_status joey_subscribe(joey_engine *engine, const joey_subscription_options *options,
                                    joey_subscription **out_subscription);
JOEY_API void joey_subscription_destroy(joey_subscription *subscription);

/**
 * Takes the next events, in order: those of one task by `seq`.
 *
 * @param events      An array of `capacity` structs, each of `event_size` bytes.
 * @param event_size  sizeof(joey_event) as the caller compiled it.
 * @param timeout_ms  How long to wait for the first one: 0 not at all, negative until there is one. With JOEY_LOOP_HOST
 *                    waiting steps the loop, so it must happen on the thread that drives it.
 * @param out_count   Receives how many were filled; 0 when the time ran out.
 * @return JOEY_OK, also with 0 events; JOEY_ERR_CLOSED when the engine ended and everything was taken.
 * Since: 1.0.
 */
JOEY_API joey_status joey_subscription_next(joey_subscription *subscription, joey_event *events, size_t event_size,
                                            size_t capacity, int32_t timeout_ms, size_t *out_count);

/** A descriptor that is readable while there are events to take. Lent until joey_subscription_destroy. Since: 1.0. */
JOEY_API joey_status joey_subscription_poll_fd(const joey_subscription *subscription, int32_t *out_fd);

/* ---- Tools of the host -------------------------------------------------------------------------------------------- */

/**
 * One call of a host's tool. The host ends it exactly once with joey_tool_call_finish(), from any thread, also inside
 * `run`, and also after a cancel. Until then the pointer is valid.
 */
typedef struct joey_tool_call joey_tool_call;

struct joey_tool_vtable {
  size_t struct_size;
  const char *name;        /**< [A-Za-z0-9_-]{1,64}, ends in NUL. */
  const char *description; /**< For the model: what it does and when to use it. */
  const char *parameters;  /**< A JSON Schema of type "object". What a model's arguments have that does not fit it, the
                                model is told, and `run` is not called. NULL: no parameters. */
  uint32_t flags;          /**< JOEY_TOOL_. */
  uint32_t reserved;       /**< 0. */
  /** Starts the work, on the loop thread, and returns soon. */
  void (*run)(void *user_data, joey_tool_call *call);
  /** The call is no longer wanted: finish it soon. On the loop thread. May be NULL. */
  void (*cancel)(void *user_data, joey_tool_call *call);
  /** Called once when no session uses the tool any more. May be NULL. */
  void (*destroy)(void *user_data);
};

#define JOEY_TOOL_READ_ONLY 1U /**< Changes nothing: may run beside other calls, and again after a crash. */

#define JOEY_TOOL_VTABLE_INIT \
  { sizeof(joey_tool_vtable), NULL, NULL, NULL, 0, 0, NULL, NULL, NULL }

/** The arguments, one JSON object in UTF-8; lent until the call is finished. Any thread; callback-safe. Since: 1.0. */
JOEY_API const char *joey_tool_call_arguments(const joey_tool_call *call, size_t *out_size);
/** The id of the task; "" in joey_session_run_tool(). Lent likewise. Since: 1.0. */
JOEY_API const char *joey_tool_call_task(const joey_tool_call *call);
/** Shows progress to subscribers (JOEY_EVENT_DELTA_TOOL_OUTPUT). Any thread; callback-safe. Since: 1.0. */
JOEY_API void joey_tool_call_output(joey_tool_call *call, const char *text, size_t text_size);
/** 1 once the call is no longer wanted. Any thread; callback-safe. Since: 1.0. */
JOEY_API int32_t joey_tool_call_cancelled(const joey_tool_call *call);
/**
 * Ends the call; the pointer is invalid afterwards. `ok` 0: `text` is an error for the model. Any thread; callback-safe.
 * Since: 1.0.
 */
JOEY_API void joey_tool_call_finish(joey_tool_call *call, int32_t ok, const char *text, size_t text_size);

/* ---- Policy of the host ------------------------------------------------------------------------------------------- */

#define JOEY_VERDICT_ALLOW 0
#define JOEY_VERDICT_ASK 1  /**< A person decides. */
#define JOEY_VERDICT_DENY 2

/** One question. The host ends it exactly once with joey_policy_call_finish(), from any thread, also inside `decide`, and
    also after a cancel. Until then the pointer is valid. */
typedef struct joey_policy_call joey_policy_call;

struct joey_policy_vtable {
  size_t struct_size;
  /** Asks, on the loop thread, and returns soon. */
  void (*decide)(void *user_data, joey_policy_call *call);
  /** The answer is no longer wanted, or came too late: finish the call soon. On the loop thread. May be NULL. */
  void (*cancel)(void *user_data, joey_policy_call *call);
  /** Called once when no session uses the policy any more. May be NULL. */
  void (*destroy)(void *user_data);
};

#define JOEY_POLICY_VTABLE_INIT \
  { sizeof(joey_policy_vtable), NULL, NULL, NULL }

/**
 * The call in question: {"task","call","tool","arguments":{...},"mode","verdict":"allow"|"ask","rule"}, the last two being
 * what the rules say. Lent until the question is finished. Any thread; callback-safe. Since: 1.0.
 */
JOEY_API const char *joey_policy_call_request(const joey_policy_call *call, size_t *out_size);
/** 1 once the answer is no longer wanted. Any thread; callback-safe. Since: 1.0. */
JOEY_API int32_t joey_policy_call_cancelled(const joey_policy_call *call);
/**
 * Ends the question; the pointer is invalid afterwards. `verdict`: JOEY_VERDICT_, anything else denies. `reason`: a line for
 * the person who is asked or the model that is refused, at most 2,000 bytes; may be empty. Any thread; callback-safe.
 * Since: 1.0.
 */
JOEY_API void joey_policy_call_finish(joey_policy_call *call, int32_t verdict, const char *reason, size_t reason_size);

/* ---- Models of the host ------------------------------------------------------------------------------------------- */

/** One request to a host's model. Ended exactly once, by joey_model_call_finish() or _fail(), from any thread. */
typedef struct joey_model_call joey_model_call;

struct joey_provider_vtable {
  size_t struct_size;
  /** Starts a request, on the loop thread, and returns soon. */
  void (*start)(void *user_data, joey_model_call *call);
  /** The answer is no longer wanted: end the call soon. On the loop thread. May be NULL. */
  void (*cancel)(void *user_data, joey_model_call *call);
  void (*destroy)(void *user_data);
};

#define JOEY_PROVIDER_VTABLE_INIT \
  { sizeof(joey_provider_vtable), NULL, NULL, NULL }

typedef struct joey_usage {
  int64_t input;       /**< Tokens read, without those of the two below. */
  int64_t output;      /**< Tokens written. */
  int64_t cache_read;  /**< Tokens the provider's cache served. */
  int64_t cache_write; /**< Tokens written to it. */
  double cost_usd;     /**< As billed. 0: computed from the catalogue's prices. */
} joey_usage;

/** Classes of failure; the first five are tried again. */
#define JOEY_MODEL_RATE 1
#define JOEY_MODEL_OVERLOAD 2
#define JOEY_MODEL_SERVER 3
#define JOEY_MODEL_NETWORK 4
#define JOEY_MODEL_MALFORMED 5
#define JOEY_MODEL_AUTH 6
#define JOEY_MODEL_QUOTA 7
#define JOEY_MODEL_TOO_LONG 8
#define JOEY_MODEL_BAD_REQUEST 9
#define JOEY_MODEL_NOT_FOUND 10

/**
 * Adds a provider that sessions name in joey_session_options.provider. `destroy` gets `user_data` exactly once, also
 * when this fails. JOEY_ERR_CONFLICT when the name is taken. Since: 1.0.
 */
JOEY_API joey_status joey_engine_add_provider(joey_engine *engine, const char *name, size_t name_size,
                                              const joey_provider_vtable *vtable, void *user_data);

/**
 * The request: {"model","max_tokens","system","tools":[{"name","description","parameters"}...],"messages":[{"role",
 * "content":[block...]}...]} with blocks {"type":"text","text"}, {"type":"tool_call","id","name","arguments":{...}},
 * {"type":"tool_result","id","error":bool,"text"} and {"type":"image","media_type","base64"}. Lent until the call ends.
 * Any thread; callback-safe. Since: 1.0.
 */
JOEY_API const char *joey_model_call_request(const joey_model_call *call, size_t *out_size);
/** A piece of the answer's text. Any thread; callback-safe, like the rest of this group. Since: 1.0. */
JOEY_API void joey_model_call_text(joey_model_call *call, const char *text, size_t text_size);
JOEY_API void joey_model_call_reasoning(joey_model_call *call, const char *text, size_t text_size);
/** A whole tool call; `arguments` should be one JSON object, and the model is told when it is not. */
JOEY_API void joey_model_call_tool(joey_model_call *call, const char *name, size_t name_size, const char *arguments,
                                   size_t arguments_size);
JOEY_API int32_t joey_model_call_cancelled(const joey_model_call *call);
/** The answer is whole. `usage` may be NULL. */
JOEY_API void joey_model_call_finish(joey_model_call *call, const joey_usage *usage, size_t usage_size);
/** There is no answer. `error_class`: JOEY_MODEL_. `retry_after_ms`: -1 when unknown. */
JOEY_API void joey_model_call_fail(joey_model_call *call, int32_t error_class, const char *message,
                                   size_t message_size, int64_t retry_after_ms);

/* ---- Transport of the host ---------------------------------------------------------------------------------------- */

/** One HTTP exchange. The host ends it exactly once with joey_http_end(), also after a cancel, from any thread. */
typedef struct joey_http_exchange joey_http_exchange;

typedef struct joey_http_header {
  const char *name; /**< Ends in NUL. */
  const char *value;
} joey_http_header;

typedef struct joey_http_request {
  const char *method; /**< Ends in NUL, as the rest. */
  const char *url;
  const joey_http_header *headers;
  size_t headers_count;
  const char *body;
  size_t body_size;
  uint32_t idle_timeout_ms; /**< Longest silence of the server. */
  uint32_t reserved;
} joey_http_request;

struct joey_transport_vtable {
  size_t struct_size;
  /** Starts an exchange, on the loop thread, and returns soon. `request` is lent until joey_http_end(). */
  void (*start)(void *user_data, const joey_http_request *request, joey_http_exchange *exchange);
  /** The exchange is no longer wanted: end it soon. On the loop thread. May be NULL. */
  void (*cancel)(void *user_data, joey_http_exchange *exchange);
  void (*destroy)(void *user_data);
};

#define JOEY_TRANSPORT_VTABLE_INIT \
  { sizeof(joey_transport_vtable), NULL, NULL, NULL }

/** The answer's head; once, before any body. Any thread; callback-safe, like the two below. Since: 1.0. */
JOEY_API void joey_http_head(joey_http_exchange *exchange, int32_t status, const joey_http_header *headers,
                             size_t headers_count);
JOEY_API void joey_http_body(joey_http_exchange *exchange, const char *bytes, size_t size);
/** The end. `status`: JOEY_OK, JOEY_ERR_IO or JOEY_ERR_TIMEOUT; `message` one line on a failure. */
JOEY_API void joey_http_end(joey_http_exchange *exchange, joey_status status, const char *message,
                            size_t message_size);

/* ---- Secrets of the host ------------------------------------------------------------------------------------------ */

/** One question for a secret. The host ends it exactly once, also after a cancel, from any thread, also inside `resolve`. */
typedef struct joey_secret_request joey_secret_request;

/** Where a host keeps its secrets: a vault, a keyring. */
struct joey_secrets_vtable {
  size_t struct_size;
  /** Starts to look the secret up, on the loop thread, and returns soon. */
  void (*resolve)(void *user_data, joey_secret_request *request);
  /** The answer is no longer wanted, after a minute or as the session ended: end it soon. On the loop thread. May be NULL. */
  void (*cancel)(void *user_data, joey_secret_request *request);
  /** Called once when no session of the engine uses it any more. May be NULL. */
  void (*destroy)(void *user_data);
};

#define JOEY_SECRETS_VTABLE_INIT \
  { sizeof(joey_secrets_vtable), NULL, NULL, NULL }

/** The name that the session gave; lent until the request ends. Any thread; callback-safe. Since: 1.0. */
JOEY_API const char *joey_secret_request_name(const joey_secret_request *request, size_t *out_size);
/** The value: one line of printable ASCII without spaces; copied. The pointer is invalid afterwards. Any thread; callback-safe.
    Since: 1.0. */
JOEY_API void joey_secret_resolved(joey_secret_request *request, const char *value, size_t value_size);
/**
 * There is none. JOEY_ERR_IO, JOEY_ERR_TIMEOUT and JOEY_ERR_BUSY are asked again as a request to a model is; with others the
 * task fails. `message` is one line, for the person, without secrets. Any thread; callback-safe. Since: 1.0.
 */
JOEY_API void joey_secret_failed(joey_secret_request *request, joey_status status, const char *message, size_t message_size);

/* ---- Store of the host -------------------------------------------------------------------------------------------- */

/** One request to a host's store, ended exactly once with the function its member names, from any thread. */
typedef struct joey_store_request joey_store_request;

typedef struct joey_bytes {
  const char *data;
  size_t size;
} joey_bytes;

/**
 * Everything a store keeps: streams of entries by sequence (1, 2, 3 ...), blobs by digest, one summary a task. Arguments
 * are lent until the request ends. All functions run on the loop thread and return soon.
 */
struct joey_store_vtable {
  size_t struct_size;
  /**
   * Appends `entries` after sequence `expected`, with the blobs and the summary in one commit. Ends with
   * joey_store_done(): JOEY_OK once durable; JOEY_ERR_CONFLICT when the stream is not at `expected`.
   *
   * @param blobs    Pairs of digest and content. A digest that exists is kept as it is.
   * @param summary  The task's JSON object as joey_engine_list_tasks() shows it; size 0: unchanged.
   */
  void (*append)(void *user_data, joey_store_request *request, joey_bytes stream, uint64_t expected,
                 const joey_bytes *entries, size_t entries_count, const joey_bytes *blobs, size_t blobs_count,
                 joey_bytes summary);
  /** Ends with joey_store_entry() for each entry from `from` on, at most the two limits, then joey_store_done(). */
  void (*read)(void *user_data, joey_store_request *request, joey_bytes stream, uint64_t from, size_t entries_max,
               size_t bytes_max);
  /** Ends with joey_store_entry() once and joey_store_done(), or with JOEY_ERR_NOT_FOUND. */
  void (*get_blob)(void *user_data, joey_store_request *request, joey_bytes digest);
  /** Summaries of the tasks with this parent ("" for none), newest first, after `cursor` (a task's id; "" for the
      first page): joey_store_entry() for each, then joey_store_done(). */
  void (*list)(void *user_data, joey_store_request *request, joey_bytes parent, joey_bytes cursor, size_t tasks_max);
  /** Ends like get_blob, with the task's summary. */
  void (*get_summary)(void *user_data, joey_store_request *request, joey_bytes task);
  /** Makes this engine the one writer of a stream: joey_store_done(), JOEY_ERR_BUSY when another is. NULL: always. */
  void (*acquire_lease)(void *user_data, joey_store_request *request, joey_bytes stream);
  void (*release_lease)(void *user_data, joey_bytes stream);
  void (*destroy)(void *user_data);
};

#define JOEY_STORE_VTABLE_INIT \
  { sizeof(joey_store_vtable), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/** One entry, blob or summary of the answer; copied. Any thread; callback-safe. Since: 1.0. */
JOEY_API void joey_store_entry(joey_store_request *request, uint64_t seq, const char *bytes, size_t size);
/** Ends the request; the pointer is invalid afterwards. Any thread; callback-safe. Since: 1.0. */
JOEY_API void joey_store_done(joey_store_request *request, joey_status status, const char *message,
                              size_t message_size);

/* ---- Clock of the host -------------------------------------------------------------------------------------------- */

/**
 * A clock: for tests that play days in milliseconds. Timers are due by this clock, and are looked at in every step of
 * the loop, so a host that moves it steps afterwards.
 */
struct joey_clock_vtable {
  size_t struct_size;
  /** Milliseconds since 1970; never goes back. Any thread, often: make it cheap. */
  int64_t (*now)(void *user_data);
  void (*destroy)(void *user_data);
};

#define JOEY_CLOCK_VTABLE_INIT \
  { sizeof(joey_clock_vtable), NULL, NULL }

#ifdef __cplusplus
}
#endif

#endif /* JOEY_JOEY_H */
