/* SPDX-License-Identifier: Apache-2.0
 * find.c - from what people write to an image; blobs by digest. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/image/disk.h"
#include "agent/image/store.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/time.h"
#include "common/io/file.h"

static bool has(char *const *v, size_t n, const char *s, const char **where)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i], s) == 0) {
            *where = v[i];
            return true;
        }
    }
    return false;
}

static int find_prefix(const struct image_store *s, const char *hex, struct image **out)
{
    size_t len = strlen(hex);
    struct image *found = NULL;

    for (size_t i = 0; i < s->n_images; i++) {
        if (strncmp(s->images[i]->id + 7, hex, len) != 0)
            continue;
        if (found != NULL)
            return 2;
        found = s->images[i];
    }
    *out = found;
    return found != NULL;
}

static int find_ref(const struct image_store *s, struct image_ref *ref, struct image **out,
                    const char **by_name)
{
    char full[IMAGE_REF_MAX + 32];

    if (ref->digest[0] != '\0')
        ref->tag[0] = '\0'; /* "web:1@sha256:..": the digest decides */
    image_ref_default_tag(ref);
    image_ref_full(ref, full);
    for (size_t i = 0; i < s->n_images; i++) {
        struct image *img = s->images[i];

        if (has(img->names, img->n_names, full, by_name) ||
            has(img->digests, img->n_digests, full, by_name) ||
            (ref->digest[0] != '\0' &&
             (strcmp(img->id, ref->digest) == 0 || strcmp(img->manifest, ref->digest) == 0))) {
            *out = img;
            return 1;
        }
    }
    return 0;
}

static int no_image(const char *what, struct image_ref *ref, bool is_ref, struct sw_err *err)
{
    char shown[IMAGE_REF_MAX + 32];

    if (!is_ref)
        return sw_err_set(err, SW_E_NOT_FOUND, "No such image: %.400s", what);
    image_ref_familiar(ref, shown);
    return sw_err_set(err, SW_E_NOT_FOUND, "No such image: %.400s", shown);
}

int store_find(const struct image_store *s, const char *what, struct image **out,
               const char **by_name, struct sw_err *err)
{
    const char *hex = image_id_prefix(what);
    struct image_ref ref;
    struct sw_err ref_err;
    bool is_ref = false;
    int n;

    *by_name = NULL;
    if (hex == NULL || strlen(hex) < 64) {
        is_ref = image_ref_parse(&ref, what, &ref_err) == 0;
        if (!is_ref && hex == NULL) {
            *err = ref_err;
            return err->code;
        }
    }
    if (is_ref && find_ref(s, &ref, out, by_name) == 1)
        return 0;
    n = hex == NULL ? 0 : find_prefix(s, hex, out);
    if (n == 1)
        return 0;
    if (n == 0)
        return no_image(what, &ref, is_ref, err);
    return sw_err_set(err, SW_E_NOT_FOUND, "No such image: %.400s (the id is ambiguous)", what);
}

int image_find(const struct image_store *s, const char *what, const struct image **out,
               struct sw_err *err)
{
    struct image *img = NULL;
    const char *by_name;
    int r = store_find(s, what, &img, &by_name, err);

    if (r == 0)
        *out = img;
    return r;
}

int image_config_json(const struct image_store *s, const struct image *img, char **out, size_t *len,
                      struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf text = SW_BUF_INIT;
    char path[DISK_PATH_MAX];
    int r;

    disk_blob_path(s->dir, img->id, path, sizeof(path));
    r = sw_file_read(path, (size_t)8 << 20, &text, err);
    if (r != 0)
        return r < 0 ? r : sw_err_set(err, SW_E_CORRUPT, "the config of image %s is gone", img->id);
    *len = text.len;
    *out = sw_buf_steal(&text);
    return *out == NULL ? sw_err_set(err, -ENOMEM, "read image config") : 0;
}

bool image_has_blob(const struct image_store *s, const char *digest)
{
    char path[DISK_PATH_MAX];

    if (!image_digest_is_valid(digest))
        return false;
    disk_blob_path(s->dir, digest, path, sizeof(path));
    return disk_exists(path);
}

int image_open_blob(const struct image_store *s, const char *digest, uint64_t *size,
                    struct sw_err *err)
{
    char path[DISK_PATH_MAX];
    struct stat st;
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    if (!image_digest_is_valid(digest))
        return sw_err_set(err, SW_E_INVALID, "invalid digest '%.80s'", digest);
    disk_blob_path(s->dir, digest, path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return sw_err_set(err, SW_E_NOT_FOUND, "no blob %s", digest);
    if (fd < 0 || fstat(fd, &st) < 0)
        return sw_err_errno(err, errno, "open blob %s", digest);
    *size = (uint64_t)st.st_size;
    return sw_steal_fd(&fd);
}
