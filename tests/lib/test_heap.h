/* SPDX-License-Identifier: Apache-2.0
 * test_heap.h - an allocator that counts and fails on request.
 *
 * One heap at a time is in force, from test_heap_init() until test_heap_fini(), and everything that
 * is freed in between must have been allocated in between. One thread only: not for tests whose code
 * allocates in worker threads. Fixtures come from cmocka's test_calloc() and go to its test_free(),
 * outside of this heap. */
#ifndef SWARM_TESTS_LIB_TEST_HEAP_H
#define SWARM_TESTS_LIB_TEST_HEAP_H

#include <stddef.h>

struct test_heap {
    size_t live;     /* allocations not freed */
    size_t bytes;    /* of those */
    size_t peak;     /* most bytes at one time */
    size_t total;    /* allocations so far */
    size_t fail_in;  /* 1: the next one fails; 0: none does */
    size_t failures; /* made so far */
};

void test_heap_init(struct test_heap *h);
/** test_heap_fail_nth() - fail the @nth allocation from now on, once; 0 = none. */
void test_heap_fail_nth(struct test_heap *h, size_t nth);
/** test_heap_check() - fail the test when anything allocated since init is still alive. */
void test_heap_check(struct test_heap *h);
/** test_heap_fini() - back to libc, without a check. */
void test_heap_fini(struct test_heap *h);

#endif
