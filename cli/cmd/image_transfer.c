/* SPDX-License-Identifier: Apache-2.0
 *
 * Images in and out: load, import, save, pull, push. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/client/auth.h"
#include "cli/cmd/image.h"
#include "cli/cmd/stream.h"
#include "cli/spec/imageref.h"

static int open_input(const char *path, int *fd, struct sw_err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return sw_err_set(err, -errno, "open %s: %s", path,
                          errno == ENOENT ? "no such file or directory" : strerror(errno));
    return 0;
}

int image_run_load(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool quiet = args_bool(args, "quiet") || !isatty(STDOUT_FILENO);
    struct client_stream s = { .method = "POST",
                               .path = quiet ? "/images/load?quiet=1" : "/images/load?quiet=0",
                               .upload_fd = STDIN_FILENO,
                               .content_type = "application/x-tar" };
    SW_CLEANUP(sw_close_ptr) int fd = -1;

    if (args_set(args, "input")) {
        if (open_input(args_str(args, "input"), &fd, err) < 0)
            return err->code;
        s.upload_fd = fd;
    } else if (isatty(STDIN_FILENO)) {
        return sw_err_set(err, SW_E_INVALID, "requested load from stdin, but stdin is empty");
    }
    return stream_request(cli, &s, false, err);
}

int image_run_import(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *source = args->pos.v[0];
    const struct strv *changes = args_list(args, "change");
    bool remote = strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct client_stream s = { .method = "POST",
                               .upload_fd = -1,
                               .content_type = "application/x-tar" };

    if (strcmp(source, "-") == 0)
        s.upload_fd = STDIN_FILENO;
    else if (!remote) {
        if (open_input(source, &fd, err) < 0)
            return err->code;
        s.upload_fd = fd;
    }
    sw_buf_puts(&url, "/images/create");
    for (size_t i = 0; i < changes->n; i++)
        url_query(&url, "changes", changes->v[i]);
    url_query(&url, "fromSrc", remote ? source : "-");
    if (args_set(args, "message"))
        url_query(&url, "message", args_str(args, "message"));
    if (args_set(args, "platform"))
        url_query(&url, "platform", args_str(args, "platform"));
    if (args->pos.n > 1)
        url_query(&url, "repo", args->pos.v[1]);
    s.path = sw_buf_str(&url);
    return stream_request(cli, &s, false, err);
}

static int write_all(void *arg, const char *data, size_t n, struct sw_err *err)
{
    const int *fd = arg;

    while (n > 0) {
        ssize_t w = write(*fd, data, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return sw_err_errno(err, errno, "write");
        data += w;
        n -= (size_t)w;
    }
    return 0;
}

int image_run_save(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_free_ptr) char *partial = NULL;
    SW_CLEANUP(sw_close_ptr) int fd = -1;
    struct client_stream s = { .method = "GET", .upload_fd = -1, .on_data = write_all };
    const char *path = args_str(args, "output");
    int out = STDOUT_FILENO;
    struct client *c = NULL;
    int r;

    if (*path == '\0' && isatty(STDOUT_FILENO))
        return sw_err_set(err, SW_E_INVALID,
                          "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    sw_buf_puts(&url, "/images/get");
    for (size_t i = 0; i < args->pos.n; i++)
        url_query(&url, "names", args->pos.v[i]);
    if (*path != '\0') { /* nobody sees a half-written archive under its name */
        partial = cli_printf("%s.part-%ld", path, (long)getpid());
        fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            return sw_err_errno(err, errno, "failed to save image: open %s", partial);
        out = fd;
    }
    s.path = sw_buf_str(&url);
    s.arg = &out;
    r = cli_client(cli, &c, err);
    if (r == 0)
        r = client_stream(c, &s, err);
    if (r == 0 && partial != NULL && rename(partial, path) < 0)
        r = sw_err_errno(err, errno, "rename %s", partial);
    if (r < 0 && partial != NULL)
        unlink(partial);
    return r;
}

