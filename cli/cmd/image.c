/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/image.h"

#include <string.h>

#include "cli/render/human.h"
#include "cli/spec/imageref.h"

int image_run_tag(struct cli *cli, const struct args *args, struct sw_err *err)
{
    SW_CLEANUP(imageref_fini) struct imageref ref = { 0 };
    SW_CLEANUP(sw_free_ptr) char *repository = NULL;
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;

    if (!imageref_parse(args->pos.v[1], &ref))
        return sw_err_set(err, SW_E_INVALID,
                          "error parsing reference: \"%s\" is not a valid repository/tag: "
                          "invalid reference format",
                          args->pos.v[1]);
    repository = cli_printf("%s/%s", ref.domain, ref.path);
    url_path(&url, "/images/", args->pos.v[0], "/tag");
    url_query(&url, "repo", repository);
    url_query(&url, "tag", ref.tag != NULL ? ref.tag : "latest");
    return cmd_post(cli, sw_buf_str(&url), NULL, err);
}

static void say_deleted(const json_t *list)
{
    size_t i;
    json_t *d;

    json_array_foreach(list, i, d)
    {
        if (*js_str(d, "Deleted") != '\0')
            printf("Deleted: %s\n", js_str(d, "Deleted"));
        else
            printf("Untagged: %s\n", js_str(d, "Untagged"));
    }
}

int image_run_rm(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool force = args_bool(args, "force");
    struct client *c = NULL;
    int status = 0;

    if (cli_client(cli, &c, err) < 0)
        return err->code;
    for (size_t i = 0; i < args->pos.n; i++) {
        SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
        json_auto_t *list = NULL;
        int r;

        url_path(&url, "/images/", args->pos.v[i], "");
        if (force)
            url_query(&url, "force", "1");
        if (args_bool(args, "no-prune"))
            url_query(&url, "noprune", "1");
        r = client_call(c, "DELETE", sw_buf_str(&url), NULL, &list, err);
        if (r == 0) {
            say_deleted(list);
            continue;
        }
        fflush(stdout);
        cli_report(cli, err);
        if (!force || r != SW_E_NOT_FOUND) /* forced, a missing image is only worth a word */
            status = 1;
    }
    return status;
}

static int run_prune(struct cli *cli, const struct args *args, struct sw_err *err)
{
    bool all = args_bool(args, "all");
    SW_CLEANUP(sw_buf_fini) struct sw_buf url = SW_BUF_INIT;
    SW_CLEANUP(sw_buf_fini) struct sw_buf size = SW_BUF_INIT;
    json_auto_t *filters = NULL;
    json_auto_t *answer = NULL;
    struct client *c = NULL;
    size_t i;
    json_t *d;

    if (cmd_filters(args, &filters, err) < 0)
        return err->code;
    if (!args_bool(args, "force") &&
        !cmd_confirm(all ? "WARNING! This will remove all images without at least one container "
                           "associated to them.\n"
                           "Are you sure you want to continue?"
                         : "WARNING! This will remove all dangling images.\nAre you sure you want "
                           "to continue?"))
        return 0;
    filters_set(filters, "dangling", all ? "false" : "true");
    sw_buf_puts(&url, "/images/prune");
    url_filters(&url, filters);
    if (cli_client(cli, &c, err) < 0 ||
        client_call(c, "POST", sw_buf_str(&url), NULL, &answer, err) < 0)
        return err->code;
    if (js_len(answer, "ImagesDeleted") > 0) {
        printf("Deleted Images:\n");
        json_array_foreach(js_get(answer, "ImagesDeleted"), i, d)
        {
            if (*js_str(d, "Untagged") != '\0')
                printf("untagged: %s\n", js_str(d, "Untagged"));
            else
                printf("deleted: %s\n", js_str(d, "Deleted"));
        }
        printf("\n");
    }
    human_size(&size, (double)js_int(answer, "SpaceReclaimed"), 4);
    printf("Total reclaimed space: %s\n", sw_buf_str(&size));
    return 0;
}

static int get_image(struct cli *cli, const char *name, struct sw_buf *raw, struct sw_err *err)
{
    return inspect_path(cli, "/images/", name, "/json", raw, err);
}

static int run_inspect(struct cli *cli, const struct args *args, struct sw_err *err)
{
    return cmd_inspect(cli, args, get_image, NULL, err);
}

