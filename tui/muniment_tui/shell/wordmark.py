"""The name of the program, drawn in the lines of the panes."""

WORDMARK = """\
╭┬╮ ╷ ╷ ╭╮╷ ╷ ╭┬╮ ╭─╴ ╭╮╷ ╶┬╴
│╵│ │ │ │╰┤ │ │╵│ ├─╴ │╰┤  │
╵ ╵ ╰─╯ ╵ ╵ ╵ ╵ ╵ ╰─╴ ╵ ╵  ╵"""
