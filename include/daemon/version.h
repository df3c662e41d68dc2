/* The version that `mainstayd --version` and the metrics show; that of `mainstay` is the same. */
#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

#define DAEMON_VERSION "0.1.0"

#endif