const struct option image_ls_options[] = {
    { "all", 'a', OPT_BOOL, NULL, "Show all images (default hides intermediate images)", NULL, NULL,
      false },
    { "digests", 0, OPT_BOOL, NULL, "Show digests", NULL, NULL, false },
    OPTION_FILTER,
    OPTION_FORMAT,
    { "no-trunc", 0, OPT_BOOL, NULL, "Don't truncate output", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Only show image IDs", NULL, NULL, false },
    OPTION_END,
};
const struct option image_rm_options[] = {
    { "force", 'f', OPT_BOOL, NULL, "Force removal of the image", NULL, NULL, false },
    { "no-prune", 0, OPT_BOOL, NULL, "Do not delete untagged parents", NULL, NULL, false },
    OPTION_END,
};
const struct option image_load_options[] = {
    { "input", 'i', OPT_STRING, NULL, "Read from tar archive file, instead of STDIN", NULL, NULL,
      false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress the load output", NULL, NULL, false },
    OPTION_END,
};
const struct option image_import_options[] = {
    { "change", 'c', OPT_LIST, NULL, "Apply Dockerfile instruction to the created image", NULL,
      NULL, false },
    { "message", 'm', OPT_STRING, NULL, "Set commit message for imported image", NULL, NULL,
      false },
    { "platform", 0, OPT_STRING, NULL, "Set platform if server is multi-platform capable", NULL,
      NULL, false },
    OPTION_END,
};
const struct option image_save_options[] = {
    { "output", 'o', OPT_STRING, NULL, "Write to a file, instead of STDOUT", NULL, NULL, false },
    OPTION_END,
};
const struct option image_pull_options[] = {
    { "all-tags", 'a', OPT_BOOL, NULL, "Download all tagged images in the repository", NULL, NULL,
      false },
    { "platform", 0, OPT_STRING, NULL, "Set platform if server is multi-platform capable", NULL,
      NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress verbose output", NULL, NULL, false },
    OPTION_END,
};
const struct option image_push_options[] = {
    { "all-tags", 'a', OPT_BOOL, NULL, "Push all tags of an image to the repository", NULL, NULL,
      false },
    { "quiet", 'q', OPT_BOOL, NULL, "Suppress verbose output", NULL, NULL, false },
    OPTION_END,
};
const struct option image_history_options[] = {
    OPTION_FORMAT,
    { "human", 'H', OPT_BOOL, NULL, "Print sizes and dates in human readable format", "true", NULL,
      false },
    { "no-trunc", 0, OPT_BOOL, NULL, "Don't truncate output", NULL, NULL, false },
    { "quiet", 'q', OPT_BOOL, NULL, "Only show image IDs", NULL, NULL, false },
    OPTION_END,
};
static const struct option prune_options[] = {
    { "all", 'a', OPT_BOOL, NULL, "Remove all unused images, not just dangling ones", NULL, NULL,
      false },
    { "filter", 0, OPT_LIST, "filter", "Provide filter values (e.g. \"until=<timestamp>\")", NULL,
      filters_check, false },
    { "force", 'f', OPT_BOOL, NULL, "Do not prompt for confirmation", NULL, NULL, false },
    OPTION_END,
};
static const struct option inspect_options[] = { OPTION_INSPECT_FORMAT, OPTION_END };

const struct command cmd_image[] = {
    { .name = "history",
      .usage = "[OPTIONS] IMAGE",
      .summary = "Show the history of an image",
      .options = image_history_options,
      .min = 1,
      .max = 1,
      .run = image_run_history },
    { .name = "import",
      .usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
      .summary = "Import the contents from a tarball to create a filesystem image",
      .options = image_import_options,
      .min = 1,
      .max = 2,
      .run = image_run_import },
    { .name = "inspect",
      .usage = "[OPTIONS] IMAGE [IMAGE...]",
      .summary = "Display detailed information on one or more images",
      .options = inspect_options,
      .min = 1,
      .max = CMD_ANY,
      .run = run_inspect },
    { .name = "load",
      .usage = "[OPTIONS]",
      .summary = "Load an image from a tar archive or STDIN",
      .options = image_load_options,
      .run = image_run_load },
    { .name = "ls",
      .aliases = "list",
      .usage = "[OPTIONS] [REPOSITORY[:TAG]]",
      .summary = "List images",
      .options = image_ls_options,
      .max = 1,
      .run = image_run_ls },
    { .name = "prune",
      .usage = "[OPTIONS]",
      .summary = "Remove unused images",
      .options = prune_options,
      .run = run_prune },
    { .name = "pull",
      .usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
      .summary = "Download an image from a registry",
      .options = image_pull_options,
      .min = 1,
      .max = 1,
      .run = image_run_pull },
    { .name = "push",
      .usage = "[OPTIONS] NAME[:TAG]",
      .summary = "Upload an image to a registry",
      .options = image_push_options,
      .min = 1,
      .max = 1,
      .run = image_run_push },
    { .name = "rm",
      .aliases = "remove",
      .usage = "[OPTIONS] IMAGE [IMAGE...]",
      .summary = "Remove one or more images",
      .options = image_rm_options,
      .min = 1,
      .max = CMD_ANY,
      .run = image_run_rm },
    { .name = "save",
      .usage = "[OPTIONS] IMAGE [IMAGE...]",
      .summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
      .options = image_save_options,
      .min = 1,
      .max = CMD_ANY,
      .run = image_run_save },
    { .name = "tag",
      .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
      .summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
      .min = 2,
      .max = 2,
      .run = image_run_tag },
    { .name = NULL },
};
