/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test_heap.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"

#define MAGIC 0x7357a11cu

struct block {
    _Alignas(16) size_t size;
    uint32_t magic;
};

static struct test_heap *current;

static struct block *block_of(void *p)
{
    struct block *b = (struct block *)p - 1;

    if (b->magic != MAGIC)
        abort(); /* freed twice, or not from this heap */
    return b;
}

static int fails_now(void)
{
    if (current->fail_in == 0 || --current->fail_in > 0)
        return 0;
    current->failures++;
    return 1;
}

static void account(const struct block *b)
{
    current->live++;
    current->total++;
    current->bytes += b->size;
    if (current->bytes > current->peak)
        current->peak = current->bytes;
}

static void heap_free(void *p)
{
    struct block *b = block_of(p);

    current->live--;
    current->bytes -= b->size;
    b->magic = 0;
    memset(p, 0xdd, b->size);
    free(b);
}

static void *heap_realloc(void *p, size_t size)
{
    struct block *b;

    if (fails_now())
        return NULL;
    b = malloc(sizeof(*b) + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    b->magic = MAGIC;
    memset(b + 1, 0xaa, size); /* nobody may count on zeros */
    account(b);
    if (p != NULL) { /* always moves: stale pointers show */
        struct block *old = block_of(p);

        memcpy(b + 1, p, old->size < size ? old->size : size);
        heap_free(p);
    }
    return b + 1;
}

void test_heap_init(struct test_heap *h)
{
    static const struct sw_allocator hooks = { heap_realloc, heap_free };

    memset(h, 0, sizeof(*h));
    current = h;
    sw_allocator_set(&hooks);
}

void test_heap_fail_nth(struct test_heap *h, size_t nth)
{
    h->fail_in = nth;
}

void test_heap_check(struct test_heap *h)
{
    if (h->live != 0)
        fail_msg("%zu allocations with %zu bytes leaked", h->live, h->bytes);
}

void test_heap_fini(struct test_heap *h)
{
    (void)h;
    sw_allocator_set(NULL);
    current = NULL;
}
