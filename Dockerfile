# The image, in two sizes: `runtime` has the programs and the libraries that they load, `drill` the
# server binaries of PostgreSQL too, for `mainstay drill run`. `make image` builds both with whatever
# builder is there, `make check-image` proves them on a Debian machine without any registry.
#
# The base is pinned to Debian 12 by its tag. There is no digest here because nobody here could vouch
# for one: give the one your registry serves, BASE=debian:12-slim@sha256:... For drills take the
# Debian that your servers run on: another glibc sorts differently, and pg_amcheck would say so.
ARG BASE=debian:12-slim

# --- builds and tests -------------------------------------------------------------------------------

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make gcc ca-certificates
WORKDIR /src
COPY tests/lib/deps tests/lib/deps
RUN tests/lib/deps build unit
COPY . .
RUN make WERROR=-Werror all && make WERROR=-Werror unit
RUN install -d /out/usr/bin /out/usr/share/mainstay /out/usr/share/doc/mainstay \
    && install -s -m 755 build/mainstay build/mainstayd /out/usr/bin \
    && cp -r runbooks /out/usr/share/mainstay/ \
    && install -m 644 LICENSE /out/usr/share/doc/mainstay/copyright \
    && tests/image/libraries /out/usr/bin/mainstay /out/usr/bin/mainstayd >/packages

# --- Debian, with what the programs load ------------------------------------------------------------
# No setuid programs, no package caches, one user who owns nothing.

FROM ${BASE} AS base
COPY --from=build /packages /src/tests/image/tidy /tmp/
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(cat /tmp/packages) ca-certificates tzdata \
    && groupadd --gid 65532 mainstay \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin mainstay \
    && sh /tmp/tidy /tmp/packages /tmp/tidy

FROM base AS runtime-sbom
ARG VERSION=unreleased
ARG CREATED=
COPY --from=build /src/tests/image/sbom /tmp/
RUN sh /tmp/sbom "mainstay" "$VERSION" "$CREATED" >/sbom.spdx.json

FROM base AS runtime
COPY --from=build /out /
COPY --from=runtime-sbom /sbom.spdx.json /usr/share/mainstay/sbom.spdx.json
ARG BASE
ARG VERSION=unreleased
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="mainstay" \
    org.opencontainers.image.description="PostgreSQL snapshots, WAL and incident runbooks" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}"
USER 65532:65532
# For the daemon, of the configuration in MAINSTAY_CONFIG; one command at a time has --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/usr/bin/mainstayd", "--health"]
ENTRYPOINT ["/usr/bin/mainstay"]
CMD ["help"]

# --- and with PostgreSQL's servers ------------------------------------------------------------------
# PG_MAJORS="15 17" needs an apt source that has them: APT_SOURCE is its line for sources.list, with
# signed-by=/etc/apt/keyrings/extra.asc in it, APT_KEY the text of its public key. LOCALES are
# Debian's packages of them: a database whose locale is missing cannot be opened. PostgreSQL runs its
# restore_command with sh: this target needs the one that Debian has, the other needs none.

FROM base AS drill-base
ARG PG_MAJORS=15
ARG APT_SOURCE=
ARG APT_KEY=
ARG LOCALES=locales-all
USER 0
COPY --from=build /src/tests/image/tidy /tmp/
RUN if [ -n "$APT_SOURCE" ]; then \
        install -d /etc/apt/keyrings \
        && printf '%s\n' "$APT_KEY" >/etc/apt/keyrings/extra.asc \
        && printf '%s\n' "$APT_SOURCE" >/etc/apt/sources.list.d/extra.list; \
    fi \
    && install -d /etc/postgresql-common \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $LOCALES \
        $(printf 'postgresql-%s ' $PG_MAJORS) \
    && sh /tmp/tidy /tmp/tidy

FROM drill-base AS drill-sbom
ARG VERSION=unreleased
ARG CREATED=
COPY --from=build /src/tests/image/sbom /tmp/
RUN sh /tmp/sbom "mainstay-drill" "$VERSION" "$CREATED" >/sbom.spdx.json

FROM drill-base AS drill
COPY --from=build /out /
COPY --from=drill-sbom /sbom.spdx.json /usr/share/mainstay/sbom.spdx.json
ARG BASE
ARG VERSION=unreleased
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="mainstay-drill" \
    org.opencontainers.image.description="mainstay, and PostgreSQL's servers for restore drills" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.licenses="Apache-2.0 AND PostgreSQL" \
    org.opencontainers.image.base.name="${BASE}"
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/usr/bin/mainstayd", "--health"]
ENTRYPOINT ["/usr/bin/mainstay"]
CMD ["help"]

# Without --target: the smaller one.
FROM runtime
