"""The interactive view, `agtop top`. Only this package imports Textual.

Data flows one way. `feed` refreshes the pipeline in a thread and publishes the `Rows` of a `Frame`.
`view` has the state that the user has chosen (`view_state`), and changes it by `actions`. The other
pure modules turn both into lines of text: `selection`, `columns` and `listing` make the list of
sessions, `header`, `totals`, `limits`, `detail` and `footer` make the other parts, and `screen`
puts them together. `app` and `canvas` draw the lines, and give keys and clicks to the view.
"""
