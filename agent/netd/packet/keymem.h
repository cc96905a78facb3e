/* SPDX-License-Identifier: Apache-2.0
 * keymem.h - where secrets of the data plane lie: locked in memory, left out of core dumps.
 *
 * Slots of one size, taken from pages of their own; wiped when they go back. Thread-safe. When the
 * limit on locked memory is reached slots are still given, unlocked: refusing would stop traffic,
 * and swap is the operator's to encrypt. keymem_unlocked() tells, main() logs it. */
#ifndef SWARM_AGENT_NETD_PACKET_KEYMEM_H
#define SWARM_AGENT_NETD_PACKET_KEYMEM_H

#include <stdbool.h>
#include <stddef.h>

#define KEYMEM_SLOT 1152u /* an expanded packet key and a few words; a multiple of 64 */

/** keymem_get() - a zeroed slot of KEYMEM_SLOT bytes, 64-byte aligned. Return: NULL when memory is
 * gone. syscalls: mmap, mlock, madvise. */
void *keymem_get(void);
/** keymem_put() - wipe and give back; NULL is legal. */
void keymem_put(void *slot);
size_t keymem_used(void);   /* slots out */
bool keymem_unlocked(void); /* some page could not be locked */

#endif
