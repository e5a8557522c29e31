"""The interactive view, `agtop top`. Only this package imports Textual.

Data flows one way: `feed` refreshes the pipeline in a thread and publishes a `Frame`. The pure
modules turn a frame and a `ViewState` into lines of text: `rows` and `columns` into the list of
sessions, `filters` and `order` select and sort it, `header`, `totals`, `limits` and `detail` make
the other parts. `screen` puts the lines together. `app` and `widgets` draw them and handle keys.
"""
