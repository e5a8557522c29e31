// What .ci/prometheus-3/build builds: the Prometheus of deploy/docker/stack/compose.yml.
module agtop.invalid/prometheus-3

go 1.24.0

require github.com/prometheus/prometheus v0.307.3 // Prometheus 3.7.3
