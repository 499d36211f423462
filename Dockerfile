# Build: the locked requirements in a virtual environment of their own.
FROM python:3.11-slim AS build
RUN python -m venv /venv
COPY requirements.txt /tmp/requirements.txt
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=arboretum.settings \
    ARBORETUM_DATA_DIR=/data
RUN groupadd --gid 10001 arboretum \
    && useradd --uid 10001 --gid arboretum --no-create-home --home-dir /data --shell /usr/sbin/nologin arboretum \
    && install --directory --owner arboretum --group arboretum --mode 0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY arboretum arboretum
COPY workers workers
COPY credentials credentials
COPY agents agents
COPY batches batches
COPY dashboard dashboard
# The files' names and places are the same for every deployment; the data directory is made at run time.
RUN ARBORETUM_ENV=production ARBORETUM_DATA_DIR=/tmp/build python manage.py collectstatic --no-input --verbosity 0 \
    && rm -rf /tmp/build
USER arboretum
VOLUME /data
EXPOSE 8000
CMD ["sh", "-c", "exec uvicorn arboretum.asgi:application --host 0.0.0.0 --port ${PORT:-8000} --no-access-log --lifespan off --forwarded-allow-ips=${TRUSTED_PROXIES:-127.0.0.1,::1}"]
