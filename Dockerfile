# One image for every role; the role is the command. Built from the locks alone, runs without root.
FROM python:3.13.9-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/uv.txt requirements/service.txt requirements/
RUN python -m venv /opt/optaic && pip install --no-deps --require-hashes -r requirements/uv.txt \
 && uv pip install --python /opt/optaic/bin/python --no-deps --require-hashes -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY domain domain
COPY application application
COPY projections projections
COPY infrastructure infrastructure
RUN uv pip install --python /opt/optaic/bin/python --no-deps --no-build-isolation ./sdk .

FROM python:3.13.9-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin optaic \
 && install -d -o optaic -g optaic /var/lib/optaic
COPY --from=build /opt/optaic /opt/optaic
ENV PATH=/opt/optaic/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    OPTAIC_MLOPS_DATA=/var/lib/optaic/scratch DO_NOT_TRACK=1
USER 10001:10001
VOLUME /var/lib/optaic
ENTRYPOINT ["optaic-mlops"]
CMD ["serve"]
