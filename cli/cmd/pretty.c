/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd/pretty.h"

#include <string.h>

#include "cli/cmd/common.h"
#include "cli/render/gojson.h"
#include "cli/render/human.h"
#include "cli/render/template.h"
#include "cli/spec/base64.h"
#include "common/base/time.h"

void pretty_print(struct sw_buf *out, const char *template, json_t *context)
{
    static const struct tmpl_options opt = { .lax = true };
    SW_CLEANUP(tmpl_free_ptr) struct tmpl *t = NULL;
    struct sw_err err;

    if (tmpl_parse(&t, template, &err) < 0 || tmpl_exec(t, context, &opt, out, &err) < 0)
        sw_buf_puts(out, err.msg);
    json_decref(context);
}

void pretty_bytes(json_t *context, const char *key, const json_t *from, const char *path)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    if (js_int(from, path) == 0)
        return;
    human_bytes(&b, (double)js_int(from, path));
    js_set_str(context, key, sw_buf_str(&b));
}

void pretty_duration(json_t *context, const char *key, const json_t *from, const char *path)
{
    char text[SW_DURATION_MAX];

    if (js_get(from, path) == NULL)
        return;
    sw_duration_format(js_int(from, path), text);
    js_set_str(context, key, text);
}

void pretty_cpus(json_t *context, const char *key, const json_t *from, const char *path)
{
    if (js_int(from, path) != 0)
        js_set(context, key, json_real((double)js_int(from, path) / 1e9));
}

void pretty_time(json_t *context, const char *key, const json_t *from, const char *path)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_utc(&b, cmd_time(from, path));
    js_set_str(context, key, sw_buf_str(&b));
}

static void capital(json_t *context, const char *key, const json_t *from, const char *path)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf b = SW_BUF_INIT;

    human_state(&b, js_str(from, path));
    js_set_str(context, key, sw_buf_str(&b));
}

static const char node_template[] =
    "ID:\t\t\t{{.ID}}\n"
    "{{- if .Name}}\nName:\t\t\t{{.Name}}{{end}}\n"
    "{{- if .Labels}}\nLabels:{{range $k, $v := .Labels}}\n - {{$k}}{{if "
    "$v}}={{$v}}{{end}}{{end}}{{end}}\n"
    "Hostname:              \t{{.Hostname}}\n"
    "Joined at:             \t{{.CreatedAt}}\n"
    "Status:\n"
    " State:\t\t\t{{.State}}\n"
    "{{- if .Message}}\n Message:              \t{{.Message}}{{end}}\n"
    " Availability:         \t{{.Availability}}\n"
    "{{- if .Addr}}\n Address:\t\t{{.Addr}}{{end}}\n"
    "{{- if .Manager}}\nManager Status:\n Address:\t\t{{.Manager.Addr}}\n Raft "
    "Status:\t\t{{.Reachability}}\n"
    " Leader:\t\t{{if .Manager.Leader}}Yes{{else}}No{{end}}{{end}}\n"
    "Platform:\n Operating System:\t{{.OS}}\n Architecture:\t\t{{.Architecture}}\n"
    "Resources:\n CPUs:\t\t\t{{.CPUs}}\n Memory:\t\t{{.Memory}}\n"
    "{{- if .Plugins}}\nPlugins:{{range .Plugins}}\n {{.Type}}:\t\t{{.Names}}{{end}}{{end}}\n"
    "Engine Version:\t\t{{.Engine}}\n"
    "{{- if .EngineLabels}}\nEngine Labels:{{range $k, $v := .EngineLabels}}\n - {{$k}}{{if "
    "$v}}={{$v}}{{end}}{{end}}{{end}}\n"
    "{{- if .TLS}}\nTLS Info:\n TrustRoot:\n{{.TLS.TrustRoot}}\n Issuer "
    "Subject:\t{{.TLS.CertIssuerSubject}}\n"
    " Issuer Public Key:\t{{.TLS.CertIssuerPublicKey}}{{end}}\n";

