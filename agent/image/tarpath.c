/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/tarpath.h"

#include <stdio.h>
#include <string.h>

#define WH     ".wh."
#define WH_WH  ".wh..wh."
#define OPAQUE ".wh..wh..opq"

bool tarpath_clean(const char *in, char *out, size_t size)
{
    size_t len = 0;

    if (size == 0)
        return false;
    while (*in != '\0') {
        size_t n = strcspn(in, "/");

        if (n == 2 && in[0] == '.' && in[1] == '.') {
            if (len == 0)
                return false;
            while (len > 0 && out[len - 1] != '/')
                len--;
            if (len > 0)
                len--;
        } else if (n > 0 && !(n == 1 && in[0] == '.')) {
            if (len + n + 2 > size)
                return false;
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, in, n);
            len += n;
        }
        in += n;
        while (*in == '/')
            in++;
    }
    out[len] = '\0';
    return true;
}

enum tarpath_kind tarpath_kind(const char *path, char *target, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    int dir_len = (int)(base - path);

    if (strncmp(base, WH, strlen(WH)) != 0)
        return TARPATH_PLAIN;
    if (strcmp(base, OPAQUE) == 0) {
        snprintf(target, size, "%.*s", dir_len > 0 ? dir_len - 1 : 0, path);
        return TARPATH_OPAQUE;
    }
    if (strncmp(base, WH_WH, strlen(WH_WH)) == 0)
        return TARPATH_IGNORE;
    base += strlen(WH);
    if (*base == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        return TARPATH_IGNORE; /* would remove the folder or its parent */
    snprintf(target, size, "%.*s%s", dir_len, path, base);
    return TARPATH_WHITEOUT;
}
