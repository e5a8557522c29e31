// What .ci/prometheus/build builds, for the tests that compare Prometheus 3 with Debian's Prometheus.
module agtop.invalid/prometheus

go 1.24.5

require github.com/prometheus/prometheus v0.307.3 // Prometheus 3.7.3