static int bad_reference(const char *name, struct sw_err *err)
{
    bool upper = strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL;
    SW_CLEANUP(sw_free_ptr) char *bare = cli_strndup(name, strcspn(name, ":@"));

    if (upper)
        return sw_err_set(err, SW_E_INVALID,
                          "invalid reference format: repository name (%s%s) must be lowercase",
                          strchr(bare, '/') == NULL ? "library/" : "", bare);
    return sw_err_set(err, SW_E_INVALID, "invalid reference format");
}

int image_run_pull(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *name = args->pos.v[0];
    bool all = args_bool(args, "all-tags");
    bool quiet = args_bool(args, "quiet");
    SW_CLEANUP(imageref_fini) struct imageref ref = { 0 };
    SW_CLEANUP(sw_free_ptr) char *familiar = NULL;
    SW_CLEANUP(sw_free_ptr) char *repository = NULL;
    SW_CLEANUP(sw_free_ptr) char *auth = auth_header(name);
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    struct client_stream s = { .method = "POST", .upload_fd = -1, .registry_auth = auth };

    if (!imageref_parse(name, &ref))
        return bad_reference(name, err);
    if (all && (ref.tag != NULL || ref.digest != NULL))
        return sw_err_set(err, SW_E_INVALID, "tag can't be used with --all-tags/-a");
    if (!all && ref.tag == NULL && ref.digest == NULL) {
        ref.tag = cli_strdup("latest");
        if (!quiet)
            printf("Using default tag: latest\n");
    }
    familiar = imageref_familiar(&ref);
    repository = imageref_familiar_name(&ref);
    sw_buf_puts(&url, "/images/create");
    url_query(&url, "fromImage", repository);
    if (args_set(args, "platform"))
        url_query(&url, "platform", args_str(args, "platform"));
    if (!all)
        url_query(&url, "tag", ref.digest != NULL ? ref.digest : ref.tag);
    fflush(stdout);
    s.path = sw_buf_str(&url);
    if (stream_request(cli, &s, quiet, err) < 0)
        return err->code;
    SW_CLEANUP(sw_free_ptr)
    char *full = strcmp(ref.domain, "docker.io") == 0 && !quiet
                     ? cli_printf("%s/%s%s%s%s%s", ref.domain, ref.path, ref.tag != NULL ? ":" : "",
                                  ref.tag != NULL ? ref.tag : "", ref.digest != NULL ? "@" : "",
                                  ref.digest != NULL ? ref.digest : "")
                     : cli_strdup(familiar);
    printf("%s\n", full);
    return 0;
}

int image_run_push(struct cli *cli, const struct args *args, struct sw_err *err)
{
    const char *name = args->pos.v[0];
    SW_CLEANUP(imageref_fini) struct imageref ref = { 0 };
    SW_CLEANUP(sw_free_ptr) char *repository = NULL;
    SW_CLEANUP(sw_free_ptr) char *found = auth_header(name);
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    /* A push always carries the header: "{}" is nobody. */
    struct client_stream s = { .method = "POST",
                               .upload_fd = -1,
                               .registry_auth = found != NULL ? found : "e30=" };

    if (!imageref_parse(name, &ref))
        return bad_reference(name, err);
    if (ref.digest != NULL)
        return sw_err_set(err, SW_E_INVALID, "cannot push a digest reference");
    if (ref.tag == NULL && !args_bool(args, "all-tags")) {
        ref.tag = cli_strdup("latest");
        if (!args_bool(args, "quiet"))
            printf("Using default tag: latest\n");
    }
    repository = imageref_familiar_name(&ref);
    url_path(&url, "/images/", repository, "/push");
    if (!args_bool(args, "all-tags"))
        url_query(&url, "tag", ref.tag);
    fflush(stdout);
    s.path = sw_buf_str(&url);
    if (stream_request(cli, &s, args_bool(args, "quiet"), err) < 0)
        return err->code;
    if (args_bool(args, "quiet"))
        printf("%s/%s%s%s\n", ref.domain, ref.path, ref.tag != NULL ? ":" : "",
               ref.tag != NULL ? ref.tag : "");
    return 0;
}
