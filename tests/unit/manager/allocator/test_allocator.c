/* SPDX-License-Identifier: Apache-2.0
 * SEMANTICS 16: networks, addresses, virtual IPs, published ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/pb.h"
#include "tests/sim/model.h"

#define GIB (1ll << 30)
#define CPU 1000000000ll

struct fixture {
    struct model m;
    uint64_t ingress, node;
};

static int setup(void **state)
{
    static struct fixture f;

    model_init(&f.m, 7);
    f.node = model_node(&f.m, "n1", 100 * CPU, 800 * GIB);
    model_settle(&f.m);
    f.ingress =
        sw_list_entry(view_list(f.m.view, VIEW_NETWORK)->next, struct view_object, link)->key;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    model_settle(&f->m);
    assert_true(model_is_quiet(&f->m));
    model_fini(&f->m);
    return 0;
}

static const Swarm__V1__Network *net(struct fixture *f, uint64_t key)
{
    return view_network(f->m.view, key);
}

static const Swarm__V1__Service *svc(struct fixture *f, uint64_t key)
{
    return view_service(f->m.view, key)->s;
}

static uint64_t create(struct fixture *f, Swarm__V1__Service *s)
{
    uint64_t key = model_create(&f->m, VIEW_SERVICE, s);

    model_run(&f->m);
    return key;
}

static void ingress_gets_the_first_block_and_each_node_an_address_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(net(f, f->ingress)->subnet, 0x0a000000);
    assert_int_equal(net(f, f->ingress)->subnet_len, 24);
    assert_int_equal(net(f, f->ingress)->gateway, 0x0a000001);
    assert_int_equal(net(f, f->ingress)->vni, 4097);
    assert_int_equal(view_node(f->m.view, f->node)->n->ingress_addr, 0x0a000002);
}

static void networks_get_the_next_free_block_and_vni(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    uint64_t fixed = model_network(&f->m, "fixed", "10.0.2.0/23");
    uint64_t b;
    uint64_t c;

    model_settle(&f->m);
    b = model_network(&f->m, "b", NULL);
    model_settle(&f->m);
    assert_int_equal(net(f, a)->subnet, 0x0a000100);
    assert_int_equal(net(f, fixed)->subnet, 0x0a000200);
    assert_int_equal(net(f, fixed)->subnet_len, 23);
    assert_int_equal(net(f, b)->subnet, 0x0a000400);
    assert_int_equal(net(f, b)->vni, 4100);
    model_delete(&f->m, a);
    c = model_network(&f->m, "c", NULL);
    model_settle(&f->m);
    assert_int_equal(net(f, c)->subnet, 0x0a000100);
    assert_int_equal(net(f, c)->vni, 4098);
}

static void an_overlapping_subnet_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", "10.0.0.0/16");
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;

    build_network(s, a);
    web = create(f, s);
    assert_int_equal(net(f, a)->subnet, 0);
    assert_string_equal(model_task(&f->m, model_in_slot(&f->m, web, 1))->status->err,
                        "network a: subnet 10.0.0.0/16 overlaps with network ingress");
}

static void addresses_run_on_and_are_not_used_again_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    Swarm__V1__Service *s = build_service("web", 1);
    uint32_t seen[4];
    uint64_t web;

    build_network(s, a);
    build_restart(s, SWARM__V1__RESTART_POLICY__CONDITION__ANY, 0, 0, 0);
    web = create(f, s);
    for (unsigned i = 0; i < 4; i++) {
        seen[i] = model_task(&f->m, model_in_slot(&f->m, web, 1))->networks[0]->addr;
        if (i == 1)
            model_new_leader(&f->m);
        model_report(&f->m, model_in_slot(&f->m, web, 1), TASK_STATE(FAILED));
        model_run(&f->m);
    }
    assert_int_equal(seen[0], 0x0a000103); /* gateway .1, VIP .2 */
    assert_int_equal(seen[1], 0x0a000105); /* the node took .4 */
    assert_int_equal(seen[2], 0x0a000106);
    assert_int_equal(seen[3], 0x0a000107);
}

