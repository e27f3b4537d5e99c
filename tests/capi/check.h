/* Checks for tests in C: each counts, and a failed one says where and what. */
#ifndef JOEY_TESTS_CAPI_CHECK_H
#define JOEY_TESTS_CAPI_CHECK_H

#include <joey/joey.h>
#include <stdio.h>

extern int checks_failed;

void check_failed(const char *file, int line, const char *what, const char *detail);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, ""))
/* The status of a call, and its message where it is another one. */
#define CHECK_STATUS(call, expected) check_status(__FILE__, __LINE__, #call, (call), (expected))
#define OK(call) CHECK_STATUS(call, JOEY_OK)
#define INVALID(call) CHECK_STATUS(call, JOEY_ERR_INVALID_ARGUMENT)
/* Whether `text` holds `part`. */
#define CHECK_HOLDS(text, part) check_holds(__FILE__, __LINE__, (text), (part))

int check_status(const char *file, int line, const char *what, joey_status status, joey_status expected);
int check_holds(const char *file, int line, const char *text, const char *part);

/* The tests, one function a file; each runs its cases. */
void test_scenario(void);
void test_models(void);
void test_transports(void);
void test_arguments(void);
void test_structs(void);
void test_lifetimes(void);
void test_callbacks(void);
void test_policies(void);
void test_secrets(void);
void test_workspaces(void);

/* A case: its name is a true sentence. */
void run_case(const char *name, void (*run)(void));
/* The same for both kinds of loop: JOEY_LOOP_ENGINE and JOEY_LOOP_HOST. */
void run_case_on_both_loops(const char *name, void (*run)(int32_t loop));

#endif
