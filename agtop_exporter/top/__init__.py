"""The interactive view, `agtop top`. Only this package imports Textual.

Data flows one way. `feed` refreshes the pipeline in a thread. The result of a refresh is a `Frame`,
from which the `Rows` of the list are made. `view` has the choices of the user (`view_state`), which
`actions` change. The other modules turn rows and choices into lines of text, without I/O:
`selection`, `columns` and `listing` make the list of sessions, `header`, `totals`, `limits`,
`detail` and `footer` make the other parts, and `screen` puts them together. `app` and `canvas` draw
the lines, and pass keys and clicks to the view.
"""
