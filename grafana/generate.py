"""Write the dashboards to `grafana/dashboards/`.

usage: python grafana/generate.py

A dashboard that the generator no longer builds is deleted. The tests compare the committed files
with the generator.
"""

from generator.boards import BOARDS, FOLDER, file_of, text_of


def main():
    """Write every dashboard, and delete the files of removed dashboards."""
    files = {file_of(board): text_of(board) for board in BOARDS}
    for path in set(FOLDER.glob("*.json")) - set(files):
        path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
