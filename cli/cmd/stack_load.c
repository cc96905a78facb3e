/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd/stack.h"
#include "cli/spec/mounts.h"
#include "cli/spec/text.h"

#define FILE_MAX_BYTES (16u << 20)

static int read_file(void *arg, const char *path, struct sw_buf *out, struct sw_err *err)
{
    (void)arg;
    return cmd_read(path, FILE_MAX_BYTES, out, err);
}

static void warn(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "WARNING: %s\n", text);
}

const struct compose_world stack_world = { cmd_getenv, read_file, warn, NULL };

/* The folder of the first file, absolute: all relative paths start there. */
static char *folder(const char *first)
{
    char cwd[4096];
    const char *slash = strrchr(first, '/');
    SW_CLEANUP(sw_free_ptr)
    char *dir = cli_strndup(first, slash != NULL ? (size_t)(slash - first) : 0);
    SW_CLEANUP(sw_free_ptr) char *joined = NULL;

    if (getcwd(cwd, sizeof(cwd)) == NULL)
        strcpy(cwd, "/");
    if (strcmp(first, "-") == 0 || slash == NULL)
        return cli_strdup(cwd);
    if (*first == '/')
        return mounts_clean_path(slash == first ? "/" : dir);
    joined = cli_printf("%s/%s", cwd, dir);
    return mounts_clean_path(joined);
}

int stack_load(const struct args *args, struct stack_files *files, struct compose *out,
               struct sw_err *err)
{
    const struct strv *given = args_list(args, "compose-file");

    *files = (struct stack_files){ 0 };
    *out = (struct compose){ 0 };
    for (size_t i = 0; i < given->n; i++)
        text_split(given->v[i], ',', &files->names);
    files->n = files->names.n;
    if (files->n == 0)
        return sw_err_set(err, SW_E_INVALID, "Specify a Compose file (with --compose-file)");
    files->sources = cli_alloc(files->n * sizeof(*files->sources));
    files->texts = cli_alloc(files->n * sizeof(*files->texts));
    files->dir = folder(files->names.v[0]);
    for (size_t i = 0; i < files->n; i++) {
        const char *name = files->names.v[i];

        if (cmd_read(name, FILE_MAX_BYTES, &files->texts[i], err) < 0)
            return err->code;
        files->sources[i] =
            (struct compose_source){ strcmp(name, "-") == 0 ? "<stdin>" : name, files->dir,
                                     sw_buf_str(&files->texts[i]), files->texts[i].len };
    }
    return compose_load(out, files->sources, files->n, !args_bool(args, "skip-interpolation"),
                        &stack_world, err);
}

void stack_unload(struct stack_files *files, struct compose *c)
{
    compose_fini(c);
    for (size_t i = 0; i < files->n && files->texts != NULL; i++)
        sw_buf_fini(&files->texts[i]);
    sw_free(files->texts);
    sw_free(files->sources);
    sw_free(files->dir);
    strv_fini(&files->names);
    *files = (struct stack_files){ 0 };
}
