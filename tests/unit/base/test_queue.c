#include "base/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ITEMS = 20000, WORKERS = 4 };

struct worker {
    struct queue *queue;
    uint64_t sum;
    size_t count;
};

static void *consume(void *argument)
{
    struct worker *worker = argument;
    for (;;) {
        const uint64_t *item = queue_pop(worker->queue);
        if (item == NULL)
            return NULL;
        worker->sum += *item;
        worker->count++;
    }
}

static void test_every_item_arrives_once(void **state)
{
    static uint64_t items[ITEMS];
    struct error err;
    struct queue queue;
    struct worker workers[WORKERS] = {{0}};
    pthread_t threads[WORKERS];
    (void)state;
    assert_true(queue_init(&queue, 7, &err));
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i].queue = &queue;
        assert_int_equal(pthread_create(&threads[i], NULL, consume, &workers[i]), 0);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = i;
        assert_true(queue_push(&queue, &items[i]));
    }
    queue_close(&queue);
    uint64_t sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
        sum += workers[i].sum;
        count += workers[i].count;
    }
    assert_int_equal(count, ITEMS);
    assert_true(sum == (uint64_t)ITEMS * (ITEMS - 1) / 2);
    queue_release(&queue);
}

static void test_items_come_in_order_and_closing_drains(void **state)
{
    struct error err;
    struct queue queue;
    int items[3];
    (void)state;
    assert_true(queue_init(&queue, 3, &err));
    for (size_t i = 0; i < 3; i++)
        assert_true(queue_push(&queue, &items[i]));
    queue_close(&queue);
    assert_false(queue_push(&queue, &items[0]));
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(queue_pop(&queue), &items[i]);
    assert_null(queue_pop(&queue));
    queue_release(&queue);
}

static void *push_one(void *argument)
{
    static int item;
    struct queue *queue = argument;
    return queue_push(queue, &item) ? argument : NULL;
}

static void test_abort_frees_everybody(void **state)
{
    struct error err;
    struct queue queue;
    int item;
    pthread_t pusher;
    void *result;
    (void)state;
    assert_true(queue_init(&queue, 1, &err));
    assert_true(queue_push(&queue, &item));
    assert_int_equal(pthread_create(&pusher, NULL, push_one, &queue), 0); /* waits: full */
    queue_abort(&queue);
    (void)pthread_join(pusher, &result);
    assert_null(result);
    assert_null(queue_pop(&queue));
    assert_ptr_equal(queue_drain(&queue), &item); /* for cleaning up */
    assert_null(queue_drain(&queue));
    queue_release(&queue);
    queue_release(&queue);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_item_arrives_once),
        cmocka_unit_test(test_items_come_in_order_and_closing_drains),
        cmocka_unit_test(test_abort_frees_everybody),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
