"""Pages of a machine with their times, stored as Prometheus and VictoriaMetrics store scrapes."""

import subprocess
import urllib.request

from programs import find_program
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from running import PATIENCE_SECONDS


class StoredPages:
    """The samples of pages, by family. `labels` are those that a scrape adds."""

    def __init__(self, **labels):
        self._labels = labels
        self._families = {}

    def keep(self, page, time):
        """Keep a page (text) that was scraped at a time in unix seconds.

        The series `up` and `scrape_samples_scraped` are kept too, which a scrape adds. Return the
        number of samples of the page.
        """
        count = 0
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                self._add((family.name, family.type), sample, time)
                count += 1
        for name, value in (("up", 1), ("scrape_samples_scraped", count)):
            self._add((name, "gauge"), Sample(name, {}, value), time)
        return count

    def _add(self, family, sample, time):
        pairs = {**sample.labels, **self._labels}.items()
        labels = ",".join(f'{label}="{text}"' for label, text in pairs)
        line = f"{sample.name}{{{labels}}} {sample.value!r}", time
        self._families.setdefault(family, []).append(line)

    def into_blocks(self, folder):
        """Write blocks of Prometheus into the folder `data`, as of its storage."""
        path = folder / "pages.om"
        with path.open("w") as file:
            for (name, kind), lines in self._families.items():
                file.write(f"# TYPE {name} {'counter' if kind == 'counter' else 'unknown'}\n")
                file.writelines(f"{line} {time:.0f}\n" for line, time in lines)
            file.write("# EOF\n")
        command = ["tsdb", "create-blocks-from", "openmetrics", path, folder / "data"]
        subprocess.run([find_program("promtool"), *command], check=True, capture_output=True)

    def into_victoria_metrics(self, address):
        """Send the samples to a VictoriaMetrics."""
        lines = (line for lines in self._families.values() for line in lines)
        body = "".join(f"{line} {time * 1000:.0f}\n" for line, time in lines).encode()
        url = f"{address}/api/v1/import/prometheus"
        with urllib.request.urlopen(url, body, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
            answer.read()
