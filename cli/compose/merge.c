/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compose/merge.h"

#include <stdlib.h>
#include <string.h>

enum rule {
    RULE_DEEP,    /* maps merge, lists append, scalars replace */
    RULE_REPLACE, /* the later one wins whole */
    RULE_BY_KEY,  /* list of maps told apart by one member */
    RULE_ENTRIES, /* map whose entries replace */
    RULE_LOGGING,
};

/* The exceptions below a service. */
static const struct {
    const char *key;
    enum rule rule;
    const char *member;
} rules[] = {
    { "command", RULE_REPLACE, NULL },     { "entrypoint", RULE_REPLACE, NULL },
    { "ports", RULE_BY_KEY, "published" }, { "volumes", RULE_BY_KEY, "target" },
    { "secrets", RULE_BY_KEY, "source" },  { "configs", RULE_BY_KEY, "source" },
    { "networks", RULE_ENTRIES, NULL },    { "ulimits", RULE_ENTRIES, NULL },
    { "logging", RULE_LOGGING, NULL },     { "credential_spec", RULE_REPLACE, NULL },
};

static void merge_deep(struct yn *base, struct yn *over);

static void put(struct yn *base, const char *key, struct yn *value)
{
    struct yn *old = yn_get(base, key);

    if (old != NULL && old->kind == value->kind && (old->kind == YN_MAP || old->kind == YN_SEQ))
        merge_deep(old, value);
    else
        yn_set(base, key, value);
}

/* @over is owned. */
static void merge_deep(struct yn *base, struct yn *over)
{
    for (size_t i = 0; i < over->n; i++) {
        struct yn *value = over->items[i].value;

        over->items[i].value = NULL;
        if (over->kind == YN_SEQ)
            yn_append(base, value);
        else
            put(base, over->items[i].key, value);
    }
    yn_free(over);
}

static void merge_entries(struct yn *base, struct yn *over)
{
    for (size_t i = 0; i < over->n; i++) {
        yn_set(base, over->items[i].key, over->items[i].value);
        over->items[i].value = NULL;
    }
    yn_free(over);
}

/* Members may be numbers (ports) or text. Ports without a published one differ by their target. */
static int compare_member(const struct yn *a, const struct yn *b, const char *member)
{
    const struct yn *x = yn_get(a, member), *y = yn_get(b, member);

    if (x == NULL && y == NULL && strcmp(member, "published") == 0)
        return compare_member(a, b, "target");
    if (strcmp(member, "published") == 0 || yn_is(x, YN_INT))
        return (yn_number(x) > yn_number(y)) - (yn_number(x) < yn_number(y));
    return strcmp(yn_text(x), yn_text(y));
}

static void merge_by_key(struct yn *base, struct yn *over, const char *member)
{
    for (size_t i = 0; i < over->n; i++) {
        struct yn *value = over->items[i].value;
        size_t k = 0;

        over->items[i].value = NULL;
        while (k < base->n && compare_member(base->items[k].value, value, member) != 0)
            k++;
        if (k < base->n) {
            yn_free(base->items[k].value);
            base->items[k].value = value;
        } else {
            yn_append(base, value);
        }
    }
    yn_free(over);
    for (size_t i = 1; i < base->n; i++) { /* sorted, few and stable */
        struct yn_item item = base->items[i];
        size_t k = i;

        for (; k > 0 && compare_member(base->items[k - 1].value, item.value, member) > 0; k--)
            base->items[k] = base->items[k - 1];
        base->items[k] = item;
    }
}

static void merge_logging(struct yn *service, struct yn *base, struct yn *over)
{
    const char *mine = yn_text(yn_get(base, "driver"));
    const char *theirs = yn_text(yn_get(over, "driver"));

    if (*mine == '\0' || *theirs == '\0' || strcmp(mine, theirs) == 0)
        merge_deep(base, over);
    else
        yn_set(service, "logging", over);
}

static void merge_member(struct yn *service, const char *key, struct yn *value)
{
    struct yn *old = yn_get(service, key);

    for (size_t i = 0; old != NULL && i < sizeof(rules) / sizeof(*rules); i++) {
        if (strcmp(rules[i].key, key) != 0)
            continue;
        if (rules[i].rule == RULE_BY_KEY)
            merge_by_key(old, value, rules[i].member);
        else if (rules[i].rule == RULE_ENTRIES)
            merge_entries(old, value);
        else if (rules[i].rule == RULE_LOGGING)
            merge_logging(service, old, value);
        else
            yn_set(service, key, value);
        return;
    }
    put(service, key, value);
}

static void merge_service(struct yn *base, struct yn *over)
{
    for (size_t i = 0; i < over->n; i++) {
        merge_member(base, over->items[i].key, over->items[i].value);
        over->items[i].value = NULL;
    }
    yn_free(over);
}

static void merge_services(struct yn *base, struct yn *over)
{
    for (size_t i = 0; i < over->n; i++) {
        struct yn *old = yn_get(base, over->items[i].key);

        if (old != NULL)
            merge_service(old, over->items[i].value);
        else
            yn_set(base, over->items[i].key, over->items[i].value);
        over->items[i].value = NULL;
    }
    yn_free(over);
}

/* Networks, volumes, secrets and configs: a later one of a name stands alone. */
static bool is_section(const char *key)
{
    return strcmp(key, "networks") == 0 || strcmp(key, "volumes") == 0 ||
           strcmp(key, "secrets") == 0 || strcmp(key, "configs") == 0;
}

void merge_file(struct yn *base, struct yn *over)
{
    for (size_t i = 0; i < over->n; i++) {
        const char *key = over->items[i].key;
        struct yn *value = over->items[i].value;

        over->items[i].value = NULL;
        if (strcmp(key, "services") == 0 && yn_is(yn_get(base, key), YN_MAP) &&
            value->kind == YN_MAP)
            merge_services(yn_get(base, key), value);
        else if (is_section(key) && yn_is(yn_get(base, key), YN_MAP) && value->kind == YN_MAP)
            merge_entries(yn_get(base, key), value);
        else
            put(base, key, value);
    }
    yn_free(over);
}
