/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/image/archives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "common/base/id.h"
#include "common/crypto/secret.h"

#define BIG ((size_t)16 << 20)

static void add(struct archive *a, const struct entry *e)
{
    struct archive_entry *ae = archive_entry_new();
    size_t len = e->type != 'f' ? 0 : e->len > 0 ? e->len : strlen(e->data);

    archive_entry_set_pathname(ae, e->path);
    archive_entry_set_filetype(ae, e->type == 'd'   ? AE_IFDIR
                                   : e->type == 'l' ? AE_IFLNK
                                   : e->type == 'c' ? AE_IFCHR
                                                    : AE_IFREG);
    archive_entry_set_perm(ae, e->mode != 0 ? e->mode : e->type == 'd' ? 0755 : 0644);
    archive_entry_set_mtime(ae, 1700000000, 0);
    archive_entry_set_uid(ae, 7);
    archive_entry_set_size(ae, (la_int64_t)len);
    if (e->type == 'l')
        archive_entry_set_symlink(ae, e->data);
    if (e->type == 'h')
        archive_entry_set_hardlink(ae, e->data);
    if (e->type == 'c') {
        archive_entry_set_rdevmajor(ae, 1);
        archive_entry_set_rdevminor(ae, 3);
    }
    archive_write_header(a, ae);
    if (len > 0)
        archive_write_data(a, e->data, len);
    archive_entry_free(ae);
}

struct bytes make_tar(const struct entry *entries, size_t n, enum packing packing)
{
    struct archive *a = archive_write_new();
    struct bytes out = { malloc(BIG), 0 };

    archive_write_set_format_pax_restricted(a);
    if (packing == GZIP) {
        archive_write_add_filter_gzip(a);
        archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
    } else if (packing == ZSTD) {
        archive_write_add_filter_zstd(a);
    } else if (packing == XZ) {
        archive_write_add_filter_xz(a);
    }
    archive_write_open_memory(a, out.p, BIG, &out.n);
    for (size_t i = 0; i < n; i++)
        add(a, &entries[i]);
    archive_write_close(a);
    archive_write_free(a);
    return out;
}

void digest_of(const void *p, size_t n, char out[IMAGE_DIGEST_LEN + 1])
{
    uint8_t sha[SW_SHA256_BYTES];

    sw_sha256(p, n, sha);
    strcpy(out, "sha256:");
    sw_hex(sha, sizeof(sha), out + 7);
}

struct bytes image_json(const struct bytes *layers, size_t n, const char *config)
{
    struct bytes out = { malloc(65536), 0 };
    char digest[IMAGE_DIGEST_LEN + 1];

    out.n = (size_t)sprintf(out.p,
                            "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":"
                            "\"2026-01-02T03:04:05Z\",\"config\":%s,\"rootfs\":{\"type\":"
                            "\"layers\",\"diff_ids\":[",
                            config);
    for (size_t i = 0; i < n; i++) {
        digest_of(layers[i].p, layers[i].n, digest);
        out.n += (size_t)sprintf(out.p + out.n, "%s\"%s\"", i > 0 ? "," : "", digest);
    }
    out.n += (size_t)sprintf(out.p + out.n, "]}}");
    return out;
}

struct bytes docker_archive(const struct bytes *layers, size_t n, const char *config_json,
                            const char *tags, enum packing packing)
{
    struct entry e[16];
    char names[8][32];
    char manifest[2048];
    size_t at = 0;
    int len = sprintf(manifest, "[{\"Config\":\"config.json\",\"RepoTags\":%s,\"Layers\":[", tags);

    for (size_t i = 0; i < n; i++) {
        sprintf(names[i], "l%zu/layer.tar", i);
        e[at++] = (struct entry){ 'f', names[i], layers[i].p, layers[i].n, 0 };
        len += sprintf(manifest + len, "%s\"%s\"", i > 0 ? "," : "", names[i]);
    }
    sprintf(manifest + len, "]}]");
    e[at++] = (struct entry){ 'f', "config.json", config_json, 0, 0 };
    e[at++] = (struct entry){ 'f', "manifest.json", manifest, 0, 0 };
    return make_tar(e, at, packing);
}

struct bytes oci_archive(const struct bytes *plain, const struct bytes *packed, size_t n,
                         const char *name)
{
    struct bytes config = image_json(plain, n, "{\"Cmd\":[\"sh\"]}");
    struct entry e[16];
    char paths[16][128];
    char manifest[4096];
    char index[2048];
    char digest[IMAGE_DIGEST_LEN + 1];
    struct bytes out;
    size_t at = 0;
    int len;

    digest_of(config.p, config.n, digest);
    sprintf(paths[0], "blobs/sha256/%s", digest + 7);
    e[at++] = (struct entry){ 'f', paths[0], config.p, config.n, 0 };
    len = sprintf(manifest,
                  "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+"
                  "json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                  "\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
                  digest, config.n);
    for (size_t i = 0; i < n; i++) {
        digest_of(packed[i].p, packed[i].n, digest);
        len += sprintf(manifest + len, "%s{\"mediaType\":\"x\",\"digest\":\"%s\",\"size\":%zu}",
                       i > 0 ? "," : "", digest, packed[i].n);
        sprintf(paths[at], "blobs/sha256/%s", digest + 7);
        e[at] = (struct entry){ 'f', paths[at], packed[i].p, packed[i].n, 0 };
        at++;
    }
    sprintf(manifest + len, "]}");
    digest_of(manifest, strlen(manifest), digest);
    sprintf(paths[at], "blobs/sha256/%s", digest + 7);
    e[at] = (struct entry){ 'f', paths[at], manifest, 0, 0 };
    at++;
    len = sprintf(index,
                  "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x\",\"digest\":"
                  "\"%s\",\"size\":%zu",
                  digest, strlen(manifest));
    if (name != NULL)
        len += sprintf(index + len, ",\"annotations\":{\"io.containerd.image.name\":\"%s\"}", name);
    sprintf(index + len, "}]}");
    e[at++] = (struct entry){ 'f', "index.json", index, 0, 0 };
    e[at++] = (struct entry){ 'f', "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 0, 0 };
    out = make_tar(e, at, PLAIN);
    free(config.p);
    return out;
}
