/* SPDX-License-Identifier: Apache-2.0
 * memdisk.h - a disk half for libraft in memory: what is stored survives a "crash", what is queued
 * does not. Nothing happens by itself: operations complete in order, in memdisk_step(). */
#ifndef SWARM_TESTS_CONSENSUS_MEMDISK_H
#define SWARM_TESTS_CONSENSUS_MEMDISK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "manager/consensus/compat.h"

struct mem_entry {
    uint64_t term;
    unsigned short type;
    uint8_t *data;
    size_t len;
};

struct mem_snapshot {
    uint64_t index, term, conf_index;
    struct raft_buffer conf; /* encoded */
    struct raft_buffer data;
};

struct memdisk {
    struct raft_io io;
    /* Stored. */
    uint64_t term, vote;
    uint64_t start; /* index of entries[0] */
    struct mem_entry *entries;
    size_t n;
    struct mem_snapshot snap; /* index 0: none */
    /* Queued. */
    struct sw_list ops;
    bool paused; /* memdisk_step() does nothing */
    bool fail;   /* the next append fails */
    /* Running. */
    uint64_t now_ms;
    int extra_ms; /* what random() adds to its minimum */
    raft_io_tick_cb tick;
    raft_io_close_cb close_cb;
};

/** memdisk_init() - empty, or with a first entry that makes @conf's members. */
void memdisk_init(struct memdisk *d, const struct raft_configuration *conf);
void memdisk_fini(struct memdisk *d);
/** memdisk_step() - complete the oldest operation. Return: false when there is none. */
bool memdisk_step(struct memdisk *d);
/** memdisk_last() - index of the last stored entry. */
uint64_t memdisk_last(const struct memdisk *d);

#endif
