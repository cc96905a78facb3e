/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netd/packet/keymem.h"

#include <pthread.h>
#include <sys/mman.h>

#include "common/crypto/secret.h"

#define CHUNK (64u * 1024u)

struct slot {
    struct slot *next;
};

static struct {
    pthread_mutex_t lock;
    struct slot *free;
    size_t used;
    bool unlocked;
} km = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Pages once mapped stay: the number of keys goes up and down with the cluster, not without end. */
static bool grow(void)
{
    char *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return false;
    (void)madvise(p, CHUNK, MADV_DONTDUMP);
    if (mlock2(p, CHUNK, MLOCK_ONFAULT) != 0)
        km.unlocked = true;
    for (size_t at = CHUNK / KEYMEM_SLOT * KEYMEM_SLOT; at >= KEYMEM_SLOT; at -= KEYMEM_SLOT) {
        struct slot *s = (struct slot *)(void *)(p + at - KEYMEM_SLOT);

        s->next = km.free;
        km.free = s;
    }
    return true;
}

void *keymem_get(void)
{
    struct slot *s = NULL;

    pthread_mutex_lock(&km.lock);
    if (km.free != NULL || grow()) {
        s = km.free;
        km.free = s->next;
        s->next = NULL;
        km.used++;
    }
    pthread_mutex_unlock(&km.lock);
    return s;
}

void keymem_put(void *slot)
{
    struct slot *s = slot;

    if (s == NULL)
        return;
    sw_wipe(s, KEYMEM_SLOT);
    pthread_mutex_lock(&km.lock);
    s->next = km.free;
    km.free = s;
    km.used--;
    pthread_mutex_unlock(&km.lock);
}

size_t keymem_used(void)
{
    size_t n;

    pthread_mutex_lock(&km.lock);
    n = km.used;
    pthread_mutex_unlock(&km.lock);
    return n;
}

bool keymem_unlocked(void)
{
    bool b;

    pthread_mutex_lock(&km.lock);
    b = km.unlocked;
    pthread_mutex_unlock(&km.lock);
    return b;
}
