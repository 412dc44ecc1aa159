"""A reading worker that answers each request with the answer to another one."""

from __future__ import annotations

from muniment.parsing import worker

if __name__ == "__main__":
    for name in worker.TASKS:
        if name != worker.VIEW.name:
            worker.TASKS[name] = worker.view
    worker.main()
