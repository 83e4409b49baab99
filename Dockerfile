# One image for every role; the command picks it. Built in two stages: no compiler, no pip cache, no source tree is left.
ARG PYTHON=python:3.12.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/gong-views

COPY deploy/requirements.txt ./
RUN /opt/gong-views/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt

COPY constraints.txt pyproject.toml README.md ./
COPY producers producers
COPY worker worker
COPY migrations migrations
# The variable pins what builds the wheel.
RUN PIP_CONSTRAINT=/src/constraints.txt /opt/gong-views/bin/pip install --no-cache-dir --no-deps .

FROM ${PYTHON}
# The folders are where volumes go, which take over their owner; 10001 is what a volume's files and a cluster's policy name.
RUN groupadd --gid 10001 gong \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/gong-views --shell /usr/sbin/nologin gong \
    && install --directory --owner=gong --group=gong --mode=0700 /var/lib/gong-views \
    && for name in prepare redis postgres migrate worker web producer operator console metrics prometheus grafana; do \
        install --directory --owner=gong --group=gong --mode=0750 "/etc/gong-views/$name"; \
    done
COPY --from=build /opt/gong-views /opt/gong-views
ENV PATH=/opt/gong-views/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GONG_VIEWS_DATA_DIR=/var/lib/gong-views
USER 10001:10001
WORKDIR /var/lib/gong-views
ENTRYPOINT ["gong-views"]
CMD ["--help"]
