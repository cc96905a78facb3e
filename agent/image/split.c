/* SPDX-License-Identifier: Apache-2.0
 * split.c - in the child: an image archive's files, or a stream without its compression, as frames.
 * The archive itself is never on disk. */
#include <stdio.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "agent/image/child.h"
#include "agent/image/frame.h"
#include "agent/image/tarpath.h"

#define PATH_LEN 4096

/* Return: 0, or the exit status: the parent went away, or the failure was reported. */
static int send_data(struct archive *a, uint64_t *bytes, const struct image_limits *limits)
{
    static uint8_t block[FRAME_MAX];

    for (;;) {
        la_ssize_t n = archive_read_data(a, block, sizeof(block));

        if (n == ARCHIVE_RETRY)
            continue;
        if (n < 0)
            return child_fail("%s", archive_error_string(a));
        if (n == 0)
            return 0;
        *bytes += (uint64_t)n;
        if (*bytes > limits->archive_bytes)
            return child_fail("the archive is larger than %llu bytes",
                              (unsigned long long)limits->archive_bytes);
        if (frame_write(1, FRAME_DATA, block, (size_t)n) < 0)
            return 1;
    }
}

static int send_file(struct archive *a, const char *path, uint64_t *bytes,
                     const struct image_limits *limits)
{
    int r;

    if (frame_write(1, FRAME_FILE, path, strlen(path)) < 0)
        return 1;
    r = send_data(a, bytes, limits);
    if (r == 0 && frame_write(1, FRAME_END, NULL, 0) < 0)
        return 1;
    return r;
}

/* @to is relative to the archive's root, or for a symbolic link to the link's folder. */
static int send_link(const char *path, const char *to, bool symbolic)
{
    char joined[2 * PATH_LEN];
    char payload[2 * PATH_LEN];
    const char *slash = strrchr(path, '/');
    size_t n = strlen(path) + 1;

    if (symbolic && slash != NULL && to[0] != '/')
        snprintf(joined, sizeof(joined), "%.*s/%s", (int)(slash - path), path, to);
    else
        snprintf(joined, sizeof(joined), "%s", to);
    memcpy(payload, path, n);
    if (!tarpath_clean(joined, payload + n, sizeof(payload) - n))
        return child_fail("%s: the link's target '%.200s' is outside of the archive", path, to);
    return frame_write(1, FRAME_LINK, payload, n + strlen(payload + n)) < 0;
}

static int send_entry(struct archive *a, struct archive_entry *e, uint64_t *bytes,
                      const struct image_limits *limits)
{
    char path[PATH_LEN];
    const char *name = archive_entry_pathname(e);

    if (name == NULL || !tarpath_clean(name, path, sizeof(path)))
        return child_fail("%.200s: the path is outside of the archive", name == NULL ? "?" : name);
    if (archive_entry_hardlink(e) != NULL)
        return send_link(path, archive_entry_hardlink(e), false);
    if (archive_entry_filetype(e) == AE_IFLNK && archive_entry_symlink(e) != NULL)
        return send_link(path, archive_entry_symlink(e), true);
    return archive_entry_filetype(e) == AE_IFREG ? send_file(a, path, bytes, limits) : 0;
}

static int send_done(uint64_t bytes, uint64_t entries)
{
    struct frame_totals t = { .bytes = bytes, .entries = entries };
    uint8_t packed[48];

    frame_pack_totals(&t, packed);
    return frame_write(1, FRAME_DONE, packed, sizeof(packed)) < 0;
}

int child_split(const struct image_limits *limits)
{
    struct archive *a = child_reader(false);
    struct archive_entry *e;
    uint64_t bytes = 0;
    uint64_t entries = 0;
    int r = ARCHIVE_OK;
    int status = 0;

    if (a == NULL)
        return 1;
    while (status == 0 && (r = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
        if (r == ARCHIVE_RETRY || r == ARCHIVE_WARN)
            r = ARCHIVE_OK;
        if (r < ARCHIVE_OK)
            status = child_fail("%s", archive_error_string(a));
        else if (++entries > limits->entries)
            status = child_fail("the archive has more than %llu files",
                                (unsigned long long)limits->entries);
        else
            status = send_entry(a, e, &bytes, limits);
    }
    if (status == 0)
        status = send_done(bytes, entries);
    archive_read_free(a);
    return status;
}

int child_inflate(const struct image_limits *limits)
{
    struct archive *a = child_reader(true);
    struct archive_entry *e;
    uint64_t bytes = 0;
    int status;

    if (a == NULL)
        return 1;
    if (archive_read_next_header(a, &e) != ARCHIVE_OK)
        status = child_fail("the archive is empty");
    else
        status = send_file(a, "layer", &bytes, limits);
    if (status == 0)
        status = send_done(bytes, 1);
    archive_read_free(a);
    return status;
}