/* [{Type, Names}], one entry a type in the order of their names. */
static json_t *plugins(const json_t *node)
{
    json_auto_t *by_type = json_object();
    json_t *out = json_array();
    SW_CLEANUP(strv_fini) struct strv types = { 0 };
    size_t i;
    json_t *p;

    json_array_foreach(js_get(node, "Description.Engine.Plugins"), i, p)
    {
        const json_t *old = json_object_get(by_type, js_str(p, "Type"));
        json_t *names = old != NULL
                            ? json_sprintf("%s, %s", json_string_value(old), js_str(p, "Name"))
                            : js_string(js_str(p, "Name"));

        json_object_set_new(by_type, js_str(p, "Type"), names);
    }
    js_sorted_keys(by_type, &types);
    for (i = 0; i < types.n; i++) {
        json_t *o = json_object();

        js_set_str(o, "Type", types.v[i]);
        json_object_set(o, "Names", json_object_get(by_type, types.v[i]));
        json_array_append_new(out, o);
    }
    return out;
}

void node_pretty(struct cli *cli, struct sw_buf *out, const json_t *node)
{
    json_t *c = json_object();
    SW_CLEANUP(sw_free_ptr) char *cpus = NULL;

    (void)cli;
    js_set_str(c, "ID", js_str(node, "ID"));
    js_set_str(c, "Name", js_str(node, "Spec.Name"));
    json_object_set(c, "Labels", js_get(node, "Spec.Labels"));
    js_set_str(c, "Hostname", js_str(node, "Description.Hostname"));
    pretty_time(c, "CreatedAt", node, "CreatedAt");
    capital(c, "State", node, "Status.State");
    capital(c, "Message", node, "Status.Message");
    capital(c, "Availability", node, "Spec.Availability");
    js_set_str(c, "Addr", js_str(node, "Status.Addr"));
    json_object_set(c, "Manager", js_get(node, "ManagerStatus"));
    capital(c, "Reachability", node, "ManagerStatus.Reachability");
    js_set_str(c, "OS", js_str(node, "Description.Platform.OS"));
    js_set_str(c, "Architecture", js_str(node, "Description.Platform.Architecture"));
    cpus = cli_printf("%lld",
                      (long long)(js_int(node, "Description.Resources.NanoCPUs") / SW_NS_PER_S));
    js_set_str(c, "CPUs", cpus);
    js_set_str(c, "Memory", "0B");
    pretty_bytes(c, "Memory", node, "Description.Resources.MemoryBytes");
    json_object_set_new(c, "Plugins", plugins(node));
    js_set_str(c, "Engine", js_str(node, "Description.Engine.EngineVersion"));
    json_object_set(c, "EngineLabels", js_get(node, "Description.Engine.Labels"));
    json_object_set(c, "TLS", js_get(node, "Description.TLSInfo"));
    pretty_print(out, node_template, c);
}

static json_t *file_context(const json_t *object)
{
    json_t *c = json_object();

    js_set_str(c, "ID", js_str(object, "ID"));
    js_set_str(c, "Name", js_str(object, "Spec.Name"));
    json_object_set(c, "Labels", js_get(object, "Spec.Labels"));
    js_set_str(c, "Driver", js_str(object, "Spec.Driver.Name"));
    pretty_time(c, "CreatedAt", object, "CreatedAt");
    pretty_time(c, "UpdatedAt", object, "UpdatedAt");
    return c;
}

void secret_pretty(struct cli *cli, struct sw_buf *out, const json_t *secret)
{
    (void)cli;
    pretty_print(out,
                 "ID:              {{.ID}}\n"
                 "Name:              {{.Name}}\n"
                 "{{- if .Labels}}\nLabels:{{range $k, $v := .Labels}}\n - {{$k}}{{if "
                 "$v}}={{$v}}{{end}}{{end}}{{end}}\n"
                 "Driver:            {{.Driver}}\n"
                 "Created at:        {{.CreatedAt}}\n"
                 "Updated at:        {{.UpdatedAt}}\n",
                 file_context(secret));
}

void config_pretty(struct cli *cli, struct sw_buf *out, const json_t *config)
{
    SW_CLEANUP(sw_buf_fini) struct sw_buf data = SW_BUF_INIT;
    json_t *c = file_context(config);

    (void)cli;
    if (base64_decode(js_str(config, "Spec.Data"), &data))
        js_set_str(c, "Data", sw_buf_str(&data));
    pretty_print(out,
                 "ID:\t\t\t{{.ID}}\n"
                 "Name:\t\t\t{{.Name}}\n"
                 "{{- if .Labels}}\nLabels:{{range $k, $v := .Labels}}\n - {{$k}}{{if "
                 "$v}}={{$v}}{{end}}{{end}}{{end}}\n"
                 "Created at:            \t{{.CreatedAt}}\n"
                 "Updated at:            \t{{.UpdatedAt}}\n"
                 "Data:\n{{.Data}}\n",
                 c);
}
