FROM python:3.12-slim

RUN useradd --create-home --uid 10001 gong
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY producers producers
COPY worker worker
COPY migrations migrations
RUN pip install --no-cache-dir --constraint constraints.txt '.[worker,postgres,outbox,alerts]'

USER gong
WORKDIR /home/gong
ENTRYPOINT ["gong-views"]
CMD ["--help"]
