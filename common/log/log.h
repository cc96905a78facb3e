/* SPDX-License-Identifier: Apache-2.0
 * log.h - one line an event: "<time> <level> <program>: event key=value ...".
 *
 * Lower case, event first, then key=value pairs; never secrets. Thread-safe: a line is one
 * write(2). */
#ifndef SWARM_COMMON_LOG_LOG_H
#define SWARM_COMMON_LOG_LOG_H

enum sw_log_level { SW_LOG_DEBUG, SW_LOG_INFO, SW_LOG_WARN, SW_LOG_ERROR };

/** sw_log_init() - @program is borrowed for the life of the process. Lines go to descriptor 2. */
void sw_log_init(const char *program, enum sw_log_level level);
/** sw_log_level_parse() - "debug", "info", "warn", "error". Return: 0 or -1. */
int sw_log_level_parse(const char *s, enum sw_log_level *out);
enum sw_log_level sw_log_threshold(void);
void sw_log(enum sw_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (sw_log_threshold() <= SW_LOG_DEBUG)                                                    \
            sw_log(SW_LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)
#define log_info(...)  sw_log(SW_LOG_INFO, __VA_ARGS__)
#define log_warn(...)  sw_log(SW_LOG_WARN, __VA_ARGS__)
#define log_error(...) sw_log(SW_LOG_ERROR, __VA_ARGS__)

#endif
