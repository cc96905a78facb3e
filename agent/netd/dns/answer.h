/* SPDX-License-Identifier: Apache-2.0
 * answer.h - from the bytes of a query to the bytes of an answer. Pure: no socket, no clock; random
 * numbers are given.
 *
 * Names of the container's networks are answered here, everything else is for the caller to
 * forward. Wire format: RFC 1035; EDNS: RFC 6891; unknown but local: RFC 6303 in spirit (addresses
 * inside a network's subnet are never asked of outsiders). */
#ifndef SWARM_AGENT_NETD_DNS_ANSWER_H
#define SWARM_AGENT_NETD_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/netd/dns/names.h"

#define DNS_HDR          12u
#define DNS_UDP_MIN      512u  /* what a client without EDNS takes */
#define DNS_UDP_MAX      4096u /* more is truncated whatever the client says */
#define DNS_TCP_MAX      65535u
#define DNS_QUESTION_MAX (255u + 4u)

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_BADVERS = 16
};
enum dns_verdict {
    DNS_IGNORE,  /* not even a query: say nothing */
    DNS_ANSWER,  /* @out is filled */
    DNS_FORWARD, /* not ours to know */
};

struct dns_query { /* as parsed; name borrowed from nobody */
    uint16_t id;
    bool rd;
    uint16_t type;
    size_t question_len; /* bytes of the question section, from DNS_HDR on */
    bool edns;
    uint8_t edns_version;
    uint16_t edns_size;
    char name[DNS_NAME_MAX + 1]; /* lower case, without final dot; "" is the root */
    bool plain;                  /* class IN, and every label of ordinary characters */
};

struct dns_asker {
    const struct dns_names *const *networks; /* in the order of look-up; entries may be NULL */
    size_t n_networks;
    bool forward; /* unknown names may be asked of others */
    bool tcp;
    uint64_t random;
};

/**
 * dns_parse() - take a query apart
 *
 * Return: DNS_NOERROR; DNS_FORMERR; DNS_NOTIMP for another operation than QUERY; -1 when it is no
 * query at all. Unless -1, @q has id and rd.
 */
int dns_parse(struct dns_query *q, const uint8_t *p, size_t n);

/**
 * dns_answer() - decide and, where it is ours, answer
 * @p:   the query, @n bytes
 * @out: @cap bytes, at least DNS_UDP_MAX (UDP) or DNS_TCP_MAX (TCP); @out_len: returned
 */
enum dns_verdict dns_answer(const struct dns_asker *a, const uint8_t *p, size_t n, uint8_t *out,
                            size_t cap, size_t *out_len);

/** dns_error() - an answer without records for the query @p. Return: its length; 0 when @p is no
 * query. @cap at least DNS_UDP_MIN. */
size_t dns_error(const uint8_t *p, size_t n, enum dns_rcode rcode, uint8_t *out, size_t cap);

/** dns_same_question() - does this answer belong to that query (id aside)? */
bool dns_same_question(const uint8_t *query, size_t n_query, const uint8_t *answer,
                       size_t n_answer);

#endif
