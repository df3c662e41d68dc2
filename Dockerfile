# Builds and tests in one stage; the other has the program and its libraries only, and no root.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make gcc ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile LICENSE ./
COPY tests/lib/deps tests/lib/deps
RUN tests/lib/deps build unit
COPY . .
RUN make WERROR=-Werror all && make unit && make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 libarchive13 libcurl4 \
        libzstd1 libfyaml0 libjansson4 libxxhash0 libssl3 libs3-2 libexpat1 libmicrohttpd12 libsodium23 tzdata \
        ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin mainstay
COPY --from=build /out /
USER 10001
ENTRYPOINT ["mainstay"]
CMD ["help"]
