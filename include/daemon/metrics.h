/*
 * The daemon's metrics in the Prometheus text format, version 0.0.4. One row for each metric with
 * name, type and help; names follow Prometheus: mainstay_ in front, the base unit in the name,
 * _total on counters. A metric whose value is not known has no sample.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/buf.h"
#include "daemon/facts.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_put(const struct facts *facts, const struct job_time *now, struct buf *out);

#endif
