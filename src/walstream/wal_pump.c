#include "wal_pump.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/stop.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static const int64_t reply_interval_us = INT64_C(10000000);
static const int64_t drain_limit_us = INT64_C(20000000);
/* After a stop request what was sent already is taken: for so long at least, and at most. */
static const int64_t arriving_us = INT64_C(200000);
static const int64_t arriving_limit_us = INT64_C(1000000);
/* A server whose client does not read cannot end the walsender, and its checkpoints wait for that
 * when they give up the slot. So a client that cannot read goes away; the slot keeps the WAL. */
static const int64_t full_limit_us = INT64_C(10000000);
static const int64_t wait_slice_us = INT64_C(100000); /* until a stop request is noticed */

bool wal_pump_open(struct wal_pump *pump, const struct repository *repository,
                   const struct wal_stream_options *options, struct error *err)
{
    *pump = (struct wal_pump){.options = options};
    if (!wal_uploader_open(&pump->uploader, repository, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(pump->buffers); i++) {
        pump->buffers[i].bytes = malloc((size_t)options->chunk_bytes + WAL_MESSAGE_MAX_BYTES);
        if (pump->buffers[i].bytes == NULL)
            return error_no_memory(err, "a WAL buffer");
    }
    return true;
}

/* What is stored, or will come again, is not kept in memory. */
static void forget(struct wal_buffer *buffer)
{
    secret_wipe(buffer->bytes, buffer->len);
    buffer->len = 0;
}

void wal_pump_close(struct wal_pump *pump)
{
    wal_uploader_close(&pump->uploader);
    for (size_t i = 0; i < ARRAY_LEN(pump->buffers); i++) {
        forget(&pump->buffers[i]);
        free(pump->buffers[i].bytes);
    }
    *pump = (struct wal_pump){.uploader.wake_fd = -1};
}

static int64_t now_us(void)
{
    return clock_monotonic_us(&clock_system);
}

static struct wal_buffer *filling(struct wal_pump *pump)
{
    return &pump->buffers[pump->filling];
}

void wal_pump_begin(struct wal_pump *pump, struct wal_receiver *receiver, uint64_t lsn)
{
    pump->receiver = receiver;
    pump->overlap_done = 0;
    pump->urgent = false;
    pump->broken = false;
    pump->heard = false;
    pump->replied_us = 0;
    pump->full_since_us = 0;
    forget(filling(pump));
    filling(pump)->start_lsn = lsn;
    pump->progress.timeline = pump->source.timeline;
    pump->progress.received_lsn = lsn;
    pump->progress.stored_lsn = lsn;
}

/* --- storing ------------------------------------------------------------------------------------
 */

static void report(struct wal_pump *pump)
{
    if (pump->options->on_progress != NULL)
        pump->options->on_progress(pump->options->context, &pump->progress);
}

/* Hands the buffer to the uploader, which must be idle, and goes on with the other one. */
static bool submit(struct wal_pump *pump, struct error *err)
{
    struct wal_buffer *full = filling(pump);
    if (!wal_pages_check(&pump->rules, full->start_lsn, full->bytes, full->len, err)) {
        (void)error_hint(err, "Nothing of it was stored. Check that the connection leads to one "
                              "server, and the server's disks.");
        return error_wrap(err, "cannot store the WAL that the server sent");
    }
    const struct wal_upload job = {.source = pump->source,
                                   .bytes = full->bytes,
                                   .len = full->len,
                                   .start_lsn = full->start_lsn};
    wal_uploader_submit(&pump->uploader, &job);
    pump->filling = 1 - pump->filling;
    forget(filling(pump));
    filling(pump)->start_lsn = full->start_lsn + full->len;
    pump->urgent = false;
    return true;
}

/* A stop request ends transfers to the store; the last chunk gets another try. */
static bool try_again(struct wal_pump *pump, const struct error *failure)
{
    if (failure->kind != ERROR_CANCELLED || pump->retried || !pump->draining)
        return false;
    pump->retried = true;
    const struct wal_upload job = pump->uploader.job;
    wal_uploader_submit(&pump->uploader, &job);
    return true;
}

static void begin_draining(struct wal_pump *pump)
{
    if (pump->draining || !stop_requested())
        return;
    pump->draining = true;
    pump->arriving = true;
    pump->drain_us = now_us();
    stop_reset(); /* from here on a stop request is a second one */
}

/* Draining takes long, or a second stop request came: the rest is left to the server. */
static bool check_patience(const struct wal_pump *pump, struct error *err)
{
    if (!pump->draining || (!stop_requested() && now_us() - pump->drain_us <= drain_limit_us))
        return true;
    stop_request(); /* ends the transfer to the store */
    return error_set(err, ERROR_CANCELLED,
                     "stopped before all of the received WAL was stored; the server still has it");
}

/* Takes note of a chunk that is stored. */
static bool collect(struct wal_pump *pump, struct error *err)
{
    bool done = false;
    begin_draining(pump);
    if (!check_patience(pump, err))
        return false;
    if (!wal_uploader_collect(&pump->uploader, &done, err)) {
        pump->broken = !try_again(pump, err);
        return !pump->broken;
    }
    if (!done)
        return true;
    pump->progress.stored_lsn = pump->uploader.job.start_lsn + pump->uploader.job.len;
    pump->progress.chunks++;
    pump->progress.wal_bytes += pump->uploader.job.len;
    pump->progress.object_bytes += pump->uploader.object_bytes;
    pump->replied_us = 0; /* confirm at once: commits may wait for it */
    forget(&pump->buffers[1 - pump->filling]);
    report(pump);
    return true;
}

static bool buffer_is_due(struct wal_pump *pump)
{
    const struct wal_buffer *buffer = filling(pump);
    uint64_t until = pump->options->until_lsn;
    if (buffer->len == 0)
        return false;
    return buffer->len >= pump->options->chunk_bytes || pump->urgent ||
           (pump->draining && !pump->arriving) ||
           (until != 0 && pump->progress.received_lsn >= until) ||
           now_us() - buffer->first_us >= pump->options->flush_interval_us;
}

static bool confirm_if_due(struct wal_pump *pump, struct error *err)
{
    int64_t now = now_us();
    if (pump->replied_us != 0 && now - pump->replied_us < reply_interval_us)
        return true;
    pump->replied_us = now;
    return wal_receiver_confirm(pump->receiver, pump->progress.stored_lsn,
                                clock_now_us(&clock_system), err);
}

static bool store_and_confirm(struct wal_pump *pump, struct error *err)
{
    if (!collect(pump, err))
        return false;
    if (buffer_is_due(pump) && wal_uploader_is_idle(&pump->uploader) && !submit(pump, err))
        return false;
    return confirm_if_due(pump, err);
}

static bool everything_is_stored(struct wal_pump *pump)
{
    return filling(pump)->len == 0 && wal_uploader_is_idle(&pump->uploader);
}

/* --- receiving ----------------------------------------------------------------------------------
 */

/* Of a sealed repository there is a digest to compare with, once all of the bytes are there. */
static bool same_overlap(struct wal_pump *pump, const uint8_t *bytes, size_t len, bool *out_same,
                         struct error *err)
{
    uint8_t *stored = pump->overlap + pump->overlap_done;
    if (!pump->overlap_is_sealed) {
        *out_same = memcmp(stored, bytes, len) == 0;
        return true;
    }
    memcpy(stored, bytes, len);
    return pump->overlap_done + len < pump->overlap_len ||
           wal_chunk_end_is(pump->uploader.repository, &pump->end, pump->overlap, out_same, err);
}

/* Bytes that the store has already must be the same there and here. */
static bool compare_overlap(struct wal_pump *pump, const uint8_t **bytes, size_t *len,
                            struct error *err)
{
    char place[TEXT_SIZE];
    size_t left = pump->overlap_len - pump->overlap_done;
    size_t part = *len < left ? *len : left;
    bool same = true;
    if (part > 0 && !same_overlap(pump, *bytes, part, &same, err))
        return false;
    if (!same) {
        (void)error_set(err, ERROR_REFUSED,
                        "cannot continue the WAL at %s: the server has other WAL there than the "
                        "repository",
                        text_lsn(pump->progress.stored_lsn, place));
        return error_hint(err, "The server went back to an older state on the same timeline. Give "
                               "it a repository of its own, or promote it to a new timeline.");
    }
    pump->overlap_done += part;
    if (part > 0 && pump->overlap_done == pump->overlap_len)
        secret_wipe(pump->overlap, sizeof pump->overlap);
    *bytes += part;
    *len -= part;
    return true;
}

static bool take_data(struct wal_pump *pump, const struct wal_message *message, struct error *err)
{
    const uint8_t *bytes = message->bytes;
    size_t len = message->len;
    struct wal_buffer *buffer = filling(pump);
    if (len > WAL_MESSAGE_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "cannot take a WAL message of %zu bytes", len);
    if (!compare_overlap(pump, &bytes, &len, err))
        return false;
    if (len == 0)
        return true;
    if (buffer->len == 0)
        buffer->first_us = now_us();
    memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
    pump->progress.received_lsn = buffer->start_lsn + buffer->len;
    return true;
}

static bool take_message(struct wal_pump *pump, const struct wal_message *message,
                         struct error *err)
{
    if (message->server_lsn > pump->progress.server_lsn)
        pump->progress.server_lsn = message->server_lsn;
    if (message->event == WAL_EVENT_DATA)
        return take_data(pump, message, err);
    if (message->event == WAL_EVENT_KEEPALIVE && message->reply_requested) {
        /* A server that shuts down asks again after every answer until we have everything: then the
         * answer is the confirmation of what is being stored. */
        pump->urgent = filling(pump)->len > 0;
        if (everything_is_stored(pump))
            pump->replied_us = 0;
    }
    return true;
}

static int64_t wait_us(struct wal_pump *pump)
{
    int64_t left = wait_slice_us;
    const struct wal_buffer *buffer = filling(pump);
    if (buffer->len > 0 && wal_uploader_is_idle(&pump->uploader)) {
        int64_t due = buffer->first_us + pump->options->flush_interval_us - now_us();
        left = due < left ? due : left;
    }
    return left > 0 ? left : 0;
}

/* Counts how long nothing could be read. */
static bool check_room(struct wal_pump *pump, bool room, struct error *err)
{
    if (room || pump->draining)
        pump->full_since_us = 0;
    else if (pump->full_since_us == 0)
        pump->full_since_us = now_us();
    else if (now_us() - pump->full_since_us > full_limit_us) {
        (void)error_set(err, ERROR_IO,
                        "the store is too slow or away: leaving the server until what was received "
                        "is stored; its slot keeps the WAL");
        err->retryable = true;
        return false;
    }
    return true;
}

/* One round; *out_event says what came. */
static bool pump_once(struct wal_pump *pump, enum wal_event *out_event, struct error *err)
{
    struct wal_message message = {.event = WAL_EVENT_NOTHING};
    bool room = (!pump->draining || pump->arriving) &&
                filling(pump)->len < pump->options->chunk_bytes;
    if (!store_and_confirm(pump, err) || !check_room(pump, room, err) ||
        !wal_receiver_next(pump->receiver, room, pump->uploader.wake_fd, wait_us(pump), &message,
                           err) ||
        !take_message(pump, &message, err))
        return false;
    int64_t draining_us = now_us() - pump->drain_us;
    if ((message.event == WAL_EVENT_NOTHING && draining_us > arriving_us) ||
        draining_us > arriving_limit_us)
        pump->arriving = false;
    pump->heard = pump->heard || message.event != WAL_EVENT_NOTHING;
    *out_event = message.event;
    return true;
}

/* Without the server: until the store has everything. */
static bool store_the_rest(struct wal_pump *pump, struct error *err)
{
    pump->arriving = false;
    while (!everything_is_stored(pump)) {
        struct pollfd waiting = {.fd = pump->uploader.wake_fd, .events = POLLIN};
        if (!collect(pump, err))
            return false;
        pump->urgent = true;
        if (buffer_is_due(pump) && wal_uploader_is_idle(&pump->uploader) && !submit(pump, err))
            return false;
        if (!everything_is_stored(pump))
            (void)poll(&waiting, 1, (int)(wait_slice_us / 1000));
    }
    return true;
}

/* The server reads the last confirmation before the connection ends. */
static bool say_goodbye(struct wal_pump *pump, struct error *err)
{
    static const int64_t goodbye_us = INT64_C(2000000);
    if (!wal_receiver_confirm(pump->receiver, pump->progress.stored_lsn,
                              clock_now_us(&clock_system), err))
        return false;
    wal_receiver_stop(pump->receiver, goodbye_us);
    return true;
}

bool wal_pump_run(struct wal_pump *pump, enum wal_pump_end *out, struct error *err)
{
    uint64_t until = pump->options->until_lsn;
    for (;;) {
        enum wal_event event = WAL_EVENT_NOTHING;
        if (pump->draining && !pump->arriving && everything_is_stored(pump)) {
            *out = PUMP_STOPPED;
            return say_goodbye(pump, err);
        }
        if (until != 0 && pump->progress.stored_lsn >= until) {
            *out = PUMP_REACHED_LSN;
            return say_goodbye(pump, err);
        }
        if (!pump_once(pump, &event, err))
            return false;
        if (event == WAL_EVENT_TIMELINE_END) {
            *out = PUMP_TIMELINE_END;
            return store_the_rest(pump, err);
        }
    }
}

bool wal_pump_salvage(struct wal_pump *pump, struct error *err)
{
    return pump->broken || pump->receiver == NULL || store_the_rest(pump, err);
}
