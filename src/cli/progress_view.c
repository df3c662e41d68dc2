#include "cli/progress_view.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_MS = 500, RATE_WEIGHT = 8 };

const char *progress_line(const struct progress_sample *sample, char out[PROGRESS_LINE_SIZE])
{
    char done[TEXT_SIZE];
    char other[TEXT_SIZE];
    size_t len = 0;
    uint64_t total = sample->bytes_total;
    uint64_t left = total > sample->bytes_done ? total - sample->bytes_done : 0;
    struct buf line;
    buf_init(&line, PROGRESS_LINE_SIZE);
    buf_printf(&line, "%s  %s", sample->phase == NULL ? "starting" : sample->phase,
               text_bytes(sample->bytes_done, done));
    if (total > 0)
        buf_printf(&line, " of %s (%" PRIu64 " %%)", text_bytes(total, other),
                   left == 0 ? 100 : (uint64_t)((double)sample->bytes_done * 100 / (double)total));
    if (sample->bytes_per_second > 0)
        buf_printf(&line, ", %s/s", text_bytes(sample->bytes_per_second, other));
    if (left > 0 && sample->bytes_per_second > 0)
        buf_printf(&line, ", %s left",
                   text_duration_us((int64_t)((left - 1) / sample->bytes_per_second + 1) * 1000000,
                                    other));
    if (sample->bytes_stored > 0)
        buf_printf(&line, ", %s in the store", text_bytes(sample->bytes_stored, other));
    len = line.len < PROGRESS_LINE_SIZE ? line.len : PROGRESS_LINE_SIZE - 1;
    if (len > 0)
        memcpy(out, line.data, len);
    out[len] = '\0';
    buf_release(&line);
    return out;
}

/* What the thread remembers from one look to the next. */
struct rate {
    int64_t at_us;
    uint64_t bytes;
    uint64_t per_second;
};

/* Smooth enough to read, quick enough to be true. */
static uint64_t update_rate(struct rate *rate, uint64_t bytes)
{
    int64_t now = clock_monotonic_us(&clock_system);
    if (rate->at_us != 0 && now > rate->at_us && bytes >= rate->bytes) {
        uint64_t current = (uint64_t)((double)(bytes - rate->bytes) * 1e6 /
                                      (double)(now - rate->at_us));
        rate->per_second = rate->per_second == 0
                               ? current
                               : (rate->per_second * (RATE_WEIGHT - 1) + current) / RATE_WEIGHT;
    }
    rate->at_us = now;
    rate->bytes = bytes;
    return rate->per_second;
}

static void show(struct progress_view *view, struct rate *rate)
{
    char line[PROGRESS_LINE_SIZE];
    struct progress *progress = view->progress;
    struct progress_sample sample = {
        .phase = atomic_load(&progress->phase),
        .bytes_done = atomic_load(&progress->bytes_done),
        .bytes_total = atomic_load(&progress->bytes_total),
        .bytes_stored = atomic_load(&progress->bytes_stored),
    };
    sample.bytes_per_second = update_rate(rate, sample.bytes_done);
    (void)fprintf(view->terminal, "\r%s\033[K", progress_line(&sample, line));
    (void)fflush(view->terminal);
}

/* Waits for the interval or the end. */
static bool wait_for_end(struct progress_view *view)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)INTERVAL_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&view->lock);
    if (!view->ending)
        (void)pthread_cond_timedwait(&view->changed, &view->lock, &until);
    bool ending = view->ending;
    (void)pthread_mutex_unlock(&view->lock);
    return ending;
}

static void *view_main(void *argument)
{
    struct progress_view *view = argument;
    struct rate rate = {0};
    while (!wait_for_end(view))
        show(view, &rate);
    (void)fprintf(view->terminal, "\r\033[K");
    (void)fflush(view->terminal);
    return NULL;
}

void progress_view_start(struct progress_view *view, struct progress *progress,
                         const struct invocation *call)
{
    const char *format = config_text(&call->config, OPTION_LOG_FORMAT);
    bool json_logs = format != NULL && strcmp(format, "json") == 0;
    *view = (struct progress_view){.progress = progress, .terminal = call->world->err};
    if (call->json || json_logs || isatty(fileno(view->terminal)) == 0)
        return;
    if (pthread_mutex_init(&view->lock, NULL) != 0)
        return;
    if (pthread_cond_init(&view->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&view->lock);
        return;
    }
    view->running = pthread_create(&view->thread, NULL, view_main, view) == 0;
    if (!view->running) {
        (void)pthread_cond_destroy(&view->changed);
        (void)pthread_mutex_destroy(&view->lock);
    }
}

void progress_view_stop(struct progress_view *view)
{
    if (!view->running)
        return;
    (void)pthread_mutex_lock(&view->lock);
    view->ending = true;
    (void)pthread_cond_signal(&view->changed);
    (void)pthread_mutex_unlock(&view->lock);
    (void)pthread_join(view->thread, NULL);
    (void)pthread_cond_destroy(&view->changed);
    (void)pthread_mutex_destroy(&view->lock);
    view->running = false;
}