static void a_full_network_says_so_and_goes_on_when_something_is_freed(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", "192.168.7.0/29"); /* six addresses */
    Swarm__V1__Service *s = build_service("web", 4);
    uint64_t web;

    build_network(s, a);
    web = create(f, s); /* gateway, VIP, node, three tasks */
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 4);
    model_scale(&f->m, web, 5);
    model_run(&f->m);
    assert_int_equal(status_state(model_task(&f->m, model_in_slot(&f->m, web, 5))),
                     TASK_STATE(NEW));
    assert_string_equal(model_task(&f->m, model_in_slot(&f->m, web, 5))->status->err,
                        "network a: no free address in 192.168.7.0/29");
    model_scale(&f->m, web, 2);
    model_run(&f->m);
    model_scale(&f->m, web, 3);
    model_run(&f->m);
    assert_int_equal(model_count(&f->m, web, TASK_STATE(RUNNING), TASK_STATE(RUNNING)), 3);
}

static void a_vip_is_kept_over_updates_and_leaders(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    uint64_t b = model_network(&f->m, "b", NULL);
    Swarm__V1__Service *s = build_service("web", 1);
    uint32_t vip;
    uint64_t web;

    build_network(s, a);
    web = create(f, s);
    vip = svc(f, web)->endpoint->vips[0]->addr;
    model_new_leader(&f->m);
    s = model_edit(&f->m, web);
    build_network(s, b);
    model_update(&f->m, s);
    model_run(&f->m);
    assert_int_equal(svc(f, web)->endpoint->n_vips, 2);
    assert_int_equal(svc(f, web)->endpoint->vips[0]->addr, vip);
    assert_int_equal(svc(f, web)->endpoint->vips[1]->network, b);
    model_advance(&f->m, MODEL_S(10));
}

static void dnsrr_services_have_no_vip(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;

    build_network(s, a);
    s->spec->endpoint = pb_new(&swarm__v1__endpoint_spec__descriptor);
    s->spec->endpoint->mode = SWARM__V1__ENDPOINT_SPEC__MODE__DNSRR;
    web = create(f, s);
    assert_int_equal(svc(f, web)->endpoint->n_vips, 0);
    assert_int_equal(model_task(&f->m, model_in_slot(&f->m, web, 1))->n_networks, 1);
}

static void publishing_puts_service_and_tasks_on_ingress(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    const Swarm__V1__Task *t;
    uint64_t web;

    build_publish(s, 8080, 80, false);
    web = create(f, s);
    t = model_task(&f->m, model_in_slot(&f->m, web, 1));
    assert_int_equal(svc(f, web)->endpoint->n_vips, 1);
    assert_int_equal(svc(f, web)->endpoint->vips[0]->network, f->ingress);
    assert_int_equal(t->n_networks, 1);
    assert_int_equal(t->networks[0]->network, f->ingress);
    assert_int_equal(t->ports[0]->published, 8080);
}

static void dynamic_ports_are_chosen_and_kept(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;
    uint64_t other;

    build_publish(s, 0, 80, false);
    build_publish(s, 0, 443, false);
    web = create(f, s);
    assert_int_equal(svc(f, web)->endpoint->ports[0]->published, 30000);
    assert_int_equal(svc(f, web)->endpoint->ports[1]->published, 30001);
    assert_int_equal(svc(f, web)->spec->endpoint->ports[0]->published, 0); /* intent stays */
    s = build_service("other", 1);
    build_publish(s, 0, 80, false);
    other = create(f, s);
    assert_int_equal(svc(f, other)->endpoint->ports[0]->published, 30002);
    model_new_leader(&f->m);
    s = model_edit(&f->m, web);
    build_publish(s, 0, 8443, false);
    model_update(&f->m, s);
    model_run(&f->m);
    assert_int_equal(svc(f, web)->endpoint->ports[0]->published, 30000);
    assert_int_equal(svc(f, web)->endpoint->ports[1]->published, 30001);
    assert_int_equal(svc(f, web)->endpoint->ports[2]->published, 30003);
    model_delete(&f->m, other);
    model_run(&f->m);
    s = build_service("third", 1);
    build_publish(s, 0, 80, false);
    assert_int_equal(svc(f, create(f, s))->endpoint->ports[0]->published, 30002);
    model_advance(&f->m, MODEL_S(10));
}

