FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps . \
 && /venv/bin/python -m compileall -q /venv/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /data proxy
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PROXY_LISTEN_HOST=0.0.0.0
USER proxy
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["virtualsms-proxy"]
