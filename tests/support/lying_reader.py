"""A reading worker that answers each request with the answer to another one."""

from __future__ import annotations

from muniment.parsing import worker
from muniment.parsing.tasks import VIEW

if __name__ == "__main__":
    for name in worker.TASKS:
        if name != VIEW.name:
            worker.TASKS[name] = worker.view
    worker.main()