static void host_ports_are_no_business_of_the_allocator(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Service *s = build_service("web", 1);
    uint64_t web;

    build_publish(s, 80, 80, true);
    web = create(f, s);
    assert_int_equal(svc(f, web)->endpoint->n_vips, 0);
    assert_int_equal(model_task(&f->m, model_in_slot(&f->m, web, 1))->n_networks, 0);
    s = build_service("other", 0);
    build_publish(s, 80, 80, true);
    assert_int_equal(svc(f, create(f, s))->endpoint->ports[0]->published, 80);
}

static void a_node_leaves_the_network_with_its_last_task(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    Swarm__V1__Service *s = build_service("web", 2);
    uint64_t web;

    build_network(s, a);
    web = create(f, s);
    assert_int_equal(view_node(f->m.view, f->node)->n->n_network_addrs, 2);
    model_scale(&f->m, web, 0);
    model_run(&f->m);
    model_advance(&f->m, MODEL_S(59));
    assert_int_equal(view_node(f->m.view, f->node)->n->n_network_addrs, 2);
    model_advance(&f->m, MODEL_S(2));
    assert_int_equal(view_node(f->m.view, f->node)->n->n_network_addrs, 1);
    assert_int_equal(view_node(f->m.view, f->node)->n->ingress_addr, 0x0a000002);
}

static void the_predefined_networks_need_no_address(void **state)
{
    struct fixture *f = *state;
    Swarm__V1__Network *host = pb_new(&swarm__v1__network__descriptor);
    Swarm__V1__Service *s = build_service("web", 1);
    const Swarm__V1__Task *t;
    uint64_t key;
    uint64_t web;

    host->spec = pb_new(&swarm__v1__network_spec__descriptor);
    host->spec->annotations = pb_new(&swarm__v1__annotations__descriptor);
    (void)pb_set_string(&host->spec->annotations->name, "host");
    (void)pb_set_string(&host->spec->driver, "host");
    key = model_create(&f->m, VIEW_NETWORK, host);
    build_network(s, key);
    web = create(f, s);
    t = model_task(&f->m, model_in_slot(&f->m, web, 1));
    assert_int_equal(status_state(t), TASK_STATE(RUNNING));
    assert_int_equal(t->networks[0]->network, key);
    assert_int_equal(t->networks[0]->addr, 0);
    assert_int_equal(net(f, key)->subnet, 0);
}

static void a_network_to_be_deleted_goes_with_its_last_user(void **state)
{
    struct fixture *f = *state;
    uint64_t a = model_network(&f->m, "a", NULL);
    Swarm__V1__Service *s = build_service("web", 1);
    struct txn *x;
    uint64_t web;

    build_network(s, a);
    web = create(f, s);
    model_delete(&f->m, web);
    x = model_begin(&f->m);
    ((Swarm__V1__Network *)txn_edit(x, view_object(f->m.view, a)))->pending_delete = true;
    model_commit(&f->m, x);
    model_settle(&f->m);
    assert_non_null(net(f, a)); /* the task is still stopping */
    model_run(&f->m);
    assert_null(net(f, a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
        T(ingress_gets_the_first_block_and_each_node_an_address_there),
        T(networks_get_the_next_free_block_and_vni),
        T(an_overlapping_subnet_is_refused_with_the_reason),
        T(addresses_run_on_and_are_not_used_again_at_once),
        T(a_full_network_says_so_and_goes_on_when_something_is_freed),
        T(a_vip_is_kept_over_updates_and_leaders),
        T(dnsrr_services_have_no_vip),
        T(publishing_puts_service_and_tasks_on_ingress),
        T(dynamic_ports_are_chosen_and_kept),
        T(host_ports_are_no_business_of_the_allocator),
        T(a_node_leaves_the_network_with_its_last_task),
        T(the_predefined_networks_need_no_address),
        T(a_network_to_be_deleted_goes_with_its_last_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
