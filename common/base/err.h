/* SPDX-License-Identifier: Apache-2.0
 * err.h - the one error idiom.
 *
 * A function that can fail returns int and takes a caller-owned struct sw_err as last parameter:
 *   0    success
 *   < 0  failure: err is filled, outputs are untouched
 *   > 0  an expected outcome named in the header: err is untouched
 * Codes: negative errno and UV_E* pass through; ours start at -10000. */
#ifndef SWARM_COMMON_BASE_ERR_H
#define SWARM_COMMON_BASE_ERR_H

#include <stdarg.h>

enum sw_err_code {
    SW_E_INVALID = -10000,      /* bad argument or specification: HTTP 400 */
    SW_E_NOT_FOUND = -10001,    /* 404 */
    SW_E_CONFLICT = -10002,     /* name or address taken: 409 */
    SW_E_SEQUENCE = -10003,     /* "update out of sequence": 500, clients match the text */
    SW_E_UNAVAILABLE = -10004,  /* not a manager, locked, starting: 503 */
    SW_E_NO_LEADER = -10005,    /* 500 */
    SW_E_PRECONDITION = -10006, /* state does not allow it: 400 */
    SW_E_PERMISSION = -10007,   /* certificate, token or role refused: 403 */
    SW_E_UNSUPPORTED = -10008,  /* known but not offered: 501 */
    SW_E_EXHAUSTED = -10009,    /* no address, port or id left: 500 */
    SW_E_PROTOCOL = -10010,     /* peer sent what the protocol does not allow */
    SW_E_CRYPTO = -10011,       /* authentication tag or signature wrong */
    SW_E_DEADLINE = -10012,     /* took too long */
    SW_E_CANCELED = -10013,     /* the caller gave up */
    SW_E_CORRUPT = -10014,      /* our own data on disk does not check out */
    SW_E_INTERNAL = -10015,     /* anything else: 500 */
    SW_E_NOT_MODIFIED = -10016, /* already so: 304 */
    SW_E_FORBIDDEN = -10017,    /* in use or predefined: 403 */
    SW_E_UNAUTHORIZED = -10018, /* 401 */
};

#define SW_ERR_MSG_MAX 512

struct sw_err {
    int code;
    char msg[SW_ERR_MSG_MAX];
};

/** sw_err_set() - fill @err at the origin of a failure. Return: @code, which must be negative. */
int sw_err_set(struct sw_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** sw_err_errno() - like sw_err_set() with ": <strerror>" behind the text. Return: -@errnum. */
int sw_err_errno(struct sw_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** sw_err_wrap() - put "<text>: " before the message. Return: err->code. */
int sw_err_wrap(struct sw_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sw_err_name() - static, lower-case name of a code, e.g. "not found"; never NULL. */
const char *sw_err_name(int code);

#endif
