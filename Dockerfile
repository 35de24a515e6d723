# Server for exported models, without MXNet and without the page: see docs/guides/serve.md.
#   docker build --tag mxnet-audio .
#   docker run --publish 127.0.0.1:8000:8000 --volume ./model.onnx:/models/model.onnx:ro mxnet-audio
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# No pip in the environment, and nothing is compiled.
RUN python -m venv --without-pip /opt/venv
COPY requirements-serve-onnx.txt /build/
RUN python -m pip --python /opt/venv install --no-deps --only-binary :all: --requirement /build/requirements-serve-onnx.txt
COPY . /build/
RUN python -m pip --python /opt/venv install --no-deps /build

FROM python:3.12-slim
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /models
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["mxnet-audio", "serve", "--host", "0.0.0.0", "--port", "8000", "--no-page"]
CMD ["--model-dir", "model.onnx"]
